/*
 * Goal: whatever shapes a trunk's limit is made of, none is ever passed in any window, and at least
 * 98 % of what they allow together is used while work waits. Method: engines with trunks and lanes
 * drawn from a seed; contacts come in bursts, then without end; calls are challenged or not, after
 * latencies of their own. Every INVITE is judged twice, when it leaves and when it arrives at the
 * carrier, by the shapes' plain words and without the engine's guard. What they allow is counted by
 * a greedy sender that knows nothing but these words.
 *
 *   rate_property_test [--count N] [--seed N]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/rng.h"
#include "outdial/engine.h"

enum { TRUNKS_MAX = 6, LANES_MAX = 8, CALLS_MAX = 60000 };
#define START_NS (1000 * OD_NS_PER_S)
#define BURSTS_NS (30 * OD_NS_PER_S)
#define FULL_NS (60 * OD_NS_PER_S) /* work without end */
/* 98 % in all: what is left of it when the greedy sender is given 99.5 % of the time. A window's
 * whole count may lie on either side of the last moment, and guards shift that by a few thousandths
 * a window. */
#define TIME_PER_MILLE 995
#define USED_PER_MILLE 985

struct times {
    uint64_t *at_ns;
    size_t n, room;
};

struct trunk {
    struct od_shape shapes[OD_SHAPES_MAX];
    uint32_t challenged; /* per mille of its calls */
    uint64_t rtt_ns, path_ns, jitter_ns;
    struct times sent, arrived;
};

struct later {
    uint64_t at_ns, order;
    struct od_event event;
};

static struct world {
    struct od_engine *engine;
    struct od_rng rng;
    struct od_now now;
    uint64_t seed, full_ns, orders, late_ns;
    uint32_t trunk_count, lane_count;
    struct trunk trunks[TRUNKS_MAX];
    uint32_t waiting[LANES_MAX]; /* contacts in the store; UINT32_MAX: no end */
    struct later *heap;
    size_t heap_n, heap_room;
    struct { /* by call slot: what its SIP side is doing */
        uint32_t trunk, gen;
        bool asked;
    } legs[CALLS_MAX];
    uint32_t jobs;
} w;

static uint32_t between(uint32_t low, uint32_t high)
{
    return low + (uint32_t)od_rng_below(&w.rng, high - low + 1);
}

static bool often(uint32_t per_mille)
{
    return od_rng_below(&w.rng, 1000) < per_mille;
}

static void fail(const char *what, uint32_t trunk)
{
    printf("seed %" PRIu64 ", trunk %u: %s\n", w.seed, trunk, what);
    for (int i = 0; i < OD_SHAPES_MAX && w.trunks[trunk].shapes[i].kind; i++) {
        const struct od_shape *s = &w.trunks[trunk].shapes[i];
        printf("  shape %d: kind %u, %u per %.1f ms, burst %u\n", i, s->kind, s->count,
               (double)s->window_ns / 1e6, s->burst);
    }
    exit(1);
}

static void note(struct times *times, uint64_t at_ns)
{
    if (times->n == times->room) {
        times->room = times->room ? 2 * times->room : 1024;
        times->at_ns = realloc(times->at_ns, times->room * sizeof *times->at_ns);
        OD_ASSERT(times->at_ns);
    }
    times->at_ns[times->n++] = at_ns;
}

/* ---- the plain words ---- */

/* The earliest time at which the sender of `times` may send again by one shape. */
static uint64_t earliest(const struct od_shape *shape, const struct times *times,
                         uint64_t *bucket_ns)
{
    uint64_t interval_ns = shape->count ? shape->window_ns / shape->count : 0;
    uint64_t even_ns = 0, window_ns = 0;

    if (shape->kind == OD_SHAPE_NONE)
        return 0;
    if (shape->kind == OD_SHAPE_BUCKET)
        return *bucket_ns > (shape->burst - 1) * interval_ns
                   ? *bucket_ns - (shape->burst - 1) * interval_ns
                   : 0;
    /* No window of EVEN holds more than its count either. */
    if (shape->kind == OD_SHAPE_EVEN && times->n)
        even_ns = times->at_ns[times->n - 1] + interval_ns;
    if (times->n >= shape->count)
        window_ns = times->at_ns[times->n - shape->count] + shape->window_ns;
    return even_ns > window_ns ? even_ns : window_ns;
}

static void drain_bucket(const struct od_shape *shape, uint64_t at_ns, uint64_t *bucket_ns)
{
    *bucket_ns = (*bucket_ns > at_ns ? *bucket_ns : at_ns) + shape->window_ns / shape->count;
}

/* forgiven_ns: of the spacing of EVEN, for a late wake-up before; windows are strict. */
static void judge(uint32_t trunk, const struct times *times, uint64_t forgiven_ns,
                  const char *where)
{
    const struct od_shape *shapes = w.trunks[trunk].shapes;

    for (int s = 0; s < OD_SHAPES_MAX && shapes[s].kind != OD_SHAPE_NONE; s++) {
        uint64_t bucket_ns = 0;
        for (size_t i = 0; i < times->n; i++) {
            struct times before = {times->at_ns, i, 0};
            struct od_shape shape = shapes[s];
            uint64_t may_ns = earliest(&shape, &before, &bucket_ns);
            uint64_t forgiven = 0;
            if (shape.kind == OD_SHAPE_EVEN) {
                shape.kind = OD_SHAPE_WINDOW;
                if (times->at_ns[i] < earliest(&shape, &before, &bucket_ns))
                    fail(where, trunk);
                forgiven = forgiven_ns;
            }
            if (times->at_ns[i] + forgiven < may_ns)
                fail(where, trunk);
            drain_bucket(&shape, times->at_ns[i], &bucket_ns);
        }
    }
}

/* How many a greedy sender sends from from_ns to to_ns, given what was really sent before. */
static size_t greedy(const struct trunk *trunk, uint64_t from_ns, uint64_t to_ns, size_t *before)
{
    struct times times = {0};
    uint64_t bucket_ns[OD_SHAPES_MAX] = {0}, at_ns = from_ns;
    size_t n;

    for (size_t i = 0; i < trunk->sent.n && trunk->sent.at_ns[i] < from_ns; i++) {
        note(&times, trunk->sent.at_ns[i]);
        for (int s = 0; s < OD_SHAPES_MAX; s++)
            if (trunk->shapes[s].kind == OD_SHAPE_BUCKET)
                drain_bucket(&trunk->shapes[s], trunk->sent.at_ns[i], &bucket_ns[s]);
    }
    *before = n = times.n;
    for (;;) {
        for (int s = 0; s < OD_SHAPES_MAX; s++) {
            uint64_t may_ns = earliest(&trunk->shapes[s], &times, &bucket_ns[s]);
            at_ns = may_ns > at_ns ? may_ns : at_ns;
        }
        if (at_ns >= to_ns)
            break;
        note(&times, at_ns);
        for (int s = 0; s < OD_SHAPES_MAX; s++)
            if (trunk->shapes[s].kind == OD_SHAPE_BUCKET)
                drain_bucket(&trunk->shapes[s], at_ns, &bucket_ns[s]);
    }
    n = times.n - n;
    free(times.at_ns);
    return n;
}

/* ---- what happens later ---- */

static bool sooner(const struct later *a, const struct later *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void after(uint64_t ns, const struct od_event *event)
{
    size_t i = w.heap_n++;
    struct later later = {w.now.mono_ns + ns, w.orders++, *event};

    if (w.heap_n > w.heap_room) {
        w.heap_room = w.heap_room ? 2 * w.heap_room : 4096;
        w.heap = realloc(w.heap, w.heap_room * sizeof *w.heap);
        OD_ASSERT(w.heap);
    }
    for (; i && sooner(&later, &w.heap[(i - 1) / 2]); i = (i - 1) / 2)
        w.heap[i] = w.heap[(i - 1) / 2];
    w.heap[i] = later;
}

static struct od_event take(void)
{
    struct od_event event = w.heap[0].event;
    struct later last = w.heap[--w.heap_n];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < w.heap_n) {
        if (child + 1 < w.heap_n && sooner(&w.heap[child + 1], &w.heap[child]))
            child++;
        if (!sooner(&w.heap[child], &last))
            break;
        w.heap[i] = w.heap[child];
        i = child;
    }
    w.heap[i] = last;
    return event;
}

/* ---- ports ---- */

static uint64_t store_ns(void)
{
    return between(1000, 30000) * UINT64_C(1000);
}

static void on_claim(void *ctx, uint32_t lane, uint32_t count)
{
    uint32_t got = w.waiting[lane] < count ? w.waiting[lane] : count;
    uint64_t ns = store_ns();
    struct od_event event = {.kind = OD_EV_JOB};

    (void)ctx;
    if (w.waiting[lane] != UINT32_MAX)
        w.waiting[lane] -= got;
    for (uint32_t i = 0; i < got; i++) {
        event.u.job.lane = lane;
        event.u.job.job = (struct od_job_id){w.jobs, 1};
        memcpy(event.u.job.uid.b, &w.jobs, sizeof w.jobs);
        event.u.job.attempt = 1;
        strcpy(event.u.job.to, "+15550001234");
        w.jobs++;
        after(ns, &event);
    }
    event = (struct od_event){.kind = OD_EV_CLAIM_DONE};
    event.u.claim.lane = lane;
    event.u.claim.asked = count;
    event.u.claim.got = got;
    event.u.claim.waiting = w.waiting[lane] < 1000000 ? w.waiting[lane] : 1000000;
    after(ns, &event);
}

static void on_intent(void *ctx, struct od_call_id call, struct od_job_id job,
                      const struct od_sip_names *names, uint32_t trunk, uint16_t attempt)
{
    (void)ctx, (void)job, (void)names, (void)trunk, (void)attempt;
    after(store_ns(), &(struct od_event){.kind = OD_EV_DURABLE, .call = call});
}

static void on_progress(void *ctx, struct od_job_id job, const char *state, int64_t wall_ms)
{
    (void)ctx, (void)job, (void)state, (void)wall_ms;
}

static void on_release(void *ctx, struct od_call_id call, struct od_job_id job,
                       int64_t not_before_ms, const char *why)
{
    (void)ctx, (void)job, (void)not_before_ms, (void)why;
    after(store_ns(), &(struct od_event){.kind = OD_EV_RELEASED, .call = call});
}

static void on_finish(void *ctx, struct od_job_id job, const struct od_outcome *outcome)
{
    (void)ctx, (void)job, (void)outcome;
}

/* An INVITE leaves, a little after its order, and arrives by a path of its own. */
static void leaves(struct od_call_id call, bool again)
{
    struct trunk *trunk = &w.trunks[w.legs[call.index].trunk];
    struct od_event sent = {.kind = OD_EV_SENT, .call = call, .u.sent = {w.now.mono_ns}};
    uint64_t jitter_ns = trunk->jitter_ns ? od_rng_below(&w.rng, trunk->jitter_ns) : 0;
    uint64_t arrives_ns = w.now.mono_ns + trunk->path_ns + jitter_ns;
    struct od_event answer = {.kind = OD_EV_REJECT, .call = call};

    note(&trunk->sent, w.now.mono_ns);
    /* One path keeps the order. */
    if (trunk->arrived.n && arrives_ns < trunk->arrived.at_ns[trunk->arrived.n - 1])
        arrives_ns = trunk->arrived.at_ns[trunk->arrived.n - 1];
    note(&trunk->arrived, arrives_ns);
    od_engine_post(w.engine, &sent);
    if (!again && often(trunk->challenged))
        answer.kind = OD_EV_CHALLENGED;
    else
        answer.u.sip.status = 486;
    after(trunk->rtt_ns + od_rng_below(&w.rng, 20 * OD_NS_PER_MS), &answer);
}

static void on_invite(void *ctx, struct od_call_id call, const struct od_invite *invite)
{
    (void)ctx;
    w.legs[call.index].trunk = invite->trunk;
    leaves(call, false);
}

static void on_invite_again(void *ctx, struct od_call_id call)
{
    (void)ctx;
    leaves(call, true);
}

static void on_call(void *ctx, struct od_call_id call)
{
    (void)ctx, (void)call;
}

static void on_talk(void *ctx, struct od_call_id call, struct od_job_id job)
{
    (void)ctx, (void)call, (void)job;
}

static void on_stop(void *ctx, struct od_call_id call, struct od_job_id job, enum od_cause cause)
{
    (void)ctx, (void)call, (void)job, (void)cause;
}

/* ---- the drawn world ---- */

static struct od_shape draw_shape(void)
{
    static const uint32_t windows_ms[] = {200, 500, 1000, 1000, 1000, 2000, 5000, 10000};
    uint32_t window_ms = windows_ms[between(0, 7)];
    uint32_t most = window_ms / 5; /* 200 a second */
    struct od_shape shape = {.kind = (uint8_t)between(OD_SHAPE_EVEN, OD_SHAPE_BUCKET),
                             .count = between(1, often(500) ? most : 1 + most / 20),
                             .window_ns = window_ms * OD_NS_PER_MS};

    if (shape.kind == OD_SHAPE_BUCKET)
        shape.burst = between(1, 50);
    return shape;
}

/* What of the network's jitter a shape's guard promises to swallow, or half of that. */
static uint64_t jitter_of(const struct od_shape *shape)
{
    uint64_t interval_ns = shape->window_ns / shape->count, whole_ns = shape->window_ns / 1000;

    if (shape->kind != OD_SHAPE_BUCKET)
        return whole_ns;
    if (shape->burst == 1)
        return interval_ns / 500;
    return whole_ns < interval_ns / 4 ? whole_ns : interval_ns / 4;
}

static void draw_trunk(uint32_t index)
{
    struct trunk *trunk = &w.trunks[index];
    struct od_trunk_def def = {.weight = (uint16_t)between(1, 100),
                               .priority = (uint16_t)between(1, 2),
                               .usable = true,
                               .adaptive = often(500)};
    uint32_t shapes = between(1, OD_SHAPES_MAX);

    for (uint32_t i = 0; i < shapes; i++)
        trunk->shapes[i] = def.shapes[i] = draw_shape();
    trunk->challenged = often(400) ? 1000 : often(500) ? between(0, 1000) : 0;
    trunk->rtt_ns = between(0, 300) * OD_NS_PER_MS;
    trunk->path_ns = trunk->rtt_ns / 2;
    trunk->jitter_ns = OD_NS_PER_S;
    for (uint32_t i = 0; i < shapes; i++)
        if (jitter_of(&trunk->shapes[i]) < trunk->jitter_ns)
            trunk->jitter_ns = jitter_of(&trunk->shapes[i]);
    OD_ASSERT(od_engine_set_trunk(w.engine, index, &def) == 0);
}

/* Every trunk is some lane's, so that there is work for each. */
static void draw_lane(uint32_t index)
{
    struct od_lane_def def = {.ring_ms = 30000,
                              .talk_ms_max = 60000,
                              .open = true,
                              .priority = (int32_t)between(0, 2),
                              .rotor = between(0, 3)};
    uint32_t n = 0, first = index % w.trunk_count;

    for (uint32_t i = 0; i < w.trunk_count && n < OD_TRUNKS_PER_LANE; i++)
        if (i == 0 || often(400))
            def.trunks[n++] = (first + i) % w.trunk_count;
    if (n < OD_TRUNKS_PER_LANE)
        def.trunks[n] = OD_NO_TRUNK;
    OD_ASSERT(od_engine_set_lane(w.engine, index, &def) == 0);
}

static void draw(uint64_t seed)
{
    const struct od_limits limits = {.calls_max = CALLS_MAX,
                                     .dialled_max = CALLS_MAX,
                                     .lanes_max = LANES_MAX,
                                     .trunks_max = TRUNKS_MAX,
                                     .events_max = 1u << 16,
                                     .turn_budget = 256};
    const struct od_ports ports = {
        .store = {.claim = on_claim,
                  .intent = on_intent,
                  .progress = on_progress,
                  .release = on_release,
                  .finish = on_finish},
        .sip = {.invite = on_invite,
                .invite_again = on_invite_again,
                .cancel = on_call,
                .ack = on_call,
                .bye = on_call,
                .drop = on_call},
        .talk = {.prepare = on_talk, .start = on_talk, .stop = on_stop, .hook = on_talk},
    };

    memset(&w, 0, sizeof w);
    w.seed = seed;
    w.rng = (struct od_rng){seed * UINT64_C(0x9e3779b97f4a7c15) + 7};
    w.now = (struct od_now){START_NS, INT64_C(1700000000000)};
    OD_ASSERT(od_engine_create(&w.engine, &limits, &ports, seed) == 0);
    w.trunk_count = between(1, TRUNKS_MAX);
    w.lane_count = between(w.trunk_count, LANES_MAX);
    w.late_ns = often(500) ? 300000 : 0;
    for (uint32_t i = 0; i < w.trunk_count; i++)
        draw_trunk(i);
    for (uint32_t i = 0; i < w.lane_count; i++)
        draw_lane(i);
    od_engine_post(w.engine, &(struct od_event){.kind = OD_EV_STORE_UP});
}

static void arrive(uint32_t lane, uint32_t count)
{
    struct od_event event = {.kind = OD_EV_LANE_READY};

    w.waiting[lane] = count == UINT32_MAX ? count : w.waiting[lane] + count;
    event.u.lane.lane = lane;
    event.u.lane.waiting = w.waiting[lane] < 1000000 ? w.waiting[lane] : 1000000;
    od_engine_post(w.engine, &event);
}

/* Time goes on to end_ns. The host wakes up late by up to 0.3 ms in half of the worlds. */
static void run_until(uint64_t end_ns)
{
    while (w.now.mono_ns < end_ns) {
        uint64_t next_ns = od_engine_run(w.engine, w.now), at_ns;
        if (next_ns <= w.now.mono_ns || od_engine_pending(w.engine))
            continue;
        if (next_ns != OD_NEVER && w.late_ns)
            next_ns += od_rng_below(&w.rng, w.late_ns);
        at_ns = next_ns < end_ns ? next_ns : end_ns;
        if (w.heap_n && w.heap[0].at_ns < at_ns)
            at_ns = w.heap[0].at_ns;
        if (at_ns < w.now.mono_ns)
            at_ns = w.now.mono_ns;
        w.now.wall_ms += (int64_t)(at_ns / OD_NS_PER_MS) - (int64_t)(w.now.mono_ns / OD_NS_PER_MS);
        w.now.mono_ns = at_ns;
        while (w.heap_n && w.heap[0].at_ns <= at_ns) {
            struct od_event event = take();
            if (od_engine_post(w.engine, &event)) {
                after(0, &event);
                break;
            }
        }
    }
}

static uint32_t judge_world(uint32_t *worst)
{
    uint64_t to_ns = w.full_ns + (w.now.mono_ns - w.full_ns) / 1000 * TIME_PER_MILLE;

    for (uint32_t i = 0; i < w.trunk_count; i++) {
        struct trunk *trunk = &w.trunks[i];
        size_t before, most = greedy(trunk, w.full_ns, to_ns, &before);
        size_t used = trunk->sent.n - before;
        uint32_t per_mille = most ? (uint32_t)(used * 1000 / most) : 1000;
        judge(i, &trunk->sent, OD_NS_PER_MS, "an INVITE left too early");
        judge(i, &trunk->arrived, OD_NS_PER_MS + trunk->jitter_ns, "an INVITE arrived too early");
        /* One of a few is no share of anything. */
        if (used + 1 < most && per_mille < USED_PER_MILLE) {
            printf("%zu of %zu that were allowed, %u per mille\n", used, most, per_mille);
            fail("less than 98 % of the allowed rate was used", i);
        }
        if (most >= 50 && per_mille < *worst)
            *worst = per_mille;
    }
    return w.trunk_count;
}

static void world(uint64_t seed, uint64_t totals[3], uint32_t *worst)
{
    draw(seed);
    for (uint64_t at_ns = START_NS; at_ns < START_NS + BURSTS_NS;) {
        arrive(between(0, w.lane_count - 1), between(1, often(300) ? 400 : 10));
        at_ns += between(10, 2000) * OD_NS_PER_MS;
        run_until(at_ns);
    }
    for (uint32_t i = 0; i < w.lane_count; i++)
        arrive(i, UINT32_MAX);
    /* The first calls without end are claimed and armed: the rate is that of a queue at work. */
    run_until(w.now.mono_ns + OD_NS_PER_S);
    w.full_ns = w.now.mono_ns;
    run_until(w.now.mono_ns + FULL_NS);
    totals[0] += judge_world(worst);
    for (uint32_t i = 0; i < w.trunk_count; i++) {
        totals[1] += w.trunks[i].sent.n;
        totals[2] += w.trunks[i].challenged == 1000;
        free(w.trunks[i].sent.at_ns);
        free(w.trunks[i].arrived.at_ns);
    }
    free(w.heap);
    od_engine_destroy(w.engine);
}

int main(int argc, char **argv)
{
    uint64_t count = 20, first = 1, totals[3] = {0};
    uint32_t worst = 1000;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--count") == 0)
            count = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--seed") == 0)
            first = strtoull(argv[i + 1], NULL, 10);
    }
    for (uint64_t seed = first; seed < first + count; seed++)
        world(seed, totals, &worst);
    printf("%" PRIu64 " worlds, %" PRIu64 " trunks (%" PRIu64 " challenge every call), %" PRIu64
           " INVITEs: no shape was passed; at least %u.%u %% of the allowed rate was used\n",
           count, totals[0], totals[2], totals[1], worst / 10, worst % 10);
    return 0;
}
