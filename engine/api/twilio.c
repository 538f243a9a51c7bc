/*
 * twilio - as much of Twilio's calls resource as bots on its media streams use: to read a call, to
 * list calls, and to hang up by POST of Status=completed. The account's SID is the org's (sid.h), a
 * call's SID its id; the key is the password of Basic authorization.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/agent/sid.h"
#include "engine/api/agent_view.h"
#include "engine/api/call_page.h"
#include "engine/api/native.h"
#include "engine/api/project.h"
#include "engine/api/query.h"
#include "engine/api/request.h"
#include "engine/api/time_text.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum { PAGE_DEFAULT = 50, PAGE_MAX = 1000, STATUS_MAX = 32, TWIML_MAX = 512 };

static const char PREFIX[] = "/2010-04-01/Accounts/";

struct work {
    struct od_call_page page; /* first: see call_page.h */
    /* the list's */
    struct od_call_query query;
    uint64_t number; /* of the page */
};

static void free_work(void *at)
{
    struct work *work = at;
    od_call_page_free(&work->page);
}

/* NULL: answered. */
static struct work *begin_work(struct od_request *q)
{
    struct work *work = q->work = calloc(1, sizeof *work);
    q->work_free = free_work;
    if (!work)
        od_request_err(q, OD_ENOMEM, "call");
    return work;
}

/* Twilio's words for where a call is, and for how it ended. */
static const char *word_of(enum od_call_phase phase, enum od_cause cause)
{
    static const char *const phases[OD_PHASE_COUNT] = {
        [OD_PHASE_CREATED] = "queued",      [OD_PHASE_WAITING] = "queued",
        [OD_PHASE_QUEUED] = "queued",       [OD_PHASE_START_HOOK] = "queued",
        [OD_PHASE_DIALING] = "initiated",   [OD_PHASE_RINGING] = "ringing",
        [OD_PHASE_TALKING] = "in-progress",
    };
    if (phase != OD_PHASE_ENDED)
        return phase < OD_PHASE_COUNT ? phases[phase] : "queued";
    switch (cause) {
    case OD_CAUSE_COMPLETED:
    case OD_CAUSE_MACHINE:
        return "completed";
    case OD_CAUSE_BUSY:
    case OD_CAUSE_DECLINED:
        return "busy";
    case OD_CAUSE_NO_ANSWER:
        return "no-answer";
    case OD_CAUSE_CANCELED:
    case OD_CAUSE_DEADLINE:
        return "canceled";
    default:
        return "failed";
    }
}

/* Asks for calls of that word; false: it is none. */
static bool want_status(const char *word, struct od_call_query *query)
{
    for (unsigned phase = 0; phase < OD_PHASE_COUNT; phase++) {
        if (phase != OD_PHASE_ENDED && !strcmp(word, word_of(phase, OD_CAUSE_NONE)))
            query->phases |= 1u << phase;
    }
    for (unsigned cause = OD_CAUSE_NONE + 1; cause < OD_CAUSE_COUNT; cause++) {
        if (!strcmp(word, word_of(OD_PHASE_ENDED, cause)))
            query->causes |= 1u << cause;
    }
    return query->phases || query->causes;
}

/* RFC 2822, as Twilio writes times: "Wed, 31 Dec 2025 23:59:59 +0000". */
static void put_time(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, int64_t wall_ms)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char iso[OD_TIME_TEXT], text[40];
    struct od_buf buf;
    if (wall_ms <= 0) {
        yyjson_mut_obj_add_null(doc, o, key);
        return;
    }
    od_time_text(wall_ms, iso); /* 2025-01-31T23:59:59.123Z */
    unsigned month = (unsigned)(iso[5] - '0') * 10 + (unsigned)(iso[6] - '0');
    od_buf_init(&buf, text, sizeof text);
    od_buf_str(&buf, days[wall_ms / 86400000 % 7]); /* the epoch was a Thursday */
    od_buf_str(&buf, ", ");
    od_buf_add(&buf, iso + 8, 2);
    od_buf_char(&buf, ' ');
    od_buf_str(&buf, months[(month - 1) % 12]);
    od_buf_char(&buf, ' ');
    od_buf_add(&buf, iso, 4);
    od_buf_char(&buf, ' ');
    od_buf_add(&buf, iso + 11, 8);
    od_buf_str(&buf, " +0000");
    yyjson_mut_obj_add_strcpy(doc, o, key, text);
}

static void put_word(yyjson_mut_doc *doc, yyjson_mut_val *o, const char *key, const char *word)
{
    if (*word)
        yyjson_mut_obj_add_strcpy(doc, o, key, word);
    else
        yyjson_mut_obj_add_null(doc, o, key);
}

static void put_duration(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_outcome *outcome)
{
    char text[24];
    struct od_buf buf;
    if (!outcome->ended_ms) {
        yyjson_mut_obj_add_null(doc, o, "duration");
        return;
    }
    int64_t ms = outcome->answered_ms ? outcome->ended_ms - outcome->answered_ms : 0;
    od_buf_init(&buf, text, sizeof text);
    od_buf_u64(&buf, ms > 0 ? (uint64_t)(ms + 999) / 1000 : 0);
    yyjson_mut_obj_add_strcpy(doc, o, "duration", text);
}

static yyjson_mut_val *project(yyjson_mut_doc *doc, const struct od_request *q,
                               const struct od_call_rec *rec)
{
    const char *number = od_agent_number(od_call_page_agent(q, rec));
    const char *from = rec->from[0] ? rec->from : number ? number : "";
    char account[OD_SID_TEXT], call[OD_SID_TEXT], uri[128], who[OD_ANSWERED_BY_MAX];
    struct od_buf buf;
    yyjson_mut_val *o = yyjson_mut_obj(doc);
    const struct od_outcome *outcome = &rec->outcome;
    od_sid_account(q->who.org, account);
    od_sid_call(&rec->id, call);
    od_project_answered_by(rec, who);
    od_buf_init(&buf, uri, sizeof uri);
    od_buf_str(&buf, PREFIX);
    od_buf_str(&buf, account);
    od_buf_str(&buf, "/Calls/");
    od_buf_str(&buf, call);
    od_buf_str(&buf, ".json");
    yyjson_mut_obj_add_strcpy(doc, o, "sid", call);
    yyjson_mut_obj_add_strcpy(doc, o, "account_sid", account);
    yyjson_mut_obj_add_null(doc, o, "parent_call_sid");
    yyjson_mut_obj_add_str(doc, o, "api_version", "2010-04-01");
    yyjson_mut_obj_add_strcpy(doc, o, "to", rec->to);
    yyjson_mut_obj_add_strcpy(doc, o, "to_formatted", rec->to);
    put_word(doc, o, "from", from);
    put_word(doc, o, "from_formatted", from);
    yyjson_mut_obj_add_str(doc, o, "status", word_of(rec->phase, rec->outcome.cause));
    yyjson_mut_obj_add_str(doc, o, "direction", "outbound-api");
    put_word(doc, o, "answered_by", who);
    put_time(doc, o, "date_created", rec->created_ms);
    put_time(doc, o, "date_updated", outcome->ended_ms ? outcome->ended_ms : rec->created_ms);
    put_time(doc, o, "start_time", outcome->dialed_ms);
    put_time(doc, o, "end_time", outcome->ended_ms);
    put_duration(doc, o, outcome);
    yyjson_mut_obj_add_null(doc, o, "price");
    yyjson_mut_obj_add_str(doc, o, "price_unit", "USD");
    yyjson_mut_obj_add_strcpy(doc, o, "uri", uri);
    return o;
}

/* The account in the path is the key's own: what is another's is not there. */
static bool account_ok(struct od_request *q)
{
    char account[OD_SID_TEXT];
    const char *at = q->x->path + sizeof PREFIX - 1;
    od_sid_account(q->who.org, account);
    if (strncmp(at, account, OD_SID_TEXT - 1) == 0 && at[OD_SID_TEXT - 1] == '/')
        return true;
    od_request_problem(q, 404, "not_found", "The requested resource %s was not found", q->x->path);
    return false;
}

static bool call_ok(struct od_request *q, struct od_uid *id)
{
    const char *name = q->at.name;
    size_t bytes = strlen(name);
    if (bytes > 5 && !strcmp(name + bytes - 5, ".json"))
        bytes -= 5;
    if (!account_ok(q))
        return false;
    if (od_sid_read_call(name, bytes, id))
        return true;
    od_request_problem(q, 404, "not_found", "The requested resource %s was not found", q->x->path);
    return false;
}

static void answer_err(struct od_request *q, int err)
{
    if (err == OD_ENOENT)
        od_request_problem(q, 404, "not_found", "The requested resource %s was not found",
                           q->x->path);
    else
        od_request_err(q, err, "call");
}

static void answer_one(struct od_request *q)
{
    const struct od_call_page *page = q->work;
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc)
        yyjson_mut_doc_set_root(doc, project(doc, q, page->recs));
    od_request_answer(q, 200, doc, NULL);
}

static void show_done(void *ctx, int err, const struct od_call_rec *recs, size_t count,
                      uint64_t next_cursor)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err || !count)
        answer_err(q, err ? err : OD_ENOENT);
    else if (begin_work(q))
        od_call_page_take(q, recs, count, next_cursor, answer_one);
}

static void get(struct od_request *q, const struct od_uid *id)
{
    od_request_out(q);
    q->api->repo.call_get(q->api->repo.ctx, q->who.org, id, show_done, q);
}

void od_twilio_show(struct od_request *q)
{
    struct od_uid id;
    if (call_ok(q, &id))
        get(q, &id);
}

/* ---- hanging up ---- */

static void stop_done(void *ctx, int err)
{
    struct od_request *q = ctx;
    struct od_uid id;
    if (!od_request_back(q))
        return;
    /* One that has ended already: Twilio answers with the call as it is. */
    if (err && err != OD_ECONFLICT)
        answer_err(q, err);
    else if (call_ok(q, &id))
        get(q, &id);
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The first field of that name; false when there is none. A value that is too long or holds a NUL
 * is
 * "". */
static bool form_field(const struct od_request *q, const char *name, char *out, size_t size)
{
    const char *at = q->text ? q->text : "", *end = at + q->text_bytes;
    size_t name_bytes = strlen(name);
    while (at < end) {
        size_t bytes = strcspn(at, "&"), used = 0;
        const char *value = at + name_bytes + 1, *stop = at + bytes;
        bool ours = bytes > name_bytes && !strncmp(at, name, name_bytes) && at[name_bytes] == '=';
        at = stop + 1;
        if (!ours)
            continue;
        for (; value < stop && used + 1 < size; value++) {
            int high = *value == '%' && stop - value > 2 ? hex_value(value[1]) : -1;
            int low = high >= 0 ? hex_value(value[2]) : -1;
            if (low >= 0)
                value += 2;
            out[used++] = low >= 0 ? (char)(high << 4 | low) : *value == '+' ? ' ' : *value;
        }
        out[value == stop && !memchr(out, 0, used) ? used : 0] = 0;
        return true;
    }
    return false;
}

/* The words, behind blanks. */
static bool eat(const char **at, const char *words)
{
    const char *from = *at + strspn(*at, " \t\r\n");
    size_t bytes = strlen(words);
    if (strncmp(from, words, bytes) != 0)
        return false;
    *at = from + bytes;
    return true;
}

/* TwiML that does nothing but end the call: a Response with a Hangup or with nothing, the way that
 * helper libraries write it. */
static bool only_hangs_up(const char *at)
{
    if (eat(&at, "<?xml") && !(at = strstr(at, "?>")))
        return false;
    eat(&at, "?>");
    bool empty = eat(&at, "<Response/>") || eat(&at, "<Response />");
    if (!empty && !eat(&at, "<Response>"))
        return false;
    if (!empty && !eat(&at, "<Hangup/>") && !eat(&at, "<Hangup />") && eat(&at, "<Hangup>") &&
        !eat(&at, "</Hangup>"))
        return false;
    return (empty || eat(&at, "</Response>")) && !at[strspn(at, " \t\r\n")];
}

void od_twilio_update(struct od_request *q)
{
    char status[STATUS_MAX] = "", twiml[TWIML_MAX] = "";
    struct od_uid id;
    if (!call_ok(q, &id))
        return;
    bool by_status = form_field(q, "Status", status, sizeof status);
    form_field(q, "Twiml", twiml, sizeof twiml);
    bool hangup = by_status ? strcmp(status, "completed") == 0 : only_hangs_up(twiml);
    if (!hangup && strcmp(status, "canceled") != 0) {
        od_request_problem(q, 400, "status",
                           "Status: expected completed (hang up) or canceled, or Twiml of a "
                           "Response with a Hangup; "
                           "nothing else of a call can be changed here");
        return;
    }
    od_request_out(q);
    q->api->repo.call_stop(q->api->repo.ctx, q->who.org, &id, hangup, stop_done, q);
}

/* ---- the list ---- */

/* Where the next page is: the same question, further on. */
static void put_next(yyjson_mut_doc *doc, yyjson_mut_val *root, const struct od_request *q)
{
    const struct work *work = q->work;
    char uri[256], status[OD_QUERY_VALUE_MAX];
    struct od_buf buf;
    od_buf_init(&buf, uri, sizeof uri);
    od_buf_str(&buf, q->x->path);
    od_buf_str(&buf, "?PageSize=");
    od_buf_u64(&buf, work->query.take);
    od_buf_str(&buf, "&Page=");
    od_buf_u64(&buf, work->number + 1);
    od_buf_str(&buf, "&PageToken=");
    od_buf_u64(&buf, work->page.next_cursor);
    if (od_query_get(q->x->query, "Status", status)) { /* one of ours: nothing to be encoded */
        od_buf_str(&buf, "&Status=");
        od_buf_str(&buf, status);
    }
    put_word(doc, root, "next_page_uri", work->page.next_cursor ? uri : "");
}

static void answer_list(struct od_request *q)
{
    const struct work *work = q->work;
    yyjson_mut_doc *doc = od_project_doc();
    if (doc) {
        yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
        yyjson_mut_val *calls = yyjson_mut_obj_add_arr(doc, root, "calls");
        for (size_t i = 0; i < work->page.count; i++)
            yyjson_mut_arr_append(calls, project(doc, q, &work->page.recs[i]));
        yyjson_mut_obj_add_uint(doc, root, "page", work->number);
        yyjson_mut_obj_add_uint(doc, root, "page_size", work->query.take);
        yyjson_mut_obj_add_strcpy(doc, root, "uri", q->x->path);
        put_next(doc, root, q);
        yyjson_mut_obj_add_null(doc, root, "previous_page_uri");
    }
    od_request_answer(q, 200, doc, NULL);
}

static void list_done(void *ctx, int err, const struct od_call_rec *recs, size_t count,
                      uint64_t next_cursor)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err)
        od_request_err(q, err, "calls");
    else
        od_call_page_take(q, recs, count, next_cursor, answer_list);
}

/* False: answered. */
static bool read_count(struct od_request *q, const char *name, uint64_t min, uint64_t max,
                       uint64_t *value)
{
    char text[OD_QUERY_VALUE_MAX];
    if (!od_query_get(q->x->query, name, text) ||
        (od_str_u64(text, strlen(text), max, value) && *value >= min))
        return true;
    od_request_problem(q, 400, "invalid_request", "%s: expected %llu to %llu", name,
                       (unsigned long long)min, (unsigned long long)max);
    return false;
}

void od_twilio_list(struct od_request *q)
{
    char status[OD_QUERY_VALUE_MAX];
    uint64_t take = PAGE_DEFAULT;
    if (!account_ok(q))
        return;
    struct work *work = begin_work(q);
    if (!work || !read_count(q, "PageSize", 1, PAGE_MAX, &take) ||
        !read_count(q, "Page", 0, UINT32_MAX, &work->number) ||
        !read_count(q, "PageToken", 0, UINT64_MAX, &work->query.cursor))
        return;
    work->query.take = (uint32_t)take;
    if (od_query_get(q->x->query, "Status", status) && !want_status(status, &work->query)) {
        od_request_problem(q, 400, "status",
                           "Status: expected queued, initiated, ringing, in-progress, completed, "
                           "busy, no-answer, canceled or failed");
        return;
    }
    od_request_out(q);
    q->api->repo.call_list(q->api->repo.ctx, q->who.org, &work->query, list_done, q);
}
