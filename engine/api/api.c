/*
 * A request's way through the API: the route is found, the key is looked up (sometimes in the repo,
 * so later), then what is wrong with the path, the method, the media type or the size is said, and
 * only then is the body read and the route's function called. Whoever has no key learns nothing but
 * that a key is needed.
 */
#include "engine/api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/agent/agent_def.h"
#include "engine/api/agent_page.h"
#include "engine/api/bulk.h"
#include "engine/api/dialect.h"
#include "engine/api/download.h"
#include "engine/api/import.h"
#include "engine/api/json_read.h"
#include "engine/api/once.h"
#include "engine/api/refusal.h"
#include "engine/api/request.h"
#include "engine/api/sse.h"
#include "engine/api/way_out.h"
#include "engine/base/assert.h"
#include "engine/base/str.h"
#include "outdial/err.h"

enum { BODY_BYTES_MAX = 1 << 20, IMPORT_BYTES_MAX = 1 << 30, STREAMS_MAX = 64, BAD_KEY_COST = 20 };

static void request_free(struct od_request *q)
{
    od_once_free(q);
    od_import_destroy(q->import);
    od_agent_page_destroy(q->page);
    od_bulk_destroy(q->bulk);
    od_way_out_destroy(q->ways);
    yyjson_doc_free(q->body);
    free(q->text);
    if (q->work && q->work_free)
        q->work_free(q->work);
    free(q->work);
    q->api->requests--;
    free(q);
}

void od_request_out(struct od_request *q)
{
    q->out++;
}

bool od_request_back(struct od_request *q)
{
    OD_ASSERT(q->out);
    q->out--;
    if (q->x)
        return true;
    if (!q->out)
        request_free(q);
    return false;
}

/* ---- the body ---- */

static bool has_type(struct od_text header, const char *type)
{
    const char *end = memchr(header.at, ';', header.bytes);
    size_t bytes = end ? (size_t)(end - header.at) : header.bytes;
    while (bytes && (header.at[bytes - 1] == ' ' || header.at[bytes - 1] == '\t'))
        bytes--;
    return od_str_equal_nocase(header.at, bytes, type);
}

static bool is_streamed(enum od_body_kind takes)
{
    return takes == OD_TAKES_ROWS || takes == OD_TAKES_CALLS;
}

/* A document without a media type is taken for JSON; a wrong one is refused, since a form that
 * happens to be JSON is a mistake on its way to happen again. */
static bool type_ok(struct od_request *q)
{
    struct od_text header;
    enum od_body_kind takes = q->at.route->takes;
    if (takes != OD_TAKES_NOTHING && q->x->header(q->x, "content-encoding", &header) &&
        !od_str_equal_nocase(header.at, header.bytes, "identity")) {
        od_request_problem(q, 415, "media_type",
                           "send the body as it is: no Content-Encoding is known here");
        return false;
    }
    if (takes == OD_TAKES_NOTHING || takes == OD_TAKES_ROWS)
        return true; /* rows: import.c looks itself */
    bool given = q->x->header(q->x, "content-type", &header) && header.bytes;
    if (takes == OD_TAKES_FORM) {
        if (!given || has_type(header, "application/x-www-form-urlencoded"))
            return true;
        od_request_problem(q, 415, "media_type",
                           "send the fields as Content-Type: application/x-www-form-urlencoded");
        return false;
    }
    if (!given || has_type(header, "application/json"))
        return true;
    if (takes == OD_TAKES_PATCH && has_type(header, "application/merge-patch+json"))
        return true;
    od_request_problem(q, 415, "media_type", "send the document as Content-Type: application/json");
    return false;
}

static uint64_t body_limit(const struct od_request *q)
{
    switch (q->at.route->takes) {
    case OD_TAKES_NOTHING:
        return 0;
    case OD_TAKES_AGENT:
        return OD_AGENT_DOC_BYTES_MAX;
    case OD_TAKES_ROWS:
        return q->api->import_bytes_max;
    case OD_TAKES_CALLS:
        return OD_BULK_BYTES_MAX;
    case OD_TAKES_JSON:
    case OD_TAKES_MAYBE:
    case OD_TAKES_PATCH:
    case OD_TAKES_FORM:
        break;
    }
    return q->api->body_bytes_max;
}

static bool size_ok(struct od_request *q)
{
    uint64_t length = q->x->content_length;
    if (q->at.route->takes == OD_TAKES_NOTHING || length == UINT64_MAX || length <= body_limit(q))
        return true;
    od_request_problem(q, 413, "body_too_large", "the body may have at most %llu bytes",
                       (unsigned long long)body_limit(q));
    return false;
}

/* Everything is there: read the document and call the route. */
static void read_and_run(struct od_request *q)
{
    struct od_faults faults = {0};
    od_query_check(q->x->query, q->at.route->query, &faults);
    enum od_body_kind takes = q->at.route->takes;
    bool document = takes != OD_TAKES_NOTHING && takes != OD_TAKES_FORM && !is_streamed(takes) &&
                    (takes != OD_TAKES_MAYBE || q->text_bytes);
    if (!faults.count && document &&
        od_json_parse(q->text, q->text_bytes, &q->body, &faults) == OD_ENOMEM) {
        od_request_err(q, OD_ENOMEM, "document");
        return;
    }
    if (faults.count)
        od_request_faults(q, &faults);
    else
        q->at.route->run(q);
}

static void run(struct od_request *q)
{
    if (q->text)
        od_once_body(q, q->text, q->text_bytes);
    od_once_begin(q, read_and_run);
}

/* What a POST changes is done once under an Idempotency-Key; a POST that only reads needs none. */
static bool is_once(const struct od_route *route)
{
    return strcmp(route->method, "POST") == 0 && route->scope > OD_SCOPE_READ;
}

/* ---- the key ---- */

static void refuse_rate(struct od_request *q)
{
    char headers[48];
    struct od_buf buf;
    od_buf_init(&buf, headers, sizeof headers);
    od_buf_str(&buf, "Retry-After: ");
    od_buf_u64(&buf, q->rate.retry_s);
    od_buf_str(&buf, "\r\n");
    yyjson_mut_doc *doc = od_request_problem_doc(
        q, 429, "rate_limited",
        "rate limit: more requests a second than this key or address may send");
    od_request_answer_problem(q, 429, doc, headers);
}

static bool is_open(const struct od_request *q)
{
    return q->at.route && q->at.route->scope == OD_SCOPE_OPEN;
}

/* A unix socket's peers have no address, and an orchestrator's look at our health is let through.
 */
static bool address_limited(const struct od_request *q)
{
    return q->api->rate_per_address && !is_open(q) && strcmp(q->x->peer, "unix") != 0;
}

static uint64_t mono_ns(const struct od_request *q)
{
    return q->api->host.now(q->api->host.ctx).mono_ns;
}

static bool address_ok(struct od_request *q)
{
    return !address_limited(q) ||
           od_rate_take(q->api->rates, "address", q->x->peer, strlen(q->x->peer),
                        q->api->rate_per_address, mono_ns(q), &q->rate);
}

/* The limit that is nearer to its end is the one the client is told of. */
static bool key_ok(struct od_request *q)
{
    struct od_rate_state rate;
    if (!q->api->rate_per_key || is_open(q))
        return true;
    bool good = od_rate_take(q->api->rates, "key", q->key_hash, sizeof q->key_hash,
                             q->api->rate_per_key, mono_ns(q), &rate);
    if (!good || !q->rate.name || rate.left < q->rate.left)
        q->rate = rate;
    return good;
}

static void refuse_key(struct od_request *q, bool given)
{
    if (given && address_limited(q)) /* guessing is slowed down */
        od_rate_fine(q->api->rates, "address", q->x->peer, strlen(q->x->peer),
                     q->api->rate_per_address, BAD_KEY_COST, mono_ns(q));
    bool basic = od_dialect_of(q->x->path)->basic;
    yyjson_mut_doc *doc =
        od_request_problem_doc(q, 401, given ? "key_unknown" : "key_missing",
                               given   ? "this API key is not known or was revoked"
                               : basic ? "send an API key as the password of Basic authorization"
                                       : "send an API key: Authorization: Bearer sk_...");
    /* RFC 6750 section 3: no error code when no key was sent. */
    od_request_answer_problem(q, 401, doc,
                              basic   ? "WWW-Authenticate: Basic realm=\"outdial\"\r\n"
                              : given ? "WWW-Authenticate: Bearer realm=\"outdial\", "
                                        "error=\"invalid_token\"\r\n"
                                      : "WWW-Authenticate: Bearer realm=\"outdial\"\r\n");
}

static void refuse_method(struct od_request *q)
{
    char headers[96];
    struct od_buf buf;
    od_buf_init(&buf, headers, sizeof headers);
    od_buf_str(&buf, "Allow: ");
    od_buf_str(&buf, q->at.allow);
    od_buf_str(&buf, "\r\n");
    char detail[192];
    snprintf(detail, sizeof detail, "%.32s is not known at this path; it knows %s", q->x->method,
             q->at.allow);
    yyjson_mut_doc *doc = od_request_problem_doc(q, 405, "method_not_allowed", detail);
    od_request_answer_problem(q, 405, doc, headers);
}

/* The key is good. */
static void enter(struct od_request *q)
{
    if (!key_ok(q)) {
        refuse_rate(q);
        return;
    }
    if (!q->at.path_known) {
        od_request_problem(q, 404, "not_found",
                           q->at.id_wrong ? "there is nothing of this id: ids are UUIDs"
                                          : "there is nothing at this path");
        return;
    }
    if (!q->at.route) {
        refuse_method(q);
        return;
    }
    enum od_scope scope = q->at.route->scope;
    if (!od_auth_allows(q->who.scopes, scope)) {
        od_request_problem(q, 403, "scope_missing", "this API key lacks the scope \"%s\"",
                           od_scope_name(scope));
        return;
    }
    if (!type_ok(q) || !size_ok(q) || (is_once(q->at.route) && !od_once_take(q)))
        return;
    q->authorised = true;
    enum od_body_kind takes = q->at.route->takes;
    if (takes == OD_TAKES_NOTHING)
        q->complete = true;
    if (q->complete || is_streamed(takes))
        run(q);
}

static void key_find_done(void *ctx, int err, const char *org, const char *scopes, const char *name)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err && err != OD_ENOENT) {
        od_request_err(q, err, "key");
        return;
    }
    if (err || !org || !*org || !scopes ||
        !od_str_copy(q->who.org, sizeof q->who.org, org, strlen(org)) ||
        !od_str_copy(q->who.scopes, sizeof q->who.scopes, scopes, strlen(scopes))) {
        refuse_key(q, true);
        return;
    }
    od_str_copy(q->who.name, sizeof q->who.name, name, strlen(name));
    if (q->key_generation == q->api->auth.generation)
        od_auth_remember(&q->api->auth, q->key_hash, q->api->host.now(q->api->host.ctx), &q->who);
    enter(q);
}

static void authorise(struct od_request *q)
{
    struct od_api *api = q->api;
    struct od_text header, key;
    char password[OD_AUTH_KEY_MAX * 2];
    if (q->at.route && q->at.route->scope == OD_SCOPE_OPEN) {
        enter(q);
        return;
    }
    if (!q->x->header(q->x, "authorization", &header)) {
        refuse_key(q, false);
        return;
    }
    bool basic = od_dialect_of(q->x->path)->basic;
    if (!od_auth_bearer(header, &key) && !(basic && od_auth_basic(header, password, &key))) {
        refuse_key(q, basic || od_auth_is_bearer(header));
        return;
    }
    api->host.sha256(api->host.ctx, key.at, key.bytes, q->key_hash);
    if (od_auth_known(&api->auth, q->key_hash, api->host.now(api->host.ctx), &q->who)) {
        enter(q);
    } else if (od_auth_plausible(key)) {
        q->key_generation = api->auth.generation;
        od_request_out(q);
        api->guard.key_find(api->guard.ctx, q->key_hash, key_find_done, q);
    } else {
        refuse_key(q, true);
    }
}

/* ---- the handler ---- */

static enum od_body_mode handler_head(void *ctx, struct od_exchange *x, uint64_t *limit)
{
    struct od_api *api = ctx;
    struct od_request *q = calloc(1, sizeof *q);
    x->user = q;
    if (!q) {
        x->ops->respond(x, 503, NULL, "Retry-After: 1\r\n", NULL, 0);
        return OD_BODY_NONE;
    }
    api->requests++;
    q->api = api;
    q->x = x;
    od_route_find(x->method, x->path, &q->at);
    enum od_body_kind takes = q->at.route ? q->at.route->takes : OD_TAKES_NOTHING;
    if (takes != OD_TAKES_NOTHING)
        *limit = body_limit(q);
    if (takes == OD_TAKES_ROWS) {
        q->import = od_import_create(q);
        if (!q->import) {
            od_request_err(q, OD_ENOMEM, "import");
            return OD_BODY_NONE;
        }
        x->ops->pause(x); /* until the campaign is known to be there */
    }
    if (takes == OD_TAKES_CALLS) {
        q->bulk = od_bulk_create(q);
        if (!q->bulk) {
            od_request_err(q, OD_ENOMEM, "bulk");
            return OD_BODY_NONE;
        }
        x->ops->pause(x); /* until the agent is */
    }
    if (address_ok(q))
        authorise(q); /* may answer, which may free q */
    else
        refuse_rate(q);
    if (takes == OD_TAKES_NOTHING)
        return OD_BODY_NONE;
    return is_streamed(takes) ? OD_BODY_STREAM : OD_BODY_BUFFER;
}

static void handler_body(void *ctx, struct od_exchange *x, const char *data, size_t bytes,
                         bool last)
{
    (void)ctx;
    struct od_request *q = x->user;
    if (!q || q->answered || q->complete)
        return;
    if (q->import || q->bulk) {
        q->complete = last;
        od_once_body(q, data, bytes);
        if (last)
            od_once_body_end(q);
        if (od_once_drains(q) || q->answered)
            return;
        if (q->import)
            od_import_push(q->import, data, bytes, last);
        else
            od_bulk_push(q->bulk, data, bytes, last);
        return;
    }
    char *text = realloc(q->text, q->text_bytes + bytes + 1);
    if (!text) {
        od_request_err(q, OD_ENOMEM, "body");
        return;
    }
    q->text = text;
    if (bytes)
        memcpy(text + q->text_bytes, data, bytes);
    q->text_bytes += bytes;
    text[q->text_bytes] = 0;
    q->complete = last;
    if (q->complete && q->authorised)
        run(q);
}

static void handler_refuse(void *ctx, struct od_exchange *x, int status)
{
    struct od_request *q = x->user;
    (void)ctx;
    if (!q || q->answered)
        return;
    q->cut = true;
    const struct od_refusal_words *words = od_refusal_words_of_body(status);
    od_request_problem(q, status, words->code, "%s", words->detail);
}

static void handler_closed(void *ctx, struct od_exchange *x)
{
    (void)ctx;
    struct od_request *q = x->user;
    if (!q)
        return;
    x->user = NULL;
    q->x = NULL;
    od_stream_gone(q);
    od_download_gone(q);
    if (!q->out)
        request_free(q);
}

/* ---- the API ---- */

static bool config_ok(const struct od_api_config *config)
{
    const struct od_api_host *host = &config->host;
    return config->repo && config->guard && config->outbox && host->now && host->stats &&
           host->trunks && host->ready && host->random && host->sha256 && host->box &&
           host->hash_begin && host->hash_add && host->hash_end &&
           (config->keys || !config->key_count);
}

int od_api_create(struct od_api **out, const struct od_api_config *config)
{
    *out = NULL;
    if (!config_ok(config))
        return OD_EINVAL;
    struct od_api *api = calloc(1, sizeof *api);
    if (!api)
        return OD_ENOMEM;
    api->repo = *config->repo;
    api->guard = *config->guard;
    api->outbox = *config->outbox;
    api->host = config->host;
    api->body_bytes_max = config->body_bytes_max ? config->body_bytes_max : BODY_BYTES_MAX;
    api->import_bytes_max = config->import_bytes_max ? config->import_bytes_max : IMPORT_BYTES_MAX;
    api->handler = (struct od_http_handler){.ctx = api,
                                            .head = handler_head,
                                            .body = handler_body,
                                            .closed = handler_closed,
                                            .refuse = handler_refuse};
    api->dasha_running = config->dasha_running_status;
    api->calls_max = config->calls_max;
    uint8_t rates_key[16];
    api->host.random(api->host.ctx, rates_key, sizeof rates_key);
    api->rate_per_key = config->rate_per_key;
    api->rate_per_address = config->rate_per_address;
    int err = od_auth_init(&api->auth, config);
    if (!err)
        err = od_rates_create(&api->rates, rates_key);
    if (!err)
        err = od_dasha_shapes_init(&api->shapes);
    if (!err)
        err = od_streams_create(&api->streams, api,
                                config->streams_max ? config->streams_max : STREAMS_MAX);
    if (err) {
        od_api_destroy(api);
        return err;
    }
    *out = api;
    return 0;
}

void od_api_destroy(struct od_api *api)
{
    if (!api)
        return;
    OD_ASSERT(!api->requests);
    od_streams_destroy(api->streams);
    od_auth_deinit(&api->auth);
    od_rates_destroy(api->rates);
    free(api->openapi);
    od_dasha_shapes_deinit(&api->shapes);
    free(api);
}

const struct od_http_handler *od_api_handler(struct od_api *api)
{
    return &api->handler;
}

void od_api_tick(struct od_api *api, struct od_now now)
{
    od_streams_tick(api->streams, now);
    od_downloads_tick(api);
}

void od_api_set_rates(struct od_api *api, uint32_t per_key, uint32_t per_address)
{
    api->rate_per_key = per_key;
    api->rate_per_address = per_address;
}

int od_api_change(struct od_api *api, const struct od_api_config *config)
{
    int err = od_auth_fixed(&api->auth, config);
    if (err)
        return err;
    api->rate_per_key = config->rate_per_key;
    api->rate_per_address = config->rate_per_address;
    api->calls_max = config->calls_max;
    api->dasha_running = config->dasha_running_status;
    return 0;
}

void od_api_keys_watched(struct od_api *api, bool watched)
{
    od_auth_watched(&api->auth, watched);
}

void od_api_key_gone(struct od_api *api, const uint8_t *hash)
{
    od_auth_forget(&api->auth, hash);
    if (hash)
        od_streams_key_gone(api->streams, hash);
}

void od_api_drain(struct od_api *api)
{
    api->draining = true;
    od_streams_drain(api->streams);
}
