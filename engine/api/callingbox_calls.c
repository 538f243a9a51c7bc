/*
 * Calls in CallingBox's words.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_page.h"
#include "engine/api/agent_view.h"
#include "engine/api/call_page.h"
#include "engine/api/callingbox.h"
#include "engine/api/json_read.h"
#include "engine/api/new_call.h"
#include "engine/api/project.h"
#include "engine/api/vendor_agent.h"
#include "engine/api/vendor_call.h"
#include "engine/api/vendor_status.h"
#include "engine/api/way_out.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

/* ---- making ---- */

struct create_work {
    struct od_new_call call;
    struct od_uid id, agent;
    int64_t wall_ms;
    char *agent_text; /* the agent's document, for the answer */
    size_t agent_bytes;
};

static void free_work(void *at)
{
    struct create_work *work = at;
    od_new_call_free(&work->call);
    free(work->agent_text);
}

static void answer_call(struct od_request *q, int status, const struct od_call_rec *rec,
                        yyjson_val *agent)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc)
        yyjson_mut_doc_set_root(doc, od_callingbox_call(doc, rec, agent));
    od_request_answer(q, status, doc, NULL);
}

static void created(void *ctx, int err, size_t added, const uint32_t *twice, size_t twice_count)
{
    struct od_request *q = ctx;
    (void)twice;
    (void)twice_count;
    if (!od_request_back(q))
        return;
    const struct create_work *work = q->work;
    if (!err && !added)
        err = OD_EIO;
    if (err) {
        od_vendor_add_failed(q, err, "id", &work->id);
        return;
    }
    struct od_call_rec rec;
    od_new_call_rec(&work->call, &work->id, &work->agent, work->wall_ms, &rec);
    yyjson_doc *agent = yyjson_read(work->agent_text, work->agent_bytes, 0);
    answer_call(q, 201, &rec, yyjson_doc_get_root(agent));
    yyjson_doc_free(agent);
}

static void add(struct od_request *q)
{
    struct create_work *work = q->work;
    struct od_call_new call;
    od_new_call_add(&work->call, &work->id, work->wall_ms, &call);
    od_request_out(q);
    q->api->repo.calls_add(q->api->repo.ctx, q->who.org, &work->agent, NULL, work->call.priority,
                           &call, 1, created, q);
}

/* The numbers are there: is the wished one the agent's? It brings its own way out along. */
static void numbers_came(struct od_request *q)
{
    struct create_work *work = q->work;
    yyjson_doc *agent = yyjson_read(work->agent_text, work->agent_bytes, 0);
    bool attached = od_way_out_attached(q->ways, yyjson_doc_get_root(agent), work->call.from);
    work->call.via = od_way_out_of(q->ways, yyjson_doc_get_root(agent), work->call.from);
    yyjson_doc_free(agent);
    if (attached)
        add(q);
    else
        od_request_problem(q, 400, "from_number_not_attached",
                           "from_number: the number is not attached to this agent");
}

static void create_for(struct od_request *q, const struct od_agent_rec *rec, yyjson_val *agent)
{
    struct create_work *work = q->work;
    struct od_faults faults = {0};
    if (!od_agent_outbound(agent)) {
        od_request_problem(q, 400, "agent_not_outbound",
                           "agent_id: the agent's type must be outbound");
        return;
    }
    if (!od_new_call_callingbox(yyjson_doc_get_root(q->body), agent, &work->call, &faults)) {
        od_request_faults(q, &faults);
        return;
    }
    work->agent = rec->id;
    work->agent_text = malloc(rec->doc.bytes + 1);
    if (!work->agent_text) {
        od_request_err(q, OD_ENOMEM, "call");
        return;
    }
    memcpy(work->agent_text, rec->doc.at, rec->doc.bytes);
    work->agent_bytes = rec->doc.bytes;
    const char *own = od_agent_number(agent);
    bool other = work->call.from[0] && (!own || strcmp(own, work->call.from) != 0);
    if (other)
        od_way_out_load(q, numbers_came);
    else if (od_vendor_outbound(q, agent, &work->call))
        add(q);
}

void od_callingbox_calls_create(struct od_request *q)
{
    yyjson_val *body = yyjson_doc_get_root(q->body);
    struct od_faults faults = {0};
    struct od_new_call checked;
    struct create_work *work = q->work = calloc(1, sizeof *work);
    if (!work) {
        od_request_err(q, OD_ENOMEM, "call");
        return;
    }
    q->work_free = free_work;
    /* What is wrong with the request alone is said before anything is looked up. */
    if (!od_new_call_callingbox(body, NULL, &checked, &faults)) {
        od_request_faults(q, &faults);
        return;
    }
    od_new_call_free(&checked);
    work->id = od_request_uid(q);
    work->wall_ms = od_request_wall_ms(q);
    yyjson_val *id = yyjson_obj_get(body, "agent_id");
    if (id && !yyjson_is_str(id))
        od_request_fault(q, "#/agent_id", "must be a string");
    else
        od_vendor_agent_get(q, yyjson_get_str(id), "agent_id", create_for);
}

/* ---- showing: a call without a snapshot of its own is shown with its agent ---- */

struct show_work {
    struct od_call_page page; /* first: see call_page.h */
    bool transcript;
    /* the list's */
    struct od_call_query query;
    struct od_uid agent;
};

static void free_show(void *at)
{
    struct show_work *work = at;
    od_call_page_free(&work->page);
}

static void answer_list(struct od_request *q)
{
    const struct od_call_page *page = q->work;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    char headers[64];
    if (doc) {
        yyjson_mut_val *all = yyjson_mut_arr(doc);
        yyjson_mut_doc_set_root(doc, all);
        for (size_t i = 0; i < page->count; i++)
            yyjson_mut_arr_append(all, od_callingbox_call(doc, &page->recs[i],
                                                          od_call_page_agent(q, &page->recs[i])));
    }
    snprintf(headers, sizeof headers, "X-Next-Cursor: %llu\r\n",
             (unsigned long long)page->next_cursor);
    od_request_answer(q, 200, doc, page->next_cursor ? headers : NULL);
}

static void answer_transcript(struct od_request *q)
{
    const struct od_call_page *page = q->work;
    yyjson_mut_doc *doc = od_project_doc();
    if (doc) {
        yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
        od_put_uid(doc, root, "call_id", &page->recs[0].id);
        yyjson_mut_obj_add_val(doc, root, "segments", od_callingbox_segments(doc, page->recs));
    }
    od_request_answer(q, 200, doc, NULL);
}

static void answer_show(struct od_request *q)
{
    const struct show_work *work = q->work;
    if (work->transcript)
        answer_transcript(q);
    else
        answer_call(q, 200, work->page.recs, od_call_page_agent(q, work->page.recs));
}

static void call_came(void *ctx, int err, const struct od_call_rec *recs, size_t count,
                      uint64_t next_cursor)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (!err && !count)
        err = OD_ENOENT;
    if (err)
        od_request_err(q, err, "call");
    else
        od_call_page_take(q, recs, count, next_cursor, answer_show);
}

static void calls_came(void *ctx, int err, const struct od_call_rec *recs, size_t count,
                       uint64_t next_cursor)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err)
        od_request_err(q, err, "call");
    else
        od_call_page_take(q, recs, count, next_cursor, answer_list);
}

static struct show_work *begin_show(struct od_request *q)
{
    if (q->work) { /* after a cancel, or never */
        if (q->work_free)
            q->work_free(q->work);
        free(q->work);
    }
    struct show_work *work = q->work = calloc(1, sizeof *work);
    q->work_free = free_show;
    if (!work)
        od_request_err(q, OD_ENOMEM, "call");
    return work;
}

static void show(struct od_request *q, bool transcript)
{
    struct show_work *work = begin_show(q);
    if (!work)
        return;
    work->transcript = transcript;
    od_request_out(q);
    q->api->repo.call_get(q->api->repo.ctx, q->who.org, &q->at.ids[0], call_came, q);
}

void od_callingbox_calls_show(struct od_request *q)
{
    show(q, false);
}

void od_callingbox_calls_transcript(struct od_request *q)
{
    show(q, true);
}

void od_callingbox_calls_list(struct od_request *q)
{
    char value[OD_QUERY_VALUE_MAX];
    struct od_call_set set = {0};
    struct show_work *work = begin_show(q);
    if (!work || !od_request_page(q, &work->query.take, &work->query.cursor))
        return;
    if (od_query_get(q->x->query, "status", value) && !od_callingbox_status_add(value, &set)) {
        od_request_fault(q, "query/status",
                         "must be one of queued, initiated, ringing, in_progress, completed, "
                         "no_answer, busy, canceled, failed");
        return;
    }
    work->query.phases = set.phases;
    work->query.causes = set.causes;
    if (od_query_get(q->x->query, "agent_id", value)) {
        if (!od_uid_parse(value, strlen(value), &work->agent)) {
            od_request_fault(q, "query/agent_id", "must be a UUID");
            return;
        }
        work->query.agent = &work->agent;
    }
    od_request_out(q);
    q->api->repo.call_list(q->api->repo.ctx, q->who.org, &work->query, calls_came, q);
}

/* ---- stopping ---- */

static void cancel_done(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err == OD_ECONFLICT)
        od_request_problem(q, 409, "call_not_cancelable",
                           "the call is connected or has ended: it can't be canceled any more");
    else if (err)
        od_request_err(q, err, "call");
    else
        show(q, false);
}

void od_callingbox_calls_cancel(struct od_request *q)
{
    od_request_out(q);
    q->api->repo.call_stop(q->api->repo.ctx, q->who.org, &q->at.ids[0], false, cancel_done, q);
}
