/*
 * core_bench - what a call costs in the engine alone: claim, intent, INVITE, 180, 200, BYE, end, on
 * a virtual clock with ports that only note what comes back when. Prints CPU time per call; counted
 * in instructions it is
 *
 *   valgrind --tool=callgrind --toggle-collect=od_engine_run --toggle-collect=od_engine_post \
 *       od_core_bench CALLS LANES TRUNKS CPS [RULES]
 *
 * divided by CALLS. CPS 0: no rate, as fast as slots and turns allow. RULES: of breakers, 0 to 4,
 * one an axis; numbers have a thousand prefixes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/assert.h"
#include "outdial/engine.h"

/* What happens after a fixed time: one queue per time keeps the order without a heap. */
struct later {
    struct od_event *events;
    uint64_t *at_ns;
    uint32_t size, head, tail;
    uint64_t after_ns;
};

enum { STORE, RINGS, ANSWERS, HANGS_UP, QUEUES };

struct bench {
    struct od_engine *engine;
    struct od_now now;
    struct later queues[QUEUES];
    uint32_t calls, lanes, handed_over, ended;
};

static void put(struct bench *bench, int queue, const struct od_event *event)
{
    struct later *later = &bench->queues[queue];

    OD_ASSERT(later->tail - later->head < later->size);
    later->events[later->tail % later->size] = *event;
    later->at_ns[later->tail++ % later->size] = bench->now.mono_ns + later->after_ns;
}

static void on_claim(void *ctx, uint32_t lane, uint32_t count)
{
    struct bench *bench = ctx;
    struct od_event event = {.kind = OD_EV_JOB};
    uint32_t got = 0;

    for (; got < count && bench->handed_over < bench->calls; got++) {
        uint32_t number = bench->handed_over++;
        event.u.job.lane = lane;
        event.u.job.job = (struct od_job_id){number, 1};
        memcpy(event.u.job.uid.b, &number, sizeof number);
        event.u.job.attempt = 1;
        strcpy(event.u.job.to, "+15550001234");
        for (uint32_t i = 0, left = number; i < 3; i++, left /= 10)
            event.u.job.to[2 + i] = (char)('0' + left % 10);
        put(bench, STORE, &event);
    }
    event = (struct od_event){.kind = OD_EV_CLAIM_DONE};
    event.u.claim.lane = lane;
    event.u.claim.asked = count;
    event.u.claim.got = got;
    event.u.claim.waiting = bench->calls - bench->handed_over;
    put(bench, STORE, &event);
}

static void on_intent(void *ctx, struct od_call_id call, struct od_job_id job,
                      const struct od_sip_names *names, uint32_t trunk, uint16_t attempt)
{
    (void)job;
    (void)attempt;
    (void)names;
    (void)trunk;
    put(ctx, STORE, &(struct od_event){.kind = OD_EV_DURABLE, .call = call});
}

static void on_progress(void *ctx, struct od_job_id job, const char *state, int64_t wall_ms)
{
    (void)ctx;
    (void)job;
    (void)state;
    (void)wall_ms;
}

static void on_release(void *ctx, struct od_call_id call, struct od_job_id job,
                       int64_t not_before_ms, const char *why)
{
    (void)job;
    (void)not_before_ms;
    (void)why;
    put(ctx, STORE, &(struct od_event){.kind = OD_EV_RELEASED, .call = call});
}

static void on_finish(void *ctx, struct od_job_id job, const struct od_outcome *outcome)
{
    struct bench *bench = ctx;

    (void)job;
    OD_ASSERT(outcome->cause == OD_CAUSE_COMPLETED);
    bench->ended++;
}

static void on_invite(void *ctx, struct od_call_id call, const struct od_invite *invite)
{
    struct bench *bench = ctx;

    (void)invite;
    od_engine_post(bench->engine, &(struct od_event){.kind = OD_EV_SENT, .call = call});
    put(bench, RINGS, &(struct od_event){.kind = OD_EV_PROGRESS, .call = call});
    put(bench, ANSWERS, &(struct od_event){.kind = OD_EV_ANSWER, .call = call});
    put(bench, HANGS_UP, &(struct od_event){.kind = OD_EV_PEER_BYE, .call = call});
}

static void on_call(void *ctx, struct od_call_id call)
{
    (void)ctx;
    (void)call;
}

static void on_talk(void *ctx, struct od_call_id call, struct od_job_id job)
{
    (void)ctx;
    (void)call;
    (void)job;
}

static void on_stop(void *ctx, struct od_call_id call, struct od_job_id job, enum od_cause cause)
{
    (void)ctx;
    (void)call;
    (void)job;
    (void)cause;
}

static void set_rules(struct bench *bench, uint32_t count)
{
    struct od_breaker_rule rules[OD_BREAKER_AXIS_COUNT];
    int err;

    OD_ASSERT(count <= OD_BREAKER_AXIS_COUNT);
    for (uint32_t i = 0; i < count; i++)
        rules[i] = (struct od_breaker_rule){.axis = (uint8_t)i,
                                            .digits = 4,
                                            .answered_min = 50,
                                            .short_max = 1000,
                                            .failed_max = 400,
                                            .short_ms = 6000,
                                            .calls_min = 50,
                                            .window_ms = 300000,
                                            .wait_ms = 60000,
                                            .wait_ms_max = 1800000,
                                            .probes = 5};
    err = od_engine_set_breakers(bench->engine, rules, count);
    OD_ASSERT(err == 0);
}

static void setup(struct bench *bench, uint32_t trunks, uint32_t cps)
{
    static const uint64_t after_ms[QUEUES] = {12, 50, 100, 300};
    const struct od_limits limits = {.calls_max = 20000,
                                     .dialled_max = 10000,
                                     .lanes_max = bench->lanes,
                                     .trunks_max = trunks,
                                     .events_max = 1u << 16,
                                     .breakers_max = 16384,
                                     .turn_budget = 1024};
    const struct od_ports ports = {
        .store = {.ctx = bench,
                  .claim = on_claim,
                  .intent = on_intent,
                  .progress = on_progress,
                  .release = on_release,
                  .finish = on_finish},
        .sip = {.ctx = bench,
                .invite = on_invite,
                .invite_again = on_call,
                .cancel = on_call,
                .ack = on_call,
                .bye = on_call,
                .drop = on_call},
        .talk =
            {.ctx = bench, .prepare = on_talk, .start = on_talk, .stop = on_stop, .hook = on_talk},
    };
    struct od_trunk_def trunk = {.weight = 1, .usable = true};
    struct od_lane_def lane = {.ring_ms = 30000, .talk_ms_max = 60000, .open = true};
    int err = od_engine_create(&bench->engine, &limits, &ports, 1);

    OD_ASSERT(err == 0);
    for (int i = 0; i < QUEUES; i++) {
        struct later *later = &bench->queues[i];
        later->size = 1u << 17;
        later->after_ns = after_ms[i] * OD_NS_PER_MS;
        later->events = calloc(later->size, sizeof *later->events);
        later->at_ns = calloc(later->size, sizeof *later->at_ns);
        OD_ASSERT(later->events && later->at_ns);
    }
    if (cps)
        trunk.shapes[0] = (struct od_shape){OD_SHAPE_EVEN, cps, 0, OD_NS_PER_S};
    for (uint32_t i = 0; i < trunks; i++) {
        err = od_engine_set_trunk(bench->engine, i, &trunk);
        OD_ASSERT(err == 0);
    }
    memcpy(lane.caller, "+15550001111", 13);
    for (uint32_t i = 0; i < bench->lanes; i++) {
        lane.campaign.b[0] = (uint8_t)(1 + i % 100);
        lane.rotor = i / 4;
        lane.priority = (int32_t)(i % 3); /* so that age has its turns, too */
        lane.trunks[0] = i % trunks;
        lane.trunks[1] = OD_NO_TRUNK;
        err = od_engine_set_lane(bench->engine, i, &lane);
        OD_ASSERT(err == 0);
    }
    od_engine_post(bench->engine, &(struct od_event){.kind = OD_EV_STORE_UP});
}

/* Says of every lane that work waits, in steps that fit the ring. */
static void announce(struct bench *bench)
{
    for (uint32_t i = 0; i < bench->lanes; i++) {
        struct od_event event = {.kind = OD_EV_LANE_READY};
        event.u.lane.lane = i;
        event.u.lane.waiting = 1000000;
        if (od_engine_post(bench->engine, &event)) {
            od_engine_run(bench->engine, bench->now);
            i--;
        }
    }
}

static void step(struct bench *bench)
{
    uint64_t next_ns = od_engine_run(bench->engine, bench->now), due_ns = next_ns;

    if (next_ns <= bench->now.mono_ns || od_engine_pending(bench->engine))
        return;
    for (int i = 0; i < QUEUES; i++) {
        const struct later *later = &bench->queues[i];
        if (later->head != later->tail && later->at_ns[later->head % later->size] < due_ns)
            due_ns = later->at_ns[later->head % later->size];
    }
    if (bench->ended == bench->calls)
        return;
    OD_ASSERT(due_ns != OD_NEVER);
    bench->now.wall_ms += (int64_t)((due_ns - bench->now.mono_ns) / OD_NS_PER_MS);
    bench->now.mono_ns = due_ns;
    for (int i = 0; i < QUEUES; i++) {
        struct later *later = &bench->queues[i];
        while (later->head != later->tail && later->at_ns[later->head % later->size] <= due_ns &&
               !od_engine_post(bench->engine, &later->events[later->head % later->size]))
            later->head++;
    }
}

int main(int argc, char **argv)
{
    static struct bench bench;
    uint32_t trunks = argc > 3 ? (uint32_t)atoi(argv[3]) : 1;
    uint32_t cps = argc > 4 ? (uint32_t)atoi(argv[4]) : 1000;
    uint64_t turns = 0, began_ns;
    struct od_engine_stats stats;
    clock_t began;

    bench.calls = argc > 1 ? (uint32_t)atoi(argv[1]) : 100000;
    bench.lanes = argc > 2 ? (uint32_t)atoi(argv[2]) : 1;
    bench.now = (struct od_now){1000 * OD_NS_PER_S, INT64_C(1700000000000)};
    setup(&bench, trunks, cps);
    set_rules(&bench, argc > 5 ? (uint32_t)atoi(argv[5]) : 0);
    announce(&bench);
    began_ns = bench.now.mono_ns;
    began = clock();
    for (; bench.ended < bench.calls; turns++)
        step(&bench);
    od_engine_stats(bench.engine, &stats);
    OD_ASSERT(stats.ended_by[OD_CAUSE_COMPLETED] == bench.calls && !stats.odd && !stats.late);
    printf("%u calls, %u lanes, %u trunks: %.3f us a call, %.1f turns a call, %.1f calls/s\n",
           bench.calls, bench.lanes, trunks,
           (double)(clock() - began) * 1e6 / CLOCKS_PER_SEC / bench.calls,
           (double)turns / bench.calls,
           (double)bench.calls * 1e9 / (double)(bench.now.mono_ns - began_ns));
    od_engine_destroy(bench.engine);
    for (int i = 0; i < QUEUES; i++) {
        free(bench.queues[i].events);
        free(bench.queues[i].at_ns);
    }
    return 0;
}
