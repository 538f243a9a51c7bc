/*
 * Goal: the simulated store owes the engine what the real one does. Method: the suite that the
 * Redis adapter passes, over a simulated world of one store and two lanes.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "outdial/err.h"
#include "tests/contract/store_contract.h"
#include "tests/sim/sim_store.h"

enum { CONTACTS = 400, EVENTS = 4096 };

struct world {
    struct od_contract contract;
    struct sim_clock clock;
    struct od_rng rng;
    struct sim_store *store;
    struct od_event events[EVENTS];
    uint32_t head, tail;
};

static void post(void *ctx, const struct od_event *event)
{
    struct world *world = ctx;

    OD_ASSERT(world->tail - world->head < EVENTS);
    world->events[world->tail++ % EVENTS] = *event;
}

static bool next(void *ctx, struct od_event *out)
{
    struct world *world = ctx;

    while (world->head == world->tail) {
        if (sim_next(&world->clock) == OD_NEVER)
            return false;
        sim_advance(&world->clock, sim_next(&world->clock));
    }
    *out = world->events[world->head++ % EVENTS];
    return true;
}

static void add(void *ctx, unsigned which, struct od_uid *uids, size_t count, int64_t deadline_ms)
{
    struct world *world = ctx;

    for (size_t i = 0; i < count; i++) {
        uint32_t number = sim_store_add(world->store, which, "+15550001", deadline_ms, 7);
        uids[i] = sim_store_contact(world->store, number)->uid;
    }
}

static uint32_t number_of(const struct od_uid *uid)
{
    uint32_t number;

    memcpy(&number, uid->b + 8, sizeof number);
    return number;
}

static int cancel(void *ctx, const struct od_uid *uid)
{
    struct world *world = ctx;

    if (sim_store_contact(world->store, number_of(uid))->phase == SIM_ENDED)
        return OD_ECONFLICT;
    sim_store_stop(world->store, number_of(uid));
    return 0;
}

static void look(void *ctx, const struct od_uid *uid, struct od_contract_seen *out)
{
    static const enum od_call_phase phases[] = {
        [SIM_WAITING] = OD_PHASE_QUEUED, [SIM_LATER] = OD_PHASE_WAITING,
        [SIM_HELD] = OD_PHASE_QUEUED,    [SIM_TAKEN] = OD_PHASE_QUEUED,
        [SIM_ENDED] = OD_PHASE_ENDED,
    };
    struct world *world = ctx;
    const struct sim_contact *contact = sim_store_contact(world->store, number_of(uid));

    *out = (struct od_contract_seen){
        .found = true,
        .phase = (uint8_t)(contact->phase == SIM_HELD && contact->intent ? OD_PHASE_DIALING
                                                                         : phases[contact->phase]),
        .cause = (uint8_t)contact->outcome.cause,
        .attempts = contact->attempts,
        .tries = contact->tries,
        .ends = contact->ends,
    };
}

static void suppress(void *ctx, bool on)
{
    struct world *world = ctx;

    sim_store_suppress(world->store, "+15550001", on);
}

static void cap_calls(void *ctx, uint32_t most)
{
    struct world *world = ctx;

    sim_store_cap_calls(world->store, most);
}

static void redial(void *ctx, uint32_t most)
{
    struct world *world = ctx;

    sim_store_redial(world->store, most, 1000);
}

static int64_t wall_ms(void *ctx)
{
    struct world *world = ctx;

    return sim_wall_ms(&world->clock);
}

static void lapse(void *ctx)
{
    struct world *world = ctx;

    sim_store_lapse(world->store);
}

static struct od_contract *open(const struct od_cap *caps)
{
    struct world *world = calloc(1, sizeof *world);
    struct sim_store_config config = {.contacts_max = CONTACTS,
                                      .lanes_max = 2,
                                      .latency_us = 1000,
                                      .lease_ms = 10000,
                                      .lease_for_ns = UINT64_C(3600) * OD_NS_PER_S,
                                      .post = post,
                                      .ctx = world};

    OD_ASSERT(world);
    for (int i = 0; caps && i < OD_CAPS_MAX && caps[i].attempts; i++)
        config.caps[i] = caps[i];
    sim_clock_init(&world->clock, OD_NS_PER_S);
    world->clock.wall_base_ms = INT64_C(1700000000000);
    world->store = sim_store_create(&world->clock, &world->rng, &config);
    sim_store_up(world->store);
    world->contract = (struct od_contract){.ctx = world,
                                           .port = sim_store_port(world->store),
                                           .add = add,
                                           .cancel = cancel,
                                           .next = next,
                                           .look = look,
                                           .suppress = suppress,
                                           .cap_calls = cap_calls,
                                           .redial = redial,
                                           .wall_ms = wall_ms,
                                           .lapse = lapse};
    return &world->contract;
}

static void close(struct od_contract *contract)
{
    struct world *world = contract->ctx;

    sim_store_destroy(world->store);
    sim_clock_deinit(&world->clock);
    free(world);
}

int main(void)
{
    return od_contract_run(&(struct od_contract_worlds){open, close});
}
