/*
 * Goal: what happens when a worker is gone, or only seems so, or Redis has forgotten something:
 * legs are handed to who ends them, again until that is done; nothing is dialled on an old lease;
 * what was dialled is never forgotten. Method: two or three stores on one Redis; one of them is not
 * run, which is what death and a stopped process look like from outside.
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
    static struct od_call_new calls[450];
    static char to[450][24];
    assert_true(count <= 450);
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
    w->port->intent(w->port->ctx, (struct od_call_id){call, 1}, job->u.job.job, &names, 0,
                    job->u.job.attempt);
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

/* However many there are, and whoever dies on the way: the last of the line has all of them before
 * it is up. */
static void many_legs_outlive_many_heirs(void **state)
{
    enum { MANY = 450 };
    static struct od_uid uids[MANY];
    static struct od_event jobs[MANY];
    struct world *w = *state, *line[4];
    struct od_event event;
    line[0] = world_join(w, "twin", 60000);
    struct od_uid agent = an_agent(line[0]);
    some_calls(line[0], &agent, uids, MANY);
    uint32_t lane = ready(line[0]), got = 0;
    while (got < MANY)
        got += claim(line[0], lane, MANY - got, jobs + got);
    for (uint32_t i = 0; i < MANY; i++)
        line[0]->port->intent(line[0]->port->ctx, (struct od_call_id){i, 1}, jobs[i].u.job.job,
                              &names, 0, jobs[i].u.job.attempt);
    for (uint32_t i = 0; i < MANY; i++)
        assert_true(world_next_of(line[0], OD_EV_DURABLE, &event));
    for (int i = 1; i < 4; i++) {
        line[i] = world_join(w, "twin", 60000);
        assert_int_equal(line[i]->orphan_count, MANY);
    }
    for (int i = 3; i >= 0; i--)
        world_close(line[i]);
}

/* What a stopped process finds when it goes on: a lease in the past, until Redis has said more. */
static void the_lease_is_told_and_ends(void **state)
{
    struct world *w = *state;
    struct od_event event;
    reopen(w, "first", LEASE_MS);
    an_agent(w);
    assert_true(world_next_of(w, OD_EV_LEASE, &event)); /* with the first turn */
    for (int i = 0; i < 3; i++) {
        uint64_t before = uv_hrtime();
        assert_true(world_next_of(w, OD_EV_LEASE, &event));
        assert_true(event.u.lease.until_ns > before - LEASE_MS * OD_NS_PER_MS);
        /* a tenth for its renewal, a tenth for whatever runs late */
        assert_true(event.u.lease.until_ns <= uv_hrtime() + LEASE_MS * OD_NS_PER_MS * 9 / 10);
    }
    world_run_for(w, 3 * LEASE_MS); /* it is renewed for as long as its loop runs */
    struct od_store_stats stats;
    od_store_stats(w->store, &stats);
    assert_true(stats.up);
    assert_int_equal(w->downs, 0);
}

static bool all_ended(struct world *w)
{
    return w->ended_count >= wanted;
}

/* Redis has lost everything: calls that are up go on, what is only armed is not dialled, and what
 * becomes of them is told although there is no record to put it in. */
static void flushall_lets_calls_go_on(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w), uids[3];
    struct od_event jobs[3], event;
    char text[64];
    some_calls(w, &agent, uids, 3);
    uint32_t lane = ready(w);
    assert_int_equal(claim(w, lane, 3, jobs), 3);
    intent(w, 0, &jobs[0]);
    progress(w, &jobs[0], "talking");
    intent(w, 1, &jobs[1]);
    assert_true(
        redis_server_ask(&w->server, text, sizeof text, 1, (const char *const[]){"FLUSHALL"}));
    bool barred = false, told[2] = {false};
    while (!told[0] || !told[1]) { /* the engine keeps what it has dialled, gives up the other */
        assert_true(world_next(w, &event));
        if (event.kind == OD_EV_LEASE)
            barred |= event.u.lease.until_ns <= 1;
        assert_int_not_equal(event.kind, OD_EV_LOST);
        if (event.kind == OD_EV_NOT_DURABLE)
            told[event.call.index] = barred;
    }
    w->port->release(w->port->ctx, (struct od_call_id){1, 1}, jobs[1].u.job.job, 0, "not_ours");
    w->port->finish(w->port->ctx, jobs[0].u.job.job,
                    &(struct od_outcome){.cause = OD_CAUSE_COMPLETED, .trunk = 0, .ended_ms = 5});
    wanted = 1;
    assert_true(world_until(w, all_ended, WORLD_LIMIT_MS));
    assert_true(od_uid_equal(&w->ended[0].uid, &uids[0]));
    assert_int_equal(w->ended[0].cause, OD_CAUSE_COMPLETED);
    assert_true(world_next_of(w, OD_EV_RELEASED, &event));
    struct od_store_stats stats;
    od_store_stats(w->store, &stats);
    assert_int_equal(stats.lost, 1);
    /* and new work is taken */
    agent = an_agent(w);
    some_calls(w, &agent, uids, 1);
    assert_int_equal(claim(w, ready(w), 1, jobs), 1);
    intent(w, 2, &jobs[0]);
}

/* How many calls of the org count, by Redis. */
static int counted(struct world *w)
{
    char text[64];
    assert_true(redis_server_ask(&w->server, text, sizeof text, 3,
                                 (const char *const[]){"HGET", "od:{acme}:use", "o:acme"}));
    return atoi(text);
}

static bool none_counted(struct world *w)
{
    return counted(w) == 0;
}

/* Redis has lost everything: what is up counts again under the caps, until it has ended, or the
 * lease of the one who held it. */
static void flushall_forgets_no_cap(void **state)
{
    struct world *w = *state, *dead = world_join(w, "dead", LEASE_MS);
    struct od_uid agent = an_agent(dead), uids[3];
    struct od_event jobs[3], event;
    char text[64];
    dead->place_max = 5;
    some_calls(dead, &agent, uids, 3);
    assert_int_equal(claim(dead, ready(dead), 3, jobs), 3);
    for (uint32_t i = 0; i < 3; i++)
        intent(dead, i, &jobs[i]);
    assert_int_equal(counted(w), 3);
    assert_true(
        redis_server_ask(&w->server, text, sizeof text, 1, (const char *const[]){"FLUSHALL"}));
    assert_int_equal(counted(w), 0);
    for (int told = 0; told < 3;) {
        assert_true(world_next(dead, &event));
        told += event.kind == OD_EV_NOT_DURABLE;
    }
    assert_int_equal(counted(w), 3);
    dead->port->finish(
        dead->port->ctx, jobs[0].u.job.job,
        &(struct od_outcome){.cause = OD_CAUSE_COMPLETED, .trunk = 0, .ended_ms = 5});
    wanted = 1;
    assert_true(world_until(dead, all_ended, WORLD_LIMIT_MS));
    assert_int_equal(counted(w), 2);
    reopen(w, "first", LEASE_MS); /* the other one stands still from now on */
    an_agent(w);                  /* the org is served again */
    assert_true(world_until(w, none_counted, WORLD_LIMIT_MS));
    world_close(dead);
}

/* A failover has lost the latest writes: the record is what it was before they were made. */
static void a_forgotten_intent_is_told_again(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w), uid;
    struct od_event job;
    char text[64];
    some_calls(w, &agent, &uid, 1);
    uint32_t lane = ready(w);
    char lua_keep[256], hex[80] = "";
    for (int i = 0; i < 16; i++)
        snprintf(hex + strlen(hex), sizeof hex - strlen(hex), "\\%03u", uid.b[i]);
    snprintf(lua_keep, sizeof lua_keep, "return redis.call('COPY', 'od:{acme}:c:' .. '%s', 'kept')",
             hex);
    assert_true(redis_server_ask(&w->server, text, sizeof text, 3,
                                 (const char *const[]){"EVAL", lua_keep, "0"}));
    assert_int_equal(claim(w, lane, 1, &job), 1);
    intent(w, 7, &job);
    progress(w, &job, "ringing");
    char lua_back[400];
    snprintf(
        lua_back, sizeof lua_back,
        "local u = '%s' redis.call('COPY', 'kept', 'od:{acme}:c:' .. u, 'REPLACE') "
        "for _, k in ipairs(redis.call('KEYS', 'od:{acme}:held:*')) do redis.call('DEL', k) end "
        "return redis.call('LPUSH', 'od:{acme}:q:1', u)",
        hex);
    assert_true(redis_server_ask(&w->server, text, sizeof text, 3,
                                 (const char *const[]){"EVAL", lua_back, "0"}));
    struct world *rival = world_join(w, "rival", 60000);
    struct od_event stolen, event;
    assert_int_equal(claim(rival, ready(rival), 1, &stolen), 1); /* before we are heard */
    /* the connection breaks, as it does in a failover */
    assert_true(redis_server_ask(&w->server, text, sizeof text, 4,
                                 (const char *const[]){"CLIENT", "KILL", "TYPE", "normal"}));
    assert_true(world_wait_down(w));
    assert_true(world_wait_up(w));
    rival->port->intent(rival->port->ctx, (struct od_call_id){1, 1}, stolen.u.job.job, &names, 0,
                        stolen.u.job.attempt);
    assert_true(world_wait_up(rival));
    assert_true(world_next_of(rival, OD_EV_NOT_DURABLE, &event)); /* the fence has risen */
    assert_int_equal(world_call_get(w, org, &uid), 0);
    assert_int_equal(w->calls[0].phase, OD_PHASE_DIALING);
    assert_int_equal(w->calls[0].attempts, 1);
    w->port->finish(w->port->ctx, job.u.job.job,
                    &(struct od_outcome){.cause = OD_CAUSE_BUSY, .trunk = 0, .ended_ms = 5});
    wanted = 1;
    assert_true(world_until(w, all_ended, WORLD_LIMIT_MS));
    assert_int_equal(world_call_get(w, org, &uid), 0);
    assert_int_equal(w->calls[0].outcome.cause, OD_CAUSE_BUSY);
    assert_int_equal(world_ends(w, org, &uid), 1);
    world_close(rival);
}

/* Records that can't be read are set aside with their reason; what stands behind them is claimed.
 */
static void damaged_records_are_set_aside(void **state)
{
    static const char lua[] =
        "local n = redis.call('LRANGE', 'od:{acme}:q:1', 0, -1) "
        "local c = 'od:{acme}:c:' "
        "redis.call('SETRANGE', c .. n[1], 0, '\\9') " /* another version */
        "redis.call('SET', c .. n[2], 'short') "
        "redis.call('DEL', c .. n[3]) redis.call('RPUSH', c .. n[3], 'a list') "
        "redis.call('DEL', c .. n[4]) "
        "redis.call('SETRANGE', c .. n[5], 60, 'not msgpack at all') " /* its job, not its state */
        "redis.call('LPUSH', 'od:{acme}:q:1', 'no name of a call') "
        "return #n";
    struct world *w = *state;
    struct od_uid agent = an_agent(w), uids[7];
    struct od_event jobs[7], event;
    char text[64];
    some_calls(w, &agent, uids, 7);
    uint32_t lane = ready(w);
    assert_true(redis_server_ask(&w->server, text, sizeof text, 3,
                                 (const char *const[]){"EVAL", lua, "0"}));
    assert_string_equal(text, "7");
    uint32_t got = 0;
    w->port->claim(w->port->ctx, lane, 7);
    do {
        assert_true(world_next(w, &event));
        if (event.kind == OD_EV_JOB)
            jobs[got++] = event;
    } while (event.kind != OD_EV_CLAIM_DONE);
    assert_int_equal(got, 2);
    assert_true(od_uid_equal(&jobs[0].u.job.uid, &uids[5]));
    assert_true(od_uid_equal(&jobs[1].u.job.uid, &uids[6]));
    struct od_store_stats stats;
    do {
        world_run_for(w, 20);
        od_store_stats(w->store, &stats);
    } while (stats.dead < 6);
    assert_true(redis_server_ask(&w->server, text, sizeof text, 2,
                                 (const char *const[]){"HLEN", "od:{acme}:dead"}));
    assert_string_equal(text, "6");
    assert_non_null(strstr(w->last_log, "set aside as damaged"));
    /* the one whose state could be read has ended like any call */
    assert_int_equal(world_ends(w, org, &uids[4]), 1);
    assert_true(stats.up);
    intent(w, 1, &jobs[0]);
    /* a lane that is no list any more, and a dead worker that holds nonsense */
    assert_true(redis_server_ask(
        &w->server, text, sizeof text, 3,
        (const char *const[]){"EVAL",
                              "redis.call('SET', 'od:{acme}:q:1', 'x') "
                              "redis.call('ZADD', 'od:{acme}:serving', 0, 99) "
                              "return redis.call('SADD', 'od:{acme}:held:99', 'x', '')",
                              "0"}));
    assert_int_equal(claim(w, lane, 1, jobs), 0);
    struct world *other = world_join(w, "other", LEASE_MS);
    od_store_stats(w->store, &stats);
    assert_true(stats.up);
    world_close(other);
}

static uint64_t forgotten(const struct world *w)
{
    struct od_store_stats stats;
    od_store_stats(w->store, &stats);
    return stats.forgotten;
}

static bool two_are_forgotten(struct world *w)
{
    return forgotten(w) >= 2;
}

/* Another Redis in the place of the one before, with or without what it had acknowledged. */
static void another_redis(struct world *w)
{
    redis_server_kill(&w->server);
    assert_true(world_wait_down(w));
    assert_true(redis_server_restart(&w->server, NULL));
    assert_true(world_wait_up(w));
}

/* What was acknowledged and is not there any more is named, once; what is there is not. */
static void acknowledged_calls_that_are_missing_are_named(void **state)
{
    struct world *w = *state;
    struct od_uid agent = an_agent(w), uids[5];
    char text[64], name[OD_UID_TEXT];
    some_calls(w, &agent, uids, 5);
    another_redis(w);
    world_run_for(w, 600); /* three heartbeats */
    assert_int_equal(forgotten(w), 0);
    for (int i = 1; i < 4; i += 2) {
        char key[32] = "od:{acme}:c:";
        char lua[200] = "";
        size_t used = (size_t)snprintf(lua, sizeof lua, "return redis.call('DEL', '%s", key);
        for (int b = 0; b < 16; b++)
            used += (size_t)snprintf(lua + used, sizeof lua - used, "\\%03u", uids[i].b[b]);
        snprintf(lua + used, sizeof lua - used, "')");
        assert_true(redis_server_ask(&w->server, text, sizeof text, 3,
                                     (const char *const[]){"EVAL", lua, "0"}));
        assert_string_equal(text, "1");
    }
    another_redis(w);
    assert_true(world_until(w, two_are_forgotten, WORLD_LIMIT_MS));
    for (int i = 0; i < 5; i++) {
        od_uid_text(&uids[i], name);
        assert_int_equal(strstr(w->last_log, name) != NULL, i == 1 || i == 3);
    }
    another_redis(w);
    world_run_for(w, 600);
    assert_int_equal(forgotten(w), 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(legs_of_the_dead_are_handed_over), TEST(a_leg_outlives_its_heir),
        TEST(a_restart_ends_its_own_legs),      TEST(the_lease_is_told_and_ends),
        TEST(many_legs_outlive_many_heirs),     TEST(flushall_lets_calls_go_on),
        TEST(flushall_forgets_no_cap),          TEST(a_forgotten_intent_is_told_again),
        TEST(damaged_records_are_set_aside),    TEST(acknowledged_calls_that_are_missing_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
