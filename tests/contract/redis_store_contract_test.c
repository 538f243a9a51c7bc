/*
 * redis_store_contract_test - the store contract over Redis, each test on a server of its own.
 *
 *   redis_store_contract_test [TEST]
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "engine/base/uid.h"
#include "tests/contract/redis_world.h"
#include "tests/contract/store_contract.h"

struct contract_world {
    struct od_contract contract;
    struct world *world;
    struct od_uid agents[2], campaign; /* campaign: of what is added to the first lane; or none */
};

static const char org[] = "acme";

static void add(void *ctx, unsigned which, struct od_uid *uids, size_t count, int64_t deadline_ms)
{
    struct contract_world *c = ctx;
    struct od_call_new *calls = calloc(count, sizeof *calls);
    for (size_t i = 0; i < count; i++) {
        uids[i] = world_uid(c->world);
        calls[i] =
            (struct od_call_new){.id = uids[i], .to = "+15550001111", .deadline_ms = deadline_ms};
    }
    const struct od_uid *campaign = which == 0 && !od_uid_none(&c->campaign) ? &c->campaign : NULL;
    int err = world_add(c->world, org, &c->agents[which], campaign, calls, count);
    free(calls);
    if (err != 0) {
        fprintf(stderr, "calls_add: %d\n", err);
        abort();
    }
}

static int cancel(void *ctx, const struct od_uid *uid)
{
    struct contract_world *c = ctx;
    return world_stop(c->world, org, uid, false);
}

static bool next(void *ctx, struct od_event *out)
{
    struct contract_world *c = ctx;
    return world_next(c->world, out);
}

static void look(void *ctx, const struct od_uid *uid, struct od_contract_seen *out)
{
    struct contract_world *c = ctx;
    memset(out, 0, sizeof *out);
    if (world_call_get(c->world, org, uid) != 0 || c->world->count != 1)
        return;
    out->found = true;
    out->phase = c->world->calls[0].phase;
    out->cause = (uint8_t)c->world->calls[0].outcome.cause;
    out->attempts = c->world->calls[0].attempts;
    out->tries = c->world->calls[0].tries;
    out->ends = world_ends(c->world, org, uid);
}

static void suppress(void *ctx, bool on)
{
    struct contract_world *c = ctx;
    if (world_suppress(c->world, org, "+15550001111", on) != 0)
        abort();
}

static void cap_calls(void *ctx, uint32_t most)
{
    struct contract_world *c = ctx;
    c->world->place_max = most;
}

static void redial(void *ctx, uint32_t most)
{
    struct contract_world *c = ctx;
    struct od_campaign_rec rec = {.id = world_uid(c->world),
                                  .agent = c->agents[0],
                                  .name = "again",
                                  .state = OD_CAMPAIGN_RUNNING,
                                  .has_retry = true,
                                  .retry.attempts_max = (uint8_t)most};
    rec.retry.after_s[OD_CAUSE_UNKNOWN] = 1;
    c->campaign = rec.id;
    c->world->shared = true;
    c->world->repo->campaign_create(c->world->repo->ctx, org, &rec, world_on_done, c->world);
    if (world_answer(c->world) != 0)
        abort();
}

static int64_t wall_ms(void *ctx)
{
    (void)ctx;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool has_found_dead(struct world *w)
{
    struct od_store_stats stats;
    od_store_stats(w->store, &stats);
    return stats.reclaimed > 0;
}

/* Time does it, or whoever writes the time: every lease is known to be over. The other worker's
 * loop runs, ours doesn't. */
static void lapse(void *ctx)
{
    static const char lua[] =
        "for _, w in ipairs(redis.call('ZRANGE', 'od:{acme}:serving', 0, -1)) "
        "do redis.call('ZADD', 'od:{acme}:serving', 0, w) end";
    struct contract_world *c = ctx;
    char text[64];
    redis_server_ask(&c->world->server, text, sizeof text, 3,
                     (const char *const[]){"EVAL", lua, "0"});
    struct world *other = world_join(c->world, "worker-2", 0);
    if (other == NULL || !world_until(other, has_found_dead, WORLD_LIMIT_MS))
        abort();
    world_run_for(other, 100);
    world_close(other);
}

static void close_world(struct od_contract *contract)
{
    struct contract_world *c = contract->ctx;
    if (c->world != NULL)
        world_close(c->world);
    free(c);
}

static struct od_contract *open_world(const struct od_cap *caps)
{
    struct contract_world *c = calloc(1, sizeof *c);
    c->contract = (struct od_contract){.ctx = c,
                                       .add = add,
                                       .cancel = cancel,
                                       .next = next,
                                       .look = look,
                                       .suppress = suppress,
                                       .cap_calls = cap_calls,
                                       .redial = redial,
                                       .wall_ms = wall_ms,
                                       .lapse = lapse};
    c->world = world_open_capped("worker-1", caps);
    if (c->world == NULL) {
        free(c);
        return NULL;
    }
    c->contract.port = c->world->port;
    for (int i = 0; i < 2; i++) {
        c->agents[i] = world_uid(c->world);
        if (world_agent_put(c->world, org, &c->agents[i], i == 0 ? "first" : "second", "{}") != 0) {
            close_world(&c->contract);
            return NULL;
        }
    }
    return &c->contract;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return od_contract_run(&(struct od_contract_worlds){.open = open_world, .close = close_world});
}
