/*
 * Calls, single ones and a campaign's contacts, which are the same thing under two paths. A call is
 * answered for only when it is stored: from then on it is dialled whatever happens to us.
 */
#include "engine/api/native.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/agent_view.h"
#include "engine/api/call_wait.h"
#include "engine/api/json_read.h"
#include "engine/api/number.h"
#include "engine/api/project.h"
#include "engine/api/vendor_status.h"
#include "engine/api/way_out.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum {
    PRIORITY_DEFAULT = 1,
    CONTEXT_BYTES_MAX = 32 * 1024,
    URL_MAX = 2047,
    TRACE_BYTES = 64 * 1024, /* first try */
    TRACE_BYTES_MAX = 4 << 20,
};

/* ---- making ---- */

struct call_in {
    const char *to, *from, *agent, *webhook_url, *timezone;
    yyjson_val *context;
    int64_t priority, not_before_ms, deadline_ms;
};

#define AT(member) offsetof(struct call_in, member)
static const struct od_field create_fields[] = {
    {"to", OD_FIELD_TEXT, AT(to), 1, 255, true},
    {"agent", OD_FIELD_TEXT, AT(agent), 1, 127, true},
    {"from", OD_FIELD_TEXT, AT(from), 1, 255, false},
    {"context", OD_FIELD_OBJECT, AT(context), 0, 0, false},
    {"priority", OD_FIELD_INT, AT(priority), INT32_MIN, INT32_MAX, false},
    {"not_before", OD_FIELD_TIME, AT(not_before_ms), 0, 0, false},
    {"deadline", OD_FIELD_TIME, AT(deadline_ms), 0, 0, false},
    {"timezone", OD_FIELD_TEXT, AT(timezone), 1, OD_ZONE_MAX - 1, false},
    {"webhook_url", OD_FIELD_URL, AT(webhook_url), 1, URL_MAX, false},
};

/* The call from the document to the answer; its record is what the answer shows. */
struct call_work {
    struct od_call_rec rec;
    const char *webhook_url; /* in q->body, may be NULL */
    yyjson_doc *agent;       /* of a call that names its number */
    char context[];          /* JSON, rec.context points at it */
};

static void created(void *ctx, int err, size_t added, const uint32_t *twice, size_t twice_count)
{
    struct od_request *q = ctx;
    (void)twice;
    (void)twice_count;
    if (!od_request_back(q))
        return;
    struct call_work *work = q->work;
    char id[OD_UID_TEXT], location[96];
    od_uid_text(&work->rec.id, id);
    if (!err && !added)
        err = OD_EIO;
    if (err == OD_ETIMEOUT) {
        /* A client that repeats the request now may ring a person twice: it gets the means to look.
         */
        yyjson_mut_doc *doc = od_request_problem_doc(
            q, 504, "store_timeout",
            "the call may or may not have been stored; look for it before asking again");
        if (doc)
            yyjson_mut_obj_add_strcpy(doc, yyjson_mut_doc_get_root(doc), "call_id", id);
        od_request_answer_problem(q, 504, doc, NULL);
        return;
    }
    if (err) {
        od_request_err(q, err, "call");
        return;
    }
    struct od_buf buf;
    od_buf_init(&buf, location, sizeof location);
    od_buf_str(&buf, "Location: /outdial/v1/calls/");
    od_buf_str(&buf, id);
    od_buf_str(&buf, "\r\n");
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc)
        yyjson_mut_doc_set_root(doc, od_project_call(doc, &work->rec));
    od_request_answer(q, 201, doc, location);
}

static void add(struct od_request *q)
{
    struct call_work *work = q->work;
    struct od_call_rec *rec = &work->rec;
    struct od_call_new call = {
        .id = rec->id,
        .to = rec->to,
        .from = rec->from,
        .context = rec->context,
        .via = rec->via,
        .timezone = rec->timezone,
        .not_before_ms = rec->not_before_ms,
        .deadline_ms = rec->deadline_ms,
        .created_ms = rec->created_ms,
    };
    if (work->webhook_url) {
        call.webhook_url = (struct od_text){work->webhook_url, strlen(work->webhook_url)};
        call.hooks = OD_CALL_HOOK_URL;
    }
    od_request_out(q);
    q->api->repo.calls_add(q->api->repo.ctx, q->who.org, &rec->agent, NULL, rec->priority, &call, 1,
                           created, q);
}

static void ways_came(struct od_request *q)
{
    struct call_work *work = q->work;
    work->rec.via = od_way_out_of(q->ways, yyjson_doc_get_root(work->agent), work->rec.from);
    add(q);
}

static void create_agent_found(struct od_request *q, const struct od_agent_rec *agent)
{
    struct call_work *work = q->work;
    work->rec.agent = agent->id;
    if (!work->rec.from[0]) {
        add(q);
        return;
    }
    work->agent = od_agent_doc(agent);
    od_way_out_load(q, ways_came);
}

static void free_call(void *at)
{
    struct call_work *work = at;
    yyjson_doc_free(work->agent);
}

/* The fields that more than their type decides about. */
static void check_call(struct od_request *q, const struct call_in *in, struct od_call_rec *rec,
                       struct od_faults *faults)
{
    int64_t now_ms = od_request_wall_ms(q);
    const char *why = in->to ? od_number_read(in->to, strlen(in->to), rec->to) : NULL;
    if (why)
        od_fault_add(faults, "#", "to", "%s", why);
    why = in->from ? od_number_read(in->from, strlen(in->from), rec->from) : NULL;
    if (why)
        od_fault_add(faults, "#", "from", "%s", why);
    if (in->deadline_ms && in->deadline_ms <= now_ms)
        od_fault_add(faults, "#", "deadline", "has passed");
    if (in->deadline_ms && in->not_before_ms >= in->deadline_ms)
        od_fault_add(faults, "#", "not_before", "is not before the deadline");
    if (in->timezone && !od_request_zone_ok(q, in->timezone))
        od_fault_add(faults, "#", "timezone", OD_ZONE_FAULT);
    else if (in->timezone)
        od_str_copy(rec->timezone, sizeof rec->timezone, in->timezone, strlen(in->timezone));
    rec->id = od_request_uid(q);
    rec->priority = (int32_t)in->priority;
    rec->not_before_ms = in->not_before_ms;
    rec->deadline_ms = in->deadline_ms;
    rec->created_ms = now_ms;
    rec->phase = in->not_before_ms > now_ms ? OD_PHASE_WAITING : OD_PHASE_QUEUED;
    if (rec->phase == OD_PHASE_WAITING) {
        rec->next_ms = in->not_before_ms;
        strcpy(rec->wait_reason, "not_before");
    }
}

void od_calls_create(struct od_request *q)
{
    struct call_in in = {.priority = PRIORITY_DEFAULT};
    struct od_faults faults = {0};
    struct od_call_rec rec = {0};
    size_t bytes = 0;
    od_json_fields(yyjson_doc_get_root(q->body), create_fields,
                   sizeof create_fields / sizeof *create_fields, &in, "#", &faults);
    check_call(q, &in, &rec, &faults);
    char *context = in.context ? yyjson_val_write(in.context, 0, &bytes) : NULL;
    if (bytes > CONTEXT_BYTES_MAX)
        od_fault_add(&faults, "#", "context", "is longer than %d bytes", CONTEXT_BYTES_MAX);
    if (faults.count) {
        free(context);
        od_request_faults(q, &faults);
        return;
    }
    struct call_work *work = in.context && !context ? NULL : malloc(sizeof *work + bytes + 1);
    if (!work) {
        free(context);
        od_request_err(q, OD_ENOMEM, "call");
        return;
    }
    *work = (struct call_work){.rec = rec, .webhook_url = in.webhook_url};
    if (bytes)
        memcpy(work->context, context, bytes);
    free(context);
    work->rec.context = (struct od_text){work->context, bytes};
    q->work = work;
    q->work_free = free_call;
    od_agent_ref(q, in.agent, create_agent_found);
}

/* ---- showing ---- */

/* True when the record is there and, under a campaign's path, belongs to the campaign. */
static bool call_came(struct od_request *q, int err, const struct od_call_rec *recs, size_t count)
{
    bool contact = strncmp(q->at.route->pattern, "/outdial/v1/campaigns/", 22) == 0;
    if (!err && (!count || (contact && !od_uid_equal(&recs->campaign, &q->at.ids[0]))))
        err = OD_ENOENT;
    if (err)
        od_request_err(q, err, contact ? "contact" : "call");
    return !err;
}

static void get_call(struct od_request *q, const struct od_uid *id, od_repo_calls_fn fn)
{
    od_request_out(q);
    q->api->repo.call_get(q->api->repo.ctx, q->who.org, id, fn, q);
}

static void show_done(void *ctx, int err, const struct od_call_rec *recs, size_t count,
                      uint64_t next_cursor)
{
    struct od_request *q = ctx;
    (void)next_cursor;
    if (!od_request_back(q) || !call_came(q, err, recs, count))
        return;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc) {
        const struct od_api_host *host = &q->api->host;
        struct od_call_rec rec = *recs;
        od_call_wait(q->api, &rec);
        yyjson_mut_val *call = od_project_call(doc, &rec);
        const char *live = host->live_state ? host->live_state(host->ctx, &recs->id) : NULL;
        if (live)
            yyjson_mut_obj_add_strcpy(doc, call, "live_state", live);
        else
            yyjson_mut_obj_add_null(doc, call, "live_state");
        yyjson_mut_doc_set_root(doc, call);
    }
    od_request_answer(q, 200, doc, NULL);
}

void od_calls_show(struct od_request *q)
{
    get_call(q, &q->at.ids[0], show_done);
}

void od_contacts_show(struct od_request *q)
{
    get_call(q, &q->at.ids[1], show_done);
}

/* ---- lists ---- */

static bool add_phase(const char *word, struct od_call_set *set)
{
    for (unsigned i = 0; i < OD_PHASE_COUNT; i++)
        if (strcmp(word, od_phase_name((enum od_call_phase)i)) == 0) {
            set->phases |= 1u << i;
            return true;
        }
    return false;
}

static bool add_cause(const char *word, struct od_call_set *set)
{
    enum od_cause cause = od_cause_from_name(word);
    if (cause == OD_CAUSE_COUNT || cause == OD_CAUSE_NONE)
        return false;
    set->causes |= 1u << cause;
    return true;
}

/* Our own words first, since some mean less than the same words of a vendor do. */
static bool add_word(const char *word, struct od_call_set *set)
{
    return add_phase(word, set) || add_cause(word, set) || od_dasha_status_add(word, set) ||
           od_callingbox_status_add(word, set);
}

/* False: answered. */
static bool read_filter(struct od_request *q, struct od_call_set *set)
{
    static const struct {
        const char *name;
        bool (*add)(const char *word, struct od_call_set *set);
    } rows[] = {{"status", add_word}, {"state", add_word}, {"cause", add_cause}};
    char word[OD_QUERY_VALUE_MAX], pointer[32];
    *set = (struct od_call_set){0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!od_query_get(q->x->query, rows[i].name, word) || rows[i].add(word, set))
            continue;
        snprintf(pointer, sizeof pointer, "query/%s", rows[i].name);
        od_request_fault(q, pointer,
                         "is not a word known here: created, waiting, queued, dialing, ringing, "
                         "talking, ended, or a cause like busy, no_answer");
        return false;
    }
    if (set->causes && set->phases & ~(1u << OD_PHASE_ENDED)) {
        od_request_fault(q, "query/cause", "only an ended call has a cause");
        return false;
    }
    if (set->causes)
        set->phases = 0;
    return true;
}

static void list_done(void *ctx, int err, const struct od_call_rec *recs, size_t count,
                      uint64_t next_cursor)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    yyjson_mut_val *data;
    yyjson_mut_doc *doc = od_request_page_doc(q, err, "campaign", &data);
    if (!doc)
        return;
    uint16_t phases = *(const uint16_t *)q->work; /* 0: any */
    for (size_t i = 0; i < count; i++) {
        struct od_call_rec rec = recs[i];
        if (od_uid_none(&rec.campaign)) /* contacts are many, and stand behind one campaign */
            od_call_wait(q->api, &rec);
        if (phases && !(phases >> rec.phase & 1))
            continue; /* a page may be shorter than its limit */
        yyjson_mut_arr_append(data, od_project_call(doc, &rec));
    }
    od_request_page_answer(q, doc, next_cursor);
}

/* A call is listed by what is shown of it: one that stands in line and is held with its whole lane
 * is waiting. */
static void list(struct od_request *q, const struct od_uid *campaign)
{
    uint32_t limit;
    uint64_t cursor;
    struct od_call_set set;
    if (!od_request_page(q, &limit, &cursor) || !read_filter(q, &set))
        return;
    struct od_call_query query = {.campaign = campaign,
                                  .cursor = cursor,
                                  .take = limit,
                                  .phases = set.phases,
                                  .causes = set.causes};
    uint16_t *shown = q->work = calloc(1, sizeof *shown);
    if (!shown) {
        od_request_err(q, OD_ENOMEM, "call");
        return;
    }
    *shown = (uint16_t)query.phases;
    if (!campaign && set.phases >> OD_PHASE_WAITING & 1)
        query.phases |= 1u << OD_PHASE_QUEUED;
    od_request_out(q);
    q->api->repo.call_list(q->api->repo.ctx, q->who.org, &query, list_done, q);
}

void od_calls_list(struct od_request *q)
{
    list(q, NULL);
}

/* A campaign that isn't there has no contacts, and the difference matters. */
static void contacts_campaign_done(void *ctx, int err, const struct od_campaign_rec *recs,
                                   size_t count)
{
    struct od_request *q = ctx;
    (void)recs;
    if (!od_request_back(q))
        return;
    if (err || !count)
        od_request_err(q, err ? err : OD_ENOENT, "campaign");
    else
        list(q, &q->at.ids[0]);
}

void od_contacts_list(struct od_request *q)
{
    od_request_out(q);
    q->api->repo.campaign_get(q->api->repo.ctx, q->who.org, &q->at.ids[0], contacts_campaign_done,
                              q);
}

/* ---- stopping ---- */

static void stopped(struct od_request *q, int err, const char *conflict)
{
    if (!od_request_back(q))
        return;
    if (err == OD_ECONFLICT)
        od_request_problem(q, 409, "call_not_stoppable", "%s", conflict);
    else if (err)
        od_request_err(q, err, "call");
    else
        od_calls_show(q);
}

static void cancel_done(void *ctx, int err)
{
    stopped(ctx, err, "the call has ended, or is answered: hang it up instead");
}

static void hangup_done(void *ctx, int err)
{
    stopped(ctx, err, "the call has ended");
}

void od_calls_cancel(struct od_request *q)
{
    od_request_out(q);
    q->api->repo.call_stop(q->api->repo.ctx, q->who.org, &q->at.ids[0], false, cancel_done, q);
}

void od_calls_hangup(struct od_request *q)
{
    od_request_out(q);
    q->api->repo.call_stop(q->api->repo.ctx, q->who.org, &q->at.ids[0], true, hangup_done, q);
}

/* ---- its trace ---- */

/* The host's text, read whole; NULL: nothing is known of the call any more. */
static char *fetch_trace(const struct od_api_host *host, const struct od_uid *id, size_t *bytes)
{
    char *text = NULL;
    size_t size = TRACE_BYTES;
    for (int attempt = 0; host->trace && attempt < 2; attempt++) {
        free(text);
        text = malloc(size);
        if (!text)
            return NULL;
        *bytes = host->trace(host->ctx, id, text, size);
        if (*bytes && *bytes <= size)
            return text;
        if (!*bytes || *bytes > TRACE_BYTES_MAX)
            break;
        size = *bytes;
    }
    free(text);
    return NULL;
}

static void trace_done(void *ctx, int err, const struct od_call_rec *recs, size_t count,
                       uint64_t next_cursor)
{
    struct od_request *q = ctx;
    (void)next_cursor;
    if (!od_request_back(q) || !call_came(q, err, recs, count))
        return;
    yyjson_mut_doc *doc = od_project_doc();
    if (!doc) {
        od_request_err(q, OD_ENOMEM, "call");
        return;
    }
    size_t bytes = 0;
    char *text = fetch_trace(&q->api->host, &recs->id, &bytes);
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    yyjson_mut_obj_add_val(doc, root, "call", od_project_call(doc, recs));
    od_put_json(doc, root, "trace", (struct od_text){text, text ? bytes : 0}, "[]");
    size_t written;
    char *answer = yyjson_mut_write(doc, YYJSON_WRITE_NEWLINE_AT_END, &written);
    yyjson_mut_doc_free(doc);
    free(text); /* the document borrowed it */
    if (answer)
        od_request_answer_text(q, 200, "application/json", answer, written);
    else
        od_request_err(q, OD_ENOMEM, "call");
    free(answer);
}

void od_calls_trace(struct od_request *q)
{
    get_call(q, &q->at.ids[0], trace_done);
}
