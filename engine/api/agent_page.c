/*
 * agent_page - agents first, then their numbers in one read, then those numbers' credentials in
 * one more. Agents that lead nowhere cost no read.
 */
#include "engine/api/agent_page.h"
#include "engine/api/json_read.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_view.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum { IDS_MAX = 4000, AGENTS_PAGE = 1000 };

/* ---- things ---- */

bool od_thing_items_copy(struct od_thing_items *items, const struct od_thing_rec *recs,
                         size_t count)
{
    items->all = calloc(count + 1, sizeof *items->all);
    if (!items->all)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct od_thing_item *item = &items->all[items->count];
        item->id = recs[i].id;
        item->created_ms = recs[i].created_ms;
        item->updated_ms = recs[i].updated_ms;
        item->doc = yyjson_read(recs[i].doc.at, recs[i].doc.bytes, YYJSON_READ_NUMBER_AS_RAW);
        item->root = yyjson_doc_get_root(item->doc);
        if (yyjson_is_obj(item->root))
            items->count++;
        else
            yyjson_doc_free(item->doc);
    }
    return true;
}

void od_thing_items_free(struct od_thing_items *items)
{
    for (size_t i = 0; i < items->count; i++)
        yyjson_doc_free(items->all[i].doc);
    free(items->all);
    *items = (struct od_thing_items){0};
}

const struct od_thing_item *od_thing_items_find(const struct od_thing_items *items,
                                                const struct od_uid *id)
{
    for (size_t i = 0; i < items->count; i++)
        if (od_uid_equal(&items->all[i].id, id))
            return &items->all[i];
    return NULL;
}

bool od_member_uid(yyjson_val *value, struct od_uid *out)
{
    const char *text = yyjson_get_str(value);
    if (!text)
        return false;
    if (strncmp(text, "pn_", 3) == 0)
        text += 3;
    return od_uid_parse(text, strlen(text), out);
}

/* ---- the page ---- */

void od_agent_page_destroy(struct od_agent_page *page)
{
    if (!page)
        return;
    for (size_t i = 0; i < page->count; i++)
        yyjson_doc_free(page->agents[i].doc);
    free(page->agents);
    od_thing_items_free(&page->numbers);
    od_thing_items_free(&page->credentials);
    free(page);
}

bool od_agent_page_add(struct od_request *q, const struct od_agent_rec *recs, size_t count)
{
    if (!q->page)
        q->page = calloc(1, sizeof *q->page);
    struct od_agent_page *page = q->page;
    struct od_agent_item *more =
        page ? realloc(page->agents, (page->count + count + 1) * sizeof *more) : NULL;
    if (!more) {
        od_request_err(q, OD_ENOMEM, "agent");
        return false;
    }
    page->agents = more;
    for (size_t i = 0; i < count; i++) {
        struct od_agent_item item = {.rec = recs[i], .doc = od_agent_doc(&recs[i])};
        if (!item.doc)
            continue;
        item.root = yyjson_doc_get_root(item.doc);
        item.rec.doc = (struct od_text){0};
        page->agents[page->count++] = item;
    }
    return true;
}

static void credentials_done(void *ctx, int err, const struct od_thing_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (!err && !od_thing_items_copy(&q->page->credentials, recs, count))
        err = OD_ENOMEM;
    if (err)
        od_request_err(q, err, "credentials");
    else
        q->page->fn(q);
}

static size_t add_uid(struct od_uid *ids, size_t count, yyjson_val *value)
{
    struct od_uid uid;
    if (count >= IDS_MAX || !od_member_uid(value, &uid))
        return count;
    for (size_t i = count; i > 0 && i + 64 > count; i--) /* most repeat a near one */
        if (od_uid_equal(&ids[i - 1], &uid))
            return count;
    ids[count] = uid;
    return count + 1;
}

static void get(struct od_request *q, enum od_thing_kind kind, const struct od_uid *ids,
                size_t count, od_repo_things_fn fn)
{
    od_request_out(q);
    q->api->repo.thing_get(q->api->repo.ctx, q->who.org, kind, ids, count, fn, q);
}

static void numbers_done(void *ctx, int err, const struct od_thing_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    struct od_agent_page *page = q->page;
    struct od_uid *ids = calloc(IDS_MAX, sizeof *ids);
    if (!err && (!ids || !od_thing_items_copy(&page->numbers, recs, count)))
        err = OD_ENOMEM;
    size_t wanted = 0;
    for (size_t i = 0; !err && i < page->numbers.count; i++)
        wanted = add_uid(ids, wanted, yyjson_obj_get(page->numbers.all[i].root, "credentialsId"));
    if (err)
        od_request_err(q, err, "number");
    else if (wanted)
        get(q, OD_THING_CREDENTIALS, ids, wanted, credentials_done);
    else
        page->fn(q);
    free(ids);
}

void od_agent_page_link(struct od_request *q, void (*fn)(struct od_request *q))
{
    struct od_agent_page *page = q->page;
    struct od_uid *ids = calloc(IDS_MAX, sizeof *ids);
    size_t count = 0;
    if (!ids) {
        od_request_err(q, OD_ENOMEM, "agent");
        return;
    }
    page->fn = fn;
    for (size_t a = 0; a < page->count; a++) {
        size_t i, max;
        yyjson_val *value;
        yyjson_arr_foreach(od_json_arr(yyjson_obj_get(page->agents[a].root, "number_ids")), i, max,
                           value) count = add_uid(ids, count, value);
        count = add_uid(ids, count, yyjson_obj_get(page->agents[a].root, "primary_number_id"));
    }
    if (count)
        get(q, OD_THING_NUMBER, ids, count, numbers_done);
    else
        fn(q);
    free(ids);
}

bool od_agents_more(const struct od_agent_rec *recs, size_t count, uint32_t take)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += recs[i].doc.bytes;
    return count == take || bytes >= OD_AGENTS_BYTES_MAX;
}

static void all_done(void *ctx, int err, const struct od_agent_rec *recs, size_t count);

static void read_on(struct od_request *q)
{
    od_request_out(q);
    q->api->repo.agent_list(q->api->repo.ctx, q->who.org, q->page->from, AGENTS_PAGE, all_done, q);
}

static void all_done(void *ctx, int err, const struct od_agent_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err) {
        od_request_err(q, err, "agent");
    } else if (od_agent_page_add(q, recs, count)) {
        q->page->from += (uint32_t)count;
        if (od_agents_more(recs, count, AGENTS_PAGE))
            read_on(q);
        else
            q->page->fn(q);
    }
}

void od_agent_page_all(struct od_request *q, void (*fn)(struct od_request *q))
{
    if (!od_agent_page_add(q, NULL, 0))
        return;
    q->page->fn = fn;
    read_on(q);
}

bool od_agent_uses(yyjson_val *agent, const struct od_uid *number)
{
    size_t i, max;
    yyjson_val *value;
    struct od_uid id;
    yyjson_arr_foreach(od_json_arr(yyjson_obj_get(agent, "number_ids")), i, max,
                       value) if (od_member_uid(value, &id) &&
                                  od_uid_equal(&id, number)) return true;
    return false;
}

const struct od_thing_item *od_agent_primary(const struct od_agent_page *page, yyjson_val *agent)
{
    struct od_uid id;
    if (!od_member_uid(yyjson_obj_get(agent, "primary_number_id"), &id))
        return NULL;
    return od_thing_items_find(&page->numbers, &id);
}
