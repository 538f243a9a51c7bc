/*
 * Agents in CallingBox's words. Its members are stored at the top of the agent's document under
 * their own names; the numbers an agent may call from are ids there, and the primary one's digits
 * stand beside them as `number`, which is what the engine reads.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_page.h"
#include "engine/api/agent_put.h"
#include "engine/api/agent_view.h"
#include "engine/api/callingbox.h"
#include "engine/api/callingbox_number.h"
#include "engine/api/json_read.h"
#include "engine/api/project.h"
#include "engine/api/secret_fields.h"
#include "engine/api/time_text.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum { NUMBERS_MAX = 256, TEXT_MAX = 100 * 1024 };

/* ---- showing ---- */

static void put_text(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *text)
{
    if (text)
        yyjson_mut_obj_add_strcpy(doc, o, key, text);
    else
        yyjson_mut_obj_add_null(doc, o, key);
}

static void put_kind(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, yyjson_val *value,
                     bool array)
{
    bool fits = array ? yyjson_is_arr(value) : yyjson_is_obj(value);
    yyjson_mut_val *copy = fits ? yyjson_val_mut_copy(doc, value) : NULL;
    if (!copy)
        copy = array ? yyjson_mut_arr(doc) : yyjson_mut_obj(doc);
    yyjson_mut_obj_add_val(doc, o, key, copy);
}

static void put_numbers(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_agent_page *page,
                        const struct od_agent_item *item)
{
    size_t i, max;
    yyjson_val *value;
    struct od_uid id;
    put_kind(doc, o, "number_ids", yyjson_obj_get(item->root, "number_ids"), true);
    put_text(doc, o, "primary_number_id",
             yyjson_get_str(yyjson_obj_get(item->root, "primary_number_id")));
    yyjson_mut_val *numbers = yyjson_mut_obj_add_arr(doc, o, "numbers");
    yyjson_arr_foreach(od_json_arr(yyjson_obj_get(item->root, "number_ids")), i, max, value)
    {
        const struct od_thing_item *number =
            od_member_uid(value, &id) ? od_thing_items_find(&page->numbers, &id) : NULL;
        if (number)
            yyjson_mut_arr_append(numbers, od_callingbox_number(doc, number, page));
    }
}

static yyjson_mut_val *project(yyjson_mut_doc *doc, struct od_request *q,
                               const struct od_agent_item *item)
{
    yyjson_val *agent = item->root;
    yyjson_mut_val *o = yyjson_mut_obj(doc);
    const char *action = yyjson_get_str(yyjson_obj_get(agent, "voicemail_action"));
    const char *language = od_agent_language(agent);
    const char *url = yyjson_get_str(yyjson_obj_get(agent, "webhook_url"));
    od_put_uid(doc, o, "id", &item->rec.id);
    yyjson_mut_obj_add_strcpy(doc, o, "org_id", q->who.org);
    yyjson_mut_obj_add_null(doc, o, "user_id"); /* keys belong to orgs here */
    put_text(doc, o, "name", yyjson_get_str(yyjson_obj_get(agent, "name")));
    yyjson_mut_obj_add_str(doc, o, "type", od_agent_outbound(agent) ? "outbound" : "inbound");
    put_text(doc, o, "persona", od_agent_persona(agent));
    put_text(doc, o, "instructions", od_agent_instructions(agent));
    put_text(doc, o, "voice", od_agent_voice(agent));
    yyjson_mut_obj_add_strcpy(doc, o, "language", language ? language : "en-US");
    put_kind(doc, o, "returns", yyjson_obj_get(agent, "returns"), false);
    put_kind(doc, o, "tools", yyjson_obj_get(agent, "tools"), true);
    put_text(doc, o, "webhook_url", url && *url ? url : NULL);
    yyjson_mut_obj_add_strcpy(doc, o, "voicemail_action", action ? action : "hangup");
    put_numbers(doc, o, q->page, item);
    if (yyjson_is_obj(yyjson_obj_get(agent, "outdial")))
        put_kind(doc, o, "outdial", yyjson_obj_get(agent, "outdial"), false);
    put_text(doc, o, "archived_at", yyjson_get_str(yyjson_obj_get(agent, "archived_at")));
    od_put_time(doc, o, "created_at", item->rec.created_ms);
    od_put_time(doc, o, "updated_at", item->rec.updated_ms);
    od_secrets_hide(doc, o);
    return o;
}

static void answer(struct od_request *q, int status)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc)
        yyjson_mut_doc_set_root(doc, project(doc, q, &q->page->agents[0]));
    od_request_answer(q, status, doc, NULL);
}

static void shown(struct od_request *q)
{
    answer(q, 200);
}

static void created(struct od_request *q)
{
    answer(q, 201);
}

void od_callingbox_agents_show(struct od_request *q)
{
    od_agent_load(q, &q->at.ids[0], shown);
}

/* ---- the list ---- */

static void list_linked(struct od_request *q)
{
    yyjson_mut_doc *doc = od_project_doc();
    if (doc) {
        yyjson_mut_val *data = yyjson_mut_obj_add_arr(doc, yyjson_mut_doc_get_root(doc), "data");
        for (size_t i = 0; i < q->page->count; i++)
            if (!od_agent_archived(q->page->agents[i].root))
                yyjson_mut_arr_append(data, project(doc, q, &q->page->agents[i]));
    }
    od_request_answer(q, 200, doc, NULL);
}

static void list_came(struct od_request *q)
{
    od_agent_page_link(q, list_linked);
}

void od_callingbox_agents_list(struct od_request *q)
{
    od_agent_page_all(q, list_came);
}

/* ---- writing ---- */

struct write_work {
    struct od_uid id;
    bool create;
    yyjson_mut_doc *doc; /* what will be stored */
    struct od_uid numbers[NUMBERS_MAX];
    size_t count;
    struct od_uid primary; /* all zero: whichever is first */
};

static void free_work(void *at)
{
    struct write_work *work = at;
    yyjson_mut_doc_free(work->doc);
}

static struct write_work *begin_write(struct od_request *q)
{
    struct write_work *work = q->work = calloc(1, sizeof *work);
    q->work_free = free_work;
    if (!work)
        od_request_err(q, OD_ENOMEM, "agent");
    return work;
}

static void store(struct od_request *q)
{
    struct write_work *work = q->work;
    yyjson_val *before = work->create ? NULL : q->page->agents[0].root;
    od_agent_store(q, &work->id, work->doc, before, work->create ? created : shown);
}

/* The numbers that were named are there: they become the document's. */
static void numbers_came(void *ctx, int err, const struct od_thing_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    char text[OD_UID_TEXT];
    if (!od_request_back(q))
        return;
    struct write_work *work = q->work;
    struct od_thing_items found = {0};
    if (!err && !od_thing_items_copy(&found, recs, count))
        err = OD_ENOMEM;
    if (err) {
        od_request_err(q, err, "number");
        return;
    }
    yyjson_mut_doc *doc = work->doc;
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *ids = yyjson_mut_arr(doc);
    for (size_t i = 0; i < work->count; i++) {
        od_uid_text(&work->numbers[i], text);
        if (!od_thing_items_find(&found, &work->numbers[i])) {
            od_thing_items_free(&found);
            od_request_problem(q, 400, "number_unknown", "number_ids: there is no number %s", text);
            return;
        }
        yyjson_mut_arr_add_strcpy(doc, ids, text);
    }
    if (od_uid_none(&work->primary) && work->count)
        work->primary = work->numbers[0];
    const struct od_thing_item *primary = od_thing_items_find(&found, &work->primary);
    yyjson_mut_obj_remove_key(root, "number_ids");
    yyjson_mut_obj_add_val(doc, root, "number_ids", ids);
    yyjson_mut_obj_remove_key(root, "number");
    od_uid_text(&work->primary, text);
    od_agent_set_text(doc, "primary_number_id", primary ? text : NULL);
    if (primary)
        od_agent_set_text(doc, "number",
                          yyjson_get_str(yyjson_obj_get(primary->root, "phoneNumber")));
    od_thing_items_free(&found);
    store(q);
}

static bool has_number(const struct write_work *work, const struct od_uid *id)
{
    for (size_t i = 0; i < work->count; i++)
        if (od_uid_equal(&work->numbers[i], id))
            return true;
    return false;
}

static void store_with_numbers(struct od_request *q)
{
    struct write_work *work = q->work;
    if (!od_uid_none(&work->primary) && !has_number(work, &work->primary)) {
        od_request_fault(q, "#/primary_number_id", "is not among the agent's number_ids");
        return;
    }
    od_request_out(q);
    q->api->repo.thing_get(q->api->repo.ctx, q->who.org, OD_THING_NUMBER, work->numbers,
                           work->count, numbers_came, q);
}

/* Adds the ids of an array; false: a fault was added. */
static bool add_ids(struct write_work *work, yyjson_val *array, struct od_faults *faults)
{
    size_t i, max;
    yyjson_val *value;
    struct od_uid id;
    yyjson_arr_foreach(od_json_arr(array), i, max, value)
    {
        if (!od_member_uid(value, &id)) {
            const char *text = yyjson_get_str(value);
            od_fault_add(faults, "#/number_ids", NULL, "there is no number \"%.40s\"",
                         text ? text : "");
            return false;
        }
        if (has_number(work, &id))
            continue;
        if (work->count == NUMBERS_MAX) {
            od_fault_add(faults, "#/number_ids", NULL, "holds more than %d numbers", NUMBERS_MAX);
            return false;
        }
        work->numbers[work->count++] = id;
    }
    return true;
}

/* ---- the body ---- */

enum member_kind { TEXT, URL, OBJECT, ARRAY, IDS, ID, TYPE, ACTION };

static const struct {
    const char *name;
    enum member_kind kind;
} members[] = {
    {"name", TEXT},       {"type", TYPE},
    {"persona", TEXT},    {"instructions", TEXT},
    {"voice", TEXT},      {"language", TEXT},
    {"returns", OBJECT},  {"tools", ARRAY},
    {"webhook_url", URL}, {"voicemail_action", ACTION},
    {"number_ids", IDS},  {"primary_number_id", ID},
    {"outdial", OBJECT},
};
enum { MEMBERS = sizeof members / sizeof *members };

static bool one_of(yyjson_val *value, const char *a, const char *b)
{
    return yyjson_equals_str(value, a) || yyjson_equals_str(value, b);
}

static const char *member_fault(enum member_kind kind, yyjson_val *value)
{
    switch (kind) {
    case TEXT:
        return yyjson_is_str(value) && yyjson_get_len(value) <= TEXT_MAX ? NULL
                                                                         : "must be a string";
    case URL:
        return yyjson_is_str(value) && od_json_is_http_url(yyjson_get_str(value))
                   ? NULL
                   : "must be " OD_URL_EXPECTED;
    case OBJECT:
        return yyjson_is_obj(value) ? NULL : "must be an object";
    case ARRAY:
    case IDS:
        return yyjson_is_arr(value) ? NULL : "must be an array";
    case ID:
        return yyjson_is_str(value) ? NULL : "must be a number's id";
    case TYPE:
        return one_of(value, "inbound", "outbound") ? NULL : "must be inbound or outbound";
    case ACTION:
        return one_of(value, "hangup", "leave_message") ? NULL : "must be hangup or leave_message";
    }
    return NULL;
}

static void unknown_member(const char *name, struct od_faults *faults)
{
    const char *words[MEMBERS + 1] = {0};
    for (unsigned i = 0; i < MEMBERS; i++)
        words[i] = members[i].name;
    const char *meant = od_str_nearest(name, words);
    od_fault_add(faults, "#", name, "unknown field%s%s%s", meant ? "; did you mean \"" : "",
                 meant ? meant : "", meant ? "\"?" : "");
}

static void check_members(yyjson_val *body, bool create, struct od_faults *faults)
{
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(od_json_obj(body), i, max, key, value)
    {
        unsigned k = 0;
        while (k < MEMBERS && !yyjson_equals_str(key, members[k].name))
            k++;
        if (k == MEMBERS) {
            unknown_member(yyjson_get_str(key), faults);
            continue;
        }
        const char *why = yyjson_is_null(value) ? NULL : member_fault(members[k].kind, value);
        if (why)
            od_fault_add(faults, "#", members[k].name, "%s", why);
    }
    static const char *const required[] = {"name", "type"};
    for (unsigned k = 0; k < 2; k++) {
        value = yyjson_obj_get(body, required[k]);
        if (value ? yyjson_is_null(value) : create)
            od_fault_add(faults, "#", required[k], "is required");
    }
}

/* Moves the body's members into the document, the numbers into the work. */
static void take_members(struct write_work *work, yyjson_val *body, struct od_faults *faults)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(work->doc);
    for (unsigned k = 0; k < MEMBERS; k++) {
        yyjson_val *value = yyjson_obj_get(body, members[k].name);
        if (!value || members[k].kind == IDS || members[k].kind == ID)
            continue;
        if (yyjson_is_null(value) && strcmp(members[k].name, "name") != 0)
            yyjson_mut_obj_remove_key(root, members[k].name);
        else if (!yyjson_is_null(value))
            od_agent_set(work->doc, members[k].name, value);
    }
    yyjson_val *primary = yyjson_obj_get(body, "primary_number_id");
    add_ids(work, yyjson_obj_get(body, "number_ids"), faults);
    if (yyjson_is_str(primary) && !od_member_uid(primary, &work->primary))
        od_fault_add(faults, "#", "primary_number_id", "there is no number \"%.40s\"",
                     yyjson_get_str(primary));
}

static bool body_ok(struct od_request *q, bool create)
{
    struct od_faults faults = {0};
    yyjson_val *body = yyjson_doc_get_root(q->body);
    if (!yyjson_is_obj(body))
        od_fault_add(&faults, "#", NULL, "must be an object");
    else
        check_members(body, create, &faults);
    if (faults.count)
        od_request_faults(q, &faults);
    return !faults.count;
}

void od_callingbox_agents_create(struct od_request *q)
{
    struct od_faults faults = {0};
    yyjson_val *body = yyjson_doc_get_root(q->body);
    struct write_work *work = body_ok(q, true) ? begin_write(q) : NULL;
    if (!work)
        return;
    work->create = true;
    work->id = od_request_uid(q);
    work->doc = od_project_doc();
    if (!work->doc) {
        od_request_err(q, OD_ENOMEM, "agent");
        return;
    }
    take_members(work, body, &faults);
    if (!od_uid_none(&work->primary) && !yyjson_obj_get(body, "number_ids"))
        work->numbers[work->count++] = work->primary; /* alone, it is attached as well */
    if (faults.count)
        od_request_faults(q, &faults);
    else if (work->count || !od_uid_none(&work->primary))
        store_with_numbers(q);
    else
        store(q);
}

/* ---- changing ---- */

/* The stored agent's numbers become the work's. */
static void take_stored_numbers(struct od_request *q, struct write_work *work)
{
    struct od_faults ignored = {0};
    yyjson_val *agent = q->page->agents[0].root;
    add_ids(work, yyjson_obj_get(agent, "number_ids"), &ignored);
    od_member_uid(yyjson_obj_get(agent, "primary_number_id"), &work->primary);
}

/* The work of a change to the loaded agent; NULL: answered. */
static struct write_work *begin_change(struct od_request *q)
{
    struct write_work *work = begin_write(q);
    if (!work)
        return NULL;
    work->id = q->at.ids[0];
    work->doc = od_agent_copy(q);
    return work->doc ? work : NULL;
}

static void patch_loaded(struct od_request *q)
{
    struct od_faults faults = {0};
    yyjson_val *body = yyjson_doc_get_root(q->body), *agent = q->page->agents[0].root;
    yyjson_val *type = yyjson_obj_get(body, "type");
    struct write_work *work = begin_change(q);
    if (!work)
        return;
    if (yyjson_is_str(type) &&
        !yyjson_equals_str(type, od_agent_outbound(agent) ? "outbound" : "inbound"))
        od_fault_add(&faults, "#", "type", "can't be changed");
    bool ids = yyjson_is_arr(yyjson_obj_get(body, "number_ids"));
    bool primary = yyjson_is_str(yyjson_obj_get(body, "primary_number_id"));
    if (!ids && primary)
        take_stored_numbers(q, work);
    take_members(work, body, &faults);
    if (ids && !primary) { /* the primary number stays, if it is still there */
        struct od_uid before;
        if (od_member_uid(yyjson_obj_get(agent, "primary_number_id"), &before) &&
            has_number(work, &before))
            work->primary = before;
    }
    if (faults.count)
        od_request_faults(q, &faults);
    else if (ids || primary)
        store_with_numbers(q);
    else
        store(q);
}

void od_callingbox_agents_patch(struct od_request *q)
{
    if (body_ok(q, false))
        od_agent_load(q, &q->at.ids[0], patch_loaded);
}

static void archive_loaded(struct od_request *q)
{
    char now[OD_TIME_TEXT];
    struct write_work *work = begin_change(q);
    if (!work)
        return;
    od_time_text(od_request_wall_ms(q), now);
    if (!od_agent_archived(q->page->agents[0].root))
        od_agent_set_text(work->doc, "archived_at", now);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(work->doc);
    yyjson_mut_obj_remove_key(root, "isEnabled");
    yyjson_mut_obj_remove_key(root, "enabled");
    yyjson_mut_obj_add_bool(work->doc, root, "isEnabled", false);
    store(q);
}

void od_callingbox_agents_archive(struct od_request *q)
{
    od_agent_load(q, &q->at.ids[0], archive_loaded);
}

/* ---- numbers of an agent ---- */

/* The ids of { number_id } or { number_ids }. */
static bool take_body_numbers(struct od_request *q, struct write_work *work)
{
    struct od_faults faults = {0};
    yyjson_val *body = yyjson_doc_get_root(q->body), *one = yyjson_obj_get(body, "number_id");
    struct od_uid id;
    bool known = one && od_member_uid(one, &id);
    if (known && !has_number(work, &id) && work->count < NUMBERS_MAX)
        work->numbers[work->count++] = id;
    else if (!known && yyjson_is_arr(yyjson_obj_get(body, "number_ids")))
        add_ids(work, yyjson_obj_get(body, "number_ids"), &faults);
    else if (!known)
        od_fault_add(&faults, "#", "number_id", "must be the id of a number");
    if (faults.count)
        od_request_faults(q, &faults);
    return !faults.count;
}

static void attach_loaded(struct od_request *q)
{
    struct write_work *work = begin_change(q);
    if (!work)
        return;
    take_stored_numbers(q, work);
    if (take_body_numbers(q, work))
        store_with_numbers(q);
}

void od_callingbox_attach(struct od_request *q)
{
    od_agent_load(q, &q->at.ids[0], attach_loaded);
}

static void detach_loaded(struct od_request *q)
{
    struct write_work *work = begin_change(q);
    const struct od_uid *gone = &q->at.ids[1];
    if (!work)
        return;
    take_stored_numbers(q, work);
    size_t kept = 0;
    for (size_t i = 0; i < work->count; i++)
        if (!od_uid_equal(&work->numbers[i], gone))
            work->numbers[kept++] = work->numbers[i];
    if (kept == work->count) {
        od_request_err(q, OD_ENOENT, "number on this agent");
        return;
    }
    work->count = kept;
    if (od_uid_equal(&work->primary, gone))
        work->primary = (struct od_uid){0};
    store_with_numbers(q);
}

void od_callingbox_detach(struct od_request *q)
{
    od_agent_load(q, &q->at.ids[0], detach_loaded);
}

static void primary_loaded(struct od_request *q)
{
    yyjson_val *body = yyjson_doc_get_root(q->body), *id = yyjson_obj_get(body, "number_id");
    struct write_work *work = begin_change(q);
    if (!work)
        return;
    take_stored_numbers(q, work);
    if (!id)
        id = yyjson_obj_get(body, "primary_number_id");
    if (!od_member_uid(id, &work->primary))
        od_request_fault(q, "#/number_id", "must be the id of a number of the agent");
    else
        store_with_numbers(q);
}

void od_callingbox_primary(struct od_request *q)
{
    od_agent_load(q, &q->at.ids[0], primary_loaded);
}
