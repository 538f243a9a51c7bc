/*
 * Goal: what happens when a worker is gone, or only seems so: its legs are handed to who ends them,
 * again until that is done. Method: two or three stores on one Redis; one of them is not run, which
 * is what death and a stopped process look like from outside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "tests/contract/redis_world.h"

enum { LEASE_MS = 600 };

static const char org[] = "acme";
static const struct od_sip_names names = {
    .call_id = "00112233445566778899aabbccddeeff",
    .from_tag = "0011223344556677",
    .branch = "z9hG4bK0011223344556677",
};

static int setup(void **state)
{
    *state = world_open("first");
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    world_close(*state);
    return 0;
}

static struct od_uid an_agent(struct world *w)
{
    struct od_uid id = world_uid(w);
    assert_int_equal(world_agent_put(w, org, &id, "agent", "{}"), 0);
    return id;
}

static void some_calls(struct world *w, const struct od_uid *agent, struct od_uid *uids,
                       size_t count)
{
    struct od_call_new calls[16] = {0};
    static char to[16][24];
    assert_true(count <= 16);
    for (size_t i = 0; i < count; i++) {
        snprintf(to[i], sizeof to[i], "+1555%07zu", i);
        uids[i] = world_uid(w);
        calls[i] = (struct od_call_new){.id = uids[i], .to = to[i], .row = i + 1};
    }
    assert_int_equal(world_add(w, org, agent, NULL, calls, count), 0);
}

static uint32_t ready(struct world *w)
{
    struct od_event event;
    do
        assert_true(world_next_of(w, OD_EV_LANE_READY, &event));
    while (event.u.lane.waiting == 0);
    return event.u.lane.lane;
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

static void intent(struct world *w, uint32_t call, const struct od_event *job)
{
    struct od_event event;
    w->port->intent(w->port->ctx, (struct od_call_id){call, 1}, job->u.job.job, &names, 0);
    assert_true(world_next_of(w, OD_EV_DURABLE, &event));
}

static void progress(struct world *w, const struct od_event *job, const char *state)
{
    uint64_t turns;
    struct od_store_stats stats;
    od_store_stats(w->store, &stats);
    turns = stats.turns;
    w->port->progress(w->port->ctx, job->u.job.job, state, 1000);
    while (stats.turns == turns || stats.backlog > 0) {
        world_run_for(w, 5);
        od_store_stats(w->store, &stats);
    }
}

static void reopen(struct world *w, const char *name, uint32_t lease_ms)
{
    world_store_close(w);
    assert_int_equal(world_store_open(w, &(struct od_store_config){.path_or_host = w->server.path,
                                                                   .worker = name,
                                                                   .jobs_max = 100,
                                                                   .lease_ms = lease_ms}),
                     0);
    assert_true(world_wait_up(w));
}

static uint32_t wanted; /* orphans */
static bool has_orphans(struct world *w)
{
    return w->orphan_count >= wanted;
}

/* In three steps of their lives, each with the latest that is needed to end it. */
static void legs_of_the_dead_are_handed_over(void **state)
{
    struct world *w = *state, *dead = world_join(w, "dead", LEASE_MS);
    reopen(w, "first", LEASE_MS);
    struct od_uid agent = an_agent(dead), uids[4];
    struct od_event jobs[4];
    some_calls(dead, &agent, uids, 4);
    assert_int_equal(claim(dead, ready(dead), 4, jobs), 4);
    for (uint32_t i = 0; i < 3; i++)
        intent(dead, i, &jobs[i]);
    progress(dead, &jobs[1], "ringing");
    progress(dead, &jobs[2], "talking");
    wanted = 3;
    assert_true(world_until(w, has_orphans, WORLD_LIMIT_MS));
    for (uint32_t i = 0; i < 3; i++) {
        struct world_orphan *o = w->orphans;
        char note[64];
        while (!od_uid_equal(&o->uid, &uids[i]))
            assert_true(++o < w->orphans + 3);
        assert_string_equal(o->names.call_id, names.call_id);
        assert_string_equal(o->names.branch, names.branch);
        assert_string_equal(o->trunk, "main");
        snprintf(note, sizeof note, "%s %u to +1555%07u", i == 0 ? "unsent" : "sent", i, i);
        assert_string_equal(o->note, note);
        assert_int_equal(world_call_get(w, org, &uids[i]), 0);
        assert_int_equal(w->calls[0].outcome.cause, OD_CAUSE_UNKNOWN);
    }
    /* who has not been dialled has no leg, and who took a leg over is not told again */
    world_run_for(w, LEASE_MS);
    assert_int_equal(w->orphan_count, 3);
    world_close(dead);
    assert_int_equal(w->orphan_count, 3);
}

/* Whoever was told dies before it could do anything. */
static void a_leg_outlives_its_heir(void **state)
{
    struct world *w = *state, *dead = world_join(w, "dead", LEASE_MS);
    struct world *heir = world_join(w, "heir", LEASE_MS);
    struct od_uid agent = an_agent(dead), uids[2];
    struct od_event jobs[2];
    reopen(w, "first", 60000); /* stays out of it */
    some_calls(dead, &agent, uids, 2);
    assert_int_equal(claim(dead, ready(dead), 2, jobs), 2);
    intent(dead, 0, &jobs[0]);
    intent(dead, 1, &jobs[1]);
    wanted = 2;
    assert_true(world_until(heir, has_orphans, WORLD_LIMIT_MS));
    reopen(w, "first", LEASE_MS);
    assert_true(world_until(w, has_orphans, WORLD_LIMIT_MS));
    assert_int_equal(w->orphan_count, 2);
    world_close(heir);
    world_close(dead);
}

/* The same process, started again: at once, without waiting for its old lease. */
static void a_restart_ends_its_own_legs(void **state)
{
    struct world *w = *state, *dead = world_join(w, "twin", 60000);
    struct od_uid agent = an_agent(dead), uid;
    struct od_event job;
    some_calls(dead, &agent, &uid, 1);
    assert_int_equal(claim(dead, ready(dead), 1, &job), 1);
    intent(dead, 0, &job);
    progress(dead, &job, "talking");
    struct world *twin = world_join(w, "twin", 60000);
    assert_int_equal(twin->orphan_count, 1); /* before it was up */
    assert_string_equal(twin->orphans[0].note, "sent 0 to +15550000000");
    world_close(twin);
    world_close(dead);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(legs_of_the_dead_are_handed_over),
        TEST(a_leg_outlives_its_heir),
        TEST(a_restart_ends_its_own_legs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
