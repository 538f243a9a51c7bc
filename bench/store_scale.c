/*
 * store_scale - what requests cost as the number of stored calls grows: storing a batch, pages of a
 * list from its ends and its middle, one call's cancel, a claim, why, and Redis' memory per call.
 * Single calls of one agent, against a redis-server of its own (append-only file fsynced on every
 * write). Prints a line of JSON per size; medians of 41 in microseconds.
 *
 *   od_store_scale [CALLS...]      (default 10000 100000 1000000)
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <hiredis/hiredis.h>

#include "tests/contract/redis_world.h"

enum { BATCH = 1000, TIMES = 41, PAGE = 50 };

static const char org[] = "acme";

struct scale {
    struct world *world;
    struct od_uid agent, *uids;
    uint64_t stored, stopped, number;
    uint32_t lane;
};

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * OD_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "store_scale: %s failed\n", what);
    exit(1);
}

static uint64_t memory(const struct scale *s)
{
    redisContext *c = redisConnectUnix(s->world->server.path);
    must(c && !c->err, "connecting");
    redisReply *info = redisCommand(c, "INFO memory");
    must(info && info->type == REDIS_REPLY_STRING, "INFO");
    const char *used = strstr(info->str, "used_memory:");
    uint64_t bytes = used ? strtoull(used + 12, NULL, 10) : 0;
    freeReplyObject(info);
    redisFree(c);
    return bytes;
}

static uint64_t add_batch(struct scale *s)
{
    static struct od_call_new calls[BATCH];
    static char numbers[BATCH][20];
    for (size_t i = 0; i < BATCH; i++) {
        snprintf(numbers[i], sizeof numbers[i], "+1555%07" PRIu64, s->number++ % 10000000);
        s->uids[s->stored + i] = world_uid(s->world);
        calls[i] = (struct od_call_new){
            .id = s->uids[s->stored + i], .to = numbers[i], .context = {"{\"name\":\"Ann\"}", 14}};
    }
    uint64_t begin = now_ns();
    must(world_add(s->world, org, &s->agent, NULL, calls, BATCH) == 0, "calls_add");
    s->stored += BATCH;
    return now_ns() - begin;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* The median of TIMES runs, in us. */
static double median(struct scale *s, void (*fn)(struct scale *))
{
    uint64_t took[TIMES];
    for (int i = 0; i < TIMES; i++) {
        uint64_t begin = now_ns();
        fn(s);
        took[i] = now_ns() - begin;
    }
    qsort(took, TIMES, sizeof *took, by_value);
    return (double)took[TIMES / 2] / 1000;
}

static void list(struct scale *s, const struct od_uid *agent, uint64_t cursor)
{
    struct od_call_query query = {.agent = agent, .cursor = cursor, .take = PAGE};
    s->world->repo->call_list(s->world->repo->ctx, org, &query, world_on_calls, s->world);
    must(world_answer(s->world) == 0 && s->world->count == PAGE, "call_list");
}

static void first_page(struct scale *s)
{
    list(s, NULL, 0);
}

static void middle_page(struct scale *s)
{
    list(s, NULL, s->stored / 2);
}

static void agent_page(struct scale *s)
{
    list(s, &s->agent, s->stored / 2);
}

static void stop_one(struct scale *s)
{
    /* from the newest backwards, so that the lane's front stays */
    must(world_stop(s->world, org, &s->uids[s->stored - 1 - s->stopped++], false) == 0, "stop");
}

static void why_one(struct scale *s)
{
    s->world->repo->call_why(s->world->repo->ctx, org, &s->uids[s->stored / 2], world_on_why,
                             s->world);
    must(world_answer(s->world) == 0, "call_why");
}

static void claim_one(struct scale *s)
{
    struct od_event event;
    s->world->port->claim(s->world->port->ctx, s->lane, 1);
    must(world_next_of(s->world, OD_EV_CLAIM_DONE, &event) && event.u.claim.got == 1, "claim");
}

static void measure(struct scale *s, uint64_t empty_bytes, double rows_per_s, uint64_t last_add_ns)
{
    uint64_t bytes = memory(s);
    double first = median(s, first_page), middle = median(s, middle_page);
    double agent = median(s, agent_page), why = median(s, why_one);
    double claim = median(s, claim_one), stop = median(s, stop_one);
    printf("{\"calls\":%" PRIu64 ",\"stored_per_s\":%.0f,\"batch_of_1000_us\":%.0f,"
           "\"first_page_us\":%.0f,\"middle_page_us\":%.0f,\"agent_page_us\":%.0f,\"why_us\":%.0f,"
           "\"claim_us\":%.0f,\"cancel_us\":%.0f,\"redis_bytes_per_call\":%.0f}\n",
           s->stored, rows_per_s, (double)last_add_ns / 1000, first, middle, agent, why, claim,
           stop, (double)(bytes - empty_bytes) / (double)s->stored);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"10000", "100000", "1000000"};
    struct scale s = {.world = world_open("scale")};
    struct od_event event;
    uint64_t most = 0;
    size_t sizes = argc > 1 ? (size_t)argc - 1 : 3;
    const char *const *texts = argc > 1 ? (const char *const *)argv + 1 : usual;
    must(s.world != NULL, "starting redis-server");
    for (size_t i = 0; i < sizes; i++) {
        uint64_t size = strtoull(texts[i], NULL, 10);
        most = size > most ? size : most;
    }
    s.uids = calloc(most + BATCH, sizeof *s.uids);
    must(most >= BATCH && s.uids != NULL, "sizes of 1000 and more");
    s.agent = world_uid(s.world);
    must(world_agent_put(s.world, org, &s.agent, "scale", "{}") == 0, "agent_put");
    uint64_t empty_bytes = memory(&s);
    for (size_t i = 0; i < sizes; i++) {
        uint64_t size = strtoull(texts[i], NULL, 10), before = s.stored, last = 0;
        uint64_t begin = now_ns();
        while (s.stored < size)
            last = add_batch(&s);
        double took_s = (double)(now_ns() - begin) / 1e9;
        if (i == 0) {
            must(world_next_of(s.world, OD_EV_LANE_READY, &event), "the lane");
            s.lane = event.u.lane.lane;
        }
        measure(&s, empty_bytes, took_s > 0 ? (double)(s.stored - before) / took_s : 0, last);
    }
    free(s.uids);
    world_close(s.world);
    return 0;
}
