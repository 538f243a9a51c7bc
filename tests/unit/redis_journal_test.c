/*
 * Goal: what was dialled, and how it ended, outlives a Redis that forgets, whoever is dead by then;
 * a disk that can't be written stops the dialling and nothing else; outcomes that Redis can't take
 * are kept within bounds. Method: a Redis whose files are put back to what they were (a failover
 * that has lost the writes since), worlds that are not run any more (dead), copies of their
 * journals (the disk that the next process finds), a limit on the size of files (a full disk).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "tests/contract/redis_world.h"

enum { LEASE_MS = 800 };

static const char org[] = "acme";
static const struct od_sip_names names = {
    .call_id = "00112233445566778899aabbccddeeff",
    .from_tag = "0011223344556677",
    .branch = "z9hG4bK0011223344556677",
};

static int setup(void **state)
{
    signal(SIGXFSZ, SIG_IGN);
    *state = world_open("first");
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    world_close(*state);
    return 0;
}

/* ---- a Redis that forgets ---- */

static void shell(const char *format, const char *a, const char *b)
{
    char line[512];
    snprintf(line, sizeof line, format, a, b);
    assert_int_equal(system(line), 0);
}

static bool is_settled(struct world *w)
{
    return redis_server_is_settled(&w->server);
}

static void remember(struct world *w)
{
    assert_true(world_until(w, is_settled, WORLD_LIMIT_MS));
    shell("cp -r %s/appendonlydir %s/kept", w->server.dir, w->server.dir);
}

/* What was written since is lost; the server is another from here on. */
static void fail_over(struct world *w)
{
    redis_server_kill(&w->server);
    shell("rm -r %s/appendonlydir # %s", w->server.dir, "");
    shell("cp -r %s/kept %s/appendonlydir", w->server.dir, w->server.dir);
    assert_true(redis_server_restart(&w->server, NULL));
}

static bool journal_is_quiet(struct world *w)
{
    struct od_store_stats now, *before = w->user;
    od_store_stats(w->store, &now);
    bool quiet = now.journal_records == before->journal_records && now.backlog == 0 &&
                 now.journal_waits_ms == 0;
    *before = now;
    return quiet;
}

/* The same worker, started again on the disk as it is now. */
static struct world *next_of(struct world *w, const char *worker)
{
    struct world *next = world_bare();
    snprintf(next->server.path, sizeof next->server.path, "%s", w->server.path);
    snprintf(next->journal, sizeof next->journal, "%.80s-next", w->journal);
    shell("cp -r %s %s", w->journal, next->journal);
    assert_int_equal(
        world_store_open(next, &(struct od_store_config){.path_or_host = w->server.path,
                                                         .worker = worker,
                                                         .jobs_max = 100}),
        0);
    return next;
}

/* ---- work ---- */

static uint32_t ready(struct world *w)
{
    struct od_event event;
    do
        assert_true(world_next_of(w, OD_EV_LANE_READY, &event));
    while (event.u.lane.waiting == 0);
    return event.u.lane.lane;
}

static void some_calls(struct world *w, struct od_uid *uids, size_t count)
{
    struct od_call_new calls[16] = {0};
    static char to[16][24];
    struct od_uid agent = world_uid(w);
    assert_int_equal(world_agent_put(w, org, &agent, "agent", "{}"), 0);
    for (size_t i = 0; i < count; i++) {
        snprintf(to[i], sizeof to[i], "+1555%07zu", i);
        uids[i] = world_uid(w);
        calls[i] = (struct od_call_new){.id = uids[i], .to = to[i], .row = i + 1};
    }
    assert_int_equal(world_add(w, org, &agent, NULL, calls, count), 0);
}

static uint32_t claim(struct world *w, uint32_t lane, uint32_t count, struct od_event *jobs)
{
    struct od_event event;
    uint32_t got = 0;
    w->port->claim(w->port->ctx, lane, count);
    while (true) {
        assert_true(world_next(w, &event));
        if (event.kind == OD_EV_JOB)
            jobs[got++] = event;
        else if (event.kind == OD_EV_CLAIM_DONE)
            return got;
    }
}

static void order_intent(struct world *w, uint32_t call, const struct od_event *job)
{
    w->port->intent(w->port->ctx, (struct od_call_id){call, 1}, job->u.job.job, &names, 0,
                    job->u.job.attempt);
}

static void intent(struct world *w, uint32_t call, const struct od_event *job)
{
    struct od_event event;
    order_intent(w, call, job);
    assert_true(world_next_of(w, OD_EV_DURABLE, &event));
    assert_int_equal(event.call.index, call);
}

static void order_second(struct world *w, uint32_t leg, const struct od_event *job, bool sent)
{
    struct od_invite invite = {
        .job = job->u.job.job, .trunk = 0, .names = names, .to = "+16660000001"};
    w->port->leg(w->port->ctx, (struct od_call_id){leg, 1}, &invite, sent);
}

static void finish(struct world *w, const struct od_event *job, enum od_cause cause)
{
    w->port->finish(w->port->ctx, job->u.job.job,
                    &(struct od_outcome){.cause = cause,
                                         .verdict = OD_VERDICT_CALLEE,
                                         .trunk = 0,
                                         .dialed_ms = 1,
                                         .ended_ms = 5});
}

static void settle(struct world *w)
{
    static struct od_store_stats stats;
    memset(&stats, 0, sizeof stats);
    w->user = &stats;
    do
        world_run_for(w, 60);
    while (!journal_is_quiet(w));
}

static void ends_once(struct world *w, const struct od_uid *uid, enum od_cause cause)
{
    assert_int_equal(world_call_get(w, org, uid), 0);
    assert_int_equal(w->calls[0].phase, OD_PHASE_ENDED);
    assert_int_equal(w->calls[0].outcome.cause, cause);
    assert_int_equal(w->calls[0].attempts, 1);
    assert_int_equal(world_ends(w, org, uid), 1);
}

/* Four calls on their ways: dialled, answered, ended, ended and stored. */
static void four_on_their_ways(struct world *w, struct od_event *jobs)
{
    uint32_t lane = ready(w);
    assert_int_equal(claim(w, lane, 4, jobs), 4);
    for (uint32_t i = 0; i < 4; i++)
        intent(w, i, &jobs[i]);
    w->port->progress(w->port->ctx, jobs[1].u.job.job, "talking", 1000);
    finish(w, &jobs[3], OD_CAUSE_COMPLETED);
    settle(w);
}

/* The gap that Redis alone can't close: who dialled is dead, and Redis has forgotten it. */
static void a_dead_workers_dials_outlive_a_failover(void **state)
{
    struct world *w = *state;
    struct od_uid uids[5];
    struct od_event jobs[4], job;
    some_calls(w, uids, 5);
    remember(w);
    four_on_their_ways(w, jobs);
    order_second(w, 20, &jobs[1], false);
    assert_true(world_next_of(w, OD_EV_DURABLE, &job));
    assert_int_equal(job.call.index, 20);
    order_second(w, 20, &jobs[1], true);
    settle(w);
    redis_server_signal(&w->server, SIGSTOP); /* the outcome reaches the disk alone */
    finish(w, &jobs[2], OD_CAUSE_BUSY);
    world_run_for(w, 200);
    fail_over(w);
    struct world *next = next_of(w, "first");
    assert_true(world_wait_up(next));
    /* legs are ended as they were last known */
    assert_true(next->orphan_count >= 3);
    assert_string_equal(next->orphans[2].note, "sent 20 to +16660000001");
    assert_string_equal(next->orphans[2].trunk, "main");
    assert_string_equal(next->orphans[0].note, "unsent 0 to +15550000000");
    assert_string_equal(next->orphans[1].note, "sent 1 to +15550000001");
    assert_string_equal(next->orphans[1].trunk, "main");
    assert_string_equal(next->orphans[1].names.call_id, names.call_id);
    ends_once(next, &uids[0], OD_CAUSE_UNKNOWN);
    ends_once(next, &uids[1], OD_CAUSE_UNKNOWN);
    assert_int_equal(world_call_get(next, org, &uids[1]), 0);
    assert_int_equal(next->calls[0].outcome.answered_ms, 1000);
    ends_once(next, &uids[2], OD_CAUSE_BUSY);
    ends_once(next, &uids[3], OD_CAUSE_COMPLETED);
    struct od_store_stats stats;
    od_store_stats(next->store, &stats);
    assert_int_equal(stats.recovered, 4);
    /* who was not dialled is, and nobody else */
    assert_int_equal(claim(next, ready(next), 5, &job), 1);
    assert_true(od_uid_equal(&job.u.job.uid, &uids[4]));
    intent(next, 9, &job);
    world_close(next);
}

static bool has_two_orphans(struct world *w)
{
    return w->orphan_count >= 2;
}

/* Redis knows it all: the journal adds what Redis was not told any more, and changes nothing else.
 */
static void a_restart_tells_the_outcome(void **state)
{
    struct world *w = *state;
    struct od_uid uids[4];
    struct od_event jobs[4];
    some_calls(w, uids, 4);
    four_on_their_ways(w, jobs);
    redis_server_signal(&w->server, SIGSTOP);
    finish(w, &jobs[2], OD_CAUSE_BUSY);
    world_run_for(w, 200);
    redis_server_kill(&w->server);
    struct world *next = next_of(w, "first");
    assert_true(world_until(next, has_two_orphans, WORLD_LIMIT_MS)); /* Redis is not asked */
    assert_true(redis_server_restart(&w->server, NULL));
    assert_true(world_wait_up(next));
    ends_once(next, &uids[0], OD_CAUSE_UNKNOWN);
    ends_once(next, &uids[1], OD_CAUSE_UNKNOWN);
    ends_once(next, &uids[2], OD_CAUSE_BUSY);
    ends_once(next, &uids[3], OD_CAUSE_COMPLETED);
    /* and it does not say so twice */
    settle(next);
    struct world *third = next_of(next, "first");
    assert_true(world_wait_up(third));
    struct od_store_stats stats;
    od_store_stats(third->store, &stats);
    assert_int_equal(stats.recovered, 0);
    assert_int_equal(stats.lost, 0); /* (its legs come again, from Redis: their heir has died) */
    world_close(third);
    world_close(next);
}

/* Who lives tells also what Redis had stored, and has lost. */
static void what_was_stored_is_told_again(void **state)
{
    struct world *w = *state;
    struct od_uid uids[4];
    struct od_event jobs[4];
    some_calls(w, uids, 4);
    remember(w);
    four_on_their_ways(w, jobs);
    fail_over(w);
    assert_true(world_wait_down(w));
    assert_true(world_wait_up(w));
    ends_once(w, &uids[3], OD_CAUSE_COMPLETED);
    finish(w, &jobs[0], OD_CAUSE_BUSY);
    finish(w, &jobs[1], OD_CAUSE_COMPLETED);
    finish(w, &jobs[2], OD_CAUSE_BUSY);
    settle(w);
    ends_once(w, &uids[0], OD_CAUSE_BUSY);
    ends_once(w, &uids[1], OD_CAUSE_COMPLETED);
    ends_once(w, &uids[2], OD_CAUSE_BUSY);
    assert_int_equal(claim(w, 0, 4, jobs), 0);
}

/* Everything is gone, and so is who dialled it: its legs are ended, and it is said. */
static void legs_outlive_a_flush(void **state)
{
    struct world *w = *state;
    struct od_uid uids[4];
    struct od_event jobs[4];
    char text[64];
    some_calls(w, uids, 4);
    four_on_their_ways(w, jobs);
    assert_true(
        redis_server_ask(&w->server, text, sizeof text, 1, (const char *const[]){"FLUSHALL"}));
    struct world *next = next_of(w, "first");
    assert_true(world_wait_up(next));
    assert_int_equal(next->orphan_count, 3);
    struct od_store_stats stats;
    od_store_stats(next->store, &stats);
    assert_int_equal(stats.lost, 3);
    world_close(next);
}

/* ---- several workers ---- */

/* A new Redis may not know what another worker has dialled: nobody claims before that one has told
 * it, or has been silent for a lease. */
static void nobody_claims_before_all_have_told(void **state)
{
    struct world *w = *state, *other = world_join(w, "other", 60000);
    struct od_uid uids[2];
    struct od_event job;
    some_calls(w, uids, 2);
    remember(w);
    assert_int_equal(claim(other, ready(other), 1, &job), 1);
    intent(other, 0, &job);
    struct world *third = world_join(w, "third", 60000);
    fail_over(w);
    assert_true(world_wait_down(third));
    assert_false(world_until(third, world_is_up, 1000));
    assert_non_null(strstr(od_store_why(third->store), "other workers"));
    assert_true(world_wait_down(other));
    assert_false(world_until(other, world_is_up, 500)); /* "first" is silent too */
    assert_true(world_wait_down(w));
    assert_true(world_wait_up(w));
    assert_true(world_wait_up(third));
    assert_true(world_wait_up(other));
    struct od_event jobs[2];
    assert_int_equal(claim(third, ready(third), 2, jobs), 1);
    assert_false(od_uid_equal(&jobs[0].u.job.uid, &job.u.job.uid));
    world_close(third);
    world_close(other);
}

static void the_dead_are_waited_for_no_longer_than_a_lease(void **state)
{
    struct world *w = *state, *other = world_join(w, "other", LEASE_MS);
    struct od_uid uid;
    some_calls(w, &uid, 1);
    remember(w);
    fail_over(w);
    assert_true(world_wait_down(other));
    assert_true(world_wait_up(other)); /* w is not run */
    world_close(other);
}

/* ---- the disk ---- */

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void a_full_disk_stops_the_dialling_alone(void **state)
{
    struct world *w = *state;
    struct od_uid uids[3];
    struct od_event jobs[3], event;
    some_calls(w, uids, 3);
    uint32_t lane = ready(w);
    assert_int_equal(claim(w, lane, 2, jobs), 2);
    intent(w, 0, &jobs[0]);
    limit_files(1);
    order_intent(w, 1, &jobs[1]);
    do { /* Redis has it, the disk has not: no word of it */
        assert_true(world_next(w, &event));
        assert_int_not_equal(event.kind, OD_EV_DURABLE);
    } while (event.kind != OD_EV_STORE_DOWN);
    assert_non_null(strstr(od_store_why(w->store), "File too large"));
    assert_string_equal(od_store_journal_why(w->store), "File too large");
    assert_int_equal(claim(w, lane, 1, &jobs[2]), 0);
    /* a call that is up goes on and ends, in Redis */
    w->port->progress(w->port->ctx, jobs[0].u.job.job, "talking", 1000);
    finish(w, &jobs[0], OD_CAUSE_COMPLETED);
    world_run_for(w, 300);
    ends_once(w, &uids[0], OD_CAUSE_COMPLETED);
    assert_false(w->up);
    limit_files(RLIM_INFINITY);
    bool up = false, durable = false;
    while (!up || !durable) {
        assert_true(world_next(w, &event));
        up |= event.kind == OD_EV_STORE_UP;
        durable |= event.kind == OD_EV_DURABLE && event.call.index == 1;
    }
    assert_string_equal(od_store_journal_why(w->store), "");
    assert_int_equal(claim(w, lane, 1, &jobs[2]), 1);
    intent(w, 2, &jobs[2]);
}

/* Nor does a second leg's INVITE leave before it stands in both. */
static void a_second_leg_waits_for_the_disk(void **state)
{
    struct world *w = *state;
    struct od_uid uid;
    struct od_event job, event;
    some_calls(w, &uid, 1);
    assert_int_equal(claim(w, ready(w), 1, &job), 1);
    intent(w, 0, &job);
    w->port->progress(w->port->ctx, job.u.job.job, "talking", 1000);
    settle(w);
    limit_files(1);
    order_second(w, 20, &job, false);
    do {
        assert_true(world_next(w, &event));
        assert_int_not_equal(event.kind, OD_EV_DURABLE);
    } while (event.kind != OD_EV_STORE_DOWN);
    world_run_for(w, 300);
    assert_false(od_store_kept(w->store, job.u.job.job) && !*od_store_journal_why(w->store));
    limit_files(RLIM_INFINITY);
    assert_true(world_next_of(w, OD_EV_DURABLE, &event));
    assert_int_equal(event.call.index, 20);
    assert_true(od_store_kept(w->store, job.u.job.job));
}

/* While the disk is in trouble an answer is kept once Redis has it, not before. */
static void in_trouble_it_is_redis_that_keeps(void **state)
{
    struct world *w = *state;
    struct od_uid uid;
    struct od_event job, event;
    some_calls(w, &uid, 1);
    assert_int_equal(claim(w, ready(w), 1, &job), 1);
    intent(w, 0, &job);
    settle(w);
    limit_files(1);
    w->port->progress(w->port->ctx, job.u.job.job, "ringing", 1000);
    assert_true(world_next_of(w, OD_EV_STORE_DOWN, &event));
    w->port->progress(w->port->ctx, job.u.job.job, "talking", 2000);
    assert_false(od_store_kept(w->store, job.u.job.job));
    for (int i = 0; i < 2000 && !od_store_kept(w->store, job.u.job.job); i++)
        world_run_for(w, 5);
    assert_true(od_store_kept(w->store, job.u.job.job));
    assert_string_not_equal(od_store_journal_why(w->store), "");
    limit_files(RLIM_INFINITY);
}

static void two_can_not_share_a_journal(void **state)
{
    struct world *w = *state, *other = world_bare();
    snprintf(other->journal, sizeof other->journal, "%s", w->journal);
    assert_int_equal(
        world_store_open(other, &(struct od_store_config){.path_or_host = w->server.path,
                                                          .worker = "other",
                                                          .jobs_max = 10}),
        OD_EBUSY);
    assert_non_null(strstr(other->last_log, "in use by another outdial"));
    world_close(other);
}

/* ---- outcomes that Redis can't take ---- */

static void outcomes_are_held_within_bounds(void **state)
{
    enum { JOBS = 10, RESULT = 30000, BOUND = 100000 };
    struct world *w = *state;
    struct od_uid uids[JOBS];
    struct od_event jobs[JOBS];
    struct od_store_stats stats;
    static char result[RESULT + 1];
    world_store_close(w);
    assert_int_equal(world_store_open(w, &(struct od_store_config){.path_or_host = w->server.path,
                                                                   .worker = "first",
                                                                   .jobs_max = 100,
                                                                   .held_bytes_max = BOUND}),
                     0);
    assert_true(world_wait_up(w));
    some_calls(w, uids, JOBS);
    assert_int_equal(claim(w, ready(w), JOBS, jobs), JOBS);
    for (uint32_t i = 0; i < JOBS; i++)
        intent(w, i, &jobs[i]);
    w->port->progress(w->port->ctx, jobs[9].u.job.job, "talking", 1000);
    redis_server_kill(&w->server);
    assert_true(world_wait_down(w));
    for (uint32_t i = 0; i < JOBS; i++) {
        memset(result, (int)('a' + i), RESULT);
        result[0] = result[RESULT - 1] = '"';
        assert_int_equal(od_store_job_result(w->store, jobs[i].u.job.job, result, RESULT), 0);
        finish(w, &jobs[i], OD_CAUSE_COMPLETED);
        od_store_stats(w->store, &stats);
        assert_true(stats.held_bytes <= BOUND);
    }
    assert_int_equal(stats.journal_only, JOBS - BOUND / RESULT);
    assert_int_equal(stats.documents_lost, 0);
    assert_true(redis_server_restart(&w->server, NULL));
    assert_true(world_wait_up(w));
    settle(w);
    for (uint32_t i = 0; i < JOBS; i++) {
        ends_once(w, &uids[i], OD_CAUSE_COMPLETED);
        assert_int_equal(w->err, 0);
        assert_int_equal(world_call_get(w, org, &uids[i]), 0);
        assert_int_equal(w->calls[0].result.bytes, RESULT);
        assert_int_equal(w->calls[0].result.at[1], 'a' + (int)i);
    }
    od_store_stats(w->store, &stats);
    assert_int_equal(stats.journal_only, 0);
    assert_int_equal(stats.held_bytes, 0);
    assert_int_equal(stats.jobs, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_dead_workers_dials_outlive_a_failover),
        TEST(a_restart_tells_the_outcome),
        TEST(what_was_stored_is_told_again),
        TEST(legs_outlive_a_flush),
        TEST(nobody_claims_before_all_have_told),
        TEST(the_dead_are_waited_for_no_longer_than_a_lease),
        TEST(a_full_disk_stops_the_dialling_alone),
        TEST(a_second_leg_waits_for_the_disk),
        TEST(in_trouble_it_is_redis_that_keeps),
        TEST(two_can_not_share_a_journal),
        TEST(outcomes_are_held_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
