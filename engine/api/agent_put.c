/*
 * agent_put - see agent_put.h.
 */
#include "engine/api/agent_put.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/agent/agent_def.h"
#include "engine/api/agent_check.h"
#include "engine/api/agent_page.h"
#include "engine/api/audit.h"
#include "engine/api/secret_fields.h"
#include "engine/base/str.h"
#include "outdial/err.h"

/* ---- loading ---- */

struct load {
    struct od_request *q;
    void (*fn)(struct od_request *q);
};

static void load_done(void *ctx, int err, const struct od_agent_rec *recs, size_t count)
{
    struct load load = *(struct load *)ctx;
    free(ctx);
    if (!od_request_back(load.q))
        return;
    od_agent_page_destroy(load.q->page);
    load.q->page = NULL;
    if (!err && !count)
        err = OD_ENOENT;
    if (err)
        od_request_err(load.q, err, "agent");
    else if (od_agent_page_add(load.q, recs, count) && load.q->page->count)
        od_agent_page_link(load.q, load.fn);
    else if (load.q->page)
        od_request_problem(load.q, 500, "internal", "the stored agent can't be read");
}

void od_agent_load(struct od_request *q, const struct od_uid *id, void (*fn)(struct od_request *q))
{
    struct load *load = malloc(sizeof *load);
    if (!load) {
        od_request_err(q, OD_ENOMEM, "agent");
        return;
    }
    *load = (struct load){q, fn};
    od_request_out(q);
    q->api->repo.agent_get(q->api->repo.ctx, q->who.org, id, load_done, load);
}

/* ---- storing ---- */

struct store {
    struct od_request *q;
    struct od_uid id;
    void (*fn)(struct od_request *q);
};

static void store_done(void *ctx, int err)
{
    struct store store = *(struct store *)ctx;
    free(ctx);
    if (!od_request_back(store.q))
        return;
    if (err)
        od_request_err(store.q, err, "agent");
    else
        od_agent_load(store.q, &store.id, store.fn);
}

bool od_agent_check(struct od_request *q, const char *text, size_t bytes, yyjson_val *before,
                    struct od_agent_rec *rec)
{
    const struct od_agent_world world = {q->api->host.unix_dir, q->api->host.zones};
    struct od_agent_def *def;
    struct od_faults faults = {0};
    int err = od_agent_judge((struct od_text){text, bytes}, before, &world, &def, &faults);
    if (err == OD_EINVAL)
        od_request_faults(q, &faults);
    else if (err)
        od_request_err(q, err, "agent");
    else
        od_str_copy(rec->name, sizeof rec->name, def->name, strlen(def->name));
    od_agent_def_destroy(def);
    return !err;
}

static char *seal(struct od_request *q, yyjson_mut_doc *doc, yyjson_val *before, size_t *bytes)
{
    char context[OD_NAME_MAX + 8];
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    snprintf(context, sizeof context, "%s agent", q->who.org);
    if (od_secrets_seal(q->api->host.box, context, doc, root) ||
        (before && od_secrets_keep(doc, root, before)))
        return NULL;
    return yyjson_mut_write(doc, 0, bytes);
}

void od_agent_store(struct od_request *q, const struct od_uid *id, yyjson_mut_doc *doc,
                    yyjson_val *before, void (*fn)(struct od_request *q))
{
    struct od_agent_rec rec = {.id = *id, .twin = true};
    size_t bytes = 0;
    char *text = yyjson_mut_write(doc, 0, &bytes);
    bool good = text && od_agent_check(q, text, bytes, before, &rec);
    if (text && !good) {
        free(text);
        return;
    }
    free(text);
    struct store *store = good ? malloc(sizeof *store) : NULL;
    text = store ? seal(q, doc, before, &bytes) : NULL;
    if (!text) {
        free(store);
        od_request_err(q, OD_ENOMEM, "agent");
        return;
    }
    *store = (struct store){q, *id, fn};
    rec.doc = (struct od_text){text, bytes};
    char who[OD_AUDIT_WHO_MAX], changes[OD_AUDIT_CHANGES_MAX];
    size_t before_bytes = 0;
    char *was = before ? yyjson_val_write(before, 0, &before_bytes) : NULL;
    od_audit_who(q, who);
    rec.who = was ? who : NULL;
    if (was)
        rec.changes = od_audit_agent(changes, (struct od_text){was, before_bytes}, rec.doc);
    free(was);
    od_request_out(q);
    q->api->repo.agent_put(q->api->repo.ctx, q->who.org, &rec, store_done, store);
    free(text);
}

/* ---- changing ---- */

yyjson_mut_doc *od_agent_copy(struct od_request *q)
{
    yyjson_mut_doc *doc = yyjson_doc_mut_copy(q->page->agents[0].doc, NULL);
    if (!doc)
        od_request_err(q, OD_ENOMEM, "agent");
    return doc;
}

static void set(yyjson_mut_doc *doc, const char *name, yyjson_mut_val *value)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    yyjson_mut_val *key = yyjson_mut_strcpy(doc, name);
    if (!yyjson_mut_obj_get(root, name))
        yyjson_mut_obj_add(root, key, value);
    else
        yyjson_mut_obj_replace(root, key, value);
}

void od_agent_set(yyjson_mut_doc *doc, const char *name, yyjson_val *value)
{
    set(doc, name, value ? yyjson_val_mut_copy(doc, value) : yyjson_mut_null(doc));
}

void od_agent_set_text(yyjson_mut_doc *doc, const char *name, const char *text)
{
    set(doc, name, text ? yyjson_mut_strcpy(doc, text) : yyjson_mut_null(doc));
}
