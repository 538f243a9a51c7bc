/*
 * SIP credentials, the numbers that are dialled from through them, and which agent calls from which
 * number, in Dasha's words.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_page.h"
#include "engine/api/agent_put.h"
#include "engine/api/dasha.h"
#include "engine/api/json_read.h"
#include "engine/api/number.h"
#include "engine/api/number_doc.h"
#include "engine/api/project.h"
#include "engine/api/secret_fields.h"
#include "engine/api/sip_server.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum { TAKE_DEFAULT = 20, TEXT_MAX = 255 };

/* ---- bodies: a table each ---- */

enum kind { TEXT, SIP_TEXT, DISPLAY, SERVER, TRANSPORT, RATE, BOOL, NUMBER, ID };

struct member {
    const char *name;
    enum kind kind;
    bool required;
};
static const struct member credential_members[] = {
    {"server", SERVER, true},
    {"domain", SERVER, false},
    {"authUser", SIP_TEXT, false},
    {"authPassword", SIP_TEXT, false},
    {"transport", TRANSPORT, false},
    {"description", TEXT, false},
    {"cpsLimit", RATE, false},
    {"cpsKey", SIP_TEXT, false},
    {0},
};
static const struct member number_members[] = {
    {"phoneNumber", NUMBER, true}, {"credentialsId", ID, true},   {"displayName", DISPLAY, false},
    {"description", TEXT, false},  {"registration", BOOL, false}, {0},
};

static bool is_transport(yyjson_val *value)
{
    return yyjson_equals_str(value, "udp") || yyjson_equals_str(value, "tcp") ||
           yyjson_equals_str(value, "tls");
}

static const char *member_fault(enum kind kind, yyjson_val *value)
{
    const char *text = yyjson_get_str(value);
    char out[OD_ENDPOINT_MAX];
    struct od_uid id;
    switch (kind) {
    case TEXT:
        return text && yyjson_get_len(value) <= TEXT_MAX ? NULL : "must be a string";
    case SIP_TEXT:
        return text && yyjson_get_len(value) <= TEXT_MAX && od_sip_text_ok(text)
                   ? NULL
                   : "must be " OD_SIP_TEXT_EXPECTED;
    case DISPLAY:
        return text && od_sip_display_ok(text) ? NULL : "must be " OD_SIP_DISPLAY_EXPECTED;
    case SERVER:
        return text && od_sip_server_ok(text) ? NULL : "must be " OD_SIP_SERVER_EXPECTED;
    case TRANSPORT:
        return is_transport(value) ? NULL : "must be udp, tcp or tls";
    case RATE:
        return yyjson_is_num(value) && yyjson_get_num(value) > 0 && yyjson_get_num(value) <= 100000
                   ? NULL
                   : "must be a number of calls per second above 0";
    case BOOL:
        return yyjson_is_bool(value) ? NULL : "must be true or false";
    case NUMBER:
        return text && *text == '+' && !od_number_read(text, strlen(text), out) &&
                       strcmp(text, out) == 0
                   ? NULL
                   : "must be a phone number in E.164 format like +15551234567";
    case ID:
        return od_member_uid(value, &id) ? NULL : "must be a UUID";
    }
    return NULL;
}

/* before: what a change starts from, NULL for a create. Members that aren't known are passed over.
 * False: answered. */
static bool check(struct od_request *q, const struct member *members, bool create)
{
    struct od_faults faults = {0};
    yyjson_val *body = yyjson_doc_get_root(q->body);
    if (!yyjson_is_obj(body))
        od_fault_add(&faults, "#", NULL, "must be an object");
    for (const struct member *m = members; yyjson_is_obj(body) && m->name; m++) {
        yyjson_val *value = yyjson_obj_get(body, m->name);
        bool given = value && !yyjson_is_null(value);
        const char *why = given                   ? member_fault(m->kind, value)
                          : create && m->required ? "is required"
                                                  : NULL;
        if (why)
            od_fault_add(&faults, "#", m->name, "%s", why);
    }
    if (faults.count)
        od_request_faults(q, &faults);
    return !faults.count;
}

static yyjson_mut_doc *merged(struct od_request *q, const struct member *members,
                              yyjson_val *before)
{
    yyjson_mut_doc *doc = od_project_doc();
    yyjson_val *body = yyjson_doc_get_root(q->body);
    for (const struct member *m = members; doc && m->name; m++) {
        yyjson_val *value = yyjson_obj_get(body, m->name);
        if (!value)
            value = yyjson_obj_get(before, m->name);
        od_agent_set(doc, m->name, value);
    }
    if (doc && yyjson_obj_get(before, "incomingCallsAgentId"))
        od_agent_set(doc, "incomingCallsAgentId", yyjson_obj_get(before, "incomingCallsAgentId"));
    yyjson_val *credentials = yyjson_obj_get(body, "credentialsId");
    if (doc && yyjson_obj_get(before, "trunk") && !yyjson_is_str(credentials)) /* one way only */
        od_agent_set(doc, "trunk", yyjson_obj_get(before, "trunk"));
    return doc;
}

/* ---- showing ---- */

static void put_copy(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, yyjson_val *from)
{
    yyjson_val *value = yyjson_obj_get(from, key);
    yyjson_mut_obj_add_val(doc, o, key,
                           value ? yyjson_val_mut_copy(doc, value) : yyjson_mut_null(doc));
}

static yyjson_mut_val *show_credentials(yyjson_mut_doc *doc, struct od_request *q,
                                        const struct od_thing_item *item)
{
    yyjson_mut_val *o = yyjson_mut_obj(doc);
    od_put_uid(doc, o, "id", &item->id);
    yyjson_mut_obj_add_strcpy(doc, o, "orgId", q->who.org);
    for (const struct member *m = credential_members; m->name; m++)
        put_copy(doc, o, m->name, item->root);
    if (yyjson_mut_is_null(yyjson_mut_obj_get(o, "transport")))
        yyjson_mut_obj_replace(o, yyjson_mut_str(doc, "transport"), yyjson_mut_str(doc, "udp"));
    yyjson_mut_obj_replace(o, yyjson_mut_str(doc, "authPassword"), yyjson_mut_null(doc));
    yyjson_mut_obj_add_str(doc, o, "source", "manual");
    od_put_time(doc, o, "createdTime", item->created_ms);
    od_put_time(doc, o, "lastUpdateTime", item->updated_ms);
    yyjson_mut_obj_add_null(doc, o, "providerId");
    return o;
}

static void put_status_text(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key,
                            const char *text)
{
    od_put_text(doc, o, key, (struct od_text){text, strlen(text)});
}

/* Of this process: each has a binding of its own. */
static void put_registration(yyjson_mut_doc *doc, yyjson_mut_val *o, struct od_request *q,
                             const struct od_thing_item *item)
{
    static const char *const words[] = {"Disabled", "Registering", "Registered", "Failed"};
    const struct od_api_host *host = &q->api->host;
    struct od_api_registration now = {.state = OD_API_REGISTER_OFF};
    bool wanted = yyjson_is_true(yyjson_obj_get(item->root, "registration"));
    if (wanted && host->registration)
        host->registration(host->ctx, &item->id, &now);
    if (wanted && now.state == OD_API_REGISTER_OFF) /* not heard of yet */
        now.state = OD_API_REGISTER_TRYING;
    yyjson_mut_val *status = yyjson_mut_obj_add_obj(doc, o, "registrationStatus");
    yyjson_mut_obj_add_str(doc, status, "state", words[now.state]);
    put_status_text(doc, status, "errorDescription", now.error);
    put_status_text(doc, status, "sipResponseMessage", now.response);
    od_put_time(doc, status, "lastUpdated", now.updated_ms ? now.updated_ms : item->updated_ms);
    od_put_time(doc, status, "expiresAt", now.expires_ms);
}

static yyjson_mut_val *show_number(yyjson_mut_doc *doc, struct od_request *q,
                                   const struct od_thing_item *item)
{
    yyjson_mut_val *o = yyjson_mut_obj(doc);
    od_put_uid(doc, o, "id", &item->id);
    yyjson_mut_obj_add_strcpy(doc, o, "orgId", q->who.org);
    for (const struct member *m = number_members; m->name; m++)
        put_copy(doc, o, m->name, item->root);
    if (!yyjson_mut_is_bool(yyjson_mut_obj_get(o, "registration")))
        yyjson_mut_obj_replace(o, yyjson_mut_str(doc, "registration"), yyjson_mut_false(doc));
    yyjson_mut_obj_add_null(doc, o, "providerId");
    put_copy(doc, o, "incomingCallsAgentId", item->root);
    put_registration(doc, o, q, item);
    od_put_time(doc, o, "createdTime", item->created_ms);
    od_put_time(doc, o, "lastUpdateTime", item->updated_ms);
    return o;
}

static yyjson_mut_val *show(yyjson_mut_doc *doc, struct od_request *q, enum od_thing_kind kind,
                            const struct od_thing_item *item)
{
    return kind == OD_THING_NUMBER ? show_number(doc, q, item) : show_credentials(doc, q, item);
}

/* ---- one thing, from the request to the answer ---- */

struct work {
    enum od_thing_kind kind;
    struct od_uid id;
    struct od_thing_items items; /* what was read */
    struct od_thing_items other; /* a number's credentials */
    void (*loaded)(struct od_request *q);
    uint32_t skip;
    bool list;
    char *before; /* text of a stored thing's secrets, to be kept */
};

static void free_work(void *at)
{
    struct work *work = at;
    od_thing_items_free(&work->items);
    od_thing_items_free(&work->other);
}

static struct work *begin(struct od_request *q, enum od_thing_kind kind)
{
    struct work *work = q->work = calloc(1, sizeof *work);
    q->work_free = free_work;
    if (work)
        work->kind = kind;
    else
        od_request_err(q, OD_ENOMEM, "number");
    return work;
}

static const char *word(enum od_thing_kind kind)
{
    return kind == OD_THING_NUMBER ? "phone number" : "SIP credentials";
}

static void answer_one(struct od_request *q)
{
    struct work *work = q->work;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc)
        yyjson_mut_doc_set_root(doc, show(doc, q, work->kind, &work->items.all[0]));
    od_request_answer(q, 200, doc, NULL);
}

static void answer_list(struct od_request *q)
{
    struct work *work = q->work;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc) {
        yyjson_mut_val *all = yyjson_mut_arr(doc);
        yyjson_mut_doc_set_root(doc, all);
        for (size_t i = 0; i < work->items.count; i++)
            yyjson_mut_arr_append(all, show(doc, q, work->kind, &work->items.all[i]));
    }
    od_request_answer(q, 200, doc, NULL);
}

static void came(void *ctx, int err, const struct od_thing_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    struct work *work = q->work;
    od_thing_items_free(&work->items);
    if (!err && !count && !work->list)
        err = OD_ENOENT;
    if (!err && !od_thing_items_copy(&work->items, recs, count))
        err = OD_ENOMEM;
    if (!err && count && !work->items.count && !work->list)
        err = OD_EPROTO;
    if (err)
        od_request_err(q, err, word(work->kind));
    else
        work->loaded(q);
}

static void load(struct od_request *q, const struct od_uid *id,
                 void (*loaded)(struct od_request *q))
{
    struct work *work = q->work;
    work->loaded = loaded;
    od_request_out(q);
    q->api->repo.thing_get(q->api->repo.ctx, q->who.org, work->kind, id, 1, came, q);
}

static void show_one(struct od_request *q, enum od_thing_kind kind)
{
    if (begin(q, kind))
        load(q, &q->at.ids[0], answer_one);
}

static void list(struct od_request *q, enum od_thing_kind kind)
{
    uint32_t take;
    struct work *work = begin(q, kind);
    if (!work || !od_request_skip_take(q, TAKE_DEFAULT, &work->skip, &take))
        return;
    work->list = true;
    work->loaded = answer_list;
    od_request_out(q);
    q->api->repo.thing_list(q->api->repo.ctx, q->who.org, kind, work->skip, take, came, q);
}

static void stored(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    struct work *work = q->work;
    if (err == OD_EEXIST)
        od_request_problem(q, 409, "exists",
                           "this phone number is there already with these credentials");
    else if (err)
        od_request_err(q, err, word(work->kind));
    else
        load(q, &work->id, answer_one);
}

/* Takes the document. */
static void store(struct od_request *q, yyjson_mut_doc *doc, yyjson_val *before, bool create)
{
    struct work *work = q->work;
    struct od_thing_rec rec = {.id = work->id};
    char context[OD_NAME_MAX + 24], key[OD_NUMBER_KEY_MAX] = "";
    size_t bytes = 0;
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    snprintf(context, sizeof context, "%s sip-credentials", q->who.org);
    int err = doc ? od_secrets_seal(q->api->host.box, context, doc, root) : OD_ENOMEM;
    if (!err && before)
        err = od_secrets_keep(doc, root, before);
    char *text = err ? NULL : yyjson_mut_write(doc, 0, &bytes);
    if (text && work->kind == OD_THING_NUMBER)
        od_number_key(root, key);
    yyjson_mut_doc_free(doc);
    if (!text) {
        od_request_err(q, err ? err : OD_ENOMEM, word(work->kind));
        return;
    }
    rec.doc = (struct od_text){text, bytes};
    rec.key = (struct od_text){key, strlen(key)};
    od_request_out(q);
    q->api->repo.thing_put(q->api->repo.ctx, q->who.org, work->kind, &rec, create, stored, q);
    free(text);
}

static void deleted(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    const struct work *work = q->work;
    if (err)
        od_request_err(q, err, word(work->kind));
    else
        od_request_answer_empty(q, 200);
}

static void delete_it(struct od_request *q)
{
    const struct work *work = q->work;
    od_request_out(q);
    q->api->repo.thing_delete(q->api->repo.ctx, q->who.org, work->kind, &q->at.ids[0], deleted, q);
}

/* ---- credentials ---- */

void od_dasha_credentials_create(struct od_request *q)
{
    struct work *work = check(q, credential_members, true) ? begin(q, OD_THING_CREDENTIALS) : NULL;
    if (!work)
        return;
    work->id = od_request_uid(q);
    store(q, merged(q, credential_members, NULL), NULL, true);
}

void od_dasha_credentials_list(struct od_request *q)
{
    list(q, OD_THING_CREDENTIALS);
}

void od_dasha_credentials_show(struct od_request *q)
{
    show_one(q, OD_THING_CREDENTIALS);
}

static void put_loaded(struct od_request *q)
{
    struct work *work = q->work;
    const struct member *members =
        work->kind == OD_THING_NUMBER ? number_members : credential_members;
    yyjson_val *before = work->items.all[0].root;
    store(q, merged(q, members, before), before, false);
}

void od_dasha_credentials_put(struct od_request *q)
{
    struct work *work = check(q, credential_members, false) ? begin(q, OD_THING_CREDENTIALS) : NULL;
    if (!work)
        return;
    work->id = q->at.ids[0];
    load(q, &work->id, put_loaded);
}

/* Numbers that lead through these credentials keep them. */
static void numbers_of_credentials(void *ctx, int err, const struct od_thing_rec *recs,
                                   size_t count)
{
    struct od_request *q = ctx;
    struct od_uid id;
    if (!od_request_back(q))
        return;
    struct work *work = q->work;
    bool used = false;
    if (err || !od_thing_items_copy(&work->items, recs, count)) {
        od_request_err(q, err ? err : OD_ENOMEM, "phone number");
        return;
    }
    for (size_t i = 0; i < work->items.count && !used; i++)
        used = od_member_uid(yyjson_obj_get(work->items.all[i].root, "credentialsId"), &id) &&
               od_uid_equal(&id, &q->at.ids[0]);
    if (used)
        od_request_problem(q, 409, "in_use", "a phone number still uses these credentials");
    else
        delete_it(q);
}

void od_dasha_credentials_delete(struct od_request *q)
{
    if (!begin(q, OD_THING_CREDENTIALS))
        return;
    od_request_out(q);
    q->api->repo.thing_list(q->api->repo.ctx, q->who.org, OD_THING_NUMBER, 0, OD_PAGE_MAX,
                            numbers_of_credentials, q);
}

/* ---- numbers ---- */

static void credentials_of_number(void *ctx, int err, const struct od_thing_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    (void)recs;
    if (!od_request_back(q))
        return;
    struct work *work = q->work;
    yyjson_val *before = work->items.count ? work->items.all[0].root : NULL;
    if (err)
        od_request_err(q, err, "SIP credentials");
    else if (!count)
        od_request_fault(q, "#/credentialsId", "there are no such SIP credentials");
    else
        store(q, merged(q, number_members, before), before, !before);
}

static void check_credentials(struct od_request *q)
{
    struct od_uid id = {0};
    struct work *work = q->work;
    yyjson_val *wanted = yyjson_obj_get(yyjson_doc_get_root(q->body), "credentialsId");
    if (!od_member_uid(wanted, &id)) {
        put_loaded(q); /* a change that leaves them as they are */
        return;
    }
    (void)work;
    od_request_out(q);
    q->api->repo.thing_get(q->api->repo.ctx, q->who.org, OD_THING_CREDENTIALS, &id, 1,
                           credentials_of_number, q);
}

void od_dasha_numbers_create(struct od_request *q)
{
    struct work *work = check(q, number_members, true) ? begin(q, OD_THING_NUMBER) : NULL;
    if (!work)
        return;
    work->id = od_request_uid(q);
    check_credentials(q);
}

void od_dasha_numbers_list(struct od_request *q)
{
    list(q, OD_THING_NUMBER);
}

void od_dasha_numbers_show(struct od_request *q)
{
    show_one(q, OD_THING_NUMBER);
}

void od_dasha_numbers_put(struct od_request *q)
{
    struct work *work = check(q, number_members, false) ? begin(q, OD_THING_NUMBER) : NULL;
    if (!work)
        return;
    work->id = q->at.ids[0];
    load(q, &work->id, check_credentials);
}

/* A number that an agent calls from stays. */
static void agents_came(struct od_request *q)
{
    for (size_t i = 0; i < q->page->count; i++)
        if (od_agent_uses(q->page->agents[i].root, &q->at.ids[0])) {
            od_request_problem(q, 409, "in_use", "an agent still calls from this phone number");
            return;
        }
    delete_it(q);
}

void od_dasha_numbers_delete(struct od_request *q)
{
    if (begin(q, OD_THING_NUMBER))
        od_agent_page_all(q, agents_came);
}

/* ---- which agent calls from which number ---- */

/* A value of the query or of the body; false: not given. */
static bool wish(struct od_request *q, const char *name, char out[OD_QUERY_VALUE_MAX])
{
    if (od_query_get(q->x->query, name, out))
        return true;
    const char *text = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(q->body), name));
    return text && od_str_copy(out, OD_QUERY_VALUE_MAX, text, strlen(text)) && *out;
}

static void link_stored(struct od_request *q)
{
    answer_one(q);
}

/* The number becomes, or is no longer, the one the agent calls from. */
static void link_agent(struct od_request *q, bool unlink)
{
    const struct work *work = q->work;
    const struct od_thing_item *number = &work->items.all[0];
    yyjson_val *agent = q->page->agents[0].root, *value;
    yyjson_mut_doc *doc = od_agent_copy(q);
    if (!doc)
        return;
    char text[OD_UID_TEXT];
    struct od_uid id, primary = {0};
    size_t i, max;
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc), *ids = yyjson_mut_arr(doc);
    bool was = od_member_uid(yyjson_obj_get(agent, "primary_number_id"), &primary);
    yyjson_arr_foreach(od_json_arr(yyjson_obj_get(agent, "number_ids")), i, max, value)
    {
        bool replaced = !unlink && was && od_member_uid(value, &id) && od_uid_equal(&id, &primary);
        if (od_member_uid(value, &id) && !od_uid_equal(&id, &number->id) && !replaced)
            yyjson_mut_arr_append(ids, yyjson_val_mut_copy(doc, value));
    }
    od_uid_text(&number->id, text);
    if (!unlink)
        yyjson_mut_arr_add_strcpy(doc, ids, text);
    yyjson_mut_obj_remove_key(root, "number_ids");
    yyjson_mut_obj_add_val(doc, root, "number_ids", ids);
    if (!unlink) {
        od_agent_set_text(doc, "primary_number_id", text);
        od_agent_set(doc, "number", yyjson_obj_get(number->root, "phoneNumber"));
    } else if (was && od_uid_equal(&primary, &number->id)) {
        yyjson_mut_obj_remove_key(root, "primary_number_id");
        yyjson_mut_obj_remove_key(root, "number");
    }
    od_agent_store(q, &q->page->agents[0].rec.id, doc, agent, link_stored);
    yyjson_mut_doc_free(doc);
}

static void link_agent_came(struct od_request *q)
{
    link_agent(q, false);
}

static void unlink_agent_came(struct od_request *q)
{
    link_agent(q, true);
}

/* mode inbound: who is called when the number is called; kept, since this server takes no calls. */
static void link_inbound(struct od_request *q, const char *agent)
{
    struct work *work = q->work;
    yyjson_mut_doc *doc = yyjson_doc_mut_copy(work->items.all[0].doc, NULL);
    work->id = work->items.all[0].id;
    if (doc)
        od_agent_set_text(doc, "incomingCallsAgentId", agent);
    store(q, doc, NULL, false);
}

static void link_loaded(struct od_request *q)
{
    char mode[OD_QUERY_VALUE_MAX] = "", agent[OD_QUERY_VALUE_MAX] = "";
    struct od_uid id;
    bool put = strcmp(q->x->method, "DELETE") != 0;
    bool named = wish(q, "agentId", agent), moded = wish(q, "mode", mode);
    bool inbound = moded ? strcmp(mode, "inbound") == 0 : !put;
    if (moded && !inbound && strcmp(mode, "outbound") != 0 && strcmp(mode, "replaceOutbound") != 0)
        od_request_fault(q, od_query_get(q->x->query, "mode", mode) ? "query/mode" : "#/mode",
                         "must be inbound, outbound or replaceOutbound");
    else if (inbound && !put)
        link_inbound(q, NULL);
    else if (!named)
        od_request_fault(q, "#/agentId", "is required, here or in the query");
    else if (!od_uid_parse(agent, strlen(agent), &id))
        od_request_problem(q, 404, "agent_not_found", "Agent not found");
    else if (inbound)
        link_inbound(q, agent);
    else
        od_agent_load(q, &id, put ? link_agent_came : unlink_agent_came);
}

void od_dasha_link_put(struct od_request *q)
{
    if (begin(q, OD_THING_NUMBER))
        load(q, &q->at.ids[0], link_loaded);
}

void od_dasha_link_delete(struct od_request *q)
{
    od_dasha_link_put(q);
}
