/*
 * Goal: the books of a shared rate in Redis (scripts/share.lua, redis_share.c) keep their contract.
 * Method: three stores on one Redis, in real time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/contract/rate_contract.h"
#include "tests/contract/redis_world.h"

struct stores {
    struct rate_world world;
    struct world *all[RATE_PROCESSES];
};

static uint64_t now_us(void *ctx)
{
    (void)ctx;
    return uv_hrtime() / 1000;
}

static void pass(void *ctx, uint64_t us)
{
    struct stores *stores = ctx;
    world_run_for(stores->all[0], (uint32_t)(us / 1000));
}

static void ask(void *ctx, int process, const struct od_rate_ask *ask, struct rate_answer *out)
{
    struct stores *stores = ctx;
    struct world *w = stores->all[process];
    const struct od_rate_port *port = od_store_rate_port(w->store);
    struct od_event event;
    *out = (struct rate_answer){0};
    port->ask(port->ctx, 0, ask);
    do {
        assert_true(world_next_of(w, OD_EV_GRANT, &event));
        const struct od_grant *grant = &event.u.grant;
        out->sole_us = grant->sole_until_ns / 1000;
        out->slack_us = (ask->late_ns - grant->late_ns) / 1000 + 1;
        for (uint8_t i = 0; i < grant->count && out->count < RATE_SLOTS_MAX; i++)
            out->slots[out->count++] = grant->from_ns[i] / 1000;
    } while (!event.u.grant.last);
}

struct rate_world *rate_world_make(void)
{
    struct stores *stores = calloc(1, sizeof *stores);
    if (!stores)
        return NULL;
    stores->world = (struct rate_world){stores, now_us, pass, ask};
    stores->all[0] = world_open("first");
    stores->all[1] = stores->all[0] ? world_join(stores->all[0], "second", 60000) : NULL;
    stores->all[2] = stores->all[1] ? world_join(stores->all[0], "third", 60000) : NULL;
    if (stores->all[2])
        return &stores->world;
    rate_world_end(&stores->world);
    return NULL;
}

void rate_world_end(struct rate_world *world)
{
    struct stores *stores = world->ctx;
    for (int i = RATE_PROCESSES; i--;)
        if (stores->all[i])
            world_close(stores->all[i]);
    free(stores);
}

int main(void)
{
    return rate_contract_run();
}
