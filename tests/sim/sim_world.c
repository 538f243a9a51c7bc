/*
 * sim_world - see sim_world.h: the second host. Its loop is the real one's in small: time passes to
 * the next happening or the engine's deadline (and a little more, hosts wake up late), what is due
 * happens, the engine takes a turn. Now and then the engine is run when nothing is due: it must
 * then have nothing to do.
 */
#include "tests/sim/sim_world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"

/* Longer than any world needs: one call at a time, each taking every timer there is. */
#define SIM_NS_MAX (400 * 3600 * OD_NS_PER_S)
/* Turns without any time passing: more than events and budgets can explain. */
enum { TURNS_AT_ONCE_MAX = 20000 };

void sim_post(struct sim_world *world, const struct od_event *event)
{
    int err = od_engine_post(world->engine, event);

    OD_ASSERT(err == 0); /* the ring is sized for the world */
}

void sim_post_kind(struct sim_world *world, enum od_event_kind kind, struct od_call_id call)
{
    sim_post(world, &(struct od_event){.kind = (uint8_t)kind, .call = call});
}

bool sim_chance(struct sim_world *world, uint32_t knob)
{
    return knob && od_rng_below(&world->rng, 1000) < knob;
}

uint64_t sim_ms(struct sim_world *world, uint32_t low, uint32_t high)
{
    uint64_t span_ns = (uint64_t)(high > low ? high - low : 0) * OD_NS_PER_MS;

    return low * OD_NS_PER_MS + od_rng_below(&world->rng, span_ns + 1);
}

static void fold(struct sim_world *world, uint64_t value)
{
    world->hash = (world->hash ^ value) * UINT64_C(0x100000001b3);
    world->hash ^= world->hash >> 29;
}

void sim_order(struct sim_world *world, const char *what, uint32_t index, uint64_t detail)
{
    world->orders++;
    fold(world, world->clock.now_ns);
    fold(world, (uint64_t)what[0] << 56 ^ (uint64_t)index << 20 ^ detail);
    if (world->log)
        fprintf(world->log, "%10.6f    order %s %u %" PRIu64 "\n",
                (double)world->clock.now_ns / 1e9, what, index, detail);
}

/* The store's port is the store's own; here its orders are counted on their way. */
static void port_claim(void *ctx, uint32_t lane, uint32_t count)
{
    struct sim_world *world = ctx;
    const struct od_store_port *port = sim_store_port(world->store);

    sim_order(world, "claim", lane, count);
    world->claims++;
    port->claim(port->ctx, lane, count);
}

static void port_intent(void *ctx, struct od_call_id call, struct od_job_id job,
                        const struct od_sip_names *names, uint32_t trunk, uint16_t attempt)
{
    struct sim_world *world = ctx;
    const struct od_store_port *port = sim_store_port(world->store);

    sim_order(world, "intent", call.index, trunk);
    port->intent(port->ctx, call, job, names, trunk, attempt);
}

static void port_progress(void *ctx, struct od_job_id job, const char *state, int64_t wall_ms)
{
    struct sim_world *world = ctx;
    const struct od_store_port *port = sim_store_port(world->store);

    sim_order(world, "progress", job.index, (uint64_t)wall_ms);
    port->progress(port->ctx, job, state, wall_ms);
}

static void port_release(void *ctx, struct od_call_id call, struct od_job_id job,
                         int64_t not_before_ms, const char *why)
{
    struct sim_world *world = ctx;
    const struct od_store_port *port = sim_store_port(world->store);

    sim_order(world, "release", job.index, (uint64_t)not_before_ms);
    sim_attempt_void(world, job);
    port->release(port->ctx, call, job, not_before_ms, why);
}

static void port_finish(void *ctx, struct od_job_id job, const struct od_outcome *outcome)
{
    struct sim_world *world = ctx;
    const struct od_store_port *port = sim_store_port(world->store);

    sim_order(world, "finish", job.index, (uint64_t)outcome->cause);
    if (outcome->verdict == OD_VERDICT_TRUNK)
        sim_attempt_void(world, job);
    port->finish(port->ctx, job, outcome);
}

static void port_leg(void *ctx, struct od_call_id call, const struct od_invite *invite, bool sent)
{
    struct sim_world *world = ctx;
    const struct od_store_port *port = sim_store_port(world->store);

    sim_order(world, "leg", call.index, sent);
    port->leg(port->ctx, call, invite, sent);
}

static void port_step(void *ctx, struct od_now now, const struct od_step_view *view)
{
    struct sim_world *world = ctx;

    fprintf(world->log, "%10.6f  %4u.%u  %s --%s--> %s%s\n", (double)now.mono_ns / 1e9,
            view->call.index, view->call.gen, view->from, view->event, view->to,
            view->odd ? "  (odd)" : "");
}

static void post_from_store(void *ctx, const struct od_event *event)
{
    sim_post(ctx, event);
}

static void world_init(struct sim_world *world)
{
    struct sim_store_config config = {.contacts_max = world->knobs.calls + 1,
                                      .lanes_max = SIM_LANES_MAX,
                                      .lease_ms = world->knobs.pause ? SIM_LEASE_MS : 0,
                                      .lease_for_ns = 200 * OD_NS_PER_S,
                                      .latency_us = world->knobs.store_us,
                                      .post = post_from_store,
                                      .ctx = world};
    struct od_ports ports = {.store = {world, port_claim, port_intent, port_progress, port_release,
                                       port_finish, port_leg}};
    int err;

    config.caps[0] = (struct od_cap){world->knobs.cap, INT64_C(1000) * world->knobs.cap_s};
    if (world->knobs.redial_s) {
        config.redial_most = world->knobs.retry;
        config.redial_ms = 1000 * world->knobs.redial_s;
    }
    world->limits = (struct od_limits){.calls_max = world->knobs.calls_max,
                                       .dialled_max = world->knobs.dialled_max,
                                       .lanes_max = SIM_LANES_MAX,
                                       .trunks_max = SIM_TRUNKS_MAX,
                                       .paces_max = SIM_PACES_MAX,
                                       .events_max = 1u << 16,
                                       .turn_budget = world->knobs.budget,
                                       .tries_max = (uint8_t)world->knobs.tries,
                                       .tries_ms_max = world->knobs.tries_ms};
    sim_clock_init(&world->clock, 1000 * OD_NS_PER_S);
    world->clock.wall_base_ms = INT64_C(1700000000000);
    world->store = sim_store_create(&world->clock, &world->rng, &config);
    world->dialled = calloc(config.contacts_max, sizeof *world->dialled);
    world->on_phone = calloc(config.contacts_max, 1);
    world->spoken = calloc(config.contacts_max, 1);
    world->faults = calloc(config.contacts_max, 1);
    world->job_of = calloc(config.contacts_max, sizeof *world->job_of);
    world->suppressed_ms = calloc(config.contacts_max, sizeof *world->suppressed_ms);
    world->attempts =
        calloc((size_t)config.contacts_max * SIM_ATTEMPTS_MAX, sizeof *world->attempts);
    OD_ASSERT(world->dialled && world->on_phone && world->spoken && world->faults &&
              world->job_of && world->attempts && world->suppressed_ms);
    sim_carrier_init(world, &ports.sip);
    sim_talk_init(world, &ports.talk);
    if (world->log)
        ports.trace = (struct od_trace_port){.ctx = world, .step = port_step};
    sim_breakers_init(world, &ports);
    if (world->plant)
        world->plant(world, &ports);
    err = od_engine_create(&world->engine, &world->limits, &ports, world->seed);
    OD_ASSERT(err == 0);
    if (world->breakers)
        sim_breakers_start(world);
    sim_operator_init(world);
}

static void world_deinit(struct sim_world *world)
{
    od_engine_destroy(world->engine);
    sim_store_destroy(world->store);
    sim_carrier_deinit(world);
    sim_talk_deinit(world);
    sim_breakers_deinit(world);
    for (int i = 0; i < SIM_PACES_MAX; i++)
        sim_rate_deinit(&world->pace_rates[i]);
    for (int i = 0; i < SIM_TRUNKS_MAX; i++)
        sim_rate_deinit(&world->trunk_rates[i]);
    sim_clock_deinit(&world->clock);
    free(world->dialled);
    free(world->on_phone);
    free(world->spoken);
    free(world->faults);
    free(world->job_of);
    free(world->attempts);
    free(world->suppressed_ms);
}

/* Turns until the engine has nothing more to do now. */
static uint64_t run_engine(struct sim_world *world)
{
    struct od_now now;
    uint64_t next_ns = 0;
    int turns = 0;

    sim_breakers_turn(world);
    do {
        now = (struct od_now){world->clock.now_ns, sim_wall_ms(&world->clock)};
        world->turn_wall_ms = now.wall_ms;
        next_ns = od_engine_run(world->engine, now);
        world->runs++;
        sim_advance(&world->clock, world->clock.now_ns); /* answers that come at once */
        if (++turns > TURNS_AT_ONCE_MAX) {
            sim_wrong(&world->clock, "the engine spins");
            return OD_NEVER;
        }
    } while (next_ns <= now.mono_ns || od_engine_pending(world->engine));
    sim_breakers_turn(world);
    world->drain_seen = world->drained;
    sim_carrier_check(world);
    return next_ns;
}

/* The wall clock has whole milliseconds, so a lane's own timer looks up to one later. */
static bool lane_opens_now(const struct sim_world *world)
{
    for (uint32_t i = 0; i < world->knobs.lanes; i++) {
        const struct od_window *window = &world->lanes[i].window;
        const int64_t edges[] = {window->open_ms, window->close_ms, window->next_ms};
        for (int e = 0; e < 3; e++) {
            int64_t ago_ms = sim_wall_ms(&world->clock) - edges[e];
            if (edges[e] && ago_ms >= 0 && ago_ms <= 1)
                return true;
        }
    }
    return false;
}

/* With nothing due, a turn must do nothing; neither must one after all was set again as it was,
 * which makes the engine look at everything: otherwise something was forgotten. */
static void run_idle(struct sim_world *world, uint64_t next_ns, bool look_at_all)
{
    bool paced = world->knobs.shape || world->knobs.lane_pace || world->knobs.rotor_pace ||
                 world->knobs.adaptive;
    uint64_t orders = world->orders, claims = world->claims,
             left_ns = next_ns > world->clock.now_ns ? next_ns - world->clock.now_ns : 0;
    struct od_engine_stats before;

    if (look_at_all && (paced || world->knobs.wall_jump || lane_opens_now(world)))
        return; /* turns also move with the store's latency and the wall clock, without a timer */
    od_engine_stats(world->engine, &before);
    if (look_at_all) {
        for (uint32_t i = 0; i < world->knobs.trunks; i++)
            od_engine_set_trunk(world->engine, i, &world->trunks[i]);
        for (uint32_t i = 0; i < world->knobs.lanes; i++)
            od_engine_set_lane(world->engine, i, &world->lanes[i]);
    } else if (next_ns != OD_NEVER && left_ns > 1) {
        uint64_t to_ns = world->clock.now_ns + od_rng_below(&world->rng, left_ns);
        if (sim_next(&world->clock) <= to_ns)
            return;
        sim_advance(&world->clock, to_ns);
    }
    run_engine(world);
    /* A claim put off until half of the last one is used up is not forgotten. */
    if (before.queued)
        orders += world->claims - claims;
    if (world->orders != orders)
        sim_wrong(&world->clock, "asleep with work left: %s",
                  look_at_all ? "something was forgotten" : "the deadline came too late");
}

static bool done(struct sim_world *world)
{
    struct od_engine_stats stats;

    if (sim_store_busy(world->store) || od_engine_pending(world->engine))
        return false;
    od_engine_stats(world->engine, &stats);
    if (stats.alive || world->legs_live || world->talks_live || world->seconds_live)
        return false;
    return world->drained || (sim_store_contacts(world->store) == world->knobs.calls &&
                              sim_store_ended(world->store) == world->knobs.calls);
}

/* The process is stopped and goes on later (SIGSTOP, a moved virtual machine). Beyond its lease
 * another worker takes what it holds. */
static void stand_still(struct sim_world *world)
{
    uint64_t lease_ns = SIM_LEASE_MS * OD_NS_PER_MS,
             until_ns = world->clock.now_ns + world->pause_ns;

    sim_store_pause(world->store);
    if (world->pause_ns > lease_ns) {
        sim_advance(&world->clock, world->clock.now_ns + lease_ns);
        sim_store_lapse(world->store);
    }
    sim_advance(&world->clock, until_ns);
    world->pause_ns = 0;
    sim_store_resume(world->store);
}

/* Time passes to the next thing due; the engine takes its turn if it is its. */
static void step(struct sim_world *world, uint64_t *next_ns)
{
    uint64_t happens_ns = sim_next(&world->clock);
    uint64_t wakes_ns = *next_ns;

    if (wakes_ns != OD_NEVER && wakes_ns < world->clock.now_ns)
        wakes_ns = world->clock.now_ns;
    if (wakes_ns != OD_NEVER && world->knobs.wake_us)
        wakes_ns += od_rng_below(&world->rng, world->knobs.wake_us * UINT64_C(1000) + 1);
    if (happens_ns == OD_NEVER && wakes_ns == OD_NEVER) {
        sim_wrong(&world->clock, "asleep with work left: nothing will ever happen");
        return;
    }
    if (sim_chance(world, world->knobs.stall))
        sim_advance(&world->clock, world->clock.now_ns + sim_ms(world, 1, 2000));
    if (world->pause_ns)
        stand_still(world);
    happens_ns = happens_ns < world->clock.now_ns ? world->clock.now_ns : happens_ns;
    wakes_ns = wakes_ns < world->clock.now_ns ? world->clock.now_ns : wakes_ns;
    sim_advance(&world->clock, happens_ns < wakes_ns ? happens_ns : wakes_ns);
    if (!od_engine_pending(world->engine) && *next_ns > world->clock.now_ns)
        return;
    *next_ns = run_engine(world);
    if (od_rng_below(&world->rng, 16) == 0 && !world->clock.wrong[0])
        run_idle(world, *next_ns, od_rng_below(&world->rng, 2));
}

/* After the end: no timer may be left that matters, nothing may be held. */
static void check_end(struct sim_world *world, uint64_t next_ns)
{
    struct od_engine_stats stats;
    bool quiet = !world->knobs.hostile && !world->knobs.takeover && !world->knobs.outage &&
                 !world->knobs.pause;

    sim_store_check_end(world->store, !world->drained);
    for (uint32_t i = 0; i < world->knobs.trunks; i++) { /* pings alone go on for ever */
        world->trunks[i].ping_ms = 0;
        od_engine_set_trunk(world->engine, i, &world->trunks[i]);
    }
    next_ns = run_engine(world);
    for (int i = 0; next_ns != OD_NEVER && i < 1000; i++) {
        if (next_ns > world->clock.now_ns)
            sim_advance(&world->clock, next_ns);
        next_ns = run_engine(world);
    }
    if (next_ns != OD_NEVER)
        sim_wrong(&world->clock, "at rest, timers still run");
    od_engine_stats(world->engine, &stats);
    if (stats.alive || stats.queued || stats.armed)
        sim_wrong(&world->clock, "at rest, %u calls are alive", stats.alive);
    for (uint32_t i = 0; i < world->knobs.trunks; i++) {
        struct od_trunk_stats trunk;
        od_engine_trunk_stats(world->engine, i, &trunk);
        if (trunk.in_use || trunk.armed)
            sim_wrong(&world->clock, "at rest, trunk %u has %u slots taken", i, trunk.in_use);
    }
    if (world->seconds_live)
        sim_wrong(&world->clock, "at rest, %u second legs are not over", world->seconds_live);
    if (world->legs_live || world->talks_live)
        sim_wrong(&world->clock, "at rest, %u legs and %u agents are left", world->legs_live,
                  world->talks_live);
    if (quiet && stats.odd)
        sim_wrong(&world->clock, "%" PRIu64 " surprises in a world without any", stats.odd);
}

void sim_run(uint64_t seed, const struct sim_knobs *knobs,
             void (*plant)(struct sim_world *world, struct od_ports *ports), void *plant_ctx,
             FILE *log, struct sim_result *result)
{
    struct sim_world world = {.seed = seed,
                              .knobs = *knobs,
                              .rng = {seed ^ UINT64_C(0x6f75746469616c)},
                              .plant = plant,
                              .plant_ctx = plant_ctx,
                              .log = log};
    uint64_t next_ns = 0, began_ns;

    world_init(&world);
    began_ns = world.clock.now_ns;
    while (!done(&world) && !world.clock.wrong[0]) {
        step(&world, &next_ns);
        if (world.clock.now_ns - began_ns > SIM_NS_MAX)
            sim_wrong(&world.clock, "no end in sight: %u of %u contacts ended",
                      sim_store_ended(world.store), world.knobs.calls);
    }
    if (!world.clock.wrong[0])
        check_end(&world, next_ns);
    *result = (struct sim_result){
        .ok = !world.clock.wrong[0],
        .hash = world.hash ^ od_engine_hash(world.engine) ^ sim_store_hash(world.store),
        .sim_ns = world.clock.now_ns - began_ns,
        .runs = world.runs,
        .invites = world.invites,
        .answered = world.answered,
        .ended = sim_store_ended(world.store),
        .first_invite_ns = world.first_invite_ns,
        .last_invite_ns = world.last_invite_ns,
        .breakers_opened = world.breakers_opened,
        .breakers_closed = world.breakers_closed,
    };
    memcpy(result->wrong, world.clock.wrong, sizeof result->wrong);
    od_engine_stats(world.engine, &result->stats);
    world_deinit(&world);
}
