/*
 * Campaigns: made as drafts, filled (import.c), started, paused, drained, canceled, and their
 * limits changed while they run. Every change is answered with the campaign as it is afterwards.
 */
#include "engine/api/native.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/agent/agent_rules.h"
#include "engine/api/audit.h"
#include "engine/api/json_read.h"
#include "engine/api/project.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum { CPS_MAX = 100000, CALLS_MAX = 1000000, PRIORITY_DEFAULT = 1, URL_MAX = 2047 };

struct campaign_in {
    const char *name, *agent, *webhook_url;
    int64_t priority, max_calls;
    double cps;
    yyjson_val *retry;
};

#define AT(member) offsetof(struct campaign_in, member)
static const struct od_field create_fields[] = {
    {"name", OD_FIELD_TEXT, AT(name), 1, 100, true},
    {"agent", OD_FIELD_TEXT, AT(agent), 1, 127, true},
    {"priority", OD_FIELD_INT, AT(priority), INT32_MIN, INT32_MAX, false},
    {"cps", OD_FIELD_NUMBER, AT(cps), 0, CPS_MAX, false},
    {"max_calls", OD_FIELD_INT, AT(max_calls), 0, CALLS_MAX, false},
    {"webhook_url", OD_FIELD_URL, AT(webhook_url), 1, URL_MAX, false},
    {"retry", OD_FIELD_OBJECT, AT(retry), 0, 0, false},
};
static const struct od_field patch_fields[] = {
    {"cps", OD_FIELD_NUMBER, AT(cps), 0, CPS_MAX, false},
    {"max_calls", OD_FIELD_INT, AT(max_calls), 0, CALLS_MAX, false},
};

/* Thousandths, at least one when any pace is asked for at all: 0 means none. */
static uint32_t milli(double cps)
{
    if (cps <= 0)
        return 0;
    long long value = llround(cps * 1000);
    return value < 1 ? 1 : (uint32_t)value;
}

/* ---- answers ---- */

/* A campaign with its breaker, which is looked up in `breakers`. */
static yyjson_mut_val *project(yyjson_mut_doc *doc, const struct od_campaign_rec *rec,
                               const struct od_api_breaker *breakers, size_t count)
{
    yyjson_mut_val *o = od_project_campaign(doc, rec);
    od_breakers_put_campaign(doc, o, &rec->id, breakers, count);
    return o;
}

static void answer_campaign(struct od_request *q, int status, const struct od_campaign_rec *rec)
{
    char location[96], id[OD_UID_TEXT];
    struct od_buf buf;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc) {
        size_t known = 0;
        struct od_api_breaker *breakers = od_breakers_table(q, &known);
        yyjson_mut_doc_set_root(doc, project(doc, rec, breakers, known));
        free(breakers); /* texts were copied */
    }
    od_uid_text(&rec->id, id);
    od_buf_init(&buf, location, sizeof location);
    od_buf_str(&buf, "Location: /outdial/v1/campaigns/");
    od_buf_str(&buf, id);
    od_buf_str(&buf, "\r\n");
    od_request_answer(q, status, doc, status == 201 ? location : NULL);
}

static void show_done(void *ctx, int err, const struct od_campaign_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (!err && !count)
        err = OD_ENOENT;
    if (err)
        od_request_err(q, err, "campaign");
    else
        answer_campaign(q, 200, recs);
}

void od_campaigns_show(struct od_request *q)
{
    od_request_out(q);
    q->api->repo.campaign_get(q->api->repo.ctx, q->who.org, &q->at.ids[0], show_done, q);
}

static void change_done(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err)
        od_request_err(q, err, "campaign");
    else
        od_campaigns_show(q);
}

/* ---- lists ---- */

struct page_work {
    uint32_t limit;
    uint64_t cursor;
};

static void list_done(void *ctx, int err, const struct od_campaign_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    const struct page_work *page = q->work;
    yyjson_mut_val *data;
    yyjson_mut_doc *doc = od_request_page_doc(q, err, "campaign", &data);
    if (!doc)
        return;
    size_t known = 0;
    struct od_api_breaker *breakers = od_breakers_table(q, &known);
    for (size_t i = 0; i < count; i++)
        yyjson_mut_arr_append(data, project(doc, &recs[i], breakers, known));
    free(breakers); /* texts were copied */
    od_request_page_answer(q, doc, count == page->limit ? page->cursor + count : 0);
}

void od_campaigns_list(struct od_request *q)
{
    struct page_work *page = q->work = calloc(1, sizeof *page);
    if (!page) {
        od_request_err(q, OD_ENOMEM, "campaign");
        return;
    }
    if (!od_request_page(q, &page->limit, &page->cursor))
        return;
    if (page->cursor > UINT32_MAX) {
        od_request_fault(q, "query/cursor", "is not a cursor given by an earlier page");
        return;
    }
    od_request_out(q);
    q->api->repo.campaign_list(q->api->repo.ctx, q->who.org, (uint32_t)page->cursor, page->limit,
                               list_done, q);
}

/* ---- making ---- */

static void create_done(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err)
        od_request_err(q, err, "campaign");
    else
        answer_campaign(q, 201, q->work);
}

static void create_agent_found(struct od_request *q, const struct od_agent_rec *agent)
{
    struct od_campaign_rec *rec = q->work;
    rec->agent = agent->id;
    od_request_out(q);
    q->api->repo.campaign_create(q->api->repo.ctx, q->who.org, rec, create_done, q);
}

/* NULL: the agent's rule holds. */
static bool read_retry(yyjson_val *value, struct od_retry *out, struct od_faults *faults)
{
    struct od_agent_problem problem;
    if (!value || od_retry_parse(value, out, &problem) == 0)
        return true;
    char pointer[sizeof problem.pointer + 8] = "#/retry";
    strcat(pointer, problem.pointer);
    od_fault_add(faults, pointer, NULL, "expected %.150s, found %.100s", problem.expected,
                 problem.found);
    return false;
}

void od_campaigns_create(struct od_request *q)
{
    struct campaign_in in = {.priority = PRIORITY_DEFAULT};
    struct od_faults faults = {0};
    struct od_retry retry = {0};
    if (od_json_fields(yyjson_doc_get_root(q->body), create_fields,
                       sizeof create_fields / sizeof *create_fields, &in, "#", &faults) ||
        !read_retry(in.retry, &retry, &faults)) {
        od_request_faults(q, &faults);
        return;
    }
    struct od_campaign_rec *rec = q->work = calloc(1, sizeof *rec);
    if (!rec) {
        od_request_err(q, OD_ENOMEM, "campaign");
        return;
    }
    rec->id = od_request_uid(q);
    od_str_copy(rec->name, sizeof rec->name, in.name, strlen(in.name));
    rec->state = OD_CAMPAIGN_DRAFT;
    rec->priority = (int32_t)in.priority;
    rec->cps_milli = milli(in.cps);
    rec->max_calls = (uint32_t)in.max_calls;
    rec->has_retry = in.retry != NULL;
    rec->retry = retry;
    if (in.webhook_url) /* points into q->body */
        rec->webhook_url = (struct od_text){in.webhook_url, strlen(in.webhook_url)};
    rec->created_ms = od_request_wall_ms(q);
    od_agent_ref(q, in.agent, create_agent_found);
}

/* ---- changing ---- */

/* Null takes a limit away, as a merge patch takes a member away (RFC 7396). */
void od_campaigns_patch(struct od_request *q)
{
    struct campaign_in in = {0};
    struct od_faults faults = {0};
    yyjson_val *root = yyjson_doc_get_root(q->body);
    if (od_json_fields(root, patch_fields, sizeof patch_fields / sizeof *patch_fields, &in, "#",
                       &faults)) {
        od_request_faults(q, &faults);
        return;
    }
    bool cps = yyjson_obj_get(root, "cps") != NULL;
    bool max_calls = yyjson_obj_get(root, "max_calls") != NULL;
    char who[OD_AUDIT_WHO_MAX];
    od_audit_who(q, who);
    od_request_out(q);
    q->api->repo.campaign_limits(
        q->api->repo.ctx, q->who.org, &q->at.ids[0], cps ? milli(in.cps) : UINT32_MAX,
        max_calls ? (uint32_t)in.max_calls : UINT32_MAX, who, change_done, q);
}

static void set_state(struct od_request *q, enum od_campaign_state state, od_repo_done_fn fn)
{
    char who[OD_AUDIT_WHO_MAX];
    od_audit_who(q, who);
    od_request_out(q);
    q->api->repo.campaign_set_state(q->api->repo.ctx, q->who.org, &q->at.ids[0], state, who, fn, q);
}

static void start_done(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (err != OD_ECONFLICT)
        change_done(ctx, err);
    else if (od_request_back(q))
        od_request_problem(q, 409, "conflict", "the campaign is canceled: it can't be started");
}

static void halt_done(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (err != OD_ECONFLICT)
        change_done(ctx, err);
    else if (od_request_back(q))
        od_request_problem(q, 409, "conflict",
                           "only a campaign that was started and is not canceled can be paused or "
                           "drained");
}

void od_campaigns_start(struct od_request *q)
{
    set_state(q, OD_CAMPAIGN_RUNNING, start_done);
}

void od_campaigns_pause(struct od_request *q)
{
    set_state(q, OD_CAMPAIGN_PAUSED, halt_done);
}

void od_campaigns_drain(struct od_request *q)
{
    set_state(q, OD_CAMPAIGN_DRAINING, halt_done);
}

/* Canceling what is canceled already changes nothing, so a DELETE can be repeated (RFC 9110 section
 * 9.2.2). */
static void cancel_done(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err && err != OD_ECONFLICT)
        od_request_err(q, err, "campaign");
    else
        od_campaigns_show(q);
}

void od_campaigns_cancel(struct od_request *q)
{
    set_state(q, OD_CAMPAIGN_CANCELED, cancel_done);
}
