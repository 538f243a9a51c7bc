/*
 * redis_counts_test - a campaign's counters are what a recount of its contacts gives, after every
 * one of many random operations: imports, claims, intents, progress, ends, retries, releases,
 * cancels, pauses, deadlines, a lease that runs out, a Redis that is killed and started again.
 * Method: the real store and a script that recounts in one step; the seed is printed first and may
 * be given.
 *
 *   redis_counts_test [SEED]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <time.h>

#include "engine/base/rng.h"
#include "engine/base/uid.h"
#include "tests/contract/redis_world.h"

enum { STEPS = 500, JOBS = 64, UIDS = 4096 };

static const char org[] = "acme";
static const struct od_sip_names names = {"00112233445566778899aabbccddeeff", "0011223344556677",
                                          "z9hG4bK0011223344556677"};

/* "" or what differs. Every contact is in exactly one of: waiting, held by its worker, ended. */
static const char recount[] =
    "local P = 'od:{acme}:' "
    "for _, key in ipairs(redis.call('KEYS', P .. 'cp:*')) do "
    "  local c, n = key:sub(#P + 4), { total = 0, waiting = 0, active = 0, ended = 0 } "
    "  for _, uid in ipairs(redis.call('LRANGE', P .. 'cl:' .. c, 0, -1)) do "
    "    local record = redis.call('GETRANGE', P .. 'c:' .. uid, 0, 53) "
    "    local _, phase, cause, _, _, _, _, worker = struct.unpack('>BBBBHHI4I4', record) "
    "    local what = phase == 7 and 'ended' or worker == 0 and 'waiting' or 'active' "
    "    n.total, n[what] = n.total + 1, n[what] + 1 "
    "    if phase == 7 then n['e' .. cause] = (n['e' .. cause] or 0) + 1 end "
    "    local held = worker ~= 0 and redis.call('SISMEMBER', P .. 'held:' .. worker, uid) == 1 "
    "    if (what == 'active') ~= held then return 'a contact is ' .. what .. ', held by ' .. "
    "worker end "
    "  end "
    "  local stored = redis.call('HGETALL', key) "
    "  for i = 1, #stored, 2 do "
    "    local f = stored[i] "
    "    if n[f] or f:match('^e%d+$') then "
    "      if tonumber(stored[i + 1]) ~= (n[f] or 0) then "
    "        return f .. ' is ' .. stored[i + 1] .. ', counted ' .. (n[f] or 0) end "
    "      n[f] = nil "
    "    end "
    "  end "
    "  for f, count in pairs(n) do if count > 0 then return f .. ' is missing' end end "
    "end return ''";

struct scene {
    struct world *w;
    struct od_rng rng;
    struct od_uid agent, campaign, uids[UIDS];
    uint32_t uid_count;
    struct {
        bool used, dialled;
        struct od_event job;
    } jobs[JOBS];
    uint32_t lane, alive;
    bool lane_known, paused;
};

static uint64_t seed;

static uint32_t below(struct scene *s, uint32_t n)
{
    return (uint32_t)od_rng_below(&s->rng, n);
}

static int64_t wall_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void give_up(struct scene *s, uint32_t call)
{
    if (!s->jobs[call].used)
        return;
    s->jobs[call].used = false;
    s->alive--;
    s->w->port->finish(s->w->port->ctx, s->jobs[call].job.u.job.job,
                       &(struct od_outcome){.cause = OD_CAUSE_UNKNOWN, .trunk = OD_NO_TRUNK});
}

static void take_job(struct scene *s, const struct od_event *event)
{
    uint32_t call = 0;
    while (call < JOBS && s->jobs[call].used)
        call++;
    assert_true(call < JOBS);
    s->jobs[call].used = true;
    s->jobs[call].dialled = false;
    s->jobs[call].job = *event;
    s->alive++;
}

static void hear(struct scene *s)
{
    struct world *w = s->w;
    while (w->events_head != w->events_tail) {
        const struct od_event event = w->events[w->events_tail++ % WORLD_EVENTS];
        switch (event.kind) {
        case OD_EV_JOB:
            take_job(s, &event);
            break;
        case OD_EV_LANE_READY:
            s->lane = event.u.lane.lane;
            s->lane_known = true;
            break;
        case OD_EV_DURABLE:
            s->jobs[event.call.index].dialled = true;
            break;
        case OD_EV_NOT_DURABLE:
        case OD_EV_LOST:
            give_up(s, event.call.index);
            break;
        default:
            break;
        }
    }
}

static void add(struct scene *s)
{
    struct od_call_new calls[8];
    char to[8][24];
    size_t count = 1 + below(s, 8);
    if (s->uid_count + count > UIDS)
        return;
    for (size_t i = 0; i < count; i++) {
        s->uids[s->uid_count] = world_uid(s->w);
        snprintf(to[i], sizeof to[i], "+1555%07u", s->uid_count);
        calls[i] = (struct od_call_new){.id = s->uids[s->uid_count++],
                                        .to = to[i],
                                        .not_before_ms = below(s, 4) ? 0 : wall_ms() + below(s, 60),
                                        .deadline_ms = below(s, 4) ? 0 : wall_ms() + below(s, 200)};
    }
    assert_int_equal(world_add(s->w, org, &s->agent, &s->campaign, calls, count), 0);
}

static void finish(struct scene *s, uint32_t call)
{
    static const enum od_cause causes[] = {OD_CAUSE_COMPLETED, OD_CAUSE_BUSY, OD_CAUSE_NO_ANSWER,
                                           OD_CAUSE_TRUNK_FAILED};
    struct od_outcome outcome = {.cause = causes[below(s, 4)],
                                 .verdict = OD_VERDICT_CALLEE,
                                 .trunk = OD_NO_TRUNK,
                                 .ended_ms = wall_ms()};
    if (outcome.cause == OD_CAUSE_TRUNK_FAILED)
        outcome.verdict = OD_VERDICT_TRUNK;
    if (below(s, 3) == 0) {
        outcome.retry_ms = wall_ms() + below(s, 80);
        outcome.retry_max = 3;
    }
    s->jobs[call].used = false;
    s->alive--;
    s->w->port->finish(s->w->port->ctx, s->jobs[call].job.u.job.job, &outcome);
}

static void work_on(struct scene *s, uint32_t call)
{
    const struct od_store_port *port = s->w->port;
    struct od_job_id job = s->jobs[call].job.u.job.job;
    struct od_call_id id = {call, 1};
    if (!s->jobs[call].used)
        return;
    if (s->jobs[call].dialled && below(s, 2)) {
        port->progress(port->ctx, job, below(s, 2) ? "ringing" : "talking", wall_ms());
    } else if (s->jobs[call].dialled) {
        finish(s, call);
    } else if (below(s, 4)) {
        port->intent(port->ctx, id, job, &names, OD_NO_TRUNK, s->jobs[call].job.u.job.attempt);
        world_run_for(s->w, 20); /* or later: NOT_DURABLE, LOST */
    } else {
        s->jobs[call].used = false;
        s->alive--;
        port->release(port->ctx, id, job, below(s, 2) ? 0 : wall_ms() + below(s, 60),
                      below(s, 2) ? "hours" : "");
    }
}

static void stop_one(struct scene *s)
{
    if (s->uid_count > 0) /* ended, unknown or on its way: whatever the answer is */
        world_stop(s->w, org, &s->uids[below(s, s->uid_count)], below(s, 2) != 0);
}

static void pause_or_resume(struct scene *s)
{
    s->paused = !s->paused;
    assert_int_equal(world_set_state(s->w, org, &s->campaign,
                                     s->paused ? OD_CAMPAIGN_PAUSED : OD_CAMPAIGN_RUNNING),
                     0);
}

/* As if this process had stood still beyond its lease: what it holds is the next number's to put
 * right. */
static void lapse(struct scene *s)
{
    char text[64];
    assert_true(
        redis_server_ask(&s->w->server, text, sizeof text, 3,
                         (const char *const[]){
                             "EVAL",
                             "for _, w in ipairs(redis.call('ZRANGE', 'od:{acme}:serving', 0, -1)) "
                             "do redis.call('ZADD', 'od:{acme}:serving', 0, w) end",
                             "0"}));
    world_run_for(s->w, 300); /* a turn finds out, by the next heartbeat */
}

static void kill_redis(struct scene *s)
{
    redis_server_kill(&s->w->server);
    world_run_for(s->w, below(s, 30));
    assert_true(redis_server_restart(&s->w->server, NULL));
    assert_true(world_wait_up(s->w));
}

static void step(struct scene *s)
{
    uint32_t what = below(s, 200);
    if (what < 20)
        add(s);
    else if (what < 60 && s->lane_known && s->alive + 8 < JOBS / 2)
        s->w->port->claim(s->w->port->ctx, s->lane, 1 + below(s, 8));
    else if (what < 170)
        work_on(s, below(s, JOBS));
    else if (what < 188)
        stop_one(s);
    else if (what < 193)
        pause_or_resume(s);
    else if (what < 197)
        lapse(s);
    else if (what < 199)
        kill_redis(s);
}

static void counts_equal_a_recount(void **state)
{
    (void)state;
    static struct scene scene;
    struct scene *s = &scene;
    char text[256];
    s->rng.state = seed;
    s->w = world_open("worker-1");
    assert_non_null(s->w);
    s->agent = world_uid(s->w);
    s->campaign = world_uid(s->w);
    assert_int_equal(world_agent_put(s->w, org, &s->agent, "a", "{}"), 0);
    assert_int_equal(world_campaign(s->w, org, &s->campaign, &s->agent, OD_CAMPAIGN_RUNNING, ""),
                     0);
    for (int i = 0; i < STEPS; i++) {
        step(s);
        if (below(s, 4) == 0)
            world_run_for(s->w, below(s, 20));
        hear(s);
        assert_true(redis_server_ask(&s->w->server, text, sizeof text, 3,
                                     (const char *const[]){"EVAL", recount, "0"}));
        if (text[0] != '\0')
            fail_msg("seed %llu, step %d: %s", (unsigned long long)seed, i, text);
    }
    assert_int_equal(world_campaign_get(s->w, org, &s->campaign), 0);
    const struct od_campaign_rec *c = &s->w->campaigns[0];
    printf("%llu contacts: %llu wait, %llu active, %llu ended (%llu canceled, %llu unknown)\n",
           (unsigned long long)c->total, (unsigned long long)c->waiting,
           (unsigned long long)c->active, (unsigned long long)c->ended,
           (unsigned long long)c->ended_by[OD_CAUSE_CANCELED],
           (unsigned long long)c->ended_by[OD_CAUSE_UNKNOWN]);
    assert_true(c->ended > 20);
    world_close(s->w);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts_equal_a_recount)};
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);
    printf("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
