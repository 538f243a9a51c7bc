/* sim_talk - the agents and the start hooks, behind the talk port. It checks that an agent that was
 * got ready is always let go, once, and talks only when someone has answered. */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "tests/sim/sim_world.h"

struct sim_talk {
    struct od_call_id call; /* gen 0: none */
    bool started;
    bool is_second;
    struct od_call_id second; /* its second leg; gen 0: none */
};

static uint64_t name_of(struct od_call_id call)
{
    return (uint64_t)call.index << 32 | call.gen;
}

static struct sim_talk *talk_named(struct sim_world *world, uint64_t name)
{
    struct sim_talk *talk = &world->talks[name >> 32];

    return talk->call.gen == (uint32_t)name ? talk : NULL;
}

static void agent_breaks(void *ctx, uint64_t name, uint64_t unused)
{
    struct sim_world *world = ctx;
    struct sim_talk *talk = talk_named(world, name);
    struct od_event event = {.kind = OD_EV_AGENT_FAILED, .u.fail.reason = "agent unreachable"};

    (void)unused;
    if (!talk)
        return;
    event.call = talk->call;
    sim_post(world, &event);
}

static void agent_ends(void *ctx, uint64_t name, uint64_t unused)
{
    struct sim_world *world = ctx;
    struct sim_talk *talk = talk_named(world, name);

    (void)unused;
    if (talk)
        sim_post_kind(world, OD_EV_AGENT_DONE, talk->call);
}

bool sim_talk_on(const struct sim_world *world, struct od_call_id call)
{
    const struct sim_talk *talk = &world->talks[call.index];

    return talk->call.gen == call.gen && talk->started;
}

static void hand_on(void *ctx, uint64_t name, uint64_t contact)
{
    struct sim_world *world = ctx;
    struct sim_talk *talk = talk_named(world, name);
    struct od_event event = {.kind = OD_EV_BRIDGE};
    const char *to = sim_store_contact(world->store, (uint32_t)contact)->to;

    if (!talk)
        return;
    event.call = talk->call;
    event.u.bridge.ring_ms = 1000 + (uint32_t)od_rng_below(&world->rng, 30000);
    event.u.bridge.talk_ms_max = 1000 + (uint32_t)od_rng_below(&world->rng, 60000);
    memcpy(event.u.bridge.to, to, strlen(to) + 1);
    sim_post(world, &event);
}

/* A second leg: begun once, while the first one talks, and over once, with a reason. */
static void port_bridge(void *ctx, struct od_call_id call, struct od_call_id leg,
                        const struct od_outcome *outcome)
{
    struct sim_world *world = ctx;
    struct sim_talk *talk = talk_named(world, name_of(call));

    sim_order(world, "bridge", call.index, outcome ? outcome->cause : 0);
    if (outcome && outcome->cause == OD_CAUSE_NONE)
        sim_wrong(&world->clock, "a second leg has ended and nobody is told why");
    if (!leg.gen)
        return; /* refused */
    if (!outcome && (!talk || !talk->started || talk->second.gen))
        sim_wrong(&world->clock, "a second leg for a call that can't have one");
    if (outcome && talk && talk->second.gen != leg.gen)
        sim_wrong(&world->clock, "another second leg ends than began");
    if (talk)
        talk->second = outcome ? (struct od_call_id){0, 0} : leg;
    world->seconds_live += outcome ? -1u : 1;
    if (outcome && talk && od_rng_below(&world->rng, 2))
        sim_post_kind(world, OD_EV_AGENT_DONE, call);
}

static void port_prepare(void *ctx, struct od_call_id call, struct od_job_id job)
{
    struct sim_world *world = ctx;
    struct sim_talk *talk = &world->talks[call.index];

    (void)job;
    sim_order(world, "prepare", call.index, call.gen);
    if (talk->call.gen)
        sim_wrong(&world->clock, "an agent is got ready for a call whose agent was not let go");
    *talk = (struct sim_talk){.call = call, .is_second = sim_carrier_second(world, call)};
    world->talks_live++;
    if (sim_chance(world, world->knobs.agent_fault))
        sim_after(&world->clock, sim_ms(world, 0, 30000), agent_breaks, world, name_of(call), 0);
}

static void port_start(void *ctx, struct od_call_id call, struct od_job_id job)
{
    struct sim_world *world = ctx;
    struct sim_talk *talk = &world->talks[call.index];

    sim_order(world, "start", call.index, call.gen);
    if (talk->call.gen != call.gen || talk->started)
        sim_wrong(&world->clock, "an agent that was not ready, or talks already, is to talk");
    talk->started = true;
    if (!talk->is_second && sim_chance(world, world->knobs.bridge)) {
        bool durable;
        uint16_t attempt;
        uint32_t contact = sim_store_job(world->store, job, &durable, &attempt);
        if (contact != UINT32_MAX)
            sim_after(&world->clock, sim_ms(world, 0, 5000), hand_on, world, name_of(call),
                      contact);
    }
    if (od_rng_below(&world->rng, 2))
        sim_after(&world->clock, sim_ms(world, 1, world->knobs.talk_ms), agent_ends, world,
                  name_of(call), 0);
}

static void port_stop(void *ctx, struct od_call_id call, struct od_job_id job, enum od_cause cause)
{
    struct sim_world *world = ctx;
    struct sim_talk *talk = &world->talks[call.index];
    uint16_t attempt;
    bool durable;

    sim_order(world, "stop", call.index, cause);
    if (!call.gen || talk->call.gen != call.gen)
        sim_wrong(&world->clock, "an agent that was not got ready is let go");
    if (cause == OD_CAUSE_NONE && (world->knobs.tries < 2 || talk->started))
        sim_wrong(&world->clock, "an agent is let go and not told why");
    if (!talk->is_second && sim_store_job(world->store, job, &durable, &attempt) == UINT32_MAX)
        sim_wrong(&world->clock, "an agent's result comes after the job was given back");
    *talk = (struct sim_talk){0};
    world->talks_live--;
}

static void hook_answers(void *ctx, uint64_t name, uint64_t accept)
{
    struct sim_world *world = ctx;
    struct od_event event = {.kind = OD_EV_HOOK_DONE,
                             .call = {(uint32_t)(name >> 32), (uint32_t)name},
                             .u.hook = {.accept = accept, .reason = "not today"}};

    sim_post(world, &event);
}

static void port_hook(void *ctx, struct od_call_id call, struct od_job_id job)
{
    struct sim_world *world = ctx;
    bool fault = sim_chance(world, world->knobs.hook_fault);

    (void)job;
    sim_order(world, "hook", call.index, call.gen);
    if (fault && od_rng_below(&world->rng, 2))
        return; /* never answers */
    sim_after(&world->clock, sim_ms(world, 5, 2000), hook_answers, world, name_of(call), !fault);
}

void sim_talk_init(struct sim_world *world, struct od_talk_port *port)
{
    world->talks = calloc(world->limits.calls_max, sizeof *world->talks);
    OD_ASSERT(world->talks);
    *port = (struct od_talk_port){.ctx = world,
                                  .prepare = port_prepare,
                                  .start = port_start,
                                  .stop = port_stop,
                                  .hook = port_hook,
                                  .bridge = port_bridge};
}

void sim_talk_deinit(struct sim_world *world)
{
    free(world->talks);
}
