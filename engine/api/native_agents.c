/*
 * Agents. The document is kept as it was sent, its secrets sealed; id, created_at, updated_at and
 * live are the server's: they are put in front when it is read and taken out when it is sent back.
 */
#include "engine/api/native.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_page.h"
#include "engine/api/agent_put.h"
#include "engine/api/audit.h"
#include "engine/api/project.h"
#include "engine/api/secret_fields.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

static const char *const servers_own[] = {"id", "created_at", "updated_at", "live"};

static bool has_own(yyjson_val *object)
{
    for (size_t i = 0; i < sizeof servers_own / sizeof *servers_own; i++)
        if (yyjson_obj_get(object, servers_own[i]))
            return true;
    return false;
}

/* Replaces the request's text by a document without the server's own members. */
static bool drop_own(struct od_request *q, yyjson_mut_doc *doc)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    for (size_t i = 0; i < sizeof servers_own / sizeof *servers_own; i++)
        yyjson_mut_obj_remove_key(root, servers_own[i]);
    size_t bytes;
    char *text = yyjson_mut_write(doc, 0, &bytes);
    if (!text)
        return false;
    free(q->text);
    q->text = text;
    q->text_bytes = bytes;
    return true;
}

/* The agent's own uid in the document must be the one of the path, if it is there at all. */
static bool own_id_fits(struct od_request *q)
{
    yyjson_val *id = yyjson_obj_get(yyjson_doc_get_root(q->body), "id");
    struct od_uid uid;
    if (!id || od_uid_none(&q->at.ids[0]))
        return true;
    if (yyjson_is_str(id) && od_uid_parse(yyjson_get_str(id), yyjson_get_len(id), &uid) &&
        od_uid_equal(&uid, &q->at.ids[0]))
        return true;
    od_request_fault(q, "#/id", "is not the id of the path");
    return false;
}

/* Reads q->text as an agent document into *rec. before: what is stored. False: answered. */
static bool read_document(struct od_request *q, struct od_text before, struct od_agent_rec *rec)
{
    yyjson_doc *stored = before.bytes ? yyjson_read(before.at, before.bytes, 0) : NULL;
    *rec = (struct od_agent_rec){.doc = {q->text, q->text_bytes}};
    bool good = od_agent_check(q, q->text, q->text_bytes, yyjson_doc_get_root(stored), rec);
    yyjson_doc_free(stored);
    return good;
}

/* Seals the secrets of q->text, which the record holds; those that the client has as null or hidden
 * are the stored ones. False: answered. */
static bool seal(struct od_request *q, struct od_agent_rec *rec, struct od_text before)
{
    char context[OD_NAME_MAX + 8];
    snprintf(context, sizeof context, "%s agent", q->who.org);
    yyjson_doc *sent = yyjson_read(q->text, q->text_bytes, YYJSON_READ_NUMBER_AS_RAW);
    yyjson_doc *stored =
        before.bytes ? yyjson_read(before.at, before.bytes, YYJSON_READ_NUMBER_AS_RAW) : NULL;
    yyjson_mut_doc *doc = sent ? yyjson_doc_mut_copy(sent, NULL) : NULL;
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    size_t bytes = 0;
    char *text = NULL;
    if (doc && !od_secrets_seal(q->api->host.box, context, doc, root) &&
        (!stored || !od_secrets_keep(doc, root, yyjson_doc_get_root(stored))))
        text = yyjson_mut_write(doc, 0, &bytes);
    yyjson_mut_doc_free(doc);
    yyjson_doc_free(stored);
    yyjson_doc_free(sent);
    if (!text) {
        od_request_err(q, OD_ENOMEM, "agent");
        return false;
    }
    free(q->text);
    q->text = text;
    q->text_bytes = bytes;
    rec->doc = (struct od_text){text, bytes};
    return true;
}

/* ---- answers ---- */

static void answer_agent(struct od_request *q, int status, const struct od_agent_rec *rec)
{
    char location[96], id[OD_UID_TEXT];
    struct od_buf buf;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *agent = doc ? od_project_agent(doc, rec) : NULL;
    if (!agent) {
        yyjson_mut_doc_free(doc);
        od_request_problem(q, 500, "internal", "the stored agent can't be read");
        return;
    }
    yyjson_mut_doc_set_root(doc, agent);
    od_uid_text(&rec->id, id);
    od_buf_init(&buf, location, sizeof location);
    od_buf_str(&buf, "Location: /outdial/v1/agents/");
    od_buf_str(&buf, id);
    od_buf_str(&buf, "\r\n");
    od_request_answer(q, status, doc, status == 201 ? location : NULL);
}

static bool one_came(struct od_request *q, int err, size_t count)
{
    if (!err && !count)
        err = OD_ENOENT;
    if (err)
        od_request_err(q, err, "agent");
    return !err;
}

static void show_done(void *ctx, int err, const struct od_agent_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (od_request_back(q) && one_came(q, err, count))
        answer_agent(q, 200, recs);
}

void od_agents_show(struct od_request *q)
{
    od_request_out(q);
    q->api->repo.agent_get(q->api->repo.ctx, q->who.org, &q->at.ids[0], show_done, q);
}

/* ---- lists ---- */

struct page_work {
    uint32_t limit;
    uint64_t cursor;
};

static void list_done(void *ctx, int err, const struct od_agent_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err && err != OD_ENOENT) {
        od_request_err(q, err, "agent");
        return;
    }
    const struct page_work *page = q->work;
    yyjson_mut_val *data;
    yyjson_mut_doc *doc = od_request_page_doc(q, 0, "agent", &data);
    if (!doc)
        return;
    for (size_t i = 0; !err && i < count; i++) {
        yyjson_mut_val *agent = od_project_agent(doc, &recs[i]);
        if (agent)
            yyjson_mut_arr_append(data, agent);
    }
    bool more = !err && page->limit && od_agents_more(recs, count, page->limit);
    od_request_page_answer(q, doc, more ? page->cursor + count : 0);
}

void od_agents_list(struct od_request *q)
{
    char name[OD_QUERY_VALUE_MAX];
    struct page_work *page = q->work = calloc(1, sizeof *page);
    if (!page) {
        od_request_err(q, OD_ENOMEM, "agent");
        return;
    }
    if (od_query_get(q->x->query, "name", name)) {
        od_request_out(q); /* page->limit stays 0: there is no next page */
        q->api->repo.agent_find(q->api->repo.ctx, q->who.org, name, list_done, q);
        return;
    }
    if (!od_request_page(q, &page->limit, &page->cursor))
        return;
    if (page->cursor > UINT32_MAX) {
        od_request_fault(q, "query/cursor", "is not a cursor given by an earlier page");
        return;
    }
    od_request_out(q);
    q->api->repo.agent_list(q->api->repo.ctx, q->who.org, (uint32_t)page->cursor, page->limit,
                            list_done, q);
}

/* ---- writing ---- */

static void created(void *ctx, int err, const struct od_agent_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (od_request_back(q) && one_came(q, err, count))
        answer_agent(q, 201, recs);
}

static void create_done(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err) {
        od_request_err(q, err, "agent");
        return;
    }
    const char *name = q->work; /* names are unique, so this finds what was just made */
    od_request_out(q);
    q->api->repo.agent_find(q->api->repo.ctx, q->who.org, name, created, q);
}

void od_agents_create(struct od_request *q)
{
    struct od_agent_rec rec;
    yyjson_val *root = yyjson_doc_get_root(q->body);
    if (has_own(root)) {
        yyjson_mut_doc *doc = yyjson_doc_mut_copy(q->body, NULL);
        bool dropped = doc && drop_own(q, doc);
        yyjson_mut_doc_free(doc);
        if (!dropped) {
            od_request_err(q, OD_ENOMEM, "agent");
            return;
        }
    }
    if (!read_document(q, (struct od_text){0}, &rec) || !seal(q, &rec, (struct od_text){0}))
        return;
    rec.id = od_request_uid(q);
    q->work = strdup(rec.name);
    if (!q->work) {
        od_request_err(q, OD_ENOMEM, "agent");
        return;
    }
    od_request_out(q);
    q->api->repo.agent_put(q->api->repo.ctx, q->who.org, &rec, create_done, q);
}

static void replace_done(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err)
        od_request_err(q, err, "agent");
    else
        od_agents_show(q);
}

/* Stores q->text in the place of the agent of the path. */
static void replace(struct od_request *q, struct od_text before)
{
    struct od_agent_rec rec;
    if (!read_document(q, before, &rec) || !seal(q, &rec, before))
        return;
    rec.id = q->at.ids[0];
    char who[OD_AUDIT_WHO_MAX], changes[OD_AUDIT_CHANGES_MAX];
    od_audit_who(q, who);
    rec.who = who;
    rec.changes = od_audit_agent(changes, before, rec.doc);
    od_request_out(q);
    q->api->repo.agent_put(q->api->repo.ctx, q->who.org, &rec, replace_done, q);
}

/* Puts the document together from what is stored and what was sent. */
static yyjson_mut_doc *merged(struct od_request *q, const struct od_agent_rec *stored)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_doc *old = yyjson_read(stored->doc.at, stored->doc.bytes, YYJSON_READ_BIGNUM_AS_RAW);
    yyjson_mut_val *root = NULL;
    if (doc && old)
        root = yyjson_merge_patch(doc, yyjson_doc_get_root(old), yyjson_doc_get_root(q->body));
    if (root)
        yyjson_mut_doc_set_root(doc, root);
    yyjson_doc_free(old);
    if (root)
        return doc;
    yyjson_mut_doc_free(doc);
    return NULL;
}

static void patch_found(void *ctx, int err, const struct od_agent_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q) || !one_came(q, err, count))
        return;
    yyjson_mut_doc *doc = merged(q, recs);
    bool ready = doc && drop_own(q, doc);
    yyjson_mut_doc_free(doc);
    if (ready)
        replace(q, recs->doc);
    else
        od_request_err(q, OD_ENOMEM, "agent");
}

static void replace_found(void *ctx, int err, const struct od_agent_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (od_request_back(q) && one_came(q, err, count))
        replace(q, recs->doc);
}

void od_agents_replace(struct od_request *q)
{
    if (!own_id_fits(q))
        return;
    if (has_own(yyjson_doc_get_root(q->body))) {
        yyjson_mut_doc *doc = yyjson_doc_mut_copy(q->body, NULL);
        bool dropped = doc && drop_own(q, doc);
        yyjson_mut_doc_free(doc);
        if (!dropped) {
            od_request_err(q, OD_ENOMEM, "agent");
            return;
        }
    }
    od_request_out(q);
    q->api->repo.agent_get(q->api->repo.ctx, q->who.org, &q->at.ids[0], replace_found, q);
}

void od_agents_patch(struct od_request *q)
{
    if (!yyjson_is_obj(yyjson_doc_get_root(q->body))) {
        od_request_fault(q, "#", "must be an object");
        return;
    }
    if (!own_id_fits(q))
        return;
    od_request_out(q);
    q->api->repo.agent_get(q->api->repo.ctx, q->who.org, &q->at.ids[0], patch_found, q);
}

static void order(struct od_request *q, enum od_agent_order order)
{
    char who[OD_AUDIT_WHO_MAX];
    od_audit_who(q, who);
    od_request_out(q);
    q->api->repo.agent_order(q->api->repo.ctx, q->who.org, &q->at.ids[0], order, who, replace_done,
                             q);
}

void od_agents_pause(struct od_request *q)
{
    order(q, OD_AGENT_PAUSED);
}

void od_agents_resume(struct od_request *q)
{
    order(q, OD_AGENT_ACTIVE);
}

void od_agents_drain(struct od_request *q)
{
    order(q, OD_AGENT_DRAINING);
}

static void delete_done(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err)
        od_request_err(q, err, "agent");
    else
        od_request_answer_empty(q, 204);
}

void od_agents_delete(struct od_request *q)
{
    od_request_out(q);
    q->api->repo.agent_delete(q->api->repo.ctx, q->who.org, &q->at.ids[0], delete_done, q);
}
