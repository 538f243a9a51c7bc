/*
 * dasha_bulk - the pump of a bulk: it runs when bytes come in, when the agent is known and when a
 * batch has come back, and goes as far as it can.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_view.h"
#include "engine/api/bulk.h"
#include "engine/api/dasha.h"
#include "engine/api/json_items.h"
#include "engine/api/json_read.h"
#include "engine/api/new_call.h"
#include "engine/api/project.h"
#include "engine/api/vendor_agent.h"
#include "engine/api/vendor_call.h"
#include "engine/api/way_out.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum {
    LANES = 8,                /* of a priority and a way out, that are filled at a time */
    HELD_BYTES_MAX = 8 << 20, /* what a server may still push after pause() */
    PIECE = 64 * 1024,        /* more room than what is held needs now */
};

struct line {
    char *text; /* the call as JSON, or why there is none */
    bool failed;
};

/* On its way to the repo it belongs to nobody but its callback. */
struct batch {
    struct od_bulk *bulk;
    int32_t priority;
    struct od_uid via;
    int64_t wall_ms; /* when it was begun, which its calls say */
    size_t count;
    struct od_new_call calls[OD_BULK_BATCH];
    struct od_uid ids[OD_BULK_BATCH];
    uint32_t lines[OD_BULK_BATCH];
};

struct od_bulk {
    struct od_request *q;
    struct od_json_items *items;
    bool started; /* the agent is known */
    bool looking; /* for the agent's id, in the body */
    bool paused, last, done;
    bool outbound; /* the agent has a way out */
    struct od_uid agent;
    yyjson_doc *agent_doc;
    char from[OD_ENDPOINT_MAX];
    char *held; /* bytes not yet read */
    size_t held_at, held_bytes, held_size;
    struct batch *filling[LANES];
    unsigned next_out; /* the lane that is sent when another is needed */
    unsigned in_flight;
    struct line *lines;
    size_t count, size, failed;
};

struct od_bulk *od_bulk_create(struct od_request *q)
{
    struct od_bulk *bulk = calloc(1, sizeof *bulk);
    if (bulk && od_json_items_create(&bulk->items, "calls")) {
        free(bulk);
        return NULL;
    }
    if (bulk) {
        bulk->q = q;
        bulk->paused = true;
    }
    return bulk;
}

static void batch_free(struct batch *batch)
{
    if (!batch)
        return;
    for (size_t i = 0; i < batch->count; i++)
        od_new_call_free(&batch->calls[i]);
    free(batch);
}

void od_bulk_destroy(struct od_bulk *bulk)
{
    if (!bulk)
        return;
    for (unsigned i = 0; i < LANES; i++)
        batch_free(bulk->filling[i]);
    for (size_t i = 0; i < bulk->count; i++)
        free(bulk->lines[i].text);
    free(bulk->lines);
    free(bulk->held);
    od_json_items_destroy(bulk->items);
    yyjson_doc_free(bulk->agent_doc);
    free(bulk);
}

/* ---- lines of the answer ---- */

static char *write_val(yyjson_mut_doc *doc, yyjson_mut_val *value)
{
    yyjson_mut_doc_set_root(doc, value);
    char *text = yyjson_mut_write(doc, 0, NULL);
    yyjson_mut_doc_free(doc);
    return text;
}

/* { index, endpoint, error } for an object's errors; a problem with the same in an array. */
static char *error_line(const struct od_bulk *bulk, size_t index, const char *endpoint,
                        const char *why)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *o = doc ? yyjson_mut_obj(doc) : NULL;
    if (!o)
        return NULL;
    if (od_json_items_bare(bulk->items)) {
        yyjson_mut_obj_add_str(doc, o, "type", "about:blank");
        yyjson_mut_obj_add_str(doc, o, "title", "Bad Request");
        yyjson_mut_obj_add_int(doc, o, "status", 400);
        yyjson_mut_obj_add_strcpy(doc, o, "detail", why);
        yyjson_mut_obj_add_str(doc, o, "instance", "/api/v1/calls/bulk");
    }
    yyjson_mut_obj_add_uint(doc, o, "index", index);
    if (endpoint && od_str_utf8(endpoint, strlen(endpoint)))
        yyjson_mut_obj_add_strcpy(doc, o, "endpoint", endpoint);
    else
        yyjson_mut_obj_add_null(doc, o, "endpoint");
    yyjson_mut_obj_add_strcpy(doc, o, "error", why);
    return write_val(doc, o);
}

static void fail_line(struct od_bulk *bulk, size_t index, const char *endpoint, const char *why)
{
    struct line *line = &bulk->lines[index];
    free(line->text);
    line->text = error_line(bulk, index, endpoint, why);
    line->failed = true;
    bulk->failed++;
}

/* A new line; false: no memory. */
static bool add_line(struct od_bulk *bulk)
{
    if (bulk->count == bulk->size) {
        size_t size = bulk->size ? 2 * bulk->size : 256;
        struct line *more = realloc(bulk->lines, size * sizeof *more);
        if (!more)
            return false;
        bulk->lines = more;
        bulk->size = size;
    }
    bulk->lines[bulk->count++] = (struct line){0};
    return true;
}

/* ---- batches ---- */

static void pump(struct od_bulk *bulk);

static void batch_done(void *ctx, int err, size_t added, const uint32_t *twice, size_t twice_count)
{
    struct batch *batch = ctx;
    struct od_bulk *bulk = batch->bulk;
    (void)added;
    (void)twice;
    (void)twice_count;
    if (!od_request_back(bulk->q)) {
        batch_free(batch); /* the bulk went with its request, or will */
        return;
    }
    bulk->in_flight--;
    for (size_t i = 0; err && i < batch->count; i++)
        fail_line(bulk, batch->lines[i], batch->calls[i].to,
                  err == OD_ETIMEOUT
                      ? "the store did not answer in time: the call may or may not be stored"
                  : err == OD_ENOENT ? "Agent not found"
                                     : "the call could not be stored");
    batch_free(batch);
    pump(bulk);
}

static void batch_send(struct od_bulk *bulk, unsigned lane)
{
    struct batch *batch = bulk->filling[lane];
    struct od_request *q = bulk->q;
    struct od_call_new *calls = calloc(batch->count, sizeof *calls);
    bulk->filling[lane] = NULL;
    if (!calls) {
        for (size_t i = 0; i < batch->count; i++)
            fail_line(bulk, batch->lines[i], batch->calls[i].to, "there is not enough memory");
        batch_free(batch);
        return;
    }
    bulk->in_flight++;
    od_request_out(q);
    for (size_t i = 0; i < batch->count; i++)
        od_new_call_add(&batch->calls[i], &batch->ids[i], batch->wall_ms, &calls[i]);
    q->api->repo.calls_add(q->api->repo.ctx, q->who.org, &bulk->agent, NULL, batch->priority, calls,
                           batch->count, batch_done, batch);
    free(calls);
}

/* A batch with room for the call; NULL: no memory, or none may be sent now. */
static struct batch *batch_for(struct od_bulk *bulk, const struct od_new_call *call)
{
    unsigned empty = LANES;
    for (unsigned i = 0; i < LANES; i++) {
        if (bulk->filling[i] && bulk->filling[i]->priority == call->priority &&
            od_uid_equal(&bulk->filling[i]->via, &call->via))
            return bulk->filling[i];
        if (!bulk->filling[i] && empty == LANES)
            empty = i;
    }
    if (empty == LANES) {
        empty = bulk->next_out++ % LANES;
        batch_send(bulk, empty);
    }
    struct batch *batch = calloc(1, sizeof *batch);
    if (batch) {
        batch->bulk = bulk;
        batch->priority = call->priority;
        batch->via = call->via;
        batch->wall_ms = od_request_wall_ms(bulk->q);
        bulk->filling[empty] = batch;
    }
    return batch;
}

static void batch_add(struct od_bulk *bulk, struct batch *batch, struct od_new_call *call)
{
    struct od_request *q = bulk->q;
    struct od_call_rec rec;
    size_t i = batch->count++;
    if (!call->from[0])
        memcpy(call->from, bulk->from, sizeof call->from);
    batch->calls[i] = *call;
    batch->ids[i] = od_request_uid(q);
    batch->lines[i] = (uint32_t)(bulk->count - 1);
    od_new_call_rec(call, &batch->ids[i], &bulk->agent, batch->wall_ms, &rec);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    bulk->lines[bulk->count - 1].text =
        doc ? write_val(doc, od_dasha_call(doc, &rec, q->who.org, q->api->dasha_running)) : NULL;
    for (unsigned lane = 0; batch->count == OD_BULK_BATCH && lane < LANES; lane++)
        if (bulk->filling[lane] == batch) {
            batch_send(bulk, lane);
            return;
        }
}

/* ---- items ---- */

/* Sets the way of a call that was read; NULL, or why it has none. */
static const char *set_way(const struct od_bulk *bulk, struct od_new_call *call)
{
    const struct od_way_out *ways = bulk->q->ways;
    if (*call->timezone && !od_request_zone_ok(bulk->q, call->timezone))
        return "timezone " OD_ZONE_FAULT;
    if (!od_uid_none(&call->credentials)) {
        call->via = call->credentials;
        return od_way_out_known(ways, &call->via)
                   ? NULL
                   : "overrideOutboundConfig/credentialsId there are no such SIP credentials";
    }
    if (!bulk->outbound && !call->from[0])
        return "No outbound config";
    call->via = od_way_out_of(ways, yyjson_doc_get_root(bulk->agent_doc), call->from);
    return NULL;
}

/* False: answered. */
static bool take_item(struct od_bulk *bulk, const struct od_items_text *text)
{
    struct od_faults faults = {0};
    struct od_new_call call;
    const char *no_way;
    yyjson_doc *doc = NULL;
    size_t index = bulk->count;
    if (!add_line(bulk)) {
        od_request_err(bulk->q, OD_ENOMEM, "bulk");
        return false;
    }
    if (index >= OD_BULK_CALLS_MAX || text->too_long) {
        fail_line(bulk, index, NULL,
                  text->too_long ? "the call is longer than 128 KiB"
                                 : "more than 50000 calls in one request");
        return true;
    }
    if (od_json_parse(text->at, text->bytes, &doc, &faults)) {
        fail_line(bulk, index, NULL, faults.count ? faults.at[0].detail : "no memory");
        return true;
    }
    yyjson_val *item = yyjson_doc_get_root(doc);
    const char *endpoint = yyjson_get_str(yyjson_obj_get(item, "endpoint"));
    if (!od_new_call_dasha(item, "#", &call, &faults)) {
        char why[400] = "";
        struct od_buf buf;
        od_buf_init(&buf, why, sizeof why);
        const char *pointer = faults.at[0].pointer;
        if (strcmp(pointer, "#")) {
            od_buf_str(&buf, pointer + (strncmp(pointer, "#/", 2) == 0 ? 2 : 0));
            od_buf_char(&buf, ' ');
        }
        od_buf_str(&buf, faults.at[0].detail);
        od_text_scrub(why);
        fail_line(bulk, index, endpoint, why);
    } else if ((no_way = set_way(bulk, &call))) {
        fail_line(bulk, index, endpoint, no_way);
        od_new_call_free(&call);
    } else {
        struct batch *batch = batch_for(bulk, &call);
        if (batch) {
            batch_add(bulk, batch, &call);
        } else {
            fail_line(bulk, index, endpoint, "there is not enough memory for this now");
            od_new_call_free(&call);
        }
    }
    yyjson_doc_free(doc);
    return true;
}

static void find_agent(struct od_bulk *bulk, const char *id);

/* { "agentId": ..., "calls": [...] }. False: the agent is looked up, or the request answered. */
static bool take_member(struct od_bulk *bulk, const struct od_items_text *text)
{
    if (strcmp(text->name, "agentId") != 0 || bulk->started)
        return true;
    yyjson_doc *doc = yyjson_read(text->at, text->bytes, 0);
    const char *id = yyjson_get_str(yyjson_doc_get_root(doc));
    if (id)
        find_agent(bulk, id);
    yyjson_doc_free(doc);
    return !id;
}

/* ---- the answer ---- */

struct writer {
    char *text;
    size_t used;
};

static void put(struct writer *w, const char *text)
{
    size_t bytes = strlen(text);
    memcpy(w->text + w->used, text, bytes);
    w->used += bytes;
}

static const char *line_text(const struct line *line)
{
    return line->text ? line->text : "null";
}

/* What all lines take, with what stands between them, and what is around them. */
static size_t answer_size(const struct od_bulk *bulk)
{
    size_t size = 256;
    for (size_t i = 0; i < bulk->count; i++)
        size += strlen(line_text(&bulk->lines[i])) + 2;
    return size;
}

/* All lines, or those that failed, or those that didn't; their memory goes as they are written. */
static void put_lines(struct writer *w, struct od_bulk *bulk, bool good, bool bad)
{
    bool first = true;
    for (size_t i = 0; i < bulk->count; i++) {
        struct line *line = &bulk->lines[i];
        if (line->failed ? !bad : !good)
            continue;
        put(w, first ? "\n" : ",\n");
        put(w, line_text(line));
        free(line->text);
        line->text = NULL;
        first = false;
    }
}

static void put_number(struct writer *w, size_t number)
{
    char text[24];
    struct od_buf buf;
    od_buf_init(&buf, text, sizeof text);
    od_buf_u64(&buf, number);
    put(w, text);
}

/* It goes out whole: a streamed answer may not run ahead of its client by as much as it can be. */
static void answer(struct od_bulk *bulk)
{
    struct od_request *q = bulk->q;
    struct writer w = {.text = malloc(answer_size(bulk))};
    if (!w.text) {
        od_request_err(q, OD_ENOMEM, "bulk");
        return;
    }
    if (od_json_items_bare(bulk->items)) {
        put(&w, "[");
        put_lines(&w, bulk, true, true);
        put(&w, "]\n");
    } else {
        put(&w, "{\"successCount\":");
        put_number(&w, bulk->count - bulk->failed);
        put(&w, ",\"failedCount\":");
        put_number(&w, bulk->failed);
        put(&w, ",\"calls\":[");
        put_lines(&w, bulk, true, false);
        put(&w, "],\"errors\":[");
        put_lines(&w, bulk, false, true);
        put(&w, "]}\n");
    }
    od_request_answer_text(q, 200, "application/json", w.text, w.used);
    free(w.text);
}

/* ---- the pump ---- */

/* Reads items while there are bytes and batches may leave. False: answered, or it goes on when the
 * agent has come. */
static bool read_items(struct od_bulk *bulk)
{
    struct od_request *q = bulk->q;
    while (!bulk->done && bulk->in_flight < OD_BULK_IN_FLIGHT) {
        const char *data = bulk->held ? bulk->held + bulk->held_at : "";
        size_t bytes = bulk->held_bytes;
        struct od_items_text text;
        enum od_items_step step = od_json_items_next(bulk->items, &data, &bytes, bulk->last, &text);
        bulk->held_at += bulk->held_bytes - bytes;
        bulk->held_bytes = bytes;
        if (step == OD_ITEMS_MORE)
            return true;
        if (step == OD_ITEMS_END) {
            bulk->done = true;
        } else if (step == OD_ITEMS_BAD && bulk->count) {
            /* What came before is on its way to the store: the broken rest is one failed item. */
            if (add_line(bulk))
                fail_line(bulk, bulk->count - 1, NULL, text.why);
            bulk->done = true;
        } else if (step == OD_ITEMS_BAD) {
            od_request_problem(q, 400, "invalid_request", "the body is not readable: %s", text.why);
            return false;
        } else if (step == OD_ITEMS_MEMBER) {
            if (!take_member(bulk, &text))
                return false;
        } else if (!bulk->started) {
            od_request_fault(q, "#/agentId", "is required, in the query or before the calls");
            return false;
        } else if (!take_item(bulk, &text)) {
            return false;
        }
    }
    return true;
}

static void flow(struct od_bulk *bulk)
{
    bool pause = bulk->done || bulk->held_bytes > 0;
    if (pause == bulk->paused || bulk->last)
        return;
    bulk->paused = pause;
    if (pause)
        bulk->q->x->ops->pause(bulk->q->x);
    else
        bulk->q->x->ops->resume(bulk->q->x);
}

static void pump(struct od_bulk *bulk)
{
    if (bulk->q->answered || !read_items(bulk))
        return;
    bool unsent = false;
    for (unsigned i = 0; bulk->done && i < LANES; i++) {
        if (bulk->filling[i] && bulk->in_flight < OD_BULK_IN_FLIGHT)
            batch_send(bulk, i);
        unsent = unsent || bulk->filling[i];
    }
    if (bulk->done && !bulk->in_flight && !unsent)
        answer(bulk);
    else
        flow(bulk);
}

void od_bulk_push(struct od_bulk *bulk, const char *data, size_t bytes, bool last)
{
    bulk->last = last;
    if (bulk->held_bytes + bytes > HELD_BYTES_MAX) {
        od_request_problem(bulk->q, 413, "body_too_large", "more was sent than could be stored");
        return;
    }
    if (bulk->held_at && bulk->held_bytes)
        memmove(bulk->held, bulk->held + bulk->held_at, bulk->held_bytes);
    bulk->held_at = 0;
    if (bulk->held_bytes + bytes > bulk->held_size) {
        size_t size = bulk->held_bytes + bytes + PIECE;
        char *held = realloc(bulk->held, size);
        if (!held) {
            od_request_err(bulk->q, OD_ENOMEM, "bulk");
            return;
        }
        bulk->held = held;
        bulk->held_size = size;
    }
    if (bytes)
        memcpy(bulk->held + bulk->held_bytes, data, bytes);
    bulk->held_bytes += bytes;
    if (bulk->started || bulk->looking)
        pump(bulk);
}

/* ---- the beginning ---- */

static void ways_came(struct od_request *q)
{
    struct od_bulk *bulk = q->bulk;
    bulk->started = true;
    bulk->looking = false;
    if (!bulk->last && bulk->paused) {
        bulk->paused = false;
        q->x->ops->resume(q->x);
    }
    pump(bulk);
}

static void agent_found(struct od_request *q, const struct od_agent_rec *rec, yyjson_val *doc)
{
    struct od_bulk *bulk = q->bulk;
    const char *number = od_agent_number(doc);
    bulk->agent_doc = od_agent_doc(rec);
    bulk->agent = rec->id;
    bulk->outbound = od_agent_can_dial(doc);
    if (number)
        od_str_copy(bulk->from, sizeof bulk->from, number, strlen(number));
    od_way_out_load(q, ways_came);
}

static void find_agent(struct od_bulk *bulk, const char *id)
{
    bulk->looking = false;
    od_vendor_agent_get(bulk->q, id, "agentId", agent_found);
}

void od_dasha_calls_bulk(struct od_request *q)
{
    char id[OD_QUERY_VALUE_MAX];
    struct od_bulk *bulk = q->bulk;
    if (od_query_get(q->x->query, "agentId", id)) {
        find_agent(bulk, id);
        return;
    }
    bulk->looking = true;
    bulk->paused = false;
    q->x->ops->resume(q->x);
    if (bulk->held_bytes || bulk->last)
        pump(bulk);
}
