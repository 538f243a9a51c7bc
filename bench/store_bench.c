/*
 * store_bench - what the Redis store costs: rows stored per second, calls per second through
 * claim, intent, progress and finish, round trips and client CPU per call, bytes per waiting call.
 * Runs against a redis-server of its own (append-only file fsynced on every write) and drives the
 * port as an engine would: events are queued by post() and looked at once per turn of the loop.
 *
 *   od_store_bench [--rows N] [--rate CALLS_PER_S] [--seconds N]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "proto/redis/redis_store.h"
#include "tests/contract/redis_server.h"

enum { BATCH = 1000, UNDER_WAY = 4, CLAIM = 512, RING = 1 << 16, HOLD_MS = 1000 };

struct live {
    struct od_job_id job;
    uint64_t intent_ns, over_ms;
};

struct bench {
    uv_loop_t loop;
    uv_check_t check;
    uv_timer_t tick;
    struct od_store *store;
    const struct od_store_port *port;
    const struct od_repo_port *repo;
    struct od_event *ring;
    uint32_t head, tail;
    bool up;

    /* import */
    struct od_uid agent, campaign;
    uint64_t rows, sent, stored, number;
    uint32_t under_way;

    /* calls */
    uint32_t lane, waiting, claims_out, queued, queued_first;
    bool lane_known, paced;
    uint64_t total, started, ended, durable;
    double rate;
    uint64_t begun_ns;
    struct od_job_id *queue; /* claimed, not yet started: a ring */
    struct live *lives;      /* by the call's number: a ring */
    uint32_t *talking;       /* numbers of durable calls, in order: a ring */
    uint32_t talk_first, talks;
    uint32_t *latency_us; /* intent to durable, the latest ones: a ring */
    uint32_t latencies;
};

static const struct od_sip_names names = {"00112233445566778899aabbccddeeff", "0011223344556677",
                                          "z9hG4bK0011223344556677"};

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct cpu {
    double user_s, system_s;
};

static struct cpu cpu_now(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (struct cpu){(double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6,
                        (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6};
}

static void print_cpu(const char *of, struct cpu since, uint64_t count)
{
    struct cpu now = cpu_now();
    printf("client %.2f + %.2f us/%s (user + system)  ",
           (now.user_s - since.user_s) * 1e6 / (double)count,
           (now.system_s - since.system_s) * 1e6 / (double)count, of);
}

static struct od_uid make_uid(struct bench *b)
{
    uint8_t random[10] = {0};
    uint64_t mixed = ++b->number * UINT64_C(0x9e3779b97f4a7c15);
    memcpy(random + 2, &mixed, sizeof mixed);
    return od_uid_make((int64_t)time(NULL) * 1000, random);
}

static void on_post(void *ctx, const struct od_event *event)
{
    struct bench *b = ctx;
    b->ring[b->head++ % RING] = *event;
}

static void on_log(void *ctx, bool trouble, const char *text)
{
    (void)ctx;
    if (trouble)
        fprintf(stderr, "store: %s\n", text);
}

static void on_ended(void *ctx, const struct od_job *job, const struct od_outcome *outcome,
                     struct od_text result)
{
    struct bench *b = ctx;
    (void)job;
    (void)outcome;
    (void)result;
    b->ended++;
}

/* Import */

static void add_batch(struct bench *b);

static void on_added(void *ctx, int err, size_t added, const uint32_t *twice, size_t twice_count)
{
    struct bench *b = ctx;
    (void)twice;
    (void)twice_count;
    if (err != 0) {
        fprintf(stderr, "calls_add: %s\n", od_err_text(err));
        exit(1);
    }
    b->stored += added;
    b->under_way--;
    add_batch(b);
}

static void add_batch(struct bench *b)
{
    static struct od_call_new calls[BATCH];
    static char to[BATCH][20], context[BATCH][64];
    while (b->under_way < UNDER_WAY && b->sent < b->rows) {
        size_t count = b->rows - b->sent < BATCH ? b->rows - b->sent : BATCH;
        for (size_t i = 0; i < count; i++) {
            uint64_t row = ++b->sent;
            snprintf(to[i], sizeof to[i], "+1555%08" PRIu64, row);
            snprintf(context[i], sizeof context[i], "{\"name\":\"Contact %" PRIu64 "\"}", row);
            calls[i] = (struct od_call_new){.id = make_uid(b),
                                            .to = to[i],
                                            .context = {context[i], strlen(context[i])},
                                            .row = row};
        }
        b->under_way++;
        b->repo->calls_add(b->repo->ctx, "bench", &b->agent, &b->campaign, 1, calls, count,
                           on_added, b);
    }
}

/* Calls, as an engine would order them */

static void start_one(struct bench *b)
{
    uint32_t call = (uint32_t)(b->started++ % RING);
    b->lives[call] =
        (struct live){.job = b->queue[b->queued_first++ % RING], .intent_ns = now_ns()};
    b->queued--;
    b->port->intent(b->port->ctx, (struct od_call_id){call, 1}, b->lives[call].job, &names, 0, 1);
}

static void finish_one(struct bench *b, const struct live *live)
{
    struct od_outcome outcome = {.cause = OD_CAUSE_COMPLETED,
                                 .sip_status = 200,
                                 .dialed_ms = 1700000000000,
                                 .ringing_ms = 1700000000500,
                                 .answered_ms = 1700000001000,
                                 .ended_ms = 1700000002000};
    if (b->paced) {
        b->port->progress(b->port->ctx, live->job, "ringing", 1700000000500);
        b->port->progress(b->port->ctx, live->job, "talking", 1700000001000);
    }
    b->port->finish(b->port->ctx, live->job, &outcome);
}

static void claim_more(struct bench *b)
{
    uint32_t want = b->paced ? (uint32_t)(b->rate * 0.3) + 1 : CLAIM;
    if (!b->lane_known || b->waiting == 0 || b->claims_out > 0 || b->queued >= want)
        return;
    if (b->paced && b->queued > want / 2)
        return;
    b->claims_out++;
    b->port->claim(b->port->ctx, b->lane, want);
}

static void on_event(struct bench *b, const struct od_event *e)
{
    struct live *live;
    switch (e->kind) {
    case OD_EV_STORE_UP:
        b->up = true;
        break;
    case OD_EV_LANE_READY:
        b->lane_known = true;
        b->lane = e->u.lane.lane;
        b->waiting = e->u.lane.waiting;
        break;
    case OD_EV_JOB:
        b->queue[(b->queued_first + b->queued++) % RING] = e->u.job.job;
        break;
    case OD_EV_CLAIM_DONE:
        b->claims_out--;
        b->waiting = e->u.claim.waiting;
        break;
    case OD_EV_DURABLE:
        live = &b->lives[e->call.index];
        live->over_ms = uv_now(&b->loop) + (b->paced ? HOLD_MS : 0);
        b->talking[(b->talk_first + b->talks++) % RING] = e->call.index;
        b->latency_us[b->latencies++ % RING] = (uint32_t)((now_ns() - live->intent_ns) / 1000);
        break;
    default:
        break;
    }
}

static void turn(struct bench *b)
{
    while (b->tail != b->head)
        on_event(b, &b->ring[b->tail++ % RING]);
    if (b->total == 0)
        return;
    uint64_t may_start = UINT64_MAX;
    if (b->paced)
        may_start = (uint64_t)((double)(now_ns() - b->begun_ns) / 1e9 * b->rate);
    while (b->queued > 0 && b->started < b->total && b->started < may_start)
        start_one(b);
    uint64_t now = uv_now(&b->loop);
    while (b->talks > 0 && b->lives[b->talking[b->talk_first % RING]].over_ms <= now) {
        finish_one(b, &b->lives[b->talking[b->talk_first++ % RING]]);
        b->talks--;
    }
    claim_more(b);
}

static void on_check(uv_check_t *check)
{
    turn(check->data);
}

static void on_tick(uv_timer_t *tick)
{
    turn(tick->data);
}

/* Phases */

static bool all_stored(const struct bench *b)
{
    return b->sent == b->rows && b->under_way == 0;
}

static bool all_ended(const struct bench *b)
{
    return b->total > 0 && b->ended >= b->total;
}

static bool is_up(const struct bench *b)
{
    return b->up;
}

static void run_until(struct bench *b, bool (*holds)(const struct bench *))
{
    while (!holds(b))
        uv_run(&b->loop, UV_RUN_ONCE);
}

static bool done_flag;

static bool is_done(const struct bench *b)
{
    (void)b;
    return done_flag;
}

static void on_done(void *ctx, int err)
{
    (void)ctx;
    done_flag = true;
    if (err != 0) {
        fprintf(stderr, "repo: %s\n", od_err_text(err));
        exit(1);
    }
}

static uint64_t used_memory(const struct redis_server *server)
{
    static char info[16384];
    uint64_t bytes = 0;
    if (redis_server_ask(server, info, sizeof info, 2, (const char *const[]){"INFO", "memory"})) {
        const char *at = strstr(info, "used_memory:");
        if (at != NULL)
            bytes = strtoull(at + strlen("used_memory:"), NULL, 10);
    }
    return bytes;
}

static void make_campaign(struct bench *b)
{
    struct od_campaign_rec campaign = {.name = "bench", .state = OD_CAMPAIGN_DRAFT};
    struct od_agent_rec agent = {.name = "bench", .doc = {"{}", 2}};
    agent.id = b->agent = make_uid(b);
    campaign.id = b->campaign = make_uid(b);
    campaign.agent = agent.id;
    b->repo->agent_put(b->repo->ctx, "bench", &agent, on_done, b);
    run_until(b, is_done);
    done_flag = false;
    b->repo->campaign_create(b->repo->ctx, "bench", &campaign, on_done, b);
    run_until(b, is_done);
}

static void import(struct bench *b, const struct redis_server *server)
{
    uint64_t memory = used_memory(server), begun = now_ns();
    struct cpu cpu = cpu_now();
    add_batch(b);
    run_until(b, all_stored);
    double seconds = (double)(now_ns() - begun) / 1e9;
    memory = used_memory(server) - memory;
    printf("import      %10.0f rows/s  ", (double)b->rows / seconds);
    print_cpu("row", cpu, b->rows);
    printf("%" PRIu64 " bytes/waiting call\n", memory / b->stored);
}

/* How long Redis took for its scripts since the last look, as it says itself. */
static void print_scripts(const struct redis_server *server)
{
    static char info[65536];
    if (redis_server_ask(server, info, sizeof info, 2,
                         (const char *const[]){"INFO", "latencystats"})) {
        const char *at = strstr(info, "evalsha:");
        if (at != NULL)
            printf("            scripts, us in Redis: %.*s\n", (int)strcspn(at + 8, "\r\n"),
                   at + 8);
    }
    redis_server_ask(server, info, sizeof info, 2, (const char *const[]){"CONFIG", "RESETSTAT"});
}

static int by_value(const void *a, const void *c)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)c;
    return x < y ? -1 : x > y;
}

static void dial(struct bench *b, const struct redis_server *server, const char *name,
                 uint64_t total, double rate)
{
    struct od_store_stats before, after;
    od_store_stats(b->store, &before);
    b->total = total;
    b->started = b->ended = 0;
    b->latencies = 0;
    b->rate = rate;
    b->paced = rate > 0;
    b->begun_ns = now_ns();
    struct cpu cpu = cpu_now();
    turn(b);
    run_until(b, all_ended);
    double seconds = (double)(now_ns() - b->begun_ns) / 1e9;
    od_store_stats(b->store, &after);
    uint32_t count = b->latencies < RING ? b->latencies : RING;
    qsort(b->latency_us, count, sizeof *b->latency_us, by_value);
    printf("%-11s %10.0f calls/s  ", name, (double)total / seconds);
    print_cpu("call", cpu, total);
    printf("%.4f round trips/call  intent p50 %.1f ms p99 %.1f ms\n",
           (double)(after.round_trips - before.round_trips) / (double)total,
           b->latency_us[count / 2] / 1000.0, b->latency_us[(uint64_t)count * 99 / 100] / 1000.0);
    b->total = 0;
    print_scripts(server);
}

static void on_closed(void *ctx)
{
    struct bench *b = ctx;
    b->store = NULL;
    uv_close((uv_handle_t *)&b->check, NULL);
    uv_close((uv_handle_t *)&b->tick, NULL);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    struct bench *b = &bench;
    uint64_t rate = 1000, seconds = 10;
    b->rows = 200000;
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t value = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--rows") == 0)
            b->rows = value;
        else if (strcmp(argv[i], "--rate") == 0)
            rate = value;
        else if (strcmp(argv[i], "--seconds") == 0)
            seconds = value;
        else {
            fprintf(stderr, "usage: od_store_bench [--rows N] [--rate N] [--seconds N]\n");
            return 2;
        }
    }
    if (b->rows <= rate * seconds) {
        fprintf(stderr, "more rows are needed than the paced phase uses\n");
        return 2;
    }
    struct redis_server server;
    if (!redis_server_start(&server, NULL)) {
        fprintf(stderr, "redis-server did not start\n");
        return 1;
    }
    b->ring = calloc(RING, sizeof *b->ring);
    b->queue = calloc(RING, sizeof *b->queue);
    b->lives = calloc(RING, sizeof *b->lives);
    b->talking = calloc(RING, sizeof *b->talking);
    b->latency_us = calloc(RING, sizeof *b->latency_us);
    uv_loop_init(&b->loop);
    uv_check_init(&b->loop, &b->check);
    uv_timer_init(&b->loop, &b->tick);
    b->check.data = b->tick.data = b;
    uv_check_start(&b->check, on_check);
    uv_timer_start(&b->tick, on_tick, 5, 5);
    struct od_store_config config = {
        .path_or_host = server.path, .worker = "bench", .jobs_max = 20000};
    struct od_store_events events = {.ctx = b, .post = on_post, .ended = on_ended, .log = on_log};
    if (od_store_open(&b->store, &b->loop, &config, &events) != 0)
        return 1;
    b->port = od_store_port(b->store);
    b->repo = od_store_repo(b->store);
    run_until(b, is_up);
    make_campaign(b);
    import(b, &server);
    done_flag = false;
    b->repo->campaign_set_state(b->repo->ctx, "bench", &b->campaign, OD_CAMPAIGN_RUNNING, "bench",
                                on_done, b);
    run_until(b, is_done);
    dial(b, &server, "paced", rate * seconds, (double)rate);
    dial(b, &server, "saturation", b->rows - rate * seconds - b->queued, 0);
    od_store_close(b->store, on_closed, b);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    uv_loop_close(&b->loop);
    redis_server_stop(&server);
    free(b->ring);
    free(b->queue);
    free(b->lives);
    free(b->talking);
    free(b->latency_us);
    return 0;
}
