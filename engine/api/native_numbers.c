/*
 * Caller numbers: what they are called, and by which way calls that show them go out. The document
 * that is stored has the names of the Dasha dialect, which shows the same numbers.
 */
#include "engine/api/native.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_page.h"
#include "engine/api/agent_put.h"
#include "engine/api/json_read.h"
#include "engine/api/number.h"
#include "engine/api/number_doc.h"
#include "engine/api/project.h"
#include "engine/api/sip_server.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum { TEXT_MAX = 255 };

/* ---- bodies ---- */

struct number_in {
    const char *number, *trunk, *credentials, *display_name, *description;
};

#define AT(member) offsetof(struct number_in, member)
static const struct od_field number_fields[] = {
    {"number", OD_FIELD_TEXT, AT(number), 1, OD_ENDPOINT_MAX - 1, false},
    {"trunk", OD_FIELD_TEXT, AT(trunk), 1, OD_NAME_MAX - 1, false},
    {"credentials_id", OD_FIELD_TEXT, AT(credentials), 1, OD_UID_TEXT + 4, false},
    {"display_name", OD_FIELD_TEXT, AT(display_name), 0, TEXT_MAX, false},
    {"description", OD_FIELD_TEXT, AT(description), 0, TEXT_MAX, false},
};

/* How a member of a body is called in the stored document. The number itself is not changed. */
static const struct {
    const char *here, *stored;
} changeable[] = {
    {"trunk", "trunk"},
    {"credentials_id", "credentialsId"},
    {"display_name", "displayName"},
    {"description", "description"},
};
enum { CHANGEABLE = sizeof changeable / sizeof *changeable };

struct work {
    struct od_uid id, credentials;
    struct od_thing_items items;
    yyjson_mut_doc *doc; /* what is to be stored */
    bool create;
    uint32_t limit;
    uint64_t cursor;
    void (*loaded)(struct od_request *q);
};

static void free_work(void *at)
{
    struct work *work = at;
    od_thing_items_free(&work->items);
    yyjson_mut_doc_free(work->doc);
}

static struct work *begin(struct od_request *q)
{
    struct work *work = q->work = calloc(1, sizeof *work);
    q->work_free = free_work;
    if (!work)
        od_request_err(q, OD_ENOMEM, "number");
    return work;
}

static bool is_trunk(struct od_request *q, const char *name)
{
    size_t count = 0;
    bool found = false;
    struct od_api_trunk *all = od_ops_trunk_table(q->api, &count);
    for (size_t i = 0; all && i < count && !found; i++)
        found = strcmp(all[i].name, name) == 0;
    free(all);
    return found;
}

/* What is wrong with the members that are there. False: answered. */
static bool check(struct od_request *q, struct work *work, struct number_in *in)
{
    struct od_faults faults = {0};
    char e164[OD_ENDPOINT_MAX];
    yyjson_val *body = yyjson_doc_get_root(q->body);
    od_json_fields(body, number_fields, sizeof number_fields / sizeof *number_fields, in, "#",
                   &faults);
    if (in->number && (*in->number != '+' || od_number_read(in->number, strlen(in->number), e164) ||
                       strcmp(e164, in->number) != 0))
        od_fault_add(&faults, "#", "number",
                     "must be a phone number in E.164 format like +15551234567");
    if (in->trunk && !is_trunk(q, in->trunk))
        od_fault_add(&faults, "#", "trunk", "there is no trunk of this name");
    if (in->credentials &&
        !od_member_uid(yyjson_obj_get(body, "credentials_id"), &work->credentials))
        od_fault_add(&faults, "#", "credentials_id", "must be a UUID");
    if (in->display_name && !od_sip_display_ok(in->display_name))
        od_fault_add(&faults, "#", "display_name", "must be %s", OD_SIP_DISPLAY_EXPECTED);
    if (in->trunk && in->credentials)
        od_fault_add(&faults, "#", "credentials_id", "can't be given beside trunk: one way only");
    if (!work->create && in->number)
        od_fault_add(&faults, "#", "number", "can't be changed");
    if (work->create && !faults.count && !in->number)
        od_fault_add(&faults, "#", "number", "is required");
    if (work->create && !faults.count && !in->trunk && !in->credentials)
        od_fault_add(&faults, "#", "trunk", "is required, or credentials_id");
    if (faults.count)
        od_request_faults(q, &faults);
    return !faults.count;
}

/* The body's members over those of the document. A number has one way: a new one ends the other. */
static void merge(struct od_request *q, struct work *work, const struct number_in *in)
{
    yyjson_val *body = yyjson_doc_get_root(q->body);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(work->doc);
    if (in->number)
        od_agent_set_text(work->doc, "phoneNumber", in->number);
    if (in->trunk)
        yyjson_mut_obj_remove_key(root, "credentialsId");
    if (in->credentials)
        yyjson_mut_obj_remove_key(root, "trunk");
    for (size_t i = 0; i < CHANGEABLE; i++) {
        yyjson_val *value = yyjson_obj_get(body, changeable[i].here);
        if (value && yyjson_is_null(value))
            yyjson_mut_obj_remove_key(root, changeable[i].stored);
        else if (value)
            od_agent_set(work->doc, changeable[i].stored, value);
    }
}

/* ---- answers ---- */

static void put_member(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, yyjson_val *from,
                       const char *stored)
{
    const char *text = yyjson_get_str(yyjson_obj_get(from, stored));
    od_put_text(doc, o, key, (struct od_text){text, text ? strlen(text) : 0});
}

static yyjson_mut_val *project(yyjson_mut_doc *doc, const struct od_thing_item *item)
{
    yyjson_mut_val *o = yyjson_mut_obj(doc);
    od_put_uid(doc, o, "id", &item->id);
    put_member(doc, o, "number", item->root, "phoneNumber");
    for (size_t i = 0; i < CHANGEABLE; i++)
        put_member(doc, o, changeable[i].here, item->root, changeable[i].stored);
    od_put_time(doc, o, "created_at", item->created_ms);
    od_put_time(doc, o, "updated_at", item->updated_ms);
    return o;
}

static void answer_one(struct od_request *q)
{
    struct work *work = q->work;
    char id[OD_UID_TEXT], location[96];
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc)
        yyjson_mut_doc_set_root(doc, project(doc, &work->items.all[0]));
    od_uid_text(&work->items.all[0].id, id);
    snprintf(location, sizeof location, "Location: /outdial/v1/numbers/%s\r\n", id);
    od_request_answer(q, work->create ? 201 : 200, doc, work->create ? location : NULL);
}

static void came(void *ctx, int err, const struct od_thing_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    struct work *work = q->work;
    od_thing_items_free(&work->items);
    if (!err && !count)
        err = OD_ENOENT;
    if (!err && !od_thing_items_copy(&work->items, recs, count))
        err = OD_ENOMEM;
    if (!err && !work->items.count)
        err = OD_EPROTO;
    if (err)
        od_request_err(q, err, "number");
    else
        work->loaded(q);
}

static void load(struct od_request *q, void (*loaded)(struct od_request *q))
{
    struct work *work = q->work;
    work->loaded = loaded;
    od_request_out(q);
    q->api->repo.thing_get(q->api->repo.ctx, q->who.org, OD_THING_NUMBER, &work->id, 1, came, q);
}

void od_numbers_show(struct od_request *q)
{
    struct work *work = begin(q);
    if (!work)
        return;
    work->id = q->at.ids[0];
    load(q, answer_one);
}

static void listed(void *ctx, int err, const struct od_thing_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    struct work *work = q->work;
    if (!err && !od_thing_items_copy(&work->items, recs, count))
        err = OD_ENOMEM;
    yyjson_mut_val *data;
    yyjson_mut_doc *doc = od_request_page_doc(q, err, "number", &data);
    if (!doc)
        return;
    for (size_t i = 0; i < work->items.count; i++)
        yyjson_mut_arr_append(data, project(doc, &work->items.all[i]));
    od_request_page_answer(q, doc, count == work->limit ? work->cursor + count : 0);
}

void od_numbers_list(struct od_request *q)
{
    struct work *work = begin(q);
    if (!work || !od_request_page(q, &work->limit, &work->cursor))
        return;
    if (work->cursor > UINT32_MAX) {
        od_request_fault(q, "query/cursor", "is not a cursor given by an earlier page");
        return;
    }
    od_request_out(q);
    q->api->repo.thing_list(q->api->repo.ctx, q->who.org, OD_THING_NUMBER, (uint32_t)work->cursor,
                            work->limit, listed, q);
}

/* ---- writing ---- */

static void stored(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err == OD_EEXIST)
        od_request_problem(q, 409, "exists", "this number is there already with this way out");
    else if (err)
        od_request_err(q, err, "number");
    else
        load(q, answer_one);
}

static void store(struct od_request *q)
{
    struct work *work = q->work;
    char key[OD_NUMBER_KEY_MAX];
    size_t bytes = 0;
    char *text = yyjson_mut_write(work->doc, 0, &bytes);
    if (!text) {
        od_request_err(q, OD_ENOMEM, "number");
        return;
    }
    od_number_key(yyjson_mut_doc_get_root(work->doc), key);
    struct od_thing_rec rec = {.id = work->id, .doc = {text, bytes}, .key = {key, strlen(key)}};
    od_request_out(q);
    q->api->repo.thing_put(q->api->repo.ctx, q->who.org, OD_THING_NUMBER, &rec, work->create,
                           stored, q);
    free(text);
}

static void credentials_came(void *ctx, int err, const struct od_thing_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    (void)recs;
    if (!od_request_back(q))
        return;
    if (err && err != OD_ENOENT)
        od_request_err(q, err, "SIP credentials");
    else if (err || !count)
        od_request_fault(q, "#/credentials_id", "there are no such SIP credentials");
    else
        store(q);
}

/* Stores the document, after a look whether the credentials that it names are there. */
static void write_number(struct od_request *q, const struct number_in *in)
{
    struct work *work = q->work;
    if (!work->doc) {
        od_request_err(q, OD_ENOMEM, "number");
        return;
    }
    merge(q, work, in);
    if (!in->credentials) {
        store(q);
        return;
    }
    od_request_out(q);
    q->api->repo.thing_get(q->api->repo.ctx, q->who.org, OD_THING_CREDENTIALS, &work->credentials,
                           1, credentials_came, q);
}

void od_numbers_create(struct od_request *q)
{
    struct number_in in = {0};
    struct work *work = begin(q);
    if (!work)
        return;
    work->create = true;
    if (!check(q, work, &in))
        return;
    work->id = od_request_uid(q);
    work->doc = od_project_doc();
    write_number(q, &in);
}

static void patch_loaded(struct od_request *q)
{
    struct work *work = q->work;
    struct number_in in = {0};
    if (!check(q, work, &in))
        return;
    work->doc = yyjson_doc_mut_copy(work->items.all[0].doc, NULL);
    write_number(q, &in);
}

void od_numbers_patch(struct od_request *q)
{
    struct work *work = begin(q);
    if (!work)
        return;
    work->id = q->at.ids[0];
    load(q, patch_loaded);
}

/* ---- deleting ---- */

static void deleted(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err)
        od_request_err(q, err, "number");
    else
        od_request_answer_empty(q, 204);
}

/* A number that an agent calls from stays. */
static void agents_came(struct od_request *q)
{
    for (size_t i = 0; i < q->page->count; i++)
        if (od_agent_uses(q->page->agents[i].root, &q->at.ids[0])) {
            od_request_problem(q, 409, "in_use", "an agent still calls from this number");
            return;
        }
    od_request_out(q);
    q->api->repo.thing_delete(q->api->repo.ctx, q->who.org, OD_THING_NUMBER, &q->at.ids[0], deleted,
                              q);
}

void od_numbers_delete(struct od_request *q)
{
    od_agent_page_all(q, agents_came);
}
