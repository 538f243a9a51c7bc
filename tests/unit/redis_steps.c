/*
 * redis_steps - see redis_steps.h.
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

const char org[] = "acme";
const struct od_sip_names names = {"00112233445566778899aabbccddeeff", "0011223344556677",
                                   "z9hG4bK0011223344556677"};

int steps_setup(void **state)
{
    *state = world_open("worker-1");
    return *state == NULL ? -1 : 0;
}

int steps_teardown(void **state)
{
    world_close(*state);
    return 0;
}

int64_t wall_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

struct od_uid an_agent(struct world *w, const char *in)
{
    struct od_uid id = world_uid(w);
    char name[OD_UID_TEXT];
    od_uid_text(&id, name);
    assert_int_equal(world_agent_put(w, in, &id, name, "{}"), 0);
    return id;
}

struct od_uid a_call(struct world *w, const struct od_uid *agent, int64_t not_before_ms,
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

void some_calls(struct world *w, const struct od_uid *agent, const struct od_uid *campaign,
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
uint32_t ready(struct world *w)
{
    struct od_event event;
    do
        assert_true(world_next_of(w, OD_EV_LANE_READY, &event));
    while (event.u.lane.waiting == 0);
    return event.u.lane.lane;
}

/* Claims; jobs may be NULL when none are expected. */
struct od_event claim(struct world *w, uint32_t lane, uint32_t count, struct od_event *jobs)
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

struct od_event claim_one(struct world *w, uint32_t lane)
{
    struct od_event job;
    assert_int_equal(claim(w, lane, 1, &job).u.claim.got, 1);
    return job;
}

void intent(struct world *w, const struct od_event *job)
{
    struct od_event event;
    w->port->intent(w->port->ctx, (struct od_call_id){1, 1}, job->u.job.job, &names, 0,
                    job->u.job.attempt);
    assert_true(world_next_of(w, OD_EV_DURABLE, &event));
}

void finish(struct world *w, const struct od_event *job, enum od_cause cause)
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

void wait_ended(struct world *w, uint32_t count)
{
    wanted_ended = count;
    assert_true(world_until(w, enough_ended, WORLD_LIMIT_MS));
    assert_int_equal(w->ended_count, count);
}

const struct od_call_rec *look(struct world *w, const struct od_uid *uid)
{
    assert_int_equal(world_call_get(w, org, uid), 0);
    assert_int_equal(w->count, 1);
    return &w->calls[0];
}

/* A command of the test's own. */
void ask(struct world *w, int argc, const char *const *argv, char *out, size_t size)
{
    assert_true(redis_server_ask(&w->server, out, size, argc, argv));
}
