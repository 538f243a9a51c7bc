/* sim_operator - who sets the world up and who meddles with it: lanes closed and opened, trunks
 * paused, definitions changed under way, calls stopped, the store cut off, the wall clock set. */
#include <stdio.h>
#include <string.h>

#include "engine/base/assert.h"
#include "tests/sim/sim_world.h"

/* When meddling happens: while the first calls are under way. */
enum { MEDDLE_MS = 120000 };

static const char *const countries[] = {"+1", "+44", "+49", "+7", "+86"};
enum { COUNTRIES = sizeof countries / sizeof *countries };

static uint32_t below(struct sim_world *world, uint32_t n)
{
    return (uint32_t)od_rng_below(&world->rng, n);
}

/* ---- trunks ---- */

static void set_trunk(struct sim_world *world, uint32_t index)
{
    int err = od_engine_set_trunk(world->engine, index, &world->trunks[index]);

    OD_ASSERT(err == 0);
}

static void shape_trunk(struct sim_world *world, struct od_trunk_def *def, uint32_t cps)
{
    struct od_shape even = {OD_SHAPE_EVEN, cps, 0, OD_NS_PER_S};
    struct od_shape window = {OD_SHAPE_WINDOW, 5 * cps, 0, 5 * OD_NS_PER_S};
    struct od_shape bucket = {OD_SHAPE_BUCKET, cps, 1 + below(world, 20), OD_NS_PER_S};

    memset(def->shapes, 0, sizeof def->shapes);
    if (world->knobs.shape == 1 || world->knobs.shape == 4)
        def->shapes[0] = even;
    if (world->knobs.shape == 2)
        def->shapes[0] = window;
    if (world->knobs.shape == 3)
        def->shapes[0] = bucket;
    if (world->knobs.shape == 4)
        def->shapes[1] = window;
}

static void make_trunk(struct sim_world *world, uint32_t index)
{
    struct od_trunk_def *def = &world->trunks[index];

    *def = (struct od_trunk_def){.max_calls = world->knobs.trunk_cap,
                                 .priority = (uint16_t)below(world, 2),
                                 .weight = (uint16_t)(1 + below(world, 100)),
                                 .ring_ms_max = below(world, 2) ? 0 : 20000,
                                 .patience_ms = world->knobs.patience_ms,
                                 .ping_ms = world->knobs.ping_ms,
                                 .bad_max = (uint8_t)world->knobs.bad_max,
                                 .good_min = 2,
                                 .adaptive = world->knobs.adaptive,
                                 .usable = true};
    snprintf(def->name, sizeof def->name, "trunk%u", index);
    if (world->knobs.breakers && index == 2) /* one shows a number of its own */
        snprintf(def->caller, sizeof def->caller, "+19992");
    shape_trunk(world, def, world->knobs.cps);
    /* One trunk takes every number, so that some contacts have a choice and none is stuck. */
    if (world->knobs.prefixes && index)
        for (uint32_t i = 0; i < 2; i++)
            strcpy(def->prefixes[i], countries[below(world, COUNTRIES)]);
    sim_cap_set(world, &world->trunk_caps[index], def->max_calls);
    sim_rate_set(&world->trunk_rates[index], def->shapes, OD_SHAPES_MAX);
    set_trunk(world, index);
}

static void change_trunk(struct sim_world *world, uint32_t index)
{
    struct od_trunk_def *def = &world->trunks[index];

    shape_trunk(world, def, 1 + below(world, 2 * world->knobs.cps));
    def->max_calls = below(world, 2) ? 0 : 1 + below(world, 30);
    def->weight = (uint16_t)(1 + below(world, 9));
    sim_cap_set(world, &world->trunk_caps[index], def->max_calls);
    sim_rate_set(&world->trunk_rates[index], def->shapes, OD_SHAPES_MAX);
    set_trunk(world, index);
}

static void trunk_usable(void *ctx, uint64_t index, uint64_t usable)
{
    struct sim_world *world = ctx;

    world->trunks[index].usable = usable;
    set_trunk(world, (uint32_t)index);
}

static void trunk_dies(void *ctx, uint64_t index, uint64_t how)
{
    struct sim_world *world = ctx;

    world->dead[index] = (uint8_t)how;
}

/* ---- lanes ---- */

static void set_lane(struct sim_world *world, uint32_t index)
{
    int err = od_engine_set_lane(world->engine, index, &world->lanes[index]);

    OD_ASSERT(err == 0);
}

static void route_lane(struct sim_world *world, struct od_lane_def *def)
{
    uint32_t count = 0, trunks = world->knobs.trunks;

    memset(def->trunks, 0xff, sizeof def->trunks);
    for (uint32_t i = 0; i < trunks && count < OD_TRUNKS_PER_LANE; i++)
        if (!i || below(world, 2))
            def->trunks[count++] = i;
}

static void set_pace(struct sim_world *world, uint32_t pace, const struct od_shape *shape)
{
    struct od_pace_def def = {.shapes = {*shape}};
    int err = od_engine_set_pace(world->engine, pace, &def);

    OD_ASSERT(err == 0);
    sim_rate_set(&world->pace_rates[pace], shape, 1);
}

/* A lane has its own, and one with all lanes of its rotor where the world has such. */
static void pace_lane(struct sim_world *world, uint32_t index, uint32_t per_10_s)
{
    struct od_lane_def *def = &world->lanes[index];
    struct od_shape shape = {0};
    uint32_t count = 0;

    if (per_10_s)
        shape = (struct od_shape){below(world, 2) ? OD_SHAPE_EVEN : OD_SHAPE_WINDOW, per_10_s, 0,
                                  10 * OD_NS_PER_S};
    set_pace(world, index, &shape);
    memset(def->paces, 0, sizeof def->paces);
    if (world->knobs.rotor_pace)
        def->paces[count++] = 1 + SIM_LANES_MAX + def->rotor;
    def->paces[count] = 1 + index;
}

static void pace_rotors(struct sim_world *world)
{
    struct od_shape shape = {.kind = world->knobs.rotor_pace % 2 ? OD_SHAPE_EVEN : OD_SHAPE_WINDOW,
                             .count = world->knobs.rotor_pace,
                             .window_ns = 10 * OD_NS_PER_S};

    for (uint32_t i = 0; i < SIM_ROTORS_MAX && world->knobs.rotor_pace; i++)
        set_pace(world, SIM_LANES_MAX + i, &shape);
}

static void make_lane(struct sim_world *world, uint32_t index)
{
    struct od_lane_def *def = &world->lanes[index];

    *def = (struct od_lane_def){.priority = (int32_t)below(world, 3) - 1,
                                .rotor = below(world, world->knobs.rotors),
                                .max_calls = world->knobs.lane_cap,
                                .ring_ms = 1000 + below(world, 45000),
                                .talk_ms_max = 1000 + below(world, 120000),
                                .hook = sim_chance(world, world->knobs.hook),
                                .open = true};
    snprintf(def->caller, sizeof def->caller, "+1999%u", index % 2);
    def->campaign.b[0] = (uint8_t)(index % 3); /* every third lane is no campaign's */
    def->retry.attempts_max = (uint8_t)world->knobs.retry;
    for (unsigned cause = OD_CAUSE_MACHINE; cause <= OD_CAUSE_AGENT_FAILED; cause++)
        def->retry.after_s[cause] = world->knobs.retry ? below(world, world->knobs.retry_s + 1) : 0;
    def->retry.after_s[OD_CAUSE_UNKNOWN] = world->knobs.redial_s;
    route_lane(world, def);
    pace_lane(world, index, world->knobs.lane_pace);
    sim_cap_set(world, &world->lane_caps[index], def->max_calls);
    set_lane(world, index);
}

static void change_lane(struct sim_world *world, uint32_t index)
{
    struct od_lane_def *def = &world->lanes[index];

    if (below(world, 2))
        route_lane(world, def);
    if (below(world, 2))
        def->priority = (int32_t)below(world, 5) - 2;
    if (below(world, 2))
        def->rotor = below(world, SIM_ROTORS_MAX);
    if (below(world, 2))
        def->hook = !def->hook && world->knobs.hook;
    pace_lane(world, index, world->knobs.lane_pace ? 1 + below(world, 300) : 0);
    def->max_calls = below(world, 2) ? 0 : 1 + below(world, 20);
    sim_cap_set(world, &world->lane_caps[index], def->max_calls);
    set_lane(world, index);
}

static void open_lane(void *ctx, uint64_t index, uint64_t unused)
{
    struct sim_world *world = ctx;

    (void)unused;
    world->lanes[index].open = true;
    set_lane(world, (uint32_t)index);
}

static void close_lane(void *ctx, uint64_t index, uint64_t unused)
{
    struct sim_world *world = ctx;
    struct od_lane_def *def = &world->lanes[index];
    uint64_t for_ns = sim_ms(world, 1, 20000);
    int64_t now_ms = sim_wall_ms(&world->clock), for_ms = (int64_t)(for_ns / OD_NS_PER_MS);

    (void)unused;
    def->window = (struct od_window){0};
    switch (below(world, 3)) {
    case 0:
        def->window.open_ms = now_ms + for_ms;
        break;
    case 1: /* closes in a while, for a while */
        def->window.close_ms = now_ms + 1 + below(world, 5000);
        def->window.next_ms = def->window.close_ms + for_ms;
        break;
    default:
        def->open = false;
        sim_after(&world->clock, for_ns, open_lane, world, index, 0);
    }
    set_lane(world, (uint32_t)index);
}

static void reconfigure(void *ctx, uint64_t which, uint64_t index)
{
    if (which)
        change_lane(ctx, (uint32_t)index);
    else
        change_trunk(ctx, (uint32_t)index);
}

/* ---- the store, the clock, the users ---- */

static void store_up(void *ctx, uint64_t a, uint64_t b)
{
    struct sim_world *world = ctx;

    (void)a;
    (void)b;
    sim_store_up(world->store);
}

static void store_down(void *ctx, uint64_t a, uint64_t b)
{
    struct sim_world *world = ctx;

    (void)a;
    (void)b;
    sim_store_down(world->store);
    sim_after(&world->clock, sim_ms(world, 1, world->knobs.outage_ms), store_up, world, 0, 0);
}

static void take_over(void *ctx, uint64_t contact, uint64_t unused)
{
    struct sim_world *world = ctx;

    (void)unused;
    sim_store_take_over(world->store, (uint32_t)contact);
}

static void stop_process(void *ctx, uint64_t a, uint64_t b)
{
    struct sim_world *world = ctx;

    (void)a;
    (void)b;
    world->pause_ns = sim_ms(world, 1, 2 * SIM_LEASE_MS);
}

static void jump(void *ctx, uint64_t a, uint64_t b)
{
    struct sim_world *world = ctx;

    (void)a;
    (void)b;
    world->clock.wall_base_ms += (int64_t)below(world, 120000) - 60000;
}

static void drain(void *ctx, uint64_t a, uint64_t b)
{
    struct sim_world *world = ctx;

    (void)a;
    (void)b;
    world->drained = true;
    sim_post(world, &(struct od_event){.kind = OD_EV_DRAIN});
}

/* The user wants a call over. The store ends it or says we hold it; a holder that gives it back
 * just now hasn't heard, so it is asked again until it is over. */
static void stop(void *ctx, uint64_t contact, uint64_t cancel_only)
{
    static const uint8_t causes[] = {OD_CAUSE_CANCELED, OD_CAUSE_COMPLETED, OD_CAUSE_DEADLINE,
                                     OD_CAUSE_NONE, UINT8_MAX};
    struct sim_world *world = ctx;
    const struct sim_contact *of = sim_store_contact(world->store, (uint32_t)contact);
    struct od_event event = {.kind = OD_EV_STOP};

    if (of->phase == SIM_ENDED || world->drained)
        return;
    if (sim_store_stop(world->store, (uint32_t)contact)) {
        event.call = od_engine_find(world->engine, &of->uid);
        event.u.stop.before_answer_only = cancel_only;
        event.u.stop.cause = causes[below(world, sizeof causes)];
        if (event.call.gen)
            sim_post(world, &event);
    }
    sim_after(&world->clock, 200 * OD_NS_PER_MS, stop, world, contact, cancel_only);
}

static void suppress(void *ctx, uint64_t contact, uint64_t unused)
{
    struct sim_world *world = ctx;

    (void)unused;
    world->suppressed_ms[contact] = sim_wall_ms(&world->clock);
    sim_store_suppress(world->store, sim_store_contact(world->store, (uint32_t)contact)->to, true);
}

static void add_contact(void *ctx, uint64_t lane, uint64_t deadline)
{
    struct sim_world *world = ctx;
    int64_t deadline_ms = 0;
    uint32_t number;
    char to[32];

    if (world->knobs.cap) { /* some numbers are many contacts' */
        uint32_t which = below(world, 40);
        snprintf(to, sizeof to, "%s%09u", countries[which % COUNTRIES], which);
    } else {
        snprintf(to, sizeof to, "%s%09u", countries[below(world, COUNTRIES)],
                 below(world, 1000000000));
    }
    if (deadline)
        deadline_ms = sim_wall_ms(&world->clock) + 1 + below(world, 120000);
    number = sim_store_add(world->store, (uint32_t)lane, to, deadline_ms, world->seed);
    if (sim_chance(world, world->knobs.hours)) {
        struct sim_contact *edit = sim_store_edit(world->store, number);
        edit->period_ms = 20000 + below(world, 60000);
        edit->open_ms = 15000 + below(world, (uint32_t)edit->period_ms);
    }
    if (sim_chance(world, world->knobs.suppress))
        sim_after(&world->clock, sim_ms(world, 0, MEDDLE_MS), suppress, world, number, 0);
    if (sim_chance(world, world->knobs.user_stop))
        sim_after(&world->clock, sim_ms(world, 0, MEDDLE_MS), stop, world, number, below(world, 2));
    if (sim_chance(world, world->knobs.takeover))
        sim_after(&world->clock, sim_ms(world, 0, MEDDLE_MS), take_over, world, number, 0);
}

static void plan(struct sim_world *world, uint32_t times, sim_fn fn, uint32_t things)
{
    for (uint32_t i = 0; i < times; i++)
        sim_after(&world->clock, sim_ms(world, 0, MEDDLE_MS), fn, world, below(world, things), 0);
}

void sim_operator_init(struct sim_world *world)
{
    const struct sim_knobs *knobs = &world->knobs;

    for (uint32_t i = 0; i < knobs->trunks; i++)
        make_trunk(world, i);
    pace_rotors(world);
    for (uint32_t i = 0; i < knobs->lanes; i++)
        make_lane(world, i);
    for (uint32_t i = 0; i < knobs->calls; i++)
        sim_after(&world->clock, sim_ms(world, 0, knobs->trickle_ms), add_contact, world,
                  below(world, knobs->lanes), sim_chance(world, knobs->deadline));
    sim_after(&world->clock, sim_ms(world, 0, 100), store_up, world, 0, 0);

    plan(world, knobs->outage, store_down, 1);
    plan(world, knobs->toggle, close_lane, knobs->lanes);
    plan(world, knobs->wall_jump, jump, 1);
    plan(world, knobs->drain, drain, 1);
    plan(world, knobs->pause, stop_process, 1);
    for (uint32_t i = 0; i < knobs->trunk_toggle; i++) {
        uint64_t at_ns = sim_ms(world, 0, MEDDLE_MS);
        uint32_t trunk = below(world, knobs->trunks);
        sim_after(&world->clock, at_ns, trunk_usable, world, trunk, 0);
        sim_after(&world->clock, at_ns + sim_ms(world, 1, 20000), trunk_usable, world, trunk, 1);
    }
    for (uint32_t i = 0; i < knobs->dying; i++) {
        uint64_t at_ns = sim_ms(world, 0, MEDDLE_MS);
        uint32_t trunk = below(world, knobs->trunks);
        sim_after(&world->clock, at_ns, trunk_dies, world, trunk, 1 + below(world, 3));
        sim_after(&world->clock, at_ns + sim_ms(world, 1, 60000), trunk_dies, world, trunk, 0);
    }
    for (uint32_t i = 0; i < knobs->reconfig; i++) {
        uint32_t lane = below(world, 2);
        sim_after(&world->clock, sim_ms(world, 0, MEDDLE_MS), reconfigure, world, lane,
                  below(world, lane ? knobs->lanes : knobs->trunks));
    }
}
