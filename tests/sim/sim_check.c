/* sim_check - caps and rates as a carrier would count them, by the shapes' plain words and without
 * the engine's guard. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "tests/sim/sim_world.h"

void sim_rate_set(struct sim_rate *rate, const struct od_shape *shapes, uint32_t count)
{
    memset(rate->shapes, 0, sizeof rate->shapes);
    memcpy(rate->shapes, shapes, count * sizeof *shapes);
    rate->sent = 0;
    rate->bucket_ns = 0;
}

void sim_rate_deinit(struct sim_rate *rate)
{
    free(rate->sent_ns);
}

static void check_window(struct sim_world *world, const struct sim_rate *rate,
                         const struct od_shape *shape, const char *whose, uint32_t index)
{
    uint64_t last_ns = rate->sent_ns[rate->sent - 1], first_ns;

    if (rate->sent <= shape->count)
        return;
    first_ns = rate->sent_ns[rate->sent - 1 - shape->count];
    if (last_ns - first_ns < shape->window_ns)
        sim_wrong(&world->clock, "%s %u: %u INVITEs within %.3f ms, allowed are %u in %.0f ms",
                  whose, index, shape->count + 1, (double)(last_ns - first_ns) / 1e6, shape->count,
                  (double)shape->window_ns / 1e6);
}

/* Evenly: no two nearer than an interval less what a late wake-up is forgiven. */
static void check_even(struct sim_world *world, const struct sim_rate *rate,
                       const struct od_shape *shape, const char *whose, uint32_t index)
{
    uint64_t interval_ns = shape->window_ns / shape->count, gap_ns;

    check_window(world, rate, shape, whose, index);
    if (rate->sent < 2)
        return;
    gap_ns = rate->sent_ns[rate->sent - 1] - rate->sent_ns[rate->sent - 2];
    if (gap_ns + OD_NS_PER_MS < interval_ns)
        sim_wrong(&world->clock, "%s %u: %.3f ms between INVITEs, evenly were %.3f ms", whose,
                  index, (double)gap_ns / 1e6, (double)interval_ns / 1e6);
}

static void check_bucket(struct sim_world *world, struct sim_rate *rate,
                         const struct od_shape *shape, bool resent, const char *whose,
                         uint32_t index)
{
    uint64_t now_ns = world->clock.now_ns, interval_ns = shape->window_ns / shape->count;

    if (!resent && rate->bucket_ns > now_ns + (shape->burst - 1) * interval_ns)
        sim_wrong(&world->clock, "%s %u: an INVITE with no token left", whose, index);
    rate->bucket_ns = (rate->bucket_ns > now_ns ? rate->bucket_ns : now_ns) + interval_ns;
}

void sim_rate_sent(struct sim_world *world, struct sim_rate *rate, bool resent, const char *whose,
                   uint32_t index)
{
    if (rate->sent == rate->size) {
        rate->size = rate->size ? 2 * rate->size : 64;
        rate->sent_ns = realloc(rate->sent_ns, rate->size * sizeof *rate->sent_ns);
        OD_ASSERT(rate->sent_ns);
    }
    rate->sent_ns[rate->sent++] = world->clock.now_ns;
    /* A lane's pace counts what is sent again without holding it back; a trunk's does both. */
    for (int i = 0; i < OD_SHAPES_MAX; i++) {
        const struct od_shape *shape = &rate->shapes[i];
        if (shape->kind == OD_SHAPE_EVEN && !resent)
            check_even(world, rate, shape, whose, index);
        if (shape->kind == OD_SHAPE_WINDOW && !resent)
            check_window(world, rate, shape, whose, index);
        if (shape->kind == OD_SHAPE_BUCKET)
            check_bucket(world, rate, shape, resent, whose, index);
    }
}

void sim_paces_sent(struct sim_world *world, uint32_t lane, bool resent)
{
    for (uint32_t i = 0; i < OD_PACES_PER_LANE && world->lanes[lane].paces[i]; i++) {
        uint32_t pace = world->lanes[lane].paces[i] - 1;
        sim_rate_sent(world, &world->pace_rates[pace], resent, "pace", pace);
    }
}

/* A slot may be taken this long before its INVITE: start hook, intent and limiter together. */
#define SLOT_NS (45 * OD_NS_PER_S)

void sim_cap_set(struct sim_world *world, struct sim_cap *cap, uint32_t now)
{
    bool recent = world->clock.now_ns < cap->changed_ns + SLOT_NS;
    uint32_t old = cap->now;

    if (recent && (!cap->before || (old && cap->before > old)))
        old = cap->before; /* the highest of the last while */
    cap->before = old;
    cap->now = now;
    cap->changed_ns = world->clock.now_ns;
}

void sim_cap_take(struct sim_world *world, struct sim_cap *cap, const char *whose, uint32_t index)
{
    bool recent = cap->changed_ns && world->clock.now_ns < cap->changed_ns + SLOT_NS;
    uint32_t most = cap->now;

    if (recent && most && (!cap->before || cap->before > most))
        most = cap->before;
    cap->used++;
    if (most && cap->used > most)
        sim_wrong(&world->clock, "%s %u: %u calls at once, allowed are %u", whose, index, cap->used,
                  most);
}

/* ---- a number's cap, by the times of its intents ---- */

static const char *to_of(struct sim_world *world, uint32_t contact)
{
    return sim_store_contact(world->store, contact)->to;
}

void sim_attempt_dialled(struct sim_world *world, uint32_t contact)
{
    int64_t now_ms = sim_store_contact(world->store, contact)->intent_ms,
            from_ms = now_ms - INT64_C(1000) * world->knobs.cap_s;
    uint32_t count = 1;

    if (!world->knobs.cap ||
        world->knobs.wall_jump) /* by a clock that jumps, nothing is provable */
        return;
    for (uint32_t i = world->attempt_count; i--;) {
        const struct sim_attempt *at = &world->attempts[i];
        if (at->void_ || strcmp(to_of(world, at->contact), to_of(world, contact)) != 0)
            continue;
        if (at->contact == contact && at->intent_ms == now_ms)
            return; /* another trunk's turn */
        count += at->intent_ms > from_ms && at->intent_ms <= now_ms;
    }
    if (count > world->knobs.cap)
        sim_wrong(&world->clock, "contact %u: attempt %u on its number in %u s", contact, count,
                  world->knobs.cap_s);
    OD_ASSERT(world->attempt_count < (world->knobs.calls + 1) * SIM_ATTEMPTS_MAX);
    world->attempts[world->attempt_count++] = (struct sim_attempt){contact, now_ms, false};
}

void sim_attempt_void(struct sim_world *world, struct od_job_id job)
{
    bool durable;
    uint16_t attempt;
    uint32_t contact = sim_store_job(world->store, job, &durable, &attempt);

    for (uint32_t i = world->attempt_count; contact != UINT32_MAX && i--;) {
        if (world->attempts[i].contact != contact)
            continue;
        world->attempts[i].void_ = true;
        return;
    }
}
