/*
 * api_glue - what the API asks of the living process, and the HTTP handler in front of it, which
 * answers 503 until the store has been reached for the first time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/sha.h>

#include "engine/api/refusal.h"
#include "engine/base/str.h"
#include "engine/host/host.h"
#include "engine/host/log.h"
#include "engine/host/media_metrics.h"
#include "engine/host/recordings.h"
#include "engine/host/resolve.h"
#include "outdial/err.h"
#include "proto/crypto/hash.h"
#include "proto/redis/redis_outbox.h"

static struct od_now api_now(void *ctx)
{
    (void)ctx;
    return od_turn_now();
}

static void api_stats(void *ctx, struct od_engine_stats *out)
{
    struct od_host *host = ctx;
    od_engine_stats(host->engine, out);
}

static int api_recording(void *ctx, const struct od_uid *call, uint8_t part, uint64_t at,
                         void (*fn)(void *ctx, int err, const uint8_t *bytes, size_t count,
                                    uint64_t total),
                         void *fn_ctx)
{
    struct od_host *host = ctx;
    return od_recordings_read(od_talk_recordings(host->talk), call, part, at, fn, fn_ctx);
}

struct metric {
    const char *name, *type, *help;
    uint64_t value;
};

/* One family a row, in order. */
static size_t put_families(const struct metric *rows, size_t count, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        int n = snprintf(out + used, size - used, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n",
                         rows[i].name, rows[i].help, rows[i].name, rows[i].type, rows[i].name,
                         (unsigned long long)rows[i].value);
        if (n < 0 || (size_t)n >= size - used)
            break;
        used += (size_t)n;
    }
    return used;
}

/* The ledger's: its journal, what waits for Redis, what was set aside. */
static size_t store_metrics(const struct od_host *host, char *out, size_t size)
{
    struct od_store_stats stats;
    if (!host->store)
        return 0;
    od_store_stats(host->store, &stats);
    const struct metric rows[] = {
        {"outdial_journal_records_total", "counter", "Records written to the local journal.",
         stats.journal_records},
        {"outdial_journal_syncs_total", "counter", "Groups of records made durable at once.",
         stats.journal_syncs},
        {"outdial_journal_failures_total", "counter", "Writes that the disk refused.",
         stats.journal_failures},
        {"outdial_journal_refused_total", "counter", "Records that found too much still unwritten.",
         stats.journal_refused},
        {"outdial_journal_bytes", "gauge", "Size of the journal on disk.", stats.journal_bytes},
        {"outdial_journal_recovered_total", "counter",
         "Attempts that Redis was told the end of from the journal.", stats.recovered},
        {"outdial_store_held_bytes", "gauge", "Documents of ended calls that wait for Redis.",
         stats.held_bytes},
        {"outdial_store_held_outcomes", "gauge",
         "Outcomes that wait for Redis in the journal alone.", stats.journal_only},
        {"outdial_store_dead_records_total", "counter", "Records set aside as damaged.",
         stats.dead},
        {"outdial_store_lost_calls_total", "counter", "Calls that Redis has forgotten.",
         stats.lost},
        {"outdial_store_dialled_again_total", "counter",
         "Calls dialled here, forgotten by Redis, and dialled by others before that was known.",
         stats.dialled_again},
    };
    return put_families(rows, sizeof rows / sizeof *rows, out, size);
}

static size_t hook_metrics(const struct od_host *host, char *out, size_t size)
{
    struct od_outbox_stats stats;
    if (!host->outbox)
        return 0;
    od_outbox_stats(host->outbox, &stats);
    const struct metric rows[] = {
        {"outdial_webhooks_in_hand", "gauge", "Calls' webhooks to one destination being delivered.",
         stats.chains},
        {"outdial_webhooks_attempts_total", "counter", "Requests begun.", stats.attempts},
        {"outdial_webhooks_delivered_total", "counter", "Events delivered.", stats.delivered},
        {"outdial_webhooks_failed_total", "counter", "Requests that failed.", stats.failed},
        {"outdial_webhooks_dead_total", "counter", "Events given up.", stats.dead},
        {"outdial_webhooks_put_off_total", "counter",
         "Times that a destination was too slow to be asked.", stats.put_off},
    };
    return put_families(rows, sizeof rows / sizeof *rows, out, size);
}

static const char *trunk_label(void *catalog, uint32_t trunk)
{
    return trunk < od_catalog_trunk_count(catalog) ? od_catalog_trunk_name(catalog, trunk) : NULL;
}

static size_t api_more_metrics(void *ctx, char *out, size_t size)
{
    struct od_host *host = ctx;
    struct od_http_server_stats http;
    size_t used = od_call_meter_metrics(host->meter, trunk_label, host->catalog, out, size);
    used += od_media_metrics(host->talk, out + used, size - used);
    used += od_loop_watch_metrics(&host->loop_watch, out + used, size - used);
    od_http_server_stats(host->http, &http);
    used += store_metrics(host, out + used, size - used);
    used += od_host_reload_metrics(host, out + used, size - used);
    used += hook_metrics(host, out + used, size - used);
    used += od_host_registration_metrics(host, out + used, size - used);
    int n =
        snprintf(out + used, size - used,
                 "# HELP outdial_http_connections Open connections to the API.\n"
                 "# TYPE outdial_http_connections gauge\n"
                 "outdial_http_connections %u\n"
                 "# HELP outdial_http_refused_total Connections turned away, requests that broke a "
                 "rule, and clients that were too slow.\n"
                 "# TYPE outdial_http_refused_total counter\n"
                 "outdial_http_refused_total{why=\"too_many\"} %llu\n"
                 "outdial_http_refused_total{why=\"bad\"} %llu\n"
                 "outdial_http_refused_total{why=\"slow\"} %llu\n",
                 http.connections, (unsigned long long)http.refused, (unsigned long long)http.bad,
                 (unsigned long long)http.timeouts);
    return n > 0 && (size_t)n < size - used ? used + (size_t)n : used;
}

enum { REDIS_SLOW_MS = 500 };

static bool api_ready(void *ctx, char *why, size_t size)
{
    struct od_host *host = ctx;
    struct od_buf buf;
    size_t usable = 0, trunks = od_catalog_trunk_count(host->catalog);
    od_buf_init(&buf, why, size);
    if (host->stage >= OD_HOST_DRAINING)
        od_buf_str(&buf, "draining\n");
    if (*od_store_journal_why(host->store)) {
        od_buf_str(&buf, "journal: ");
        od_buf_str(&buf, od_store_journal_why(host->store));
        od_buf_char(&buf, '\n');
    } else if (!host->store_up) {
        od_buf_str(&buf, "redis: ");
        od_buf_str(&buf, od_store_why(host->store));
        od_buf_char(&buf, '\n');
    } else if (od_store_waits_ms(host->store) > REDIS_SLOW_MS) {
        od_buf_str(&buf, "redis: no answer for ");
        od_buf_u64(&buf, od_store_waits_ms(host->store));
        od_buf_str(&buf, " ms\n");
    }
    for (size_t i = 0; i < trunks; i++)
        usable += od_host_trunk_usable(host, i);
    if (trunks && !usable)
        od_buf_str(&buf, "no usable trunk\n");
    return buf.used == 0;
}

static const char *api_live_state(void *ctx, const struct od_uid *call)
{
    struct od_host *host = ctx;
    return od_engine_state(host->engine, od_engine_find(host->engine, call));
}

static size_t api_trace(void *ctx, const struct od_uid *call, char *out, size_t max)
{
    struct od_host *host = ctx;
    return od_ladder_json(host->ladder, call, out, max);
}

static void api_random(void *ctx, void *out, size_t bytes)
{
    (void)ctx;
    uint8_t *at = out;
    while (bytes) { /* the kernel gives up to 256 bytes at once without being interrupted */
        size_t piece = bytes < 256 ? bytes : 256;
        if (getrandom(at, piece, 0) != (ssize_t)piece)
            abort(); /* a key that can be guessed would be worse */
        at += piece;
        bytes -= piece;
    }
}

static void api_sha256(void *ctx, const void *data, size_t bytes, uint8_t out[32])
{
    (void)ctx;
    SHA256(data, bytes, out);
}

static void *api_hash_begin(void *ctx)
{
    (void)ctx;
    return od_hash_begin();
}

/* Those of the configuration, or the one that was made where there are none. NULL: no memory. */
static struct od_api_key *static_keys(const struct od_host *host, size_t *count)
{
    const struct od_config *config = host->config;
    struct od_api_key *keys = calloc(config->auth.count + 1, sizeof *keys);
    if (!keys)
        return NULL;
    for (*count = 0; *count < config->auth.count; ++*count)
        keys[*count] = (struct od_api_key){.key = config->auth.keys[*count].key,
                                           .org = config->auth.keys[*count].org,
                                           .scopes = config->auth.keys[*count].scopes};
    if (*host->dev_key)
        keys[(*count)++] =
            (struct od_api_key){.key = host->dev_key, .org = "default", .scopes = "*"};
    return keys;
}

int od_host_api_change(struct od_host *host)
{
    size_t count = 0;
    struct od_api_key *keys = static_keys(host, &count);
    if (!keys)
        return OD_ENOMEM;
    int err = od_api_change(
        host->api,
        &(struct od_api_config){.host = {.ctx = host, .sha256 = api_sha256},
                                .keys = keys,
                                .key_count = count,
                                .calls_max = host->config->limits.calls_max,
                                .dasha_running_status = host->config->compat.dasha_running_status,
                                .rate_per_key = host->config->http.rate_per_key,
                                .rate_per_address = host->config->http.rate_per_address});
    free(keys);
    return err;
}

int od_host_open_api(struct od_host *host)
{
    const struct od_config *config = host->config;
    size_t count = 0;
    struct od_api_key *keys = static_keys(host, &count);
    if (!keys)
        return OD_ENOMEM;
    int err = od_api_create(
        &host->api,
        &(struct od_api_config){.repo = od_store_repo(host->store),
                                .guard = od_store_guard(host->store),
                                .outbox = od_store_outbox_port(host->store),
                                .host = {.ctx = host,
                                         .now = api_now,
                                         .stats = api_stats,
                                         .trunks = od_host_trunks,
                                         .trunk_change = od_host_trunk_change,
                                         .breakers = od_host_breakers,
                                         .breaker_reset = od_host_breaker_reset,
                                         .breaker_stats = od_host_breaker_stats,
                                         .recording = api_recording,
                                         .registration = od_host_registration,
                                         .trunk_server = od_host_trunk_server,
                                         .more_metrics = api_more_metrics,
                                         .ready = api_ready,
                                         .reload = od_host_reload_told,
                                         .live_state = api_live_state,
                                         .trace = api_trace,
                                         .holds = od_host_holds,
                                         .zones = od_zones_port(host->zones),
                                         .random = api_random,
                                         .sha256 = api_sha256,
                                         .hook_try = od_host_hook_try,
                                         .hash_begin = api_hash_begin,
                                         .hash_add = od_hash_add,
                                         .hash_end = od_hash_end,
                                         .box = &host->box_port,
                                         .unix_dir = config->streams.unix_dir},
                                .keys = keys,
                                .key_count = count,
                                .calls_max = config->limits.calls_max,
                                .dasha_running_status = config->compat.dasha_running_status,
                                .rate_per_key = config->http.rate_per_key,
                                .rate_per_address = config->http.rate_per_address});
    free(keys);
    if (!err)
        od_api_keys_watched(host->api, host->keys_watched);
    return err;
}

/* ---- the handler in front of the API ---- */

static void refuse_for_now(struct od_exchange *x)
{
    static const struct od_refusal_words starting = {503, "starting", "outdial is starting"};
    struct od_http_refusal refusal = {
        .status = starting.status, .path = x->path, .request_id = x->request_id};
    char text[1024] = "";
    const char *type = od_refusal_write(&refusal, &starting, text, sizeof text);
    x->ops->respond(x, starting.status, type, "Retry-After: 1\r\n", text, strlen(text));
}

static enum od_body_mode on_head(void *ctx, struct od_exchange *x, uint64_t *limit)
{
    struct od_host *host = ctx;
    if (host->api) {
        const struct od_http_handler *api = od_api_handler(host->api);
        return api->head(api->ctx, x, limit);
    }
    x->user = host; /* answered here: the API never hears of it */
    if (strcmp(x->path, "/livez") == 0)
        x->ops->respond(x, 200, "text/plain", NULL, "ok\n", 3);
    else
        refuse_for_now(x);
    return OD_BODY_NONE;
}

static void on_body(void *ctx, struct od_exchange *x, const char *data, size_t bytes, bool last)
{
    struct od_host *host = ctx;
    if (x->user == host)
        return;
    const struct od_http_handler *api = od_api_handler(host->api);
    api->body(api->ctx, x, data, bytes, last);
}

static void on_closed(void *ctx, struct od_exchange *x)
{
    struct od_host *host = ctx;
    if (x->user == host)
        return;
    const struct od_http_handler *api = od_api_handler(host->api);
    api->closed(api->ctx, x);
}

static void on_refuse(void *ctx, struct od_exchange *x, int status)
{
    struct od_host *host = ctx;
    if (x->user == host)
        return;
    const struct od_http_handler *api = od_api_handler(host->api);
    api->refuse(api->ctx, x, status);
}

static const char *on_malformed(void *ctx, const struct od_http_refusal *refusal, char *out,
                                size_t size)
{
    (void)ctx;
    return od_refusal_write(refusal, NULL, out, size);
}

struct od_http_handler od_host_http_handler(struct od_host *host)
{
    return (struct od_http_handler){.ctx = host,
                                    .head = on_head,
                                    .body = on_body,
                                    .closed = on_closed,
                                    .refuse = on_refuse,
                                    .malformed = on_malformed};
}
