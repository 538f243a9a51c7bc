/*
 * call_page - see call_page.h.
 */
#include "engine/api/call_page.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_page.h"
#include "engine/api/call_wait.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum { TEXTS = 6 }; /* that a record points to */

static struct od_text keep(char **at, struct od_text text)
{
    *at = malloc(text.bytes + 1);
    if (!*at)
        return (struct od_text){0};
    memcpy(*at, text.at ? text.at : "", text.bytes);
    (*at)[text.bytes] = 0;
    return (struct od_text){*at, text.bytes};
}

static void want_agent(struct od_call_page *page, const struct od_uid *agent)
{
    size_t k = 0;
    while (k < page->agent_count && !od_uid_equal(&page->agents[k], agent))
        k++;
    if (k == page->agent_count)
        page->agents[page->agent_count++] = *agent;
}

static bool keep_calls(struct od_request *q, const struct od_call_rec *recs, size_t count)
{
    struct od_call_page *page = q->work;
    page->recs = calloc(count + 1, sizeof *page->recs);
    page->texts = calloc(TEXTS * count + 1, sizeof *page->texts);
    page->agents = calloc(count + 1, sizeof *page->agents);
    if (!page->recs || !page->texts || !page->agents)
        return false;
    page->count = count;
    for (size_t i = 0; i < count; i++) {
        struct od_call_rec *rec = &page->recs[i];
        *rec = recs[i];
        od_call_wait(q->api, rec);
        struct od_text *texts[TEXTS] = {&rec->context, &rec->result,      &rec->extra,
                                        &rec->media,   &rec->webhook_url, &rec->hook_error};
        for (size_t k = 0; k < TEXTS; k++)
            *texts[k] = keep(&page->texts[TEXTS * i + k], *texts[k]);
        want_agent(page, &rec->agent);
    }
    return true;
}

static void next_agent(struct od_request *q);

static void agent_came(void *ctx, int err, const struct od_agent_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err && err != OD_ENOENT)
        od_request_err(q, err, "agent");
    else if (err || od_agent_page_add(q, recs, count))
        next_agent(q);
}

static void next_agent(struct od_request *q)
{
    struct od_call_page *page = q->work;
    if (page->at == page->agent_count) {
        page->fn(q);
        return;
    }
    od_request_out(q);
    q->api->repo.agent_get(q->api->repo.ctx, q->who.org, &page->agents[page->at++], agent_came, q);
}

void od_call_page_take(struct od_request *q, const struct od_call_rec *recs, size_t count,
                       uint64_t next_cursor, void (*fn)(struct od_request *q))
{
    struct od_call_page *page = q->work;
    page->next_cursor = next_cursor;
    page->fn = fn;
    if (keep_calls(q, recs, count))
        next_agent(q);
    else
        od_request_err(q, OD_ENOMEM, "call");
}

yyjson_val *od_call_page_agent(const struct od_request *q, const struct od_call_rec *rec)
{
    for (size_t i = 0; q->page && i < q->page->count; i++)
        if (od_uid_equal(&q->page->agents[i].rec.id, &rec->agent))
            return q->page->agents[i].root;
    return NULL;
}

void od_call_page_free(struct od_call_page *page)
{
    for (size_t i = 0; i < TEXTS * page->count; i++)
        free(page->texts[i]);
    free(page->texts);
    free(page->recs);
    free(page->agents);
}
