/*
 * Calls in Dasha's words: one at a time, and the numbers of concurrency.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_view.h"
#include "engine/api/call_wait.h"
#include "engine/api/dasha.h"
#include "engine/api/new_call.h"
#include "engine/api/project.h"
#include "engine/api/vendor_agent.h"
#include "engine/api/vendor_call.h"
#include "engine/api/way_out.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

static void answer_call(struct od_request *q, const struct od_call_rec *rec)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc)
        yyjson_mut_doc_set_root(doc, od_dasha_call(doc, rec, q->who.org, q->api->dasha_running));
    od_request_answer(q, 200, doc, NULL);
}

/* ---- making ---- */

struct create_work {
    struct od_new_call call;
    struct od_uid id, agent;
    int64_t wall_ms;
    char *agent_text; /* the agent's document, for a call with a way of its own */
    size_t agent_bytes;
};

static void free_work(void *at)
{
    struct create_work *work = at;
    od_new_call_free(&work->call);
    free(work->agent_text);
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
        od_vendor_add_failed(q, err, "callId", &work->id);
        return;
    }
    struct od_call_rec rec;
    od_new_call_rec(&work->call, &work->id, &work->agent, work->wall_ms, &rec);
    answer_call(q, &rec);
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

/* It names a number or credentials of its own, and what is stored of these is there now. */
static void ways_came(struct od_request *q)
{
    struct create_work *work = q->work;
    struct od_new_call *call = &work->call;
    yyjson_doc *agent = yyjson_read(work->agent_text, work->agent_bytes, 0);
    bool unknown =
        !od_uid_none(&call->credentials) && !od_way_out_known(q->ways, &call->credentials);
    call->via = od_uid_none(&call->credentials)
                    ? od_way_out_of(q->ways, yyjson_doc_get_root(agent), call->from)
                    : call->credentials;
    yyjson_doc_free(agent);
    if (unknown)
        od_request_fault(q, "#/overrideOutboundConfig/credentialsId",
                         "there are no such SIP credentials");
    else
        add(q);
}

static void create_for(struct od_request *q, const struct od_agent_rec *agent, yyjson_val *doc)
{
    struct create_work *work = q->work;
    bool own_way = work->call.from[0] || !od_uid_none(&work->call.credentials);
    if (od_uid_none(&work->call.credentials) && !od_vendor_outbound(q, doc, &work->call))
        return;
    od_vendor_from(doc, &work->call);
    work->agent = agent->id;
    if (!own_way) {
        add(q);
        return;
    }
    work->agent_text = malloc(agent->doc.bytes + 1);
    if (!work->agent_text) {
        od_request_err(q, OD_ENOMEM, "call");
        return;
    }
    memcpy(work->agent_text, agent->doc.at, agent->doc.bytes);
    work->agent_bytes = agent->doc.bytes;
    od_way_out_load(q, ways_came);
}

void od_dasha_calls_create(struct od_request *q)
{
    yyjson_val *body = yyjson_doc_get_root(q->body);
    struct od_faults faults = {0};
    struct create_work *work = q->work = calloc(1, sizeof *work);
    if (!work) {
        od_request_err(q, OD_ENOMEM, "call");
        return;
    }
    q->work_free = free_work;
    if (!od_new_call_dasha(body, "#", &work->call, &faults)) {
        od_request_faults(q, &faults);
        return;
    }
    if (*work->call.timezone && !od_request_zone_ok(q, work->call.timezone)) {
        od_request_fault(q, "#/timezone", OD_ZONE_FAULT);
        return;
    }
    work->id = od_request_uid(q);
    work->wall_ms = od_request_wall_ms(q);
    od_vendor_agent_named(q, yyjson_obj_get(body, "agentId"), create_for);
}

/* ---- one call ---- */

static void show_done(void *ctx, int err, const struct od_call_rec *recs, size_t count,
                      uint64_t next_cursor)
{
    struct od_request *q = ctx;
    (void)next_cursor;
    if (!od_request_back(q))
        return;
    if (err || !count) {
        od_request_err(q, err ? err : OD_ENOENT, "call");
        return;
    }
    struct od_call_rec rec = *recs;
    od_call_wait(q->api, &rec);
    answer_call(q, &rec);
}

void od_dasha_calls_show(struct od_request *q)
{
    od_request_out(q);
    q->api->repo.call_get(q->api->repo.ctx, q->who.org, &q->at.ids[0], show_done, q);
}

static void cancel_done(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err == OD_ECONFLICT)
        od_request_problem(q, 409, "call_not_cancelable",
                           "only calls in Created, Queued, or Pending status can be canceled");
    else if (err)
        od_request_err(q, err, "call");
    else
        od_dasha_calls_show(q);
}

void od_dasha_calls_cancel(struct od_request *q)
{
    od_request_out(q);
    q->api->repo.call_stop(q->api->repo.ctx, q->who.org, &q->at.ids[0], false, cancel_done, q);
}

/* ---- numbers ---- */

void od_dasha_concurrency(struct od_request *q)
{
    struct od_engine_stats stats = {0};
    q->api->host.stats(q->api->host.ctx, &stats);
    yyjson_mut_doc *doc = od_project_doc();
    if (doc) {
        yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
        yyjson_mut_obj_add_uint(doc, root, "active",
                                (uint64_t)stats.dialing + stats.ringing + stats.talking +
                                    stats.clearing);
        yyjson_mut_obj_add_uint(doc, root, "concurrency", q->api->calls_max);
    }
    od_request_answer(q, 200, doc, NULL);
}

void od_vendor_hosted_only(struct od_request *q)
{
    od_request_problem(q, 501, "not_implemented",
                       "%s %s is something only the hosted service can do: this server buys no "
                       "numbers, imports none from other providers and serves no web calls",
                       q->x->method, q->x->path);
}
