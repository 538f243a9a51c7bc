/*
 * The fake host hashes with SipHash four times over, which is no SHA-256 and serves as well here.
 */
#include "tests/unit/api_fake.h"

#include "outdial/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/siphash.h"
#include "engine/base/str.h"
#include "proto/crypto/hash.h"

/* ---- the host ---- */

static struct od_now host_now(void *ctx)
{
    return ((struct fake_world *)ctx)->now;
}

static void host_stats(void *ctx, struct od_engine_stats *out)
{
    *out = ((struct fake_world *)ctx)->stats;
}

static size_t host_trunks(void *ctx, struct od_api_trunk *out, size_t max)
{
    struct fake_world *world = ctx;
    for (size_t i = 0; i < world->trunk_count && i < max; i++)
        out[i] = world->trunks[i];
    return world->trunk_count;
}

static int host_trunk_change(void *ctx, const char *name, const struct od_api_trunk_change *change)
{
    struct fake_world *world = ctx;
    for (size_t i = 0; i < world->trunk_count; i++) {
        if (strcmp(world->trunks[i].name, name) != 0)
            continue;
        world->changed = *change;
        world->changed.who = NULL;
        snprintf(world->changed_by, sizeof world->changed_by, "%s", change->who);
        snprintf(world->changed_name, sizeof world->changed_name, "%s", name);
        if (change->order != OD_API_TRUNK_KEEP)
            world->trunks[i].order = change->order;
        if (change->cps_milli != UINT32_MAX)
            world->trunks[i].cps_milli = change->cps_milli ? change->cps_milli : 10000;
        if (change->max_calls != UINT32_MAX)
            world->trunks[i].max_calls = change->max_calls;
        return 0;
    }
    return OD_ENOENT;
}

static bool host_ready(void *ctx, char *why, size_t size)
{
    struct fake_world *world = ctx;
    if (world->not_ready)
        snprintf(why, size, "%s", world->not_ready);
    return !world->not_ready;
}

static const char *host_live_state(void *ctx, const struct od_uid *call)
{
    (void)call;
    return ((struct fake_world *)ctx)->live_state;
}

static size_t host_trace(void *ctx, const struct od_uid *call, char *out, size_t max)
{
    struct fake_world *world = ctx;
    (void)call;
    size_t bytes = world->trace ? strlen(world->trace) : 0;
    if (bytes && bytes <= max)
        memcpy(out, world->trace, bytes);
    return bytes;
}

/* A world of three zones. */
static bool zone_known(void *ctx, const char *zone)
{
    (void)ctx;
    return strcmp(zone, "UTC") == 0 || strcmp(zone, "Europe/Berlin") == 0 ||
           strcmp(zone, "Asia/Tokyo") == 0;
}

static const struct od_zone_port zones = {.known = zone_known};

static void host_random(void *ctx, void *out, size_t bytes)
{
    struct fake_world *world = ctx;
    static const uint8_t key[16] = "api fake random";
    for (size_t i = 0; i < bytes; i++) {
        world->random++;
        ((uint8_t *)out)[i] = (uint8_t)od_siphash(key, &world->random, sizeof world->random);
    }
}

struct fake_try {
    od_hook_tried_fn fn;
    void *ctx;
};

static void give_try(void *ctx, int err)
{
    struct fake_try *t = ctx;
    static const char body[] = "{\"accept\":true}";
    t->fn(t->ctx, &(struct od_hook_tried){.status = err ? 0 : 200,
                                          .body = {err ? "" : body, err ? 0 : sizeof body - 1},
                                          .error = err ? "down" : "",
                                          .took_ms = 3});
    free(t);
}

static int host_hook_try(void *ctx, yyjson_val *hook, const char *payload, size_t bytes,
                         od_hook_tried_fn fn, void *fn_ctx, const char **why)
{
    struct fake_world *world = ctx;
    struct fake_try *t = malloc(sizeof *t);
    (void)hook;
    (void)payload;
    (void)bytes;
    *why = "";
    if (!t)
        abort();
    *t = (struct fake_try){fn, fn_ctx};
    fake_repo_owe(&world->repo, false, give_try, t);
    return 0;
}

static void host_sha256(void *ctx, const void *data, size_t bytes, uint8_t out[32])
{
    (void)ctx;
    for (uint8_t i = 0; i < 4; i++) {
        const uint8_t key[16] = {i};
        uint64_t part = od_siphash(key, data, bytes);
        memcpy(out + i * 8, &part, sizeof part);
    }
}

static void *host_hash_begin(void *ctx)
{
    (void)ctx;
    return od_hash_begin();
}

void fake_world_init(struct fake_world *world)
{
    static const struct od_api_key keys[] = {{FAKE_KEY, "acme", "*"}};
    *world = (struct fake_world){.now = {.mono_ns = OD_NS_PER_S, .wall_ms = 1800000000000}};
    fake_repo_init(&world->repo);
    uint8_t key[32];
    od_box_key_of_text("the fake world's own", key);
    if (od_box_create(&world->box, key))
        abort();
    world->box_port = od_box_port(world->box);
    struct od_api_config config = {
        .repo = &world->repo.port,
        .guard = &world->repo.guard,
        .outbox = &world->repo.outbox,
        .host = {.ctx = world,
                 .now = host_now,
                 .stats = host_stats,
                 .trunks = host_trunks,
                 .trunk_change = host_trunk_change,
                 .ready = host_ready,
                 .live_state = host_live_state,
                 .trace = host_trace,
                 .zones = &zones,
                 .random = host_random,
                 .sha256 = host_sha256,
                 .hook_try = host_hook_try,
                 .hash_begin = host_hash_begin,
                 .hash_add = od_hash_add,
                 .hash_end = od_hash_end,
                 .box = &world->box_port},
        .keys = keys,
        .key_count = 1,
        .streams_max = 3,
    };
    if (od_api_create(&world->api, &config))
        abort();
    od_api_keys_watched(world->api, true);
}

void fake_world_deinit(struct fake_world *world)
{
    fake_repo_deinit(&world->repo);
    od_api_destroy(world->api);
    od_box_destroy(world->box);
}

/* ---- exchanges ---- */

static void close_now(struct fake_exchange *x)
{
    if (x->closed)
        return;
    x->closed = true;
    const struct od_http_handler *handler = od_api_handler(x->world->api);
    handler->closed(handler->ctx, &x->x);
}

static void keep_answer(struct fake_exchange *x, const void *data, size_t bytes)
{
    x->answer = realloc(x->answer, x->answer_bytes + bytes + 1);
    if (!x->answer)
        abort();
    if (bytes)
        memcpy(x->answer + x->answer_bytes, data, bytes);
    x->answer_bytes += bytes;
    x->answer[x->answer_bytes] = 0;
}

static void keep_head(struct fake_exchange *x, int status, const char *type, const char *headers)
{
    if (x->answers++ || x->closed)
        abort(); /* answered twice, or after the end */
    x->status = status;
    snprintf(x->type, sizeof x->type, "%s", type ? type : "");
    x->answer_headers = strdup(headers ? headers : "");
}

static void ops_respond(struct od_exchange *exchange, int status, const char *type,
                        const char *headers, const void *body, size_t bytes)
{
    struct fake_exchange *x = (struct fake_exchange *)exchange;
    keep_head(x, status, type, headers);
    keep_answer(x, body, bytes);
    x->finished = true;
    if (x->world->close_at_once)
        close_now(x);
}

static void ops_begin(struct od_exchange *exchange, int status, const char *type,
                      const char *headers)
{
    struct fake_exchange *x = (struct fake_exchange *)exchange;
    keep_head(x, status, type, headers);
    keep_answer(x, "", 0);
}

static size_t ops_write(struct od_exchange *exchange, const void *data, size_t bytes)
{
    struct fake_exchange *x = (struct fake_exchange *)exchange;
    if (x->closed || x->finished || !x->answers)
        abort();
    keep_answer(x, data, bytes);
    if (x->closing)
        close_now(x);
    return x->queued;
}

static void ops_finish(struct od_exchange *exchange)
{
    struct fake_exchange *x = (struct fake_exchange *)exchange;
    if (x->closed || x->finished || !x->answers)
        abort();
    x->finished = true;
    if (x->world->close_at_once)
        close_now(x);
}

static void ops_pause(struct od_exchange *exchange)
{
    struct fake_exchange *x = (struct fake_exchange *)exchange;
    if (x->paused || x->closed)
        abort();
    x->paused = true;
}

static void ops_resume(struct od_exchange *exchange)
{
    struct fake_exchange *x = (struct fake_exchange *)exchange;
    if (!x->paused || x->closed)
        abort();
    x->paused = false;
}

static bool x_header(const struct od_exchange *exchange, const char *name, struct od_text *value)
{
    const struct fake_exchange *x = (const struct fake_exchange *)exchange;
    size_t n = strlen(name);
    for (const char *at = x->headers; *at;) {
        size_t bytes = strcspn(at, "\n");
        if (bytes > n + 2 && strncmp(at, name, n) == 0 && at[n] == ':') {
            *value = (struct od_text){at + n + 2, bytes - n - 2};
            return true;
        }
        at += bytes + (at[bytes] == '\n');
    }
    return false;
}

static char *make_headers(const struct fake_request *request)
{
    const char *key = request->key ? request->key : FAKE_KEY;
    const char *type = request->type ? request->type : request->body ? "application/json" : "";
    const char *more = request->headers ? request->headers : "";
    char *text = NULL;
    if (asprintf(&text, "%s%s%s%s%s%s%s", *key ? "authorization: Bearer " : "", key,
                 *key ? "\n" : "", *type ? "content-type: " : "", type, *type ? "\n" : "",
                 more) < 0)
        abort();
    return text;
}

static const struct od_http_ops ops = {.respond = ops_respond,
                                       .begin = ops_begin,
                                       .write = ops_write,
                                       .finish = ops_finish,
                                       .pause = ops_pause,
                                       .resume = ops_resume};

/* Gives the body as the server would; a paused stream waits for the repo to let it go on. */
static void give_body(struct fake_world *world, struct fake_exchange *x, const char *body,
                      size_t bytes, size_t piece, bool run_repo)
{
    const struct od_http_handler *handler = od_api_handler(world->api);
    bool stream = x->mode == OD_BODY_STREAM;
    if (!stream || !piece)
        piece = bytes ? bytes : 1;
    for (size_t at = 0; !x->closed && !x->finished;) {
        while (stream && x->paused && run_repo && fake_repo_run_one(&world->repo))
            ;
        if (x->closed || x->finished || (stream && x->paused))
            return;
        size_t n = bytes - at < piece ? bytes - at : piece;
        char *copy = malloc(n ? n : 1); /* of exactly this size, for the sanitizer to watch */
        if (n)
            memcpy(copy, body + at, n);
        at += n;
        handler->body(handler->ctx, &x->x, copy, n, at == bytes);
        free(copy);
        if (at == bytes)
            return;
    }
}

static void start(struct fake_world *world, struct fake_exchange *x,
                  const struct fake_request *request, bool run_repo)
{
    const struct od_http_handler *handler = od_api_handler(world->api);
    size_t bytes = request->bytes ? request->bytes : request->body ? strlen(request->body) : 0;
    *x = (struct fake_exchange){.world = world, .limit = 1 << 20};
    x->headers = make_headers(request);
    x->x = (struct od_exchange){
        .ops = &ops,
        .method = request->method,
        .path = request->path,
        .query = request->query ? request->query : "",
        .request_id = "req-1",
        .peer = "127.0.0.1",
        .content_length = request->piece ? UINT64_MAX : bytes,
        .header = x_header,
    };
    x->mode = handler->head(handler->ctx, &x->x, &x->limit);
    if (x->mode != OD_BODY_NONE && bytes <= x->limit)
        give_body(world, x, request->body, bytes, request->piece, run_repo);
}

void fake_open(struct fake_world *world, struct fake_exchange *x,
               const struct fake_request *request)
{
    start(world, x, request, false);
}

void fake_close(struct fake_exchange *x)
{
    close_now(x);
    free((char *)(uintptr_t)x->headers);
    free(x->answer_headers);
    free(x->answer);
    x->answer = x->answer_headers = NULL;
}

void fake_send(struct fake_world *world, struct fake_exchange *x,
               const struct fake_request *request)
{
    start(world, x, request, true);
    fake_repo_run(&world->repo);
}
