/*
 * Webhook endpoints, in CallingBox's dialect (/v1/webhook_endpoints) and our own: the same
 * resource, told apart by the path, which also decides the contract that an endpoint speaks. A
 * secret is in the answer that makes it and nowhere else; what is kept is sealed. A rotation keeps
 * the old secret signing beside the new one for a day, so that no delivery fails in between, unless
 * it is asked to end at once.
 */
#include "engine/api/native.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/json_read.h"
#include "engine/api/project.h"
#include "engine/api/secret_fields.h"
#include "engine/base/str.h"
#include "outdial/err.h"
#include "outdial/outbox.h"

enum {
    SECRET_BYTES = 24,
    SECRET_TEXT = 6 + SECRET_BYTES / 3 * 4 + 1,
    OVERLAP_S = 24 * 3600,
    OVERLAP_S_MAX = 7 * 24 * 3600,
};

struct point_work {
    struct od_hook_endpoint point; /* its texts: in q->body, or in texts */
    unsigned parts;
    char secret[SECRET_TEXT]; /* "" : not shown */
    char sealed[OD_HOOK_SECRET_MAX];
    char old[OD_HOOK_SECRET_MAX];
    int64_t overlap_s;
    int status;
};

static bool is_callingbox(const struct od_request *q)
{
    return strncmp(q->x->path, "/v1/", 4) == 0;
}

static uint8_t kind_of(const struct od_request *q)
{
    return is_callingbox(q) ? OD_HOOK_TO_POINT_CALLINGBOX : OD_HOOK_TO_POINT_NATIVE;
}

static struct point_work *work_of(struct od_request *q)
{
    struct point_work *work = q->work = calloc(1, sizeof *work);
    if (!work)
        od_request_err(q, OD_ENOMEM, "webhook endpoint");
    return work;
}

/* ---- answering ---- */

static void put_events(yyjson_mut_doc *doc, yyjson_mut_val *o, uint16_t mask)
{
    yyjson_mut_val *events = yyjson_mut_obj_add_arr(doc, o, "enabled_events");
    if (mask == OD_HOOK_ALL) {
        yyjson_mut_arr_add_str(doc, events, "*");
        return;
    }
    for (unsigned event = 1; event <= OD_HOOK_CANCELED; event++)
        if (mask & OD_HOOK_BIT(event))
            yyjson_mut_arr_add_str(doc, events, od_hook_event_name((enum od_hook_event)event));
}

static void put_point(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_request *q,
                      const struct od_hook_endpoint *point)
{
    od_put_uid(doc, o, "id", &point->id);
    yyjson_mut_obj_add_str(doc, o, "org_id", q->who.org);
    od_put_url(doc, o, "url", point->url);
    od_put_text(doc, o, "description", point->description);
    put_events(doc, o, point->mask);
    yyjson_mut_obj_add_str(doc, o, "status", point->enabled ? "enabled" : "disabled");
    od_put_text(doc, o, "disabled_reason", point->enabled ? (struct od_text){"", 0} : point->why);
    yyjson_mut_obj_add_uint(doc, o, "failure_count", point->failures);
    od_put_time(doc, o, "created_at", point->created_ms);
    od_put_time(doc, o, "updated_at", point->updated_ms);
}

static void point_shown(void *ctx, int err, const struct od_hook_endpoint *points, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    struct point_work *work = q->work;
    if (!err && (!count || points[0].to != kind_of(q)))
        err = OD_ENOENT;
    yyjson_mut_doc *doc = err ? NULL : od_project_doc();
    if (!doc) {
        od_request_err(q, err ? err : OD_ENOMEM, "webhook endpoint");
        return;
    }
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    put_point(doc, root, q, &points[0]);
    if (work && work->secret[0]) {
        yyjson_mut_obj_add_strcpy(doc, root, "signing_secret", work->secret);
        explicit_bzero(work->secret, sizeof work->secret);
    }
    od_request_answer(q, work && work->status ? work->status : 200, doc, NULL);
}

static void show(struct od_request *q, const struct od_uid *id)
{
    od_request_out(q);
    q->api->outbox.points(q->api->outbox.ctx, q->who.org, id, point_shown, q);
}

static void stored(void *ctx, int err)
{
    struct od_request *q = ctx;
    struct point_work *work = q->work;
    if (!od_request_back(q))
        return;
    if (err == OD_ECONFLICT)
        od_request_problem(q, 409, "too_many", "there may be at most %d webhook endpoints",
                           OD_HOOK_POINTS_MAX);
    else if (err)
        od_request_err(q, err, "webhook endpoint");
    else
        show(q, &work->point.id);
}

/* ---- reading ---- */

struct point_in {
    const char *url, *description, *status;
    yyjson_val *events;
};
#define IN(member) offsetof(struct point_in, member)
static const struct od_field create_fields[] = {
    {"url", OD_FIELD_URL, IN(url), 1, 2048, true},
    {"description", OD_FIELD_TEXT, IN(description), 0, 500, false},
    {"enabled_events", OD_FIELD_ANY, IN(events), 0, 0, false},
};
static const struct od_field patch_fields[] = {
    {"url", OD_FIELD_URL, IN(url), 1, 2048, false},
    {"description", OD_FIELD_TEXT, IN(description), 0, 500, false},
    {"enabled_events", OD_FIELD_ANY, IN(events), 0, 0, false},
    {"status", OD_FIELD_TEXT, IN(status), 1, 16, false},
};

static uint16_t event_bit(yyjson_val *value)
{
    if (yyjson_equals_str(value, "*"))
        return OD_HOOK_ALL;
    for (unsigned event = 1; event <= OD_HOOK_CANCELED; event++)
        if (yyjson_equals_str(value, od_hook_event_name((enum od_hook_event)event)))
            return (uint16_t)OD_HOOK_BIT(event);
    return 0;
}

static uint16_t read_events(yyjson_val *events, struct od_faults *faults)
{
    uint16_t mask = 0;
    size_t i, max;
    yyjson_val *value;
    if (!yyjson_is_arr(events) || !yyjson_arr_size(events))
        od_fault_add(faults, "#", "enabled_events", "expected an array of \"*\" or of events");
    yyjson_arr_foreach(od_json_arr(events), i, max, value)
    {
        uint16_t bit = event_bit(value);
        mask |= bit;
        if (!bit)
            od_fault_add_item(faults, "#/enabled_events", i,
                              "expected \"*\", call.queued, call.ringing, call.answered, "
                              "call.completed, call.failed, call.no_answer, call.busy or "
                              "call.canceled");
    }
    return mask;
}

static struct od_text text_of(const char *text)
{
    return (struct od_text){text ? text : "", text ? strlen(text) : 0};
}

/* ---- secrets ---- */

static void base64(const uint8_t *bytes, size_t count, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i + 2 < count; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *out++ = digits[three >> shift & 63];
    }
    *out = '\0';
}

/* A new secret, shown in work->secret and sealed in work->sealed. */
static int make_secret(struct od_request *q, struct point_work *work)
{
    const struct od_box_port *box = q->api->host.box;
    uint8_t random[SECRET_BYTES];
    char context[OD_NAME_MAX + 16];
    size_t used;
    od_request_random(q, random, sizeof random);
    memcpy(work->secret, "whsec_", 6);
    base64(random, sizeof random, work->secret + 6);
    explicit_bzero(random, sizeof random);
    snprintf(context, sizeof context, "%s webhook", q->who.org);
    int err = box->seal(box->ctx, context, text_of(work->secret), work->sealed, sizeof work->sealed,
                        &used);
    work->point.secret = (struct od_text){work->sealed, err ? 0 : used};
    return err;
}

/* ---- the routes ---- */

void od_points_create(struct od_request *q)
{
    struct point_in in = {0};
    struct od_faults faults = {0};
    uint16_t mask = OD_HOOK_ALL;
    od_json_fields(yyjson_doc_get_root(q->body), create_fields,
                   sizeof create_fields / sizeof *create_fields, &in, "#", &faults);
    if (in.events && !yyjson_is_null(in.events) && !faults.count)
        mask = read_events(in.events, &faults);
    if (faults.count) {
        od_request_faults(q, &faults);
        return;
    }
    struct point_work *work = work_of(q);
    if (!work)
        return;
    work->status = 201;
    work->point = (struct od_hook_endpoint){.id = od_request_uid(q),
                                            .to = kind_of(q),
                                            .enabled = true,
                                            .mask = mask,
                                            .url = text_of(in.url),
                                            .description = text_of(in.description),
                                            .secret_old = text_of(""),
                                            .why = text_of("")};
    int err = make_secret(q, work);
    if (err) {
        od_request_err(q, err, "webhook endpoint");
        return;
    }
    od_request_out(q);
    q->api->outbox.point_put(q->api->outbox.ctx, q->who.org, &work->point, stored, q);
}

static void points_listed(void *ctx, int err, const struct od_hook_endpoint *points, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    yyjson_mut_doc *doc = err ? NULL : od_project_doc();
    if (!doc) {
        od_request_err(q, err ? err : OD_ENOMEM, "webhook endpoint");
        return;
    }
    yyjson_mut_val *data = yyjson_mut_obj_add_arr(doc, yyjson_mut_doc_get_root(doc), "data");
    for (size_t i = 0; i < count; i++)
        if (points[i].to == kind_of(q))
            put_point(doc, yyjson_mut_arr_add_obj(doc, data), q, &points[i]);
    od_request_answer(q, 200, doc, NULL);
}

void od_points_list(struct od_request *q)
{
    od_request_out(q);
    q->api->outbox.points(q->api->outbox.ctx, q->who.org, NULL, points_listed, q);
}

void od_points_show(struct od_request *q)
{
    show(q, &q->at.ids[0]);
}

/* Nothing is done to an endpoint of the other dialect: it is not there for this one. */
static void when_there(struct od_request *q, od_outbox_points_fn fn)
{
    od_request_out(q);
    q->api->outbox.points(q->api->outbox.ctx, q->who.org, &q->at.ids[0], fn, q);
}

static bool is_there(struct od_request *q, int err, const struct od_hook_endpoint *points,
                     size_t count)
{
    if (!err && (!count || points[0].to != kind_of(q)))
        err = OD_ENOENT;
    if (err)
        od_request_err(q, err, "webhook endpoint");
    return !err;
}

static void patch_found(void *ctx, int err, const struct od_hook_endpoint *points, size_t count)
{
    struct od_request *q = ctx;
    struct point_work *work = q->work;
    if (!od_request_back(q) || !is_there(q, err, points, count))
        return;
    od_request_out(q);
    q->api->outbox.point_set(q->api->outbox.ctx, q->who.org, &work->point, work->parts, stored, q);
}

void od_points_patch(struct od_request *q)
{
    struct point_in in = {0};
    struct od_faults faults = {0};
    struct point_work *work = work_of(q);
    if (!work)
        return;
    work->point.id = q->at.ids[0];
    od_json_fields(yyjson_doc_get_root(q->body), patch_fields,
                   sizeof patch_fields / sizeof *patch_fields, &in, "#", &faults);
    if (in.url && od_secrets_is_shown_url(text_of(in.url)))
        od_fault_add(&faults, "#", "url", "has *** in the place of its credentials: send them");
    if (in.url) {
        work->parts |= OD_HOOK_SET_URL;
        work->point.url = text_of(in.url);
    }
    if (yyjson_obj_get(yyjson_doc_get_root(q->body), "description")) { /* null takes it away */
        work->parts |= OD_HOOK_SET_DESCRIPTION;
        work->point.description = text_of(in.description);
    }
    if (in.events && !yyjson_is_null(in.events) && !faults.count) {
        work->parts |= OD_HOOK_SET_MASK;
        work->point.mask = read_events(in.events, &faults);
    }
    if (in.status) {
        work->parts |= OD_HOOK_SET_ENABLED;
        work->point.enabled = strcmp(in.status, "enabled") == 0;
        work->point.why = text_of(work->point.enabled ? "" : "manual");
        if (!work->point.enabled && strcmp(in.status, "disabled") != 0)
            od_fault_add(&faults, "#", "status", "expected \"enabled\" or \"disabled\"");
    }
    if (faults.count)
        od_request_faults(q, &faults);
    else
        when_there(q, patch_found);
}

static void deleted(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err)
        od_request_err(q, err, "webhook endpoint");
    else
        od_request_answer_empty(q, 204);
}

static void delete_found(void *ctx, int err, const struct od_hook_endpoint *points, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q) || !is_there(q, err, points, count))
        return;
    od_request_out(q);
    q->api->outbox.point_delete(q->api->outbox.ctx, q->who.org, &q->at.ids[0], deleted, q);
}

void od_points_delete(struct od_request *q)
{
    when_there(q, delete_found);
}

static void rotate_found(void *ctx, int err, const struct od_hook_endpoint *points, size_t count)
{
    struct od_request *q = ctx;
    struct point_work *work = q->work;
    if (!od_request_back(q) || !is_there(q, err, points, count))
        return;
    err = make_secret(q, work);
    if (err) {
        od_request_err(q, err, "webhook endpoint");
        return;
    }
    work->point.secret_old = text_of("");
    if (work->overlap_s && points[0].secret.bytes < sizeof work->old) {
        memcpy(work->old, points[0].secret.at, points[0].secret.bytes);
        work->point.secret_old = (struct od_text){work->old, points[0].secret.bytes};
        work->point.old_until_ms = od_request_wall_ms(q) + work->overlap_s * 1000;
    }
    od_request_out(q);
    q->api->outbox.point_set(q->api->outbox.ctx, q->who.org, &work->point, OD_HOOK_SET_SECRET,
                             stored, q);
}

void od_points_rotate(struct od_request *q)
{
    char text[OD_QUERY_VALUE_MAX];
    uint64_t overlap_s = OVERLAP_S;
    if (od_query_get(q->x->query, "overlap_s", text) &&
        !od_str_u64(text, strlen(text), OVERLAP_S_MAX, &overlap_s)) {
        od_request_fault(q, "query/overlap_s",
                         "expected seconds for which the old secret signs too, 0 to 604800");
        return;
    }
    struct point_work *work = work_of(q);
    if (!work)
        return;
    work->point.id = q->at.ids[0];
    work->overlap_s = (int64_t)overlap_s;
    when_there(q, rotate_found);
}
