/*
 * Agents in Dasha's words. The stored document keeps the client's config as it was sent; what the
 * vendor's page has and the client left out is filled in when it is shown, by shape
 * (dasha_shape.h).
 */
#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_page.h"
#include "engine/api/agent_put.h"
#include "engine/api/agent_view.h"
#include "engine/api/dasha.h"
#include "engine/api/json_read.h"
#include "engine/api/project.h"
#include "engine/api/secret_fields.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum { TAKE_DEFAULT = 20, TAKE_MAX = 1000, NAME_CHARACTERS_MAX = 100 };

/* The members of the dialect that are stored as they are sent. */
static const char *const own_members[] = {"name",        "config",         "schedule", "isEnabled",
                                          "description", "additionalData", "outdial"};
enum { OWN = sizeof own_members / sizeof *own_members };

/* ---- showing ---- */

static void put_text(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *text)
{
    if (text)
        yyjson_mut_obj_add_strcpy(doc, o, key, text);
    else
        yyjson_mut_obj_add_null(doc, o, key);
}

static void put_copy(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, yyjson_val *value)
{
    yyjson_mut_val *copy = value ? yyjson_val_mut_copy(doc, value) : NULL;
    yyjson_mut_obj_add_val(doc, o, key, copy ? copy : yyjson_mut_null(doc));
}

static const char *text_or(yyjson_val *object, const char *key, const char *other)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, key));
    return text ? text : other;
}

/* A linked number's way out, as the agent's own config would say it; of one that goes out by a
 * trunk of the configuration, that trunk's server. NULL: none is linked, or no memory. */
static yyjson_mut_val *sip_of_number(yyjson_mut_doc *doc, struct od_request *q, yyjson_val *agent)
{
    const struct od_api_host *host = &q->api->host;
    const struct od_thing_item *number = q->page ? od_agent_primary(q->page, agent) : NULL;
    const struct od_thing_item *credentials = NULL;
    struct od_uid id;
    if (number && od_member_uid(yyjson_obj_get(number->root, "credentialsId"), &id))
        credentials = od_thing_items_find(&q->page->credentials, &id);
    if (!number)
        return NULL;
    yyjson_val *from = credentials ? credentials->root : NULL;
    const char *trunk = text_or(number->root, "trunk", ""), *server = NULL;
    if (!credentials && host->trunk_server)
        server = host->trunk_server(host->ctx, trunk);
    yyjson_mut_val *sip = yyjson_mut_obj(doc);
    put_text(doc, sip, "server", text_or(from, "server", server ? server : ""));
    put_text(doc, sip, "authUser", text_or(from, "authUser", ""));
    yyjson_mut_obj_add_str(doc, sip, "type", "v1");
    put_copy(doc, sip, "domain", yyjson_obj_get(from, "domain"));
    yyjson_mut_obj_add_null(doc, sip, "password");
    put_copy(doc, sip, "fromUser", yyjson_obj_get(number->root, "phoneNumber"));
    put_text(doc, sip, "transport", text_or(from, "transport", "udp"));
    put_copy(doc, sip, "cpsLimit", yyjson_obj_get(from, "cpsLimit"));
    put_copy(doc, sip, "cpsKey", yyjson_obj_get(from, "cpsKey"));
    put_copy(doc, sip, "displayName", yyjson_obj_get(number->root, "displayName"));
    return sip;
}

/* A client that reads an agent, changes something and sends it back sends the linked number's way
 * out, too. That isn't one of the agent's own: it would bypass the number, and has no password. */
static void forget_shown_way(struct od_request *q, yyjson_mut_doc *doc)
{
    yyjson_mut_val *config = yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "config");
    yyjson_mut_val *sip = yyjson_mut_obj_get(config, "outboundSipConfig");
    yyjson_val *stored = q->page->agents[0].root;
    if (!yyjson_mut_is_obj(sip) ||
        yyjson_is_obj(yyjson_obj_get(yyjson_obj_get(stored, "config"), "outboundSipConfig")))
        return;
    yyjson_mut_val *shown = sip_of_number(doc, q, stored);
    if (shown && yyjson_mut_equals(sip, shown))
        yyjson_mut_obj_remove_key(config, "outboundSipConfig");
}

/* What another dialect said, where this one has a place for it and the config is silent. */
static void borrow(yyjson_mut_doc *doc, yyjson_mut_val *config, yyjson_val *given,
                   yyjson_val *agent)
{
    const char *language = od_agent_language(agent), *voice = od_agent_voice(agent);
    const char *prompt = od_agent_instructions(agent);
    if (language && !yyjson_obj_get(given, "primaryLanguage"))
        yyjson_mut_obj_replace(config, yyjson_mut_str(doc, "primaryLanguage"),
                               yyjson_mut_strcpy(doc, language));
    if (voice && !yyjson_obj_get(given, "ttsConfig"))
        yyjson_mut_obj_replace(yyjson_mut_obj_get(config, "ttsConfig"),
                               yyjson_mut_str(doc, "voiceId"), yyjson_mut_strcpy(doc, voice));
    if (prompt && !yyjson_obj_get(given, "llmConfig"))
        yyjson_mut_obj_replace(yyjson_mut_obj_get(config, "llmConfig"),
                               yyjson_mut_str(doc, "prompt"), yyjson_mut_strcpy(doc, prompt));
}

static void put_config(yyjson_mut_doc *doc, yyjson_mut_val *o, struct od_request *q,
                       yyjson_val *agent)
{
    yyjson_val *given = yyjson_obj_get(agent, "config");
    yyjson_mut_val *config = od_shape_fill(doc, given, q->api->shapes.config);
    if (config)
        borrow(doc, config, given, agent);
    if (config && yyjson_mut_is_null(yyjson_mut_obj_get(config, "outboundSipConfig"))) {
        yyjson_mut_val *sip = sip_of_number(doc, q, agent);
        if (sip)
            yyjson_mut_obj_replace(config, yyjson_mut_str(doc, "outboundSipConfig"), sip);
    }
    yyjson_mut_obj_add_val(doc, o, "config", config);
}

/* A schedule that says nothing is always open; one that names days is closed on the others. */
static void put_schedule(yyjson_mut_doc *doc, yyjson_mut_val *o, struct od_request *q,
                         yyjson_val *agent)
{
    yyjson_val *always = q->api->shapes.schedule, *given = yyjson_obj_get(agent, "schedule");
    if (!yyjson_is_obj(given) || !yyjson_obj_size(given)) {
        yyjson_mut_obj_add_val(doc, o, "schedule", yyjson_val_mut_copy(doc, always));
        return;
    }
    yyjson_mut_val *schedule = yyjson_val_mut_copy(doc, given);
    size_t i, max, days = 0;
    yyjson_val *key, *day;
    yyjson_obj_foreach(od_json_obj(always), i, max, key, day) days +=
        yyjson_is_arr(day) && yyjson_obj_get(given, yyjson_get_str(key));
    yyjson_obj_foreach(od_json_obj(always), i, max, key, day)
    {
        const char *name = yyjson_get_str(key);
        yyjson_val *value = yyjson_obj_get(given, name);
        if (value && !yyjson_is_null(value))
            continue;
        yyjson_mut_obj_remove_key(schedule, name);
        yyjson_mut_obj_add_val(doc, schedule, name,
                               yyjson_is_arr(day) && days ? yyjson_mut_arr(doc)
                                                          : yyjson_val_mut_copy(doc, day));
    }
    yyjson_mut_obj_add_val(doc, o, "schedule", schedule);
}

static yyjson_mut_val *project(yyjson_mut_doc *doc, struct od_request *q,
                               const struct od_agent_item *item)
{
    yyjson_val *agent = item ? item->root : NULL, *data = yyjson_obj_get(agent, "additionalData");
    yyjson_mut_val *o = yyjson_mut_obj(doc);
    const char *name = yyjson_get_str(yyjson_obj_get(agent, "name"));
    char id[OD_UID_TEXT] = "";
    yyjson_mut_obj_add_strcpy(doc, o, "name", name ? name : "New agent");
    put_config(doc, o, q, agent);
    if (item) {
        od_uid_text(&item->rec.id, id);
        od_put_uid(doc, o, "agentId", &item->rec.id);
        yyjson_mut_obj_add_strcpy(doc, o, "orgId", q->who.org);
        od_put_time(doc, o, "createdTime", item->rec.created_ms);
        od_put_time(doc, o, "lastUpdateTime", item->rec.updated_ms);
    }
    yyjson_mut_val *inbound = yyjson_mut_obj_add_obj(doc, o, "inboundSipConfig");
    yyjson_mut_obj_add_strcpy(doc, inbound, "id", id);
    yyjson_mut_obj_add_null(doc, inbound, "phoneNumber");
    yyjson_mut_obj_add_null(doc, inbound, "sipUri");
    yyjson_mut_obj_add_null(doc, inbound, "sipTrunkUri");
    put_schedule(doc, o, q, agent);
    yyjson_mut_obj_add_bool(doc, o, "isEnabled", od_agent_enabled(agent));
    put_text(doc, o, "description", yyjson_get_str(yyjson_obj_get(agent, "description")));
    yyjson_mut_obj_add_val(doc, o, "additionalData",
                           yyjson_is_obj(data) ? yyjson_val_mut_copy(doc, data)
                                               : yyjson_mut_obj(doc));
    if (yyjson_obj_get(agent, "outdial"))
        put_copy(doc, o, "outdial", yyjson_obj_get(agent, "outdial"));
    od_secrets_hide(doc, o);
    return o;
}

static void answer_one(struct od_request *q, int status)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc)
        yyjson_mut_doc_set_root(doc, project(doc, q, &q->page->agents[0]));
    od_request_answer(q, status, doc, NULL);
}

static void shown(struct od_request *q)
{
    answer_one(q, 200);
}

void od_dasha_agents_show(struct od_request *q)
{
    od_agent_load(q, &q->at.ids[0], shown);
}

void od_dasha_agents_template(struct od_request *q)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc)
        yyjson_mut_doc_set_root(doc, project(doc, q, NULL));
    od_request_answer(q, 200, doc, NULL);
}

/* ---- the list ---- */

struct list_work {
    uint32_t from;       /* of the store's list, archived ones counted */
    uint32_t skip, take; /* still to do, of those that are shown */
    bool more;           /* in the store */
    yyjson_mut_doc *doc;
    struct od_agent_page **pages; /* that doc borrows from */
    size_t page_count;
};

static void free_list(void *at)
{
    struct list_work *work = at;
    yyjson_mut_doc_free(work->doc);
    for (size_t i = 0; i < work->page_count; i++)
        od_agent_page_destroy(work->pages[i]);
    free(work->pages);
}

static void list_more(struct od_request *q);

/* The request's page is the work's from here on. */
static bool keep_page(struct od_request *q, struct list_work *work)
{
    struct od_agent_page **pages =
        realloc(work->pages, (work->page_count + 1) * sizeof(struct od_agent_page *));
    if (!pages)
        return false;
    work->pages = pages;
    pages[work->page_count++] = q->page;
    q->page = NULL;
    return true;
}

/* What came is shown in the turn that it came in: a list of many long ones takes many turns. */
static void list_linked(struct od_request *q)
{
    struct list_work *work = q->work;
    yyjson_mut_val *all = yyjson_mut_doc_get_root(work->doc);
    for (size_t i = 0; i < q->page->count; i++)
        yyjson_mut_arr_append(all, project(work->doc, q, &q->page->agents[i]));
    if (work->more && keep_page(q, work)) {
        list_more(q);
    } else if (work->more) {
        od_request_err(q, OD_ENOMEM, "agent");
    } else {
        yyjson_mut_doc *doc = work->doc;
        work->doc = NULL;
        od_request_answer(q, 200, doc, NULL);
    }
}

static void list_done(void *ctx, int err, const struct od_agent_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err) {
        od_request_err(q, err, "agent");
        return;
    }
    struct list_work *work = q->work;
    for (size_t i = 0; i < count && work->take; i++) {
        yyjson_doc *doc = od_agent_doc(&recs[i]);
        bool show = doc && !od_agent_archived(yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
        if (show && work->skip) {
            work->skip--;
        } else if (show) {
            work->take--;
            if (!od_agent_page_add(q, &recs[i], 1))
                return;
        }
    }
    work->from += (uint32_t)count;
    work->more = work->take && od_agents_more(recs, count, TAKE_MAX);
    if (q->page || od_agent_page_add(q, NULL, 0))
        od_agent_page_link(q, list_linked);
}

static void list_more(struct od_request *q)
{
    const struct list_work *work = q->work;
    od_request_out(q);
    q->api->repo.agent_list(q->api->repo.ctx, q->who.org, work->from, TAKE_MAX, list_done, q);
}

void od_dasha_agents_list(struct od_request *q)
{
    struct list_work *work = q->work = calloc(1, sizeof *work);
    q->work_free = free_list;
    if (work)
        work->doc = yyjson_mut_doc_new(NULL);
    if (!work || !work->doc) {
        od_request_err(q, OD_ENOMEM, "agent");
        return;
    }
    yyjson_mut_doc_set_root(work->doc, yyjson_mut_arr(work->doc));
    if (od_request_skip_take(q, TAKE_DEFAULT, &work->skip, &work->take))
        list_more(q);
}

/* ---- writing ---- */

static size_t characters(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void check_name(yyjson_val *body, const char *member, bool required,
                       struct od_faults *faults)
{
    yyjson_val *value = yyjson_obj_get(body, member);
    const char *name = yyjson_get_str(value);
    if (!value && !required)
        return;
    if (!value || yyjson_is_null(value))
        od_fault_add(faults, "#", member, "is required");
    else if (!name || !*name || characters(name) > NAME_CHARACTERS_MAX)
        od_fault_add(faults, "#", member, "must be a string of 1 to 100 characters");
}

static void check_kind(yyjson_val *body, const char *member, bool (*is)(yyjson_val *),
                       const char *what, struct od_faults *faults)
{
    yyjson_val *value = yyjson_obj_get(body, member);
    if (value && !yyjson_is_null(value) && !is(value))
        od_fault_add(faults, "#", member, "must be %s", what);
}

static bool is_object(yyjson_val *value)
{
    return yyjson_is_obj(value);
}
static bool is_bool(yyjson_val *value)
{
    return yyjson_is_bool(value);
}
static bool is_text(yyjson_val *value)
{
    return yyjson_is_str(value);
}

static void check_sip(yyjson_val *config, struct od_faults *faults)
{
    yyjson_val *transport =
        yyjson_obj_get(yyjson_obj_get(config, "outboundSipConfig"), "transport");
    if (yyjson_is_str(transport) && !yyjson_equals_str(transport, "udp") &&
        !yyjson_equals_str(transport, "tcp") && !yyjson_equals_str(transport, "tls"))
        od_fault_add(faults, "#/config/outboundSipConfig", "transport", "must be udp, tcp or tls");
}

/* Of a schedule that names no day, too: the first day that is added would be in no zone. */
static void check_zone(struct od_request *q, yyjson_val *schedule, struct od_faults *faults)
{
    const char *zone = yyjson_get_str(yyjson_obj_get(schedule, "timezone"));
    if (zone && *zone && !od_request_zone_ok(q, zone))
        od_fault_add(faults, "#/schedule", "timezone", OD_ZONE_FAULT);
}

/* whole: a create or a full replacement. False: answered. */
static bool check_body(struct od_request *q, bool whole)
{
    yyjson_val *body = yyjson_doc_get_root(q->body), *config = yyjson_obj_get(body, "config");
    struct od_faults faults = {0};
    if (!yyjson_is_obj(body)) {
        od_request_fault(q, "#", "must be an object");
        return false;
    }
    check_name(body, "name", whole, &faults);
    check_kind(body, "schedule", is_object, "an object", &faults);
    check_kind(body, "isEnabled", is_bool, "true or false", &faults);
    check_kind(body, "description", is_text, "a string", &faults);
    check_kind(body, "additionalData", is_object, "an object", &faults);
    check_kind(body, "outdial", is_object, "an object", &faults);
    check_sip(config, &faults);
    check_zone(q, yyjson_obj_get(body, "schedule"), &faults);
    if (!config && whole)
        od_fault_add(&faults, "#", "config", "is required");
    else if (config)
        od_shape_check(config, q->api->shapes.config, whole, "#/config", &faults);
    if (faults.count)
        od_request_faults(q, &faults);
    return !faults.count;
}

static void created(struct od_request *q)
{
    answer_one(q, 200);
}

/* The body's members of this dialect as a new document; NULL: answered. */
static yyjson_mut_doc *own_of_body(struct od_request *q)
{
    yyjson_mut_doc *doc = od_project_doc();
    if (!doc) {
        od_request_err(q, OD_ENOMEM, "agent");
        return NULL;
    }
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(od_json_obj(yyjson_doc_get_root(q->body)), i, max, key, value)
    {
        for (unsigned k = 0; k < OWN; k++)
            if (yyjson_equals_str(key, own_members[k]) && !yyjson_is_null(value))
                od_agent_set(doc, own_members[k], value);
    }
    return doc;
}

void od_dasha_agents_create(struct od_request *q)
{
    if (!check_body(q, true))
        return;
    yyjson_mut_doc *doc = own_of_body(q);
    struct od_uid id = od_request_uid(q);
    if (doc)
        od_agent_store(q, &id, doc, NULL, created);
    yyjson_mut_doc_free(doc);
}

/*
 * A body with name and config replaces what this dialect knows of the agent, anything less changes
 * what it names (the vendor documents both). Members of other dialects stay.
 */
static bool is_whole(yyjson_val *body)
{
    return yyjson_is_str(yyjson_obj_get(body, "name")) &&
           yyjson_is_str(yyjson_obj_get(yyjson_obj_get(body, "config"), "primaryLanguage")) &&
           yyjson_is_obj(yyjson_obj_get(yyjson_obj_get(body, "config"), "ttsConfig")) &&
           yyjson_is_obj(yyjson_obj_get(yyjson_obj_get(body, "config"), "llmConfig"));
}

static void replace_own(struct od_request *q, yyjson_mut_doc *doc)
{
    yyjson_val *body = yyjson_doc_get_root(q->body);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    yyjson_mut_obj_remove_key(root, "enabled"); /* the native name of isEnabled */
    for (unsigned k = 0; k < OWN; k++) {
        yyjson_val *value = yyjson_obj_get(body, own_members[k]);
        bool ours = strcmp(own_members[k], "outdial") == 0; /* not the vendor's: stays */
        if (value && !yyjson_is_null(value))
            od_agent_set(doc, own_members[k], value);
        else if (!ours)
            yyjson_mut_obj_remove_key(root, own_members[k]);
    }
}

/* Objects member by member, anything else as it is sent: a null is one, so that a secret that was
 * shown as null and comes back is told from one that goes. */
static yyjson_mut_val *merge(yyjson_mut_doc *doc, yyjson_val *old, yyjson_val *given)
{
    if (!yyjson_is_obj(old) || !yyjson_is_obj(given))
        return yyjson_val_mut_copy(doc, given);
    yyjson_mut_val *out = yyjson_val_mut_copy(doc, old);
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(od_json_obj(given), i, max, key, value)
    {
        yyjson_val *before = yyjson_obj_get(old, yyjson_get_str(key));
        yyjson_mut_val *name = yyjson_val_mut_copy(doc, key);
        if (before)
            yyjson_mut_obj_replace(out, name, merge(doc, before, value));
        else
            yyjson_mut_obj_add(out, name, yyjson_val_mut_copy(doc, value));
    }
    return out;
}

static void change_own(struct od_request *q, yyjson_mut_doc *doc)
{
    yyjson_val *body = yyjson_doc_get_root(q->body);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    if (yyjson_obj_get(body, "isEnabled"))
        yyjson_mut_obj_remove_key(root, "enabled");
    for (unsigned k = 0; k < OWN; k++) {
        yyjson_val *value = yyjson_obj_get(body, own_members[k]);
        yyjson_val *stored = yyjson_obj_get(q->page->agents[0].root, own_members[k]);
        if (!value)
            continue;
        if (yyjson_is_null(value)) {
            yyjson_mut_obj_remove_key(root, own_members[k]);
        } else if (strcmp(own_members[k], "config") == 0 && yyjson_is_obj(stored)) {
            yyjson_mut_obj_replace(root, yyjson_mut_str(doc, "config"), merge(doc, stored, value));
        } else {
            od_agent_set(doc, own_members[k], value);
        }
    }
}

static void put_loaded(struct od_request *q)
{
    yyjson_mut_doc *doc = od_agent_copy(q);
    if (!doc)
        return;
    if (is_whole(yyjson_doc_get_root(q->body)))
        replace_own(q, doc);
    else
        change_own(q, doc);
    forget_shown_way(q, doc);
    /* the page is freed when the agent is read again, its documents are still needed until then */
    od_agent_store(q, &q->at.ids[0], doc, q->page->agents[0].root, shown);
    yyjson_mut_doc_free(doc);
}

void od_dasha_agents_put(struct od_request *q)
{
    if (check_body(q, is_whole(yyjson_doc_get_root(q->body))))
        od_agent_load(q, &q->at.ids[0], put_loaded);
}

static void deleted(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err)
        od_request_err(q, err, "agent");
    else
        od_request_answer_empty(q, 200);
}

void od_dasha_agents_delete(struct od_request *q)
{
    od_request_out(q);
    q->api->repo.agent_delete(q->api->repo.ctx, q->who.org, &q->at.ids[0], deleted, q);
}

static void cloned(struct od_request *q)
{
    yyjson_mut_doc *doc = od_project_doc();
    if (doc)
        od_put_uid(doc, yyjson_mut_doc_get_root(doc), "agentId", &q->page->agents[0].rec.id);
    od_request_answer(q, 200, doc, NULL);
}

static void clone_loaded(struct od_request *q)
{
    yyjson_mut_doc *doc = od_agent_copy(q);
    if (!doc)
        return;
    struct od_uid id = od_request_uid(q);
    od_agent_set(doc, "name", yyjson_obj_get(yyjson_doc_get_root(q->body), "name"));
    yyjson_mut_obj_remove_key(yyjson_mut_doc_get_root(doc), "archived_at");
    od_agent_store(q, &id, doc, NULL, cloned);
    yyjson_mut_doc_free(doc);
}

void od_dasha_agents_clone(struct od_request *q)
{
    yyjson_val *body = yyjson_doc_get_root(q->body);
    struct od_faults faults = {0};
    if (!yyjson_is_obj(body))
        od_fault_add(&faults, "#", NULL, "must be an object");
    else
        check_name(body, "name", true, &faults);
    if (faults.count)
        od_request_faults(q, &faults);
    else
        od_agent_load(q, &q->at.ids[0], clone_loaded);
}
