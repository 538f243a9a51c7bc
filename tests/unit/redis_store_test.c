/*
 * redis_store_test - the store over a real Redis in good and bad times: flows of a call, several
 * workers, restarts of either side, replies that are lost, a Redis that is unfit or in trouble,
 * broken records. Each test waits for what it expects, with a limit.
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
#include "tests/contract/redis_world.h"

static const char org[] = "acme";
static const struct od_sip_names names = {"00112233445566778899aabbccddeeff", "0011223344556677",
                                          "z9hG4bK0011223344556677"};

static int setup(void **state)
{
    *state = world_open("worker-1");
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    world_close(*state);
    return 0;
}

static int64_t wall_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static struct od_uid an_agent(struct world *w, const char *in)
{
    struct od_uid id = world_uid(w);
    char name[OD_UID_TEXT];
    od_uid_text(&id, name);
    assert_int_equal(world_agent_put(w, in, &id, name, "{}"), 0);
    return id;
}

static struct od_uid a_call(struct world *w, const struct od_uid *agent, int64_t not_before_ms,
                            int64_t deadline_ms)
{
    struct od_call_new call = {.id = world_uid(w),
                               .to = "+15550001111",
                               .context = {"{\"a\":1}", 7},
                               .not_before_ms = not_before_ms,
                               .deadline_ms = deadline_ms};
    assert_int_equal(world_add(w, org, agent, NULL, &call, 1), 0);
    return call.id;
}

static void some_calls(struct world *w, const struct od_uid *agent, const struct od_uid *campaign,
                       struct od_uid *uids, size_t count)
{
    struct od_call_new *calls = calloc(count, sizeof *calls);
    char(*to)[24] = calloc(count, sizeof *to);
    for (size_t i = 0; i < count; i++) {
        snprintf(to[i], sizeof to[i], "+1555%07zu", i);
        uids[i] = world_uid(w);
        calls[i] = (struct od_call_new){.id = uids[i], .to = to[i], .row = i + 1};
    }
    assert_int_equal(world_add(w, org, agent, campaign, calls, count), 0);
    free(calls);
    free(to);
}

/* The next lane of which the store says that work waits there. */
static uint32_t ready(struct world *w)
{
    struct od_event event;
    do
        assert_true(world_next_of(w, OD_EV_LANE_READY, &event));
    while (event.u.lane.waiting == 0);
    return event.u.lane.lane;
}

/* Claims; jobs may be NULL when none are expected. */
static struct od_event claim(struct world *w, uint32_t lane, uint32_t count, struct od_event *jobs)
{
    struct od_event event;
    uint32_t got = 0;
    w->port->claim(w->port->ctx, lane, count);
    while (true) {
        assert_true(world_next(w, &event));
        if (event.kind == OD_EV_JOB) {
            assert_true(jobs != NULL && got < count);
            jobs[got++] = event;
        } else if (event.kind == OD_EV_CLAIM_DONE) {
            assert_int_equal(event.u.claim.got, got);
            return event;
        }
    }
}

static struct od_event claim_one(struct world *w, uint32_t lane)
{
    struct od_event job;
    assert_int_equal(claim(w, lane, 1, &job).u.claim.got, 1);
    return job;
}

static void intent(struct world *w, const struct od_event *job)
{
    struct od_event event;
    w->port->intent(w->port->ctx, (struct od_call_id){1, 1}, job->u.job.job, &names, 0,
                    job->u.job.attempt);
    assert_true(world_next_of(w, OD_EV_DURABLE, &event));
}

static void finish(struct world *w, const struct od_event *job, enum od_cause cause)
{
    struct od_outcome outcome = {.cause = cause,
                                 .verdict = OD_VERDICT_CALLEE,
                                 .sip_status = 200,
                                 .trunk = 0,
                                 .dialed_ms = 1000,
                                 .ringing_ms = 2000,
                                 .answered_ms = 3000,
                                 .ended_ms = 4000,
                                 .reason = "OK"};
    w->port->finish(w->port->ctx, job->u.job.job, &outcome);
}

static uint32_t wanted_ended;

static bool enough_ended(struct world *w)
{
    return w->ended_count >= wanted_ended;
}

static void wait_ended(struct world *w, uint32_t count)
{
    wanted_ended = count;
    assert_true(world_until(w, enough_ended, WORLD_LIMIT_MS));
    assert_int_equal(w->ended_count, count);
}

static const struct od_call_rec *look(struct world *w, const struct od_uid *uid)
{
    assert_int_equal(world_call_get(w, org, uid), 0);
    assert_int_equal(w->count, 1);
    return &w->calls[0];
}

/* A command of the test's own. */
static void ask(struct world *w, int argc, const char *const *argv, char *out, size_t size)
{
    assert_true(redis_server_ask(&w->server, out, size, argc, argv));
}

#define ASK(w, out, ...)                                                                           \
    ask(w, (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)),                     \
        (const char *const[]){__VA_ARGS__}, out, sizeof out)

/* Good times */

static void a_call_from_end_to_end(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uid = a_call(w, &agent, 0, 0);
    uint32_t lane = ready(w);
    assert_false(w->lane_before_agent);
    assert_true(od_uid_equal(&w->lanes[lane].agent, &agent));
    assert_true(w->lanes[lane].open);
    struct od_event job = claim_one(w, lane);
    const struct od_job *held = od_store_job(w->store, job.u.job.job);
    assert_non_null(held);
    assert_string_equal(held->to, "+15550001111");
    assert_string_equal(held->from, "");
    assert_string_equal(held->org, org);
    assert_int_equal(held->context.bytes, 7);
    assert_int_equal(held->attempt, 1);
    assert_true(od_uid_equal(&held->agent, &agent));
    assert_int_equal(od_store_job_result(w->store, job.u.job.job, "{\"x\":1}", 7), 0);
    assert_int_equal(od_store_job_result(w->store, job.u.job.job, "{\"ok\":true}", 11), 0);
    assert_int_equal(od_store_job_media(w->store, job.u.job.job, "{\"m\":1}", 7), 0);

    intent(w, &job);
    assert_int_equal(look(w, &uid)->phase, OD_PHASE_DIALING);
    assert_string_equal(w->calls[0].trunk, "main");
    w->port->progress(w->port->ctx, job.u.job.job, "ringing", 2000);
    for (int i = 0; i < 100 && look(w, &uid)->phase != OD_PHASE_RINGING; i++)
        world_run_for(w, 20);
    assert_int_equal(look(w, &uid)->phase, OD_PHASE_RINGING);
    w->port->progress(w->port->ctx, job.u.job.job, "talking", 3000);
    for (int i = 0; i < 100 && look(w, &uid)->phase != OD_PHASE_TALKING; i++)
        world_run_for(w, 20);
    assert_int_equal(w->calls[0].outcome.ringing_ms, 2000);
    assert_int_equal(w->calls[0].outcome.answered_ms, 3000);
    finish(w, &job, OD_CAUSE_COMPLETED);
    assert_int_equal(od_store_job_result(w->store, job.u.job.job, "{}", 2), OD_ENOENT);
    wait_ended(w, 1);
    assert_string_equal(w->ended[0].result, "{\"ok\":true}");
    assert_int_equal(w->ended[0].attempts, 1);
    assert_null(od_store_job(w->store, job.u.job.job));

    const struct od_call_rec *rec = look(w, &uid);
    assert_int_equal(rec->phase, OD_PHASE_ENDED);
    assert_int_equal(rec->media.bytes, 7);
    assert_memory_equal(rec->media.at, "{\"m\":1}", 7);
    assert_int_equal(rec->outcome.cause, OD_CAUSE_COMPLETED);
    assert_int_equal(rec->outcome.verdict, OD_VERDICT_CALLEE);
    assert_int_equal(rec->outcome.sip_status, 200);
    assert_int_equal(rec->outcome.dialed_ms, 1000);
    assert_int_equal(rec->outcome.ended_ms, 4000);
    assert_string_equal(rec->outcome.reason, "OK");
    assert_string_equal(rec->trunk, "main");
    assert_int_equal(rec->attempts, 1);
    assert_int_equal(rec->result.bytes, 11);

    static const char *const types[] = {"call.queued", "call.ringing", "call.answered",
                                        "call.completed"};
    assert_int_equal(world_events(w, org, "", 100), 0);
    assert_int_equal(w->count, 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(w->recs[i].type, types[i]);
    assert_non_null(strstr(w->recs[3].body.at, "\"dialed_ms\":1000,\"ringing_ms\":2000,"
                                               "\"answered_ms\":3000,\"ended_ms\":4000"));
}

static void times_in_the_finish_make_the_events_complete(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uid = a_call(w, &agent, 0, 0);
    struct od_event job = claim_one(w, ready(w));
    intent(w, &job);
    /* all in one turn of the loop: one order carries it */
    w->port->progress(w->port->ctx, job.u.job.job, "ringing", 2000);
    w->port->progress(w->port->ctx, job.u.job.job, "talking", 3000);
    finish(w, &job, OD_CAUSE_COMPLETED);
    wait_ended(w, 1);
    assert_int_equal(world_events(w, org, "", 100), 0);
    assert_int_equal(w->count, 4);
    assert_string_equal(w->recs[1].type, "call.ringing");
    assert_string_equal(w->recs[2].type, "call.answered");
    assert_string_equal(w->recs[3].type, "call.completed");
    assert_int_equal(world_ends(w, org, &uid), 1);
}

static void campaign_counts_stay_right(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), campaign = world_uid(w), uids[6];
    struct od_event jobs[6];
    assert_int_equal(
        world_campaign(w, org, &campaign, &agent, OD_CAMPAIGN_RUNNING, "https://c.example/h"), 0);
    some_calls(w, &agent, &campaign, uids, 6);
    uint32_t lane = ready(w);
    assert_int_equal(w->lanes[lane].cps_milli, 2500);
    assert_int_equal(w->lanes[lane].max_calls, 9);
    assert_int_equal(w->lanes[lane].priority, 5);
    assert_int_equal(claim(w, lane, 5, jobs).u.claim.got, 5);
    const struct od_job *held = od_store_job(w->store, jobs[0].u.job.job);
    assert_true(od_uid_equal(&held->campaign, &campaign));
    assert_int_equal(held->webhook_url.bytes, strlen("https://c.example/h"));
    assert_int_equal(world_campaign_get(w, org, &campaign), 0);
    assert_int_equal(w->campaigns[0].waiting, 1);
    assert_int_equal(w->campaigns[0].active, 5);
    intent(w, &jobs[0]);
    intent(w, &jobs[1]);
    finish(w, &jobs[0], OD_CAUSE_BUSY);
    finish(w, &jobs[1], OD_CAUSE_COMPLETED);
    wait_ended(w, 2);
    struct od_event event;
    w->port->release(w->port->ctx, (struct od_call_id){1, 1}, jobs[2].u.job.job, 0, "");
    assert_true(world_next_of(w, OD_EV_RELEASED, &event));
    assert_int_equal(world_stop(w, org, &uids[3], false), 0); /* held, and canceled in the store */
    w->port->release(w->port->ctx, (struct od_call_id){1, 1}, jobs[3].u.job.job, 0, "");
    assert_true(world_next_of(w, OD_EV_RELEASED, &event));
    assert_int_equal(world_campaign_get(w, org, &campaign), 0);
    const struct od_campaign_rec *c = &w->campaigns[0];
    assert_int_equal(c->total, 6);
    assert_int_equal(c->waiting, 2);
    assert_int_equal(c->active, 1);
    assert_int_equal(c->ended, 3);
    assert_int_equal(c->ended_by[OD_CAUSE_BUSY], 1);
    assert_int_equal(c->ended_by[OD_CAUSE_COMPLETED], 1);
    assert_int_equal(c->ended_by[OD_CAUSE_CANCELED], 1);
}

static uint64_t in_use(struct world *w, const struct od_uid *agent)
{
    w->repo->agent_get(w->repo->ctx, org, agent, world_on_agents, w);
    assert_int_equal(world_answer(w), 0);
    return w->agents[0].in_use;
}

/* However a call ends or goes back, an agent that drains has it no more. */
static void an_agents_calls_are_counted(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), other = an_agent(w, org), uids[5];
    struct od_event jobs[5], event;
    some_calls(w, &agent, NULL, uids, 5);
    assert_int_equal(in_use(w, &agent), 0);
    assert_int_equal(claim(w, ready(w), 4, jobs).u.claim.got, 4);
    assert_int_equal(in_use(w, &agent), 4);
    assert_int_equal(in_use(w, &other), 0);
    intent(w, &jobs[0]);
    finish(w, &jobs[0], OD_CAUSE_COMPLETED);
    wait_ended(w, 1);
    assert_int_equal(in_use(w, &agent), 3);
    w->port->release(w->port->ctx, (struct od_call_id){1, 1}, jobs[1].u.job.job, 0, "");
    assert_true(world_next_of(w, OD_EV_RELEASED, &event));
    assert_int_equal(in_use(w, &agent), 2);
    assert_int_equal(world_stop(w, org, &uids[2], false), 0);
    assert_int_equal(in_use(w, &agent), 1);
    intent(w, &jobs[3]);
    finish(w, &jobs[3], OD_CAUSE_BUSY);
    wait_ended(w, 3); /* the stopped one, too */
    assert_int_equal(in_use(w, &agent), 0);
    char text[64];
    ASK(w, text, "EXISTS", "od:{acme}:aga");
    assert_string_equal(text, "0");
}

static void pausing_closes_the_lane(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), campaign = world_uid(w), uids[2];
    assert_int_equal(world_campaign(w, org, &campaign, &agent, OD_CAMPAIGN_RUNNING, ""), 0);
    some_calls(w, &agent, &campaign, uids, 2);
    uint32_t lane = ready(w), tells = w->lane_tells;
    assert_int_equal(world_set_state(w, org, &campaign, OD_CAMPAIGN_PAUSED), 0);
    /* the store itself refuses, also before this worker has heard of it */
    struct od_event done = claim(w, lane, 1, NULL);
    assert_int_equal(done.u.claim.got, 0);
    for (int i = 0; i < 100 && w->lane_tells == tells; i++)
        world_run_for(w, 20);
    assert_false(w->lanes[lane].open);
    w->events_tail = w->events_head;
    assert_int_equal(world_set_state(w, org, &campaign, OD_CAMPAIGN_RUNNING), 0);
    assert_int_equal(ready(w), lane);
    assert_true(w->lanes[lane].open);
    assert_int_equal(claim(w, lane, 1, &done).u.claim.got, 1);
}

static void calls_wait_for_their_time(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org);
    int64_t due_ms = wall_ms() + 500;
    struct od_uid uid = a_call(w, &agent, due_ms, 0);
    assert_int_equal(look(w, &uid)->phase, OD_PHASE_WAITING);
    uint32_t lane = ready(w);
    assert_true(wall_ms() >= due_ms);
    assert_true(wall_ms() < due_ms + 2000);
    struct od_event job = claim_one(w, lane);
    assert_true(od_uid_equal(&job.u.job.uid, &uid));
}

static void deadlines_end_what_waits(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org);
    struct od_uid queued = a_call(w, &agent, 0, wall_ms() + 300);
    struct od_uid later = a_call(w, &agent, wall_ms() + 60000, wall_ms() + 300);
    wait_ended(w, 2);
    assert_int_equal(w->ended[0].cause, OD_CAUSE_DEADLINE);
    assert_int_equal(look(w, &queued)->outcome.cause, OD_CAUSE_DEADLINE);
    assert_int_equal(look(w, &later)->outcome.cause, OD_CAUSE_DEADLINE);
    assert_int_equal(world_ends(w, org, &queued), 1);
    assert_int_equal(world_ends(w, org, &later), 1);
    char text[64];
    ASK(w, text, "ZCARD", "od:{acme}:later");
    assert_string_equal(text, "0");
    ASK(w, text, "ZCARD", "od:{acme}:deadlines");
    assert_string_equal(text, "0");
}

static void why_a_call_waits_is_kept(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uid = a_call(w, &agent, 0, 0);
    uint32_t lane = ready(w);
    struct od_event job = claim_one(w, lane), event;
    int64_t due_ms = wall_ms() + 400;
    w->port->release(w->port->ctx, (struct od_call_id){4, 2}, job.u.job.job, due_ms, "hours");
    assert_true(world_next_of(w, OD_EV_RELEASED, &event));
    assert_int_equal(event.call.index, 4);
    assert_int_equal(look(w, &uid)->phase, OD_PHASE_WAITING);
    assert_string_equal(w->calls[0].wait_reason, "hours");
    assert_true(w->calls[0].not_before_ms == due_ms);
    assert_int_equal(ready(w), lane);
    claim_one(w, lane);
    assert_string_equal(look(w, &uid)->wait_reason, "");
    char text[64];
    ASK(w, text, "HLEN", "od:{acme}:why");
    assert_string_equal(text, "0");
}

/* Each word the engine gives, and one it doesn't, is shown and gone when the call is claimed. */
static void every_reason_is_shown(void **state)
{
    static const char *const words[] = {"hours", "paused", "schedule", "draining",   "route",
                                        "rate",  "queue",  "store",    "busy",       "full",
                                        "slot",  "cap",    "retry",    "not_before", "another"};
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uid = a_call(w, &agent, 0, 0);
    uint32_t lane = ready(w);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct od_event job = claim_one(w, lane), event;
        assert_string_equal(look(w, &uid)->wait_reason, "");
        w->port->release(w->port->ctx, (struct od_call_id){1, 1}, job.u.job.job, wall_ms() + 50,
                         words[i]);
        assert_true(world_next_of(w, OD_EV_RELEASED, &event));
        if (look(w, &uid)->phase == OD_PHASE_WAITING)
            assert_string_equal(w->calls[0].wait_reason, words[i]);
        assert_int_equal(ready(w), lane);
    }
    char text[64];
    claim_one(w, lane);
    ASK(w, text, "HLEN", "od:{acme}:why");
    assert_string_equal(text, "0");
}

static bool was_stopped(struct world *w)
{
    return w->stopped_count > 0;
}

static void stop_orders_reach_the_holder(void **state)
{
    struct world *w = *state, *api = world_join(w, "worker-2", 0);
    assert_non_null(api);
    struct od_uid agent = an_agent(w, org), uids[2];
    some_calls(w, &agent, NULL, uids, 2);
    struct od_event jobs[2];
    claim(w, ready(w), 2, jobs);
    intent(w, &jobs[0]);
    intent(w, &jobs[1]);
    /* another process is asked */
    assert_int_equal(world_stop(api, org, &uids[0], false), 0);
    assert_true(world_until(w, was_stopped, WORLD_LIMIT_MS));
    assert_true(od_uid_equal(&w->stopped[0], &uids[0]));
    assert_false(w->stopped_hangup[0]);
    w->stopped_count = 0;
    w->port->progress(w->port->ctx, jobs[1].u.job.job, "talking", 3000);
    for (int i = 0; i < 100 && look(w, &uids[1])->phase != OD_PHASE_TALKING; i++)
        world_run_for(w, 20);
    assert_int_equal(world_stop(api, org, &uids[1], false), OD_ECONFLICT);
    assert_int_equal(world_stop(api, org, &uids[1], true), 0);
    assert_true(world_until(w, was_stopped, WORLD_LIMIT_MS));
    assert_true(od_uid_equal(&w->stopped[0], &uids[1]));
    assert_true(w->stopped_hangup[0]);
    world_run_for(w, 500); /* more heartbeats: an order is passed on once */
    assert_int_equal(w->stopped_count, 1);
    world_close(api);
}

static void canceled_while_claimed_is_stopped(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uid = a_call(w, &agent, 0, 0);
    struct od_event job = claim_one(w, ready(w));
    assert_int_equal(world_stop(w, org, &uid, false), 0);
    wait_ended(w, 1);
    assert_true(world_until(w, was_stopped, WORLD_LIMIT_MS));
    finish(w, &job, OD_CAUSE_CANCELED); /* what the engine does then: refused, and told to nobody */
    struct od_store_stats stats;
    do {
        world_run_for(w, 20);
        od_store_stats(w->store, &stats);
    } while (stats.jobs > 0);
    assert_int_equal(w->ended_count, 1);
    assert_int_equal(stats.not_ours, 1);
    assert_int_equal(world_ends(w, org, &uid), 1);
}

static void a_canceled_campaign_takes_nothing_back(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), campaign = world_uid(w), uids[3];
    struct od_event jobs[3], event;
    assert_int_equal(world_campaign(w, org, &campaign, &agent, OD_CAMPAIGN_RUNNING, ""), 0);
    some_calls(w, &agent, &campaign, uids, 3);
    claim(w, ready(w), 2, jobs);
    intent(w, &jobs[0]);
    assert_int_equal(world_set_state(w, org, &campaign, OD_CAMPAIGN_CANCELED), 0);
    wait_ended(w, 2); /* the waiting and the claimed one; the one that is dialled goes on */
    w->port->release(w->port->ctx, (struct od_call_id){1, 1}, jobs[0].u.job.job, 0, "");
    assert_true(world_next_of(w, OD_EV_RELEASED, &event));
    wait_ended(w, 3); /* nowhere to go back to */
    assert_int_equal(world_campaign_get(w, org, &campaign), 0);
    assert_int_equal(w->campaigns[0].ended_by[OD_CAUSE_CANCELED], 3);
    assert_int_equal(w->campaigns[0].active, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(world_ends(w, org, &uids[i]), 1);
}

static void orgs_are_served_side_by_side(void **state)
{
    struct world *w = *state, *other = world_join(w, "worker-2", 0);
    assert_non_null(other);
    /* one process makes the org, the other one finds it */
    struct od_uid agent = an_agent(other, "second-org");
    struct od_call_new call = {.id = world_uid(w), .to = "+1"};
    assert_int_equal(world_add(other, "second-org", &agent, NULL, &call, 1), 0);
    uint32_t lane = ready(w);
    assert_string_equal(w->lanes[lane].org, "second-org");
    struct od_event job = claim_one(w, lane);
    assert_string_equal(od_store_job(w->store, job.u.job.job)->org, "second-org");
    finish(w, &job, OD_CAUSE_REFUSED);
    wait_ended(w, 1);
    assert_int_equal(w->ended[0].attempts, 0);
    world_close(other);
}

/* More than fits one look at the changes; agents come before the lanes that use them. */
static void newcomers_learn_everything(void **state)
{
    enum { AGENTS = 60 };
    struct world *w = *state;
    struct od_uid agents[AGENTS];
    for (int i = 0; i < AGENTS; i++) {
        agents[i] = an_agent(w, org);
        a_call(w, &agents[i], 0, 0);
    }
    char name[OD_UID_TEXT]; /* changed after its lane was made */
    od_uid_text(&agents[0], name);
    assert_int_equal(world_agent_put(w, org, &agents[0], name, "{\"v\":2}"), 0);
    struct world *newcomer = world_join(w, "worker-2", 0);
    assert_non_null(newcomer);
    assert_int_equal(newcomer->agent_tells, AGENTS); /* all before it is up */
    assert_int_equal(newcomer->lane_tells, AGENTS);
    assert_false(newcomer->lane_before_agent);
    world_close(newcomer);
}

static void workers_share_without_overlap(void **state)
{
    enum { CALLS = 900 };
    struct world *w = *state, *other = world_join(w, "worker-2", 0);
    assert_non_null(other);
    static struct od_uid uids[CALLS];
    static struct od_event jobs[CALLS];
    struct od_uid agent = an_agent(w, org);
    some_calls(w, &agent, NULL, uids, CALLS);
    uint32_t lanes[2] = {ready(w), ready(other)}, got = 0;
    struct world *both[2] = {w, other};
    for (int i = 0; got < CALLS && i < 2 * CALLS; i++)
        got += claim(both[i % 2], lanes[i % 2], 37 < CALLS - got ? 37 : CALLS - got, jobs + got)
                   .u.claim.got;
    assert_int_equal(got, CALLS);
    for (uint32_t i = 0; i < CALLS; i++) /* each once: in the order in which they were stored */
        assert_true(od_uid_equal(&jobs[i].u.job.uid, &uids[i]));
    world_close(other);
}

static void close_stores_what_is_under_way(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uids[400];
    struct od_event jobs[400];
    some_calls(w, &agent, NULL, uids, 400);
    uint32_t lane = ready(w), got = 0;
    while (got < 400)
        got += claim(w, lane, 400 - got, jobs + got).u.claim.got;
    for (int i = 0; i < 400; i++)
        finish(w, &jobs[i], OD_CAUSE_BUSY);
    world_store_close(w); /* at once */
    assert_int_equal(w->ended_count, 400);
}

static void on_closed_twice(void *ctx, int err, const struct od_campaign_rec *recs, size_t count)
{
    struct world *w = ctx;
    struct od_uid uid = {{1}};
    (void)recs;
    (void)count;
    w->err = err;
    if (++w->added == 1) /* asks again from inside the answer */
        w->repo->campaign_get(w->repo->ctx, org, &uid, on_closed_twice, w);
}

static void close_cancels_requests(void **state)
{
    struct world *w = *state;
    struct od_uid uid = {{1}};
    w->added = 0;
    w->repo->campaign_get(w->repo->ctx, org, &uid, on_closed_twice, w);
    world_store_close(w);
    assert_int_equal(w->added, 2);
    assert_int_equal(w->err, OD_ECANCELED);
}

/* The engine gave a call up while its intent was under way: it hears of the end only. */
static void no_intent_is_answered_after_the_end(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w, org), uids[2];
    struct od_event jobs[2], event;
    some_calls(w, &agent, NULL, uids, 2);
    claim(w, ready(w), 2, jobs);
    world_run_for(w, 50);
    redis_server_signal(&w->server, SIGSTOP);
    w->port->intent(w->port->ctx, (struct od_call_id){1, 1}, jobs[0].u.job.job, &names, 0,
                    jobs[0].u.job.attempt);
    w->port->intent(w->port->ctx, (struct od_call_id){2, 1}, jobs[1].u.job.job, &names, 0,
                    jobs[1].u.job.attempt);
    world_run_for(w, 50); /* it has left */
    finish(w, &jobs[0], OD_CAUSE_CANCELED);
    w->port->release(w->port->ctx, (struct od_call_id){2, 1}, jobs[1].u.job.job, 0, "");
    redis_server_signal(&w->server, SIGCONT);
    wait_ended(w, 1);
    do {
        assert_true(world_next(w, &event));
        assert_true(event.kind != OD_EV_DURABLE && event.kind != OD_EV_NOT_DURABLE);
    } while (event.kind != OD_EV_RELEASED);
    assert_int_equal(look(w, &uids[0])->outcome.cause, OD_CAUSE_CANCELED);
    assert_int_equal(look(w, &uids[1])->phase, OD_PHASE_QUEUED);
    assert_int_equal(w->calls[0].attempts, 1); /* a number that was written is not used again */
}

/* Bad times */

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

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_from_end_to_end),
        TEST(times_in_the_finish_make_the_events_complete),
        TEST(campaign_counts_stay_right),
        TEST(an_agents_calls_are_counted),
        TEST(pausing_closes_the_lane),
        TEST(calls_wait_for_their_time),
        TEST(deadlines_end_what_waits),
        TEST(why_a_call_waits_is_kept),
        TEST(every_reason_is_shown),
        TEST(stop_orders_reach_the_holder),
        TEST(canceled_while_claimed_is_stopped),
        TEST(a_canceled_campaign_takes_nothing_back),
        TEST(orgs_are_served_side_by_side),
        TEST(newcomers_learn_everything),
        TEST(workers_share_without_overlap),
        TEST(close_stores_what_is_under_way),
        TEST(no_intent_is_answered_after_the_end),
        TEST(close_cancels_requests),
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
