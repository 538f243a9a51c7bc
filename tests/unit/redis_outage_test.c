/*
 * redis_outage_test - the store over a real Redis in bad times: restarts of either side, replies
 * that are lost, a Redis that is unfit or in trouble, broken records. Each test waits for what it
 * expects, with a limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <time.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "tests/unit/redis_steps.h"

static bool is_down(struct world *w)
{
    return !w->up;
}

static void scripts_are_told_again(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uid = a_call(w, &agent, 0, 0);
    struct od_event job = claim_one(w, ready(w));
    char text[64];
    ASK(w, text, "SCRIPT", "FLUSH");
    intent(w, &job);
    ASK(w, text, "SCRIPT", "FLUSH");
    assert_int_equal(look(w, &uid)->attempts, 1);
    ASK(w, text, "SCRIPT", "FLUSH");
    finish(w, &job, OD_CAUSE_COMPLETED);
    wait_ended(w, 1);
    assert_int_equal(w->downs, 0);
    assert_int_equal(world_ends(w, org, &uid), 1);
}

static void finishes_outlast_an_outage(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uids[50];
    struct od_event jobs[50];
    some_calls(w, &agent, NULL, uids, 50);
    uint32_t lane = ready(w);
    claim(w, lane, 49, jobs);
    for (int i = 0; i < 49; i++)
        intent(w, &jobs[i]);
    redis_server_kill(&w->server);
    assert_true(world_until(w, is_down, WORLD_LIMIT_MS));
    assert_true(strlen(od_store_why(w->store)) > 0);
    for (int i = 0; i < 49; i++) {
        w->port->progress(w->port->ctx, jobs[i].u.job.job, "ringing", 2000);
        finish(w, &jobs[i], OD_CAUSE_BUSY);
    }
    w->port->claim(w->port->ctx, lane, 1);
    struct od_event event;
    assert_true(world_next_of(w, OD_EV_CLAIM_DONE, &event));
    assert_true(event.u.claim.failed);
    world_run_for(w, 100);
    assert_int_equal(w->ended_count, 0);
    assert_true(redis_server_restart(&w->server, NULL));
    assert_true(world_wait_up(w));
    assert_string_equal(od_store_why(w->store), "");
    wait_ended(w, 49);
    for (int i = 0; i < 49; i++) {
        assert_int_equal(look(w, &uids[i])->outcome.cause, OD_CAUSE_BUSY);
        assert_int_equal(w->calls[0].attempts, 1);
    }
    assert_int_equal(world_ends(w, org, &uids[7]), 1);
    assert_int_equal(claim(w, lane, 1, &event).u.claim.got, 1);
}

/* Intents whose turn was under way when Redis was killed: answered once, whatever had happened. */
static void intents_under_way_are_answered_once(void **state)
{
    enum { CALLS = 200 };
    struct world *w = *state;
    static struct od_uid uids[CALLS];
    static struct od_event jobs[CALLS];
    struct od_uid agent = an_agent(w, org);
    some_calls(w, &agent, NULL, uids, CALLS);
    claim(w, ready(w), CALLS, jobs);
    for (uint32_t i = 0; i < CALLS; i++)
        w->port->intent(w->port->ctx, (struct od_call_id){i, 1}, jobs[i].u.job.job, &names, 0,
                        jobs[i].u.job.attempt);
    uv_run(&w->loop, UV_RUN_NOWAIT); /* it leaves */
    uv_run(&w->loop, UV_RUN_NOWAIT);
    redis_server_kill(&w->server);
    assert_true(world_until(w, is_down, WORLD_LIMIT_MS));
    assert_true(redis_server_restart(&w->server, NULL));
    unsigned seen[CALLS] = {0}, answers = 0;
    struct od_event event;
    while (answers < CALLS && world_next(w, &event)) {
        assert_int_not_equal(event.kind, OD_EV_NOT_DURABLE);
        if (event.kind == OD_EV_DURABLE) {
            assert_int_equal(seen[event.call.index]++, 0);
            answers++;
        }
    }
    assert_int_equal(answers, CALLS);
    for (uint32_t i = 0; i < CALLS; i++)
        assert_int_equal(look(w, &uids[i])->attempts, 1);
}

/* A store that does not wait long: a stopped Redis loses it, and runs its scripts all the same. */
static void become_hasty(struct world *w)
{
    world_store_close(w);
    assert_int_equal(world_store_open(w, &(struct od_store_config){.path_or_host = w->server.path,
                                                                   .worker = "hasty",
                                                                   .jobs_max = 1000,
                                                                   .command_ms = 300}),
                     0);
    assert_true(world_wait_up(w));
}

/* Orders reached Redis, their replies never came back: sent again, they change nothing again. */
static void lost_replies_change_nothing_twice(void **state)
{
    struct world *w = *state;
    become_hasty(w);
    struct od_uid agent = an_agent(w, org), campaign = world_uid(w), uids[4];
    struct od_event jobs[4], event;
    assert_int_equal(world_campaign(w, org, &campaign, &agent, OD_CAMPAIGN_RUNNING, ""), 0);
    some_calls(w, &agent, &campaign, uids, 4);
    uint32_t lane = ready(w);
    claim(w, lane, 4, jobs);
    intent(w, &jobs[1]);
    intent(w, &jobs[3]);
    world_run_for(w, 50); /* no turn is under way */
    redis_server_signal(&w->server, SIGSTOP);
    w->port->intent(w->port->ctx, (struct od_call_id){10, 1}, jobs[0].u.job.job, &names, 0,
                    jobs[0].u.job.attempt);
    finish(w, &jobs[1], OD_CAUSE_COMPLETED);
    w->port->release(w->port->ctx, (struct od_call_id){12, 1}, jobs[2].u.job.job, 0, "");
    w->port->progress(w->port->ctx, jobs[3].u.job.job, "ringing", 2000);
    assert_true(world_until(w, is_down, WORLD_LIMIT_MS));
    redis_server_signal(&w->server, SIGCONT);
    assert_true(world_next_of(w, OD_EV_DURABLE, &event) && event.call.index == 10);
    assert_true(world_next_of(w, OD_EV_RELEASED, &event) && event.call.index == 12);
    wait_ended(w, 1);
    assert_int_equal(look(w, &uids[0])->attempts, 1);
    assert_int_equal(look(w, &uids[0])->phase, OD_PHASE_DIALING);
    assert_int_equal(look(w, &uids[2])->phase, OD_PHASE_QUEUED);
    assert_int_equal(look(w, &uids[3])->phase, OD_PHASE_RINGING);
    assert_int_equal(world_campaign_get(w, org, &campaign), 0);
    assert_int_equal(w->campaigns[0].waiting, 1);
    assert_int_equal(w->campaigns[0].active, 2);
    assert_int_equal(w->campaigns[0].ended, 1);
    assert_int_equal(w->campaigns[0].ended_by[OD_CAUSE_COMPLETED], 1);
    assert_int_equal(world_ends(w, org, &uids[1]), 1);
    finish(w, &jobs[0], OD_CAUSE_BUSY);
    finish(w, &jobs[3], OD_CAUSE_BUSY);
    wait_ended(w, 3);
    struct od_event job;
    assert_int_equal(claim(w, lane, 4, &job).u.claim.got, 1); /* the released one, once */
    assert_true(od_uid_equal(&job.u.job.uid, &uids[2]));
}

/* The claim reached Redis, its reply never came back: the calls return to the front. */
static void lost_claims_are_given_back(void **state)
{
    struct world *w = *state;
    become_hasty(w);
    struct od_uid agent = an_agent(w, org), uids[20];
    some_calls(w, &agent, NULL, uids, 20);
    uint32_t lane = ready(w);
    world_run_for(w, 50);
    redis_server_signal(&w->server, SIGSTOP);
    w->port->claim(w->port->ctx, lane, 10);
    struct od_event event, jobs[20];
    assert_true(world_next_of(w, OD_EV_CLAIM_DONE, &event));
    assert_true(event.u.claim.failed);
    assert_int_equal(event.u.claim.asked, 10);
    /* now Redis runs the script that lies in its socket, for a client that has gone */
    redis_server_signal(&w->server, SIGCONT);
    assert_true(world_wait_up(w));
    struct od_store_stats stats;
    od_store_stats(w->store, &stats);
    assert_int_equal(stats.reclaimed, 10);
    assert_int_equal(stats.reconnects, 1);
    assert_int_equal(claim(w, lane, 20, jobs).u.claim.got, 20);
    bool first_ten = true;
    for (int i = 0; i < 20; i++) { /* the ten are in front of the others */
        bool among = false;
        for (int k = 0; k < 10; k++)
            among |= od_uid_equal(&jobs[i].u.job.uid, &uids[k]);
        first_ten = i < 10 ? first_ten && among : first_ten && !among;
    }
    assert_true(first_ten);
}

/* The process died: what it had claimed goes back, what it may have dialled is unknown. */
static void own_past_is_put_right_first(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uids[5];
    struct od_event jobs[5];
    some_calls(w, &agent, NULL, uids, 5);
    claim(w, ready(w), 4, jobs);
    intent(w, &jobs[1]);
    intent(w, &jobs[3]);
    world_store_close(w); /* without giving anything back */
    w->events_head = w->events_tail = 0;
    w->ended_count = 0;
    assert_int_equal(world_store_open(w, &(struct od_store_config){.path_or_host = w->server.path,
                                                                   .worker = "worker-1",
                                                                   .jobs_max = 100}),
                     0);
    assert_true(world_wait_up(w));
    assert_int_equal(w->ended_count, 2); /* before it is up */
    assert_int_equal(w->ended[0].cause, OD_CAUSE_UNKNOWN);
    assert_int_equal(w->ended[0].attempts, 1);
    uint32_t lane = ready(w);
    assert_int_equal(claim(w, lane, 5, jobs).u.claim.got, 3);
    assert_true(od_uid_equal(&jobs[2].u.job.uid, &uids[4])); /* behind what was given back */
    assert_int_equal(look(w, &uids[1])->outcome.cause, OD_CAUSE_UNKNOWN);
    assert_int_equal(w->calls[0].attempts, 1);
    assert_int_equal(look(w, &uids[3])->phase, OD_PHASE_ENDED);
    assert_int_equal(world_ends(w, org, &uids[1]), 1);
    assert_int_equal(look(w, &uids[0])->attempts, 0);
}

static bool has_two_ended(struct world *w)
{
    return w->ended_count >= 2;
}

/* A worker stands still for longer than its lease: another one takes over, and when the first
 * wakes up it learns that nothing is its own any more before it could dial. */
static void dead_worker_is_taken_over(void **state)
{
    struct world *w = *state, *sleeper = world_join(w, "sleeper", 600);
    world_store_close(w);
    assert_int_equal(world_store_open(w, &(struct od_store_config){.path_or_host = w->server.path,
                                                                   .worker = "worker-1",
                                                                   .jobs_max = 100,
                                                                   .lease_ms = 600}),
                     0);
    assert_true(world_wait_up(w));
    struct od_uid agent = an_agent(sleeper, org), uids[4];
    struct od_event jobs[4], event;
    some_calls(sleeper, &agent, NULL, uids, 4);
    claim(sleeper, ready(sleeper), 4, jobs);
    intent(sleeper, &jobs[0]);
    intent(sleeper, &jobs[1]);
    /* its loop does not run from here on */
    assert_true(world_until(w, has_two_ended, WORLD_LIMIT_MS));
    assert_int_equal(w->ended[0].cause, OD_CAUSE_UNKNOWN);
    uint32_t lane = ready(w);
    struct od_event taken[4];
    assert_int_equal(claim(w, lane, 4, taken).u.claim.got, 2);

    for (uint32_t i = 2; i < 4; i++)
        sleeper->port->intent(sleeper->port->ctx, (struct od_call_id){i, 1}, jobs[i].u.job.job,
                              &names, 0, jobs[i].u.job.attempt);
    finish(sleeper, &jobs[0], OD_CAUSE_COMPLETED);
    assert_true(world_next_of(sleeper, OD_EV_NOT_DURABLE, &event));
    assert_true(world_next_of(sleeper, OD_EV_NOT_DURABLE, &event));
    for (uint32_t i = 2; i < 4; i++)
        sleeper->port->release(sleeper->port->ctx, (struct od_call_id){i, 1}, jobs[i].u.job.job, 0,
                               "not_ours");
    assert_true(world_next_of(sleeper, OD_EV_RELEASED, &event));
    assert_true(world_next_of(sleeper, OD_EV_RELEASED, &event));
    assert_int_equal(look(w, &uids[0])->outcome.cause, OD_CAUSE_UNKNOWN);
    assert_int_equal(world_ends(w, org, &uids[0]), 1);
    assert_int_equal(sleeper->ended_count, 0);
    assert_non_null(strstr(sleeper->last_log, "lease"));
    intent(w, &taken[0]);
    /* under its new number the sleeper serves again */
    struct od_uid late = a_call(sleeper, &agent, 0, 0);
    sleeper->events_tail = sleeper->events_head;
    for (int i = 0; i < 100; i++) {
        struct od_event job;
        if (claim(sleeper, jobs[0].u.job.lane, 1, &job).u.claim.got == 1) {
            assert_true(od_uid_equal(&job.u.job.uid, &late));
            intent(sleeper, &job);
            break;
        }
        world_run_for(sleeper, 20);
    }
    assert_int_equal(look(w, &late)->attempts, 1);
    world_close(sleeper);
}

static int reopen_on(struct world *w, const char *const *extra)
{
    world_store_close(w);
    redis_server_kill(&w->server);
    if (!redis_server_restart(&w->server, extra))
        return -1;
    w->ups = w->downs = 0;
    return world_store_open(w, &(struct od_store_config){.path_or_host = w->server.path,
                                                         .worker = "worker-1",
                                                         .jobs_max = 100});
}

static bool why_known(struct world *w)
{
    return strcmp(od_store_why(w->store), "not connected yet") != 0;
}

static void evicting_redis_is_refused(void **state)
{
    struct world *w = *state;
    assert_int_equal(reopen_on(w, (const char *const[]){"--maxmemory", "100mb",
                                                        "--maxmemory-policy", "allkeys-lru", NULL}),
                     0);
    assert_true(world_until(w, why_known, WORLD_LIMIT_MS));
    assert_non_null(strstr(od_store_why(w->store), "noeviction"));
    world_run_for(w, 300);
    assert_int_equal(w->ups, 0);
    char text[64];
    ASK(w, text, "CONFIG", "SET", "maxmemory-policy", "noeviction");
    assert_true(world_wait_up(w)); /* by itself */
}

static void locked_redis_is_explained(void **state)
{
    struct world *w = *state;
    assert_int_equal(reopen_on(w, (const char *const[]){"--requirepass", "open-sesame", NULL}), 0);
    assert_true(world_until(w, why_known, WORLD_LIMIT_MS));
    assert_non_null(strstr(od_store_why(w->store), "NOAUTH"));
    assert_int_equal(w->ups, 0);
}

static void full_redis_stops_claims_and_loses_nothing(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uid = a_call(w, &agent, 0, 0);
    uint32_t lane = ready(w);
    struct od_event job = claim_one(w, lane);
    intent(w, &job);
    char text[64];
    ASK(w, text, "CONFIG", "SET", "maxmemory", "1000");
    finish(w, &job, OD_CAUSE_COMPLETED);
    assert_true(world_until(w, is_down, WORLD_LIMIT_MS));
    assert_non_null(strstr(od_store_why(w->store), "OOM"));
    world_run_for(w, 300);
    assert_int_equal(w->ended_count, 0);
    ASK(w, text, "CONFIG", "SET", "maxmemory", "0");
    wait_ended(w, 1);
    assert_true(w->up);
    assert_int_equal(world_ends(w, org, &uid), 1);
}

static void replica_takes_no_claims(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uid = a_call(w, &agent, 0, 0);
    uint32_t lane = ready(w);
    char text[64];
    ASK(w, text, "REPLICAOF", "127.0.0.1", "1");
    w->port->claim(w->port->ctx, lane, 1);
    assert_true(world_until(w, is_down, WORLD_LIMIT_MS));
    struct od_event event;
    assert_true(world_next_of(w, OD_EV_CLAIM_DONE, &event));
    assert_true(event.u.claim.failed);
    ASK(w, text, "REPLICAOF", "NO", "ONE");
    assert_true(world_wait_up(w));
    struct od_event job = claim_one(w, lane);
    assert_true(od_uid_equal(&job.u.job.uid, &uid));
}

/* Somebody else wrote into our keys. */
static void broken_records_are_stepped_over(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uids[5];
    some_calls(w, &agent, NULL, uids, 5);
    uint32_t lane = ready(w);
    char lua[256], text[128];
    /* uids are raw bytes: the script finds the keys by the list of single calls */
    static const char *const damage[] = {
        "redis.call('SET', k, 'x')",
        "redis.call('DEL', k) redis.call('LPUSH', k, 'x')",
        "redis.call('DEL', k)",
        "redis.call('SETRANGE', k, 60, string.rep('\\255', 20))",
    };
    for (int i = 0; i < 4; i++) {
        snprintf(
            lua, sizeof lua,
            "local k = 'od:{acme}:c:' .. redis.call('LINDEX', 'od:{acme}:cl:', %d) %s return 1", i,
            damage[i]);
        ASK(w, text, "EVAL", lua, "0");
        assert_string_equal(text, "1");
    }
    struct od_event job;
    struct od_event done = claim(w, lane, 5, &job);
    assert_int_equal(done.u.claim.got, 1);
    assert_true(od_uid_equal(&job.u.job.uid, &uids[4]));
    assert_int_equal(world_call_get(w, org, &uids[0]), OD_ENOENT);
    assert_int_equal(world_call_get(w, org, &uids[1]), OD_ENOENT);
    assert_int_equal(world_stop(w, org, &uids[1], false), OD_ENOENT);
    world_call_list(w, org, NULL, OD_PHASE_COUNT, OD_CAUSE_COUNT, 0, 100);
    assert_int_equal(w->err, 0);
    assert_int_equal(w->count, 1);
    assert_int_equal(world_events(w, org, "", 100), 0);
    assert_int_equal(w->downs, 0);
    struct od_store_stats stats;
    od_store_stats(w->store, &stats);
    assert_true(stats.odd > 0);
    intent(w, &job);
}

static void on_dead(void *ctx, int err, const struct od_dead_rec *recs, size_t count,
                    uint64_t next_cursor)
{
    struct world *w = ctx;
    (void)next_cursor;
    w->err = err;
    w->count = count;
    w->last_log[0] = '\0';
    if (count > 0)
        snprintf(w->last_log, sizeof w->last_log, "%s: %s", recs[0].id, recs[0].reason);
    w->answered = true;
}

static size_t dead_count(struct world *w)
{
    w->repo->dead_list(w->repo->ctx, org, 0, 10, on_dead, w);
    assert_int_equal(world_answer(w), 0);
    return w->count;
}

static int dead_do(struct world *w, const char *id, bool drop)
{
    (drop ? w->repo->dead_drop : w->repo->dead_requeue)(w->repo->ctx, org, id, world_on_done, w);
    return world_answer(w);
}

/* A record of another version is set aside; when it can be read again, its call is in line again.
 */
static void what_was_set_aside_is_looked_after(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), campaign = world_uid(w), uids[2];
    char text[128], ids[2][OD_UID_TEXT];
    assert_int_equal(world_campaign(w, org, &campaign, &agent, OD_CAMPAIGN_RUNNING, ""), 0);
    some_calls(w, &agent, &campaign, uids, 2);
    uint32_t lane = ready(w);
    static const char version[] = "for _, k in ipairs(redis.call('KEYS', 'od:{acme}:c:*')) do "
                                  "redis.call('SETRANGE', k, 0, string.char(ARGV[1])) end return 1";
    ASK(w, text, "EVAL", version, "0", "9");
    assert_int_equal(claim(w, lane, 2, NULL).u.claim.got, 0);
    assert_int_equal(dead_count(w), 2);
    assert_non_null(strstr(w->last_log, "another version"));
    for (int i = 0; i < 2; i++)
        od_uid_text(&uids[i], ids[i]);
    assert_int_equal(dead_do(w, ids[0], false), OD_ECONFLICT);
    assert_int_equal(dead_do(w, "q:99", false), OD_ENOENT);
    assert_int_equal(dead_do(w, ids[1], true), 0);
    assert_int_equal(dead_do(w, ids[1], true), OD_ENOENT);
    assert_int_equal(world_call_get(w, org, &uids[1]), OD_ENOENT);
    assert_int_equal(world_campaign_get(w, org, &campaign), 0);
    assert_int_equal(w->campaigns[0].ended, 2);
    ASK(w, text, "EVAL", version, "0", "1");
    assert_int_equal(dead_do(w, ids[0], false), 0);
    assert_int_equal(dead_count(w), 0);
    assert_int_equal(world_campaign_get(w, org, &campaign), 0);
    assert_int_equal(w->campaigns[0].ended, 1);
    assert_int_equal(w->campaigns[0].waiting, 1);
    struct od_event job = claim_one(w, ready(w));
    assert_true(od_uid_equal(&job.u.job.uid, &uids[0]));
    intent(w, &job);
}

static void emptied_redis_starts_over(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uid = a_call(w, &agent, 0, 0);
    struct od_event job = claim_one(w, ready(w)), event;
    char text[64];
    ASK(w, text, "FLUSHALL");
    w->port->intent(w->port->ctx, (struct od_call_id){1, 1}, job.u.job.job, &names, 0,
                    job.u.job.attempt);
    assert_true(world_next_of(w, OD_EV_NOT_DURABLE, &event));
    finish(w, &job, OD_CAUSE_UNKNOWN);
    agent = an_agent(w, org);
    struct od_uid again = a_call(w, &agent, 0, 0);
    job = claim_one(w, ready(w));
    assert_true(od_uid_equal(&job.u.job.uid, &again));
    intent(w, &job);
    assert_int_equal(world_call_get(w, org, &uid), OD_ENOENT);
}

static void orders_for_nobody_are_answered(void **state)
{
    struct world *w = *state;
    struct od_event event;
    struct od_job_id nobody = {3, 77};
    w->port->intent(w->port->ctx, (struct od_call_id){9, 1}, nobody, &names, 0, 1);
    assert_true(world_next_of(w, OD_EV_NOT_DURABLE, &event));
    assert_int_equal(event.call.index, 9);
    w->port->release(w->port->ctx, (struct od_call_id){8, 1}, nobody, 0, "");
    assert_true(world_next_of(w, OD_EV_RELEASED, &event));
    w->port->progress(w->port->ctx, nobody, "ringing", 1);
    w->port->finish(w->port->ctx, nobody, &(struct od_outcome){.cause = OD_CAUSE_BUSY});
    w->port->claim(w->port->ctx, 12345, 7);
    assert_true(world_next_of(w, OD_EV_CLAIM_DONE, &event));
    assert_true(event.u.claim.failed);
    assert_null(od_store_job(w->store, nobody));
}

static void unfit_settings_are_refused(void **state)
{
    (void)state;
    struct world *w = world_bare();
    struct od_store_config good = {.path_or_host = "/x", .worker = "w", .jobs_max = 1}, bad;
    bad = good;
    bad.worker = "";
    assert_int_equal(world_store_open(w, &bad), OD_EINVAL);
    bad = good;
    bad.jobs_max = 0;
    assert_int_equal(world_store_open(w, &bad), OD_EINVAL);
    bad = good;
    bad.path_or_host = "localhost";
    assert_int_equal(world_store_open(w, &bad), OD_EINVAL);
    assert_int_equal(world_store_open(w, &good), 0); /* nobody there, which is no error of ours */
    assert_true(world_until(w, why_known, WORLD_LIMIT_MS));
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(scripts_are_told_again),
        TEST(finishes_outlast_an_outage),
        TEST(intents_under_way_are_answered_once),
        TEST(lost_replies_change_nothing_twice),
        TEST(lost_claims_are_given_back),
        TEST(own_past_is_put_right_first),
        TEST(dead_worker_is_taken_over),
        TEST(evicting_redis_is_refused),
        TEST(locked_redis_is_explained),
        TEST(full_redis_stops_claims_and_loses_nothing),
        TEST(replica_takes_no_claims),
        TEST(broken_records_are_stepped_over),
        TEST(what_was_set_aside_is_looked_after),
        TEST(emptied_redis_starts_over),
        TEST(orders_for_nobody_are_answered),
        cmocka_unit_test(unfit_settings_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
