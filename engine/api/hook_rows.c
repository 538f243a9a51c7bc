/*
 * Webhook deliveries: rows of the outbox as CallingBox shows them (/v1/webhook_deliveries: those of
 * its own contract) and in our own dialect (all of them), delivered again one by one or, when they
 * are dead, many at a time.
 */
#include "engine/api/native.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/json_read.h"
#include "engine/api/project.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"
#include "outdial/outbox.h"

enum {
    TAKE_DEFAULT = 50,
    TAKE_MAX = 200,
    REPLAY_MAX = 1000,
    LOOKS_MAX = 250, /* at some thousand rows each, for a page that would be empty */
};

static const uint8_t all_kinds[] = {OD_HOOK_TO_NATIVE, OD_HOOK_TO_CALLINGBOX, OD_HOOK_TO_DASHA,
                                    OD_HOOK_TO_POINT_CALLINGBOX, OD_HOOK_TO_POINT_NATIVE};
static const uint8_t callingbox_kinds[] = {OD_HOOK_TO_CALLINGBOX, OD_HOOK_TO_POINT_CALLINGBOX};

static struct od_outbox_filter filter_of(const struct od_request *q)
{
    bool callingbox = strncmp(q->x->path, "/v1/", 4) == 0;
    return (struct od_outbox_filter){
        .status = -1,
        .to = callingbox ? callingbox_kinds : all_kinds,
        .to_count = callingbox ? sizeof callingbox_kinds : sizeof all_kinds,
    };
}

static void put_row(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_request *q,
                    const struct od_hook_row *row)
{
    static const char *const words[] = {"pending", "delivered", "exhausted"};
    char id[OD_HOOK_ID_TEXT];
    struct od_uid uid = od_hook_row_uid(row);
    od_hook_event_id(&row->call, row->seq, id);
    od_put_uid(doc, o, "id", &uid);
    yyjson_mut_obj_add_str(doc, o, "org_id", q->who.org);
    od_put_uid(doc, o, "endpoint_id", &row->endpoint);
    od_put_uid(doc, o, "call_id", &row->call);
    yyjson_mut_obj_add_strcpy(doc, o, "event_id", id);
    yyjson_mut_obj_add_str(doc, o, "event_type",
                           od_hook_event_name((enum od_hook_event)row->event));
    od_put_url(doc, o, "url", row->frozen.url);
    yyjson_mut_obj_add_str(doc, o, "status", words[row->status]);
    yyjson_mut_obj_add_uint(doc, o, "attempt_count", row->attempts);
    yyjson_mut_obj_add_uint(doc, o, "manual_retry_count", row->manual);
    od_put_time(doc, o, "next_attempt_at", row->status == OD_HOOK_PENDING ? row->due_ms : 0);
    od_put_text(doc, o, "last_error", row->error);
    if (row->http_status >= 200)
        yyjson_mut_obj_add_uint(doc, o, "last_response_status", row->http_status);
    else
        yyjson_mut_obj_add_null(doc, o, "last_response_status");
    od_put_time(doc, o, "delivered_at", row->status == OD_HOOK_DELIVERED ? row->updated_ms : 0);
    od_put_time(doc, o, "created_at", row->at_ms);
    od_put_time(doc, o, "updated_at", row->updated_ms);
}

/* A list under way: the request's work. */
struct listing {
    struct od_outbox_filter filter;
    uint32_t take, looks;
};

static void look(struct od_request *q, uint64_t below);

static void rows_listed(void *ctx, int err, const struct od_hook_row *rows, size_t count,
                        uint64_t next)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (!err && !count && next && ((struct listing *)q->work)->looks < LOOKS_MAX) {
        look(q, next);
        return;
    }
    yyjson_mut_doc *doc = err ? NULL : od_project_doc();
    if (!doc) {
        od_request_err(q, err ? err : OD_ENOMEM, "webhook delivery");
        return;
    }
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    yyjson_mut_val *data = yyjson_mut_obj_add_arr(doc, root, "data");
    for (size_t i = 0; i < count; i++)
        put_row(doc, yyjson_mut_arr_add_obj(doc, data), q, &rows[i]);
    if (next) {
        char text[24];
        struct od_buf buf;
        od_buf_init(&buf, text, sizeof text);
        od_buf_u64(&buf, next);
        yyjson_mut_obj_add_strcpy(doc, root, "next_cursor", text);
    } else {
        yyjson_mut_obj_add_null(doc, root, "next_cursor");
    }
    od_request_answer(q, 200, doc, NULL);
}

static void look(struct od_request *q, uint64_t below)
{
    struct listing *listing = q->work;
    listing->looks++;
    od_request_out(q);
    q->api->outbox.rows(q->api->outbox.ctx, q->who.org, &listing->filter, below, listing->take,
                        rows_listed, q);
}

void od_rows_list(struct od_request *q)
{
    static const char *const words[] = {"pending", "delivered", "exhausted"};
    struct od_outbox_filter filter = filter_of(q);
    char text[OD_QUERY_VALUE_MAX];
    uint64_t take = TAKE_DEFAULT, below = 0;
    if (od_query_get(q->x->query, "status", text)) {
        for (int i = 0; i < 3; i++)
            if (strcmp(text, words[i]) == 0)
                filter.status = i;
        if (filter.status < 0) {
            od_request_fault(q, "query/status", "expected pending, delivered or exhausted");
            return;
        }
    }
    if (od_query_get(q->x->query, "limit", text) &&
        (!od_str_u64(text, strlen(text), TAKE_MAX, &take) || !take)) {
        od_request_fault(q, "query/limit", "expected a whole number, 1 to 200");
        return;
    }
    if (od_query_get(q->x->query, "cursor", text) &&
        !od_str_u64(text, strlen(text), UINT64_MAX >> 8, &below)) {
        od_request_fault(q, "query/cursor", "expected the next_cursor of a page before");
        return;
    }
    struct listing *listing = malloc(sizeof *listing);
    if (!listing) {
        od_request_err(q, OD_ENOMEM, "webhook delivery");
        return;
    }
    *listing = (struct listing){.filter = filter, .take = (uint32_t)take};
    q->work = listing;
    look(q, below);
}

static void row_put_back(void *ctx, int err, const struct od_hook_row *rows, size_t count,
                         uint64_t next)
{
    struct od_request *q = ctx;
    (void)next;
    if (!od_request_back(q))
        return;
    if (err == OD_ECONFLICT) {
        od_request_problem(q, 409, "pending", "this delivery is still pending");
        return;
    }
    yyjson_mut_doc *doc = err || !count ? NULL : od_project_doc();
    if (!doc) {
        od_request_err(q, err ? err : OD_ENOMEM, "webhook delivery");
        return;
    }
    put_row(doc, yyjson_mut_doc_get_root(doc), q, &rows[0]);
    od_request_answer(q, 200, doc, NULL);
}

void od_rows_again(struct od_request *q)
{
    struct od_outbox_filter filter = filter_of(q);
    uint64_t number = od_hook_row_number(&q->at.ids[0]);
    if (!number) {
        od_request_err(q, OD_ENOENT, "webhook delivery");
        return;
    }
    od_request_out(q);
    q->api->outbox.again(q->api->outbox.ctx, q->who.org, &filter, number, row_put_back, q);
}

static void rows_put_back(void *ctx, int err, const struct od_hook_row *rows, size_t count,
                          uint64_t next)
{
    struct od_request *q = ctx;
    (void)rows;
    (void)count;
    if (!od_request_back(q))
        return;
    yyjson_mut_doc *doc = err ? NULL : od_project_doc();
    if (!doc) {
        od_request_err(q, err ? err : OD_ENOMEM, "webhook delivery");
        return;
    }
    yyjson_mut_obj_add_uint(doc, yyjson_mut_doc_get_root(doc), "replayed", next);
    od_request_answer(q, 200, doc, NULL);
}

struct replay_in {
    const char *endpoint;
    int64_t limit;
};
static const struct od_field replay_fields[] = {
    {"endpoint_id", OD_FIELD_TEXT, offsetof(struct replay_in, endpoint), 1, 1000, false},
    {"limit", OD_FIELD_INT, offsetof(struct replay_in, limit), 1, REPLAY_MAX, false},
};

void od_rows_replay(struct od_request *q)
{
    struct od_outbox_filter filter = filter_of(q);
    struct replay_in in = {.limit = REPLAY_MAX};
    struct od_faults faults = {0};
    od_json_fields(yyjson_doc_get_root(q->body), replay_fields, 2, &in, "#", &faults);
    if (in.endpoint && !od_uid_parse(in.endpoint, strlen(in.endpoint), &filter.endpoint))
        od_fault_add(&faults, "#", "endpoint_id", "expected the id of a webhook endpoint");
    if (faults.count) {
        od_request_faults(q, &faults);
        return;
    }
    od_request_out(q);
    q->api->outbox.replay(q->api->outbox.ctx, q->who.org, &filter, (uint32_t)in.limit,
                          rows_put_back, q);
}
