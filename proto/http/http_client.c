/*
 * http_client - calls, where they wait, and how they end. A call is taken and put off; everything
 * that happens to it happens in the loop. Calls that wait for one origin never hold up another's.
 */
#include "proto/http/http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/http/http_client_priv.h"
#include "proto/http/http_text.h"

#define OWNER_OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Origins */

static bool same_origin(const struct od_http_origin *origin, const struct od_http_url *url,
                        bool allow_private)
{
    return origin->url.scheme == url->scheme && origin->url.port == url->port &&
           origin->allow_private == allow_private && strcmp(origin->url.host, url->host) == 0;
}

static struct od_http_origin *origin_get(struct od_http_client *client,
                                         const struct od_http_url *url, bool allow_private)
{
    for (struct od_http_origin *origin = client->origins; origin; origin = origin->next) {
        if (same_origin(origin, url, allow_private))
            return origin;
    }
    struct od_http_origin *origin = calloc(1, sizeof *origin);
    if (!origin)
        return NULL;
    origin->client = client;
    origin->url = *url;
    origin->url.target = "";
    origin->allow_private = allow_private;
    origin->by_proxy =
        url->scheme == OD_HTTP_PLAIN && od_http_proxy_takes(client->dialer.proxy, url);
    origin->next = client->origins;
    if (client->origins)
        client->origins->prev = origin;
    client->origins = origin;
    return origin;
}

static void origin_free(struct od_http_origin *origin)
{
    if (origin->prev)
        origin->prev->next = origin->next;
    else
        origin->client->origins = origin->next;
    if (origin->next)
        origin->next->prev = origin->prev;
    od_http_later_cancel(&origin->later);
    free(origin);
}

void od_http_origin_touch(struct od_http_origin *origin)
{
    od_http_later_put(&origin->client->origin_laters, &origin->later);
}

void od_http_place_free(struct od_http_origin *origin)
{
    struct od_http_client *client = origin->client;
    od_http_origin_touch(origin);
    if (client->links + 1 < client->config.connections_max)
        return;
    /* All places were taken: any origin may have been waiting for this one. */
    for (struct od_http_origin *other = client->origins; other; other = other->next) {
        if (other->waiting)
            od_http_origin_touch(other);
    }
}

static void wait_last(struct od_http_request_call *call)
{
    struct od_http_origin *origin = call->origin;
    call->state = OD_HTTP_CALL_WAITING;
    call->next = NULL;
    call->prev = origin->last;
    if (origin->last)
        origin->last->next = call;
    else
        origin->first = call;
    origin->last = call;
    origin->waiting++;
    call->client->stats.waiting++;
}

static void wait_first(struct od_http_request_call *call)
{
    struct od_http_origin *origin = call->origin;
    call->state = OD_HTTP_CALL_WAITING;
    call->prev = NULL;
    call->next = origin->first;
    if (origin->first)
        origin->first->prev = call;
    else
        origin->last = call;
    origin->first = call;
    origin->waiting++;
    call->client->stats.waiting++;
}

static void wait_no_more(struct od_http_request_call *call)
{
    struct od_http_origin *origin = call->origin;
    if (call->prev)
        call->prev->next = call->next;
    else
        origin->first = call->next;
    if (call->next)
        call->next->prev = call->prev;
    else
        origin->last = call->prev;
    call->next = call->prev = NULL;
    origin->waiting--;
    call->client->stats.waiting--;
}

/* The end of a call */

static struct od_http_slot *slot_of(struct od_http_client *client, struct od_http_call_id id)
{
    if (id.index >= client->config.calls_max || client->slots[id.index].gen != id.gen ||
        !client->slots[id.index].call)
        return NULL;
    return &client->slots[id.index];
}

static void slot_put(struct od_http_client *client, struct od_http_call_id id)
{
    struct od_http_slot *slot = &client->slots[id.index];
    slot->call = NULL;
    slot->next_free = client->free_slot;
    client->free_slot = id.index;
    client->stats.calls--;
}

/* Takes the call off whatever it waits for or runs on. */
static void detach(struct od_http_request_call *call)
{
    od_http_deadline_stop(&call->deadline);
    od_http_deadline_stop(&call->silence);
    od_http_later_cancel(&call->later);
    if (call->dial) {
        od_http_dial_cancel(call->dial);
        call->dial = NULL;
        call->origin->links--;
        call->client->links--;
        od_http_place_free(call->origin);
    } else if (call->state == OD_HTTP_CALL_WAITING) {
        wait_no_more(call);
    }
    if (call->link) {
        call->link->call = NULL;
        od_http_link_close(call->link);
        call->link = NULL;
    }
}

void od_http_call_end(struct od_http_request_call *call, int err, const char *why,
                      const struct od_http_response *response)
{
    struct od_http_client *client = call->client;
    detach(call);
    od_http_origin_touch(call->origin);
    slot_put(client, call->id);
    if (err)
        client->stats.failures++;
    else
        client->stats.answers++;
    struct od_http_answer answer = {.why = why};
    if (response) {
        answer.status = response->status;
        answer.headers = response->head;
        answer.bytes = call->answer.used;
        answer.body = call->on_data ? NULL : call->answer.used ? call->answer.at : "";
    }
    call->on_done(call->ctx, err, &answer);
    od_http_call_free(call);
    od_http_client_settle(client);
}

bool od_http_call_again(struct od_http_request_call *call)
{
    if (!call->repeatable || call->retried || call->ending)
        return false;
    call->retried = true;
    call->link = NULL;
    od_http_deadline_stop(&call->silence);
    wait_first(call);
    od_http_origin_touch(call->origin);
    return true;
}

/* A connection for the next */

static void on_dialed(void *ctx, int err, struct od_http_stream *stream, const char *why)
{
    struct od_http_request_call *call = ctx;
    call->dial = NULL;
    if (!err) {
        od_http_link_open(call, stream);
        return;
    }
    call->origin->links--;
    call->client->links--;
    od_http_place_free(call->origin);
    od_http_call_end(call, err, why, NULL);
}

static void start_deadline(struct od_http_request_call *call)
{
    if (call->deadline_ms != OD_HTTP_NO_DEADLINE && !od_http_deadline_waits(&call->deadline))
        od_http_deadline_start(&call->client->deadlines, &call->deadline, OD_HTTP_LANE_CALL,
                               call->deadline_ms);
}

static void dial(struct od_http_request_call *call)
{
    struct od_http_client *client = call->client;
    const char *why = "";
    call->state = OD_HTTP_CALL_DIALING;
    int err = od_http_dial_start(&client->dialer, &call->origin->url, call->origin->allow_private,
                                 on_dialed, call, &call->dial, &why);
    if (err) {
        od_http_call_end(call, err, why, NULL);
        return;
    }
    call->origin->links++;
    client->links++;
}

/* An idle connection of another origin gives way when there are as many as there may be. */
static bool make_room(struct od_http_client *client)
{
    if (client->links < client->config.connections_max)
        return true;
    for (struct od_http_origin *origin = client->origins; origin; origin = origin->next) {
        if (origin->idle) {
            od_http_link_close(origin->idle);
            return true;
        }
    }
    return false;
}

static void run_origin(void *ctx, struct od_http_later *entry)
{
    struct od_http_client *client = ctx;
    struct od_http_origin *origin = OWNER_OF(struct od_http_origin, later, entry);
    client->running = true;
    while (origin->first && !client->closing) {
        struct od_http_request_call *call = origin->first;
        if (!origin->idle && (origin->links >= client->config.per_origin_max || !make_room(client)))
            break;
        wait_no_more(call);
        start_deadline(call);
        if (origin->idle)
            od_http_link_take(origin->idle, call);
        else
            dial(call);
    }
    /* A touch from what the calls above did comes again by itself. */
    if (!origin->waiting && !origin->links && !origin->later.next)
        origin_free(origin);
    client->running = false;
    od_http_client_settle(client);
}

static void run_call(void *ctx, struct od_http_later *entry)
{
    (void)ctx;
    struct od_http_request_call *call = OWNER_OF(struct od_http_request_call, later, entry);
    od_http_call_end(call, call->ending, call->ending == OD_ECANCELED ? "canceled" : "no memory",
                     NULL);
}

static void expired(void *ctx, struct od_http_deadline *entry)
{
    (void)ctx;
    switch (entry->lane) {
    case OD_HTTP_LANE_CALL:
        od_http_call_end(OWNER_OF(struct od_http_request_call, deadline, entry), OD_ETIMEOUT,
                         "no answer in time", NULL);
        return;
    case OD_HTTP_LANE_SILENCE:
        od_http_call_end(OWNER_OF(struct od_http_request_call, silence, entry), OD_ETIMEOUT,
                         "the server fell silent", NULL);
        return;
    default:
        od_http_link_close(OWNER_OF(struct od_http_link, keep, entry));
        return;
    }
}

static void end_soon(struct od_http_request_call *call, int err)
{
    if (call->ending)
        return;
    call->ending = err;
    od_http_later_put(&call->client->call_laters, &call->later);
}

/* A new call */

static void slot_get(struct od_http_client *client, struct od_http_request_call *call)
{
    struct od_http_slot *slot = &client->slots[client->free_slot];
    call->id = (struct od_http_call_id){client->free_slot, ++slot->gen ? slot->gen : ++slot->gen};
    client->free_slot = slot->next_free;
    slot->call = call;
    client->stats.calls++;
}

int od_http_client_request(struct od_http_client *client, const struct od_http_call *def,
                           struct od_http_call_id *id)
{
    const char *method = def->method ? def->method : "GET";
    struct od_http_url url;
    if (!od_http_call_ok(def, method) || od_http_url_read(&url, def->url))
        return OD_EINVAL;
    if (client->closing || client->free_slot == UINT32_MAX)
        return OD_EBUSY;
    /* The loop's idea of now is as old as its turn, or as the program before its first turn. */
    uv_update_time(client->loop);
    struct od_http_origin *origin = origin_get(client, &url, def->allow_private);
    if (!origin)
        return OD_ENOMEM;
    od_http_origin_touch(origin); /* also frees it when nothing comes of this */
    if (origin->waiting >= client->config.waiting_per_origin_max)
        return OD_EBUSY;
    struct od_http_request_call *call = od_http_call_create(origin, def, method, &url);
    if (!call)
        return OD_ENOMEM;
    slot_get(client, call);
    client->stats.requests++;
    wait_last(call);
    if (!call->deadline_from_start)
        start_deadline(call);
    if (id)
        *id = call->id;
    return 0;
}

/* A call under way */

int64_t od_http_call_write(struct od_http_client *client, struct od_http_call_id id,
                           const void *data, size_t bytes)
{
    struct od_http_slot *slot = slot_of(client, id);
    struct od_http_request_call *call = slot ? slot->call : NULL;
    if (!call || !call->link || call->finished || call->ending)
        return OD_ENOENT;
    int64_t queued = od_http_link_write(call->link, data, bytes);
    if (queued == OD_ENOMEM)
        end_soon(call, OD_ENOMEM);
    return queued;
}

void od_http_call_finish(struct od_http_client *client, struct od_http_call_id id)
{
    struct od_http_slot *slot = slot_of(client, id);
    struct od_http_request_call *call = slot ? slot->call : NULL;
    if (!call || !call->link || call->finished || call->ending)
        return;
    call->finished = true;
    od_http_link_finish(call->link);
}

void od_http_call_cancel(struct od_http_client *client, struct od_http_call_id id)
{
    struct od_http_slot *slot = slot_of(client, id);
    if (slot)
        end_soon(slot->call, OD_ECANCELED);
}

bool od_http_answer_header(const struct od_http_answer *answer, const char *name,
                           struct od_text *value)
{
    return answer->headers && od_http_head_find(answer->headers, name, value);
}

int od_http_url_join(const char *base, const char *path, char *out, size_t size)
{
    size_t bytes = strlen(base);
    const char *between = "";
    if (strncmp(base, "unix:", 5) == 0 && !strchr(base + 5, ':'))
        between = ":";
    else if (bytes && base[bytes - 1] == '/')
        bytes--;
    int n = snprintf(out, size, "%.*s%s%s", (int)bytes, base, between, path);
    return n < 0 || (size_t)n >= size ? OD_ETOOBIG : 0;
}

/* The client */

static void fill_defaults(struct od_http_client_config *config)
{
    config->user_agent = config->ca_file = config->extra_ca_file = NULL;
    config->rules = NULL;
    config->proxy = NULL;
    config->identities = NULL;
    config->why = NULL;
    if (!config->connections_max)
        config->connections_max = 256;
    if (!config->per_origin_max)
        config->per_origin_max = 16;
    if (!config->calls_max)
        config->calls_max = 4096;
    if (!config->waiting_per_origin_max)
        config->waiting_per_origin_max = 1024;
    if (!config->idle_ms)
        config->idle_ms = 30000;
    if (!config->connect_ms)
        config->connect_ms = 5000;
    if (!config->dns_ttl_ms)
        config->dns_ttl_ms = 30000;
    if (!config->family_ms)
        config->family_ms = OD_HTTP_FAMILY_MS;
}

static void on_streams_gone(void *ctx)
{
    od_http_client_settle(ctx);
}

static int open_memory(struct od_http_client *client, const struct od_http_client_config *config)
{
    client->config = *config;
    fill_defaults(&client->config);
    client->user_agent = strdup(config->user_agent ? config->user_agent : "outdial");
    client->slots = calloc(client->config.calls_max, sizeof *client->slots);
    if (!client->user_agent || !client->slots)
        return OD_ENOMEM;
    if (!od_http_value_ok(client->user_agent))
        return OD_EINVAL;
    for (uint32_t i = 0; i < client->config.calls_max; i++)
        client->slots[i].next_free = i + 1 < client->config.calls_max ? i + 1 : UINT32_MAX;
    return od_http_plain_init(&client->plain, client->loop, on_streams_gone, client);
}

static void client_free(struct od_http_client *client)
{
    od_http_plain_deinit(&client->plain);
    explicit_bzero(&client->proxy, sizeof client->proxy); /* its password */
    free(client->user_agent);
    free(client->slots);
    free(client);
}

static void on_tls_gone(void *ctx)
{
    (void)ctx;
}

static int open_tls(struct od_http_client *client, const struct od_http_client_config *config)
{
    char why[200];
    int err = od_http_tls_open(&client->tls, client->loop, config->ca_file);
    if (err)
        return err;
    if (config->extra_ca_file)
        err = od_http_tls_trust(client->tls, config->extra_ca_file, why, sizeof why);
    for (size_t i = 0; !err && i < config->identity_count; i++)
        err = od_http_tls_show(client->tls, &config->identities[i], why, sizeof why);
    if (err && config->why)
        od_str_copy(config->why, config->why_bytes, why, strlen(why));
    if (err)
        od_http_tls_close(client->tls, on_tls_gone, NULL);
    return err;
}

void od_http_client_rules(struct od_http_client *client, const struct od_http_rules *rules)
{
    if (client->dialer.rules)
        client->rules = *rules;
}

int od_http_client_open(struct od_http_client **out, uv_loop_t *loop,
                        const struct od_http_client_config *config)
{
    struct od_http_client *client = calloc(1, sizeof *client);
    if (!client)
        return OD_ENOMEM;
    client->loop = loop;
    int err = open_memory(client, config);
    if (!err)
        err = open_tls(client, config);
    if (err) {
        client_free(client);
        return err;
    }
    od_http_dialer_init(&client->dialer, loop, &client->plain, client->tls,
                        &(struct od_http_waits){.connect_ms = client->config.connect_ms,
                                                .dns_ttl_ms = client->config.dns_ttl_ms,
                                                .family_ms = client->config.family_ms});
    if (config->rules) {
        client->rules = *config->rules;
        client->dialer.rules = &client->rules;
    }
    if (config->proxy) {
        client->proxy = *config->proxy;
        client->dialer.proxy = &client->proxy;
    }
    od_http_deadlines_init(&client->deadlines, loop, expired, client);
    od_http_laters_init(&client->origin_laters, loop, run_origin, client);
    od_http_laters_init(&client->call_laters, loop, run_call, client);
    *out = client;
    return 0;
}

void od_http_client_stats(const struct od_http_client *client, struct od_http_client_stats *out)
{
    *out = client->stats;
    out->connections = client->links;
    out->connects = client->dialer.connects;
    out->denied = client->dialer.denied;
    out->lookups = client->dialer.dns.lookups;
}

static void part_closed(void *ctx)
{
    struct od_http_client *client = ctx;
    if (--client->open_parts)
        return;
    void (*fn)(void *) = client->closed;
    void *fn_ctx = client->closed_ctx;
    client_free(client);
    if (fn)
        fn(fn_ctx);
}

void od_http_client_settle(struct od_http_client *client)
{
    if (!client->closing || client->running || client->open_parts || client->stats.calls ||
        client->plain.alive)
        return;
    for (struct od_http_origin *origin = client->origins, *next; origin; origin = next) {
        next = origin->next;
        origin_free(origin);
    }
    client->open_parts = 5;
    od_http_tls_close(client->tls, part_closed, client);
    od_http_dialer_close(&client->dialer, part_closed, client);
    od_http_deadlines_close(&client->deadlines, part_closed);
    od_http_laters_close(&client->origin_laters, part_closed);
    od_http_laters_close(&client->call_laters, part_closed);
}

void od_http_client_close(struct od_http_client *client, void (*fn)(void *ctx), void *ctx)
{
    client->closing = true;
    client->closed = fn;
    client->closed_ctx = ctx;
    for (uint32_t i = 0; i < client->config.calls_max; i++) {
        if (client->slots[i].call)
            end_soon(client->slots[i].call, OD_ECANCELED);
    }
    for (struct od_http_origin *origin = client->origins; origin; origin = origin->next) {
        while (origin->idle)
            od_http_link_close(origin->idle);
    }
    od_http_client_settle(client);
}
