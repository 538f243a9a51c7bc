/*
 * The queue's list and the search of results: both walk the org's calls page by page, newest first,
 * and keep what the filters let through. What the store can filter by (agent, place, time) it does;
 * the rest is looked at here. Nothing is kept of a call that is not shown but its place in the
 * counts, so a search over any number of calls passes in bounded memory.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/api/call_extra.h"
#include "engine/api/call_wait.h"
#include "engine/api/dasha.h"
#include "engine/api/json_read.h"
#include "engine/api/number.h"
#include "engine/api/project.h"
#include "engine/api/tally.h"
#include "engine/api/time_text.h"
#include "engine/api/vendor_call.h"
#include "engine/api/vendor_status.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum {
    STEP = 250, /* records read at a time: a few ms of work */
    SIZE_DEFAULT = 50,
    SIZE_MAX_ = 1000,
    TAKE_DEFAULT = 20,
    IDS_MAX = 1000,
    SORTED_MAX = 200000, /* matches that can be sorted by anything but their time */
    FIELDS_MAX = 8,
};

enum sort_field { BY_CREATED, BY_COMPLETED, BY_DURATION, BY_ENDPOINT, BY_STATUS, BY_PRIORITY };
static const struct {
    const char *name;
    enum sort_field field;
} sort_fields[] = {
    {"createdTime", BY_CREATED}, {"completedTime", BY_COMPLETED}, {"durationSeconds", BY_DURATION},
    {"endpoint", BY_ENDPOINT},   {"callStatus", BY_STATUS},       {"status", BY_STATUS},
    {"priority", BY_PRIORITY},
};

struct match {
    struct od_uid id;
    int64_t number;
    char text[32];
};

struct search {
    bool queue; /* items and totalCount; otherwise results */

    /* what is looked for; texts are in the request's body or query */
    struct od_call_query query;
    struct od_uid one_agent;
    struct od_uid *agents, *ids;
    size_t agent_count, id_count, id_at;
    struct od_call_set set;
    bool any_status;
    const char *text, *endpoint;
    yyjson_val *data;

    /* how it is shown */
    uint64_t skip, take;
    uint64_t page, size;
    enum sort_field sort;
    bool ascending, aggregates;

    /* so far */
    uint64_t total, at;
    bool again; /* the second walk, for the oldest first */
    struct match *matches;
    size_t match_count, match_size, match_at, match_end;
    yyjson_mut_doc *doc;
    yyjson_mut_val *items;
    uint64_t began_ns;
    struct od_tally statuses, by_agent, endpoints, dates, custom[FIELDS_MAX];
    const char *fields[FIELDS_MAX];
    size_t field_count;
};

static void free_search(void *at)
{
    struct search *s = at;
    free(s->agents);
    free(s->ids);
    free(s->matches);
    yyjson_mut_doc_free(s->doc);
    struct od_tally *tallies[] = {&s->statuses, &s->by_agent, &s->endpoints, &s->dates};
    for (unsigned i = 0; i < 4; i++)
        od_tally_free(tallies[i]);
    for (unsigned i = 0; i < FIELDS_MAX; i++)
        od_tally_free(&s->custom[i]);
}

static struct search *begin(struct od_request *q)
{
    struct search *s = q->work = calloc(1, sizeof *s);
    q->work_free = free_search;
    if (s)
        s->doc = yyjson_mut_doc_new(NULL);
    if (!s || !s->doc) {
        od_request_err(q, OD_ENOMEM, "call");
        return NULL;
    }
    s->items = yyjson_mut_arr(s->doc);
    s->any_status = true;
    s->query.take = STEP;
    s->began_ns = q->api->host.now(q->api->host.ctx).mono_ns;
    struct od_tally *tallies[] = {&s->statuses, &s->by_agent, &s->endpoints, &s->dates};
    for (unsigned i = 0; i < 4; i++)
        memcpy(tallies[i]->key, q->key_hash, sizeof tallies[i]->key);
    for (unsigned i = 0; i < FIELDS_MAX; i++)
        memcpy(s->custom[i].key, q->key_hash, sizeof s->custom[i].key);
    return s;
}

/* ---- does a call pass? ---- */

static bool contains(struct od_text text, const char *part)
{
    size_t bytes = strlen(part);
    for (size_t i = 0; bytes && i + bytes <= text.bytes; i++)
        if (strncasecmp(text.at + i, part, bytes) == 0)
            return true;
    return !bytes;
}

static struct od_text whole(const char *text)
{
    return (struct od_text){text, strlen(text)};
}

static bool text_fits(const struct search *s, const struct od_call_rec *rec)
{
    char id[OD_UID_TEXT];
    if (!s->text)
        return true;
    od_uid_text(&rec->id, id);
    return contains(whole(rec->to), s->text) || contains(whole(id), s->text) ||
           contains(rec->context, s->text) || contains(rec->result, s->text);
}

static bool same_scalar(yyjson_val *wanted, yyjson_val *value)
{
    if (yyjson_is_str(wanted) && yyjson_is_str(value))
        return strcmp(yyjson_get_str(wanted), yyjson_get_str(value)) == 0;
    if (yyjson_is_num(wanted) && yyjson_is_num(value))
        return yyjson_get_num(wanted) == yyjson_get_num(value);
    return yyjson_equals(wanted, value);
}

/* Every filter's value is the call's; a list of values: one of them is. */
static bool data_fits(const struct search *s, const struct od_call_rec *rec)
{
    if (!s->data || !yyjson_obj_size(s->data))
        return true;
    yyjson_doc *doc = yyjson_read(rec->context.at, rec->context.bytes, 0);
    bool fits = doc != NULL;
    size_t i, max, k, count;
    yyjson_val *key, *wanted, *one;
    yyjson_obj_foreach(od_json_obj(s->data), i, max, key, wanted)
    {
        yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(doc), yyjson_get_str(key));
        bool some = !yyjson_is_arr(wanted) && value && same_scalar(wanted, value);
        yyjson_arr_foreach(od_json_arr(wanted), k, count, one) some =
            some || (value && same_scalar(one, value));
        fits = fits && some;
    }
    yyjson_doc_free(doc);
    return fits;
}

static bool agent_fits(const struct search *s, const struct od_call_rec *rec)
{
    for (size_t i = 0; i < s->agent_count; i++)
        if (od_uid_equal(&s->agents[i], &rec->agent))
            return true;
    return !s->agent_count;
}

static bool passes(const struct search *s, const struct od_call_rec *rec)
{
    bool time = rec->created_ms >= s->query.from_ms &&
                (!s->query.to_ms || rec->created_ms < s->query.to_ms);
    return time && (s->any_status || od_call_set_has(&s->set, rec)) && agent_fits(s, rec) &&
           (!s->endpoint || strcmp(s->endpoint, rec->to) == 0) && text_fits(s, rec) &&
           data_fits(s, rec);
}

/* ---- counting ---- */

static void count_custom(struct search *s, const struct od_call_rec *rec)
{
    char number[40];
    yyjson_doc *doc =
        s->field_count ? yyjson_read(rec->context.at, rec->context.bytes, YYJSON_READ_NUMBER_AS_RAW)
                       : NULL;
    for (size_t i = 0; i < s->field_count; i++) {
        yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(doc), s->fields[i]);
        if (yyjson_is_str(value)) {
            od_tally_add(&s->custom[i], yyjson_get_str(value));
        } else if (yyjson_is_raw(value)) {
            od_str_copy(number, sizeof number, yyjson_get_raw(value), yyjson_get_len(value));
            od_tally_add(&s->custom[i], number);
        } else if (yyjson_is_bool(value)) {
            od_tally_add(&s->custom[i], yyjson_get_bool(value) ? "true" : "false");
        }
    }
    yyjson_doc_free(doc);
}

static void count(struct od_request *q, const struct od_call_rec *rec)
{
    struct search *s = q->work;
    char id[OD_UID_TEXT], day[OD_TIME_TEXT];
    od_uid_text(&rec->agent, id);
    od_time_text(rec->created_ms, day);
    day[10] = 0; /* the date of it */
    od_tally_add(&s->statuses, od_dasha_status(rec, q->api->dasha_running));
    od_tally_add(&s->by_agent, id);
    od_tally_add(&s->endpoints, rec->to);
    od_tally_add(&s->dates, day);
    count_custom(s, rec);
}

/* ---- showing ---- */

static void show(struct od_request *q, const struct od_call_rec *rec)
{
    struct search *s = q->work;
    yyjson_mut_val *item = s->queue
                               ? od_dasha_call(s->doc, rec, q->who.org, q->api->dasha_running)
                               : od_dasha_result(s->doc, rec, q->who.org, q->api->dasha_running);
    if (s->ascending && s->sort == BY_CREATED)
        yyjson_mut_arr_prepend(s->items, item);
    else
        yyjson_mut_arr_append(s->items, item);
}

static void answer_queue(struct od_request *q)
{
    struct search *s = q->work;
    yyjson_mut_val *root = yyjson_mut_obj(s->doc);
    yyjson_mut_obj_add_val(s->doc, root, "items", s->items);
    yyjson_mut_obj_add_uint(s->doc, root, "totalCount", s->total);
    yyjson_mut_doc_set_root(s->doc, root);
}

static void answer_results(struct od_request *q)
{
    struct search *s = q->work;
    yyjson_mut_doc *doc = s->doc;
    yyjson_mut_val *root = yyjson_mut_obj(doc);
    uint64_t ms = (q->api->host.now(q->api->host.ctx).mono_ns - s->began_ns) / OD_NS_PER_MS;
    yyjson_mut_obj_add_val(doc, root, "results", s->items);
    yyjson_mut_obj_add_uint(doc, root, "totalCount", s->total);
    yyjson_mut_obj_add_uint(doc, root, "page", s->page);
    yyjson_mut_obj_add_uint(doc, root, "size", s->size);
    yyjson_mut_obj_add_uint(doc, root, "totalPages", (s->total + s->size - 1) / s->size);
    yyjson_mut_obj_add_uint(doc, root, "executionTimeMs", ms);
    if (s->aggregates) {
        yyjson_mut_val *sums = yyjson_mut_obj_add_obj(doc, root, "aggregations");
        yyjson_mut_obj_add_val(doc, sums, "statusCounts", od_tally_object(doc, &s->statuses));
        yyjson_mut_obj_add_val(doc, sums, "agentCounts", od_tally_object(doc, &s->by_agent));
        yyjson_mut_obj_add_val(doc, sums, "endpointCounts", od_tally_object(doc, &s->endpoints));
        yyjson_mut_obj_add_val(doc, sums, "dateHistogram", od_tally_list(doc, &s->dates, "date"));
        yyjson_mut_val *custom = yyjson_mut_obj_add_obj(doc, sums, "customAggregations");
        for (size_t i = 0; i < s->field_count; i++)
            yyjson_mut_obj_add_val(doc, custom, s->fields[i], od_tally_object(doc, &s->custom[i]));
    } else {
        yyjson_mut_obj_add_null(doc, root, "aggregations");
    }
    yyjson_mut_doc_set_root(doc, root);
}

static void answer(struct od_request *q)
{
    struct search *s = q->work;
    if (s->queue)
        answer_queue(q);
    else
        answer_results(q);
    yyjson_mut_doc *doc = s->doc;
    s->doc = NULL;
    od_request_answer(q, 200, doc, NULL);
}

/* ---- sorted by anything but time: the matches first, then those of the page ---- */

static void fill_key(const struct od_call_rec *rec, enum sort_field sort, struct match *m)
{
    const struct od_outcome *end = &rec->outcome;
    const char *text = sort == BY_ENDPOINT ? rec->to
                       : sort == BY_STATUS ? od_dasha_status(rec, false)
                                           : "";
    od_str_copy(m->text, sizeof m->text, text, strlen(text));
    m->number = sort == BY_COMPLETED                      ? end->ended_ms
                : sort == BY_PRIORITY                     ? rec->priority
                : sort == BY_DURATION && end->answered_ms ? end->ended_ms - end->answered_ms
                                                          : 0;
}

static bool add_match(struct search *s, const struct od_call_rec *rec)
{
    if (s->match_count == s->match_size) {
        size_t size = s->match_size ? 2 * s->match_size : 256;
        struct match *more = realloc(s->matches, size * sizeof *more);
        if (!more)
            return false;
        s->matches = more;
        s->match_size = size;
    }
    struct match *m = &s->matches[s->match_count++];
    *m = (struct match){.id = rec->id};
    fill_key(rec, s->sort, m);
    return true;
}

static int by_key(const void *a, const void *b)
{
    const struct match *left = a, *right = b;
    int order = strcmp(left->text, right->text);
    if (!order)
        order = (left->number > right->number) - (left->number < right->number);
    return order ? order : memcmp(&left->id, &right->id, sizeof left->id);
}

static void next_match(struct od_request *q);

static void match_came(void *ctx, int err, const struct od_call_rec *recs, size_t found,
                       uint64_t next_cursor)
{
    struct od_request *q = ctx;
    (void)next_cursor;
    if (!od_request_back(q))
        return;
    if (err && err != OD_ENOENT) {
        od_request_err(q, err, "call");
        return;
    }
    if (found) {
        struct od_call_rec now = *recs;
        od_call_wait(q->api, &now);
        show(q, &now);
    }
    next_match(q);
}

static void next_match(struct od_request *q)
{
    struct search *s = q->work;
    if (s->match_at >= s->match_end) {
        answer(q);
        return;
    }
    size_t i = s->match_at++;
    const struct match *m = &s->matches[s->ascending ? i : s->match_count - 1 - i];
    od_request_out(q);
    q->api->repo.call_get(q->api->repo.ctx, q->who.org, &m->id, match_came, q);
}

static void show_sorted(struct od_request *q)
{
    struct search *s = q->work;
    if (s->match_count)
        qsort(s->matches, s->match_count, sizeof *s->matches, by_key);
    s->match_at = s->skip < s->match_count ? (size_t)s->skip : s->match_count;
    s->match_end =
        s->take < s->match_count - s->match_at ? s->match_at + (size_t)s->take : s->match_count;
    next_match(q);
}

/* ---- the walk ---- */

static void walk(struct od_request *q);

/* False: answered. A call is judged, counted and sorted by what is shown of it. */
static bool visit(struct od_request *q, const struct od_call_rec *stored)
{
    struct search *s = q->work;
    struct od_call_rec now = *stored;
    const struct od_call_rec *rec = &now;
    od_call_wait(q->api, &now);
    if (!passes(s, rec))
        return true;
    uint64_t place = s->at++;
    if (!s->again) {
        s->total++;
        if (s->aggregates)
            count(q, rec);
    }
    if (s->sort != BY_CREATED) {
        if (s->match_count == SORTED_MAX) {
            od_request_problem(q, 400, "too_many",
                               "more than %d calls can only be sorted by createdTime; narrow the "
                               "search",
                               SORTED_MAX);
            return false;
        }
        if (!add_match(s, rec)) {
            od_request_err(q, OD_ENOMEM, "call");
            return false;
        }
    } else if (!s->ascending || s->again) {
        if (place >= s->skip && place < s->skip + s->take)
            show(q, rec);
    }
    return true;
}

/* Oldest first: the total is known now, so the page's place from the new end is as well. */
static void turn_round(struct od_request *q)
{
    struct search *s = q->work;
    uint64_t end = s->skip < s->total ? s->total - s->skip : 0;
    uint64_t begin_at = end > s->take ? end - s->take : 0;
    if (end == begin_at) {
        answer(q);
        return;
    }
    s->again = true;
    s->at = 0;
    s->skip = begin_at;
    s->take = end - begin_at;
    s->query.cursor = 0;
    s->id_at = 0;
    walk(q);
}

static void walked(struct od_request *q)
{
    struct search *s = q->work;
    if (s->sort != BY_CREATED)
        show_sorted(q);
    else if (s->ascending && !s->again)
        turn_round(q);
    else
        answer(q);
}

static void came(void *ctx, int err, const struct od_call_rec *recs, size_t found,
                 uint64_t next_cursor)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    struct search *s = q->work;
    if (err && !(err == OD_ENOENT && s->id_count)) {
        od_request_err(q, err, "call");
        return;
    }
    for (size_t i = 0; i < found; i++)
        if (!visit(q, &recs[i]))
            return;
    s->query.cursor = next_cursor;
    bool more = s->id_count ? s->id_at < s->id_count : next_cursor != 0;
    if (more)
        walk(q);
    else
        walked(q);
}

static void walk(struct od_request *q)
{
    struct search *s = q->work;
    const struct od_repo_port *repo = &q->api->repo;
    od_request_out(q);
    if (s->id_count)
        repo->call_get(repo->ctx, q->who.org, &s->ids[s->id_at++], came, q);
    else
        repo->call_list(repo->ctx, q->who.org, &s->query, came, q);
}

static void start(struct od_request *q)
{
    struct search *s = q->work;
    if (!s->any_status) {
        s->query.phases = s->set.phases;
        if (s->query.phases & 1u << OD_PHASE_WAITING) /* call_wait makes some of queued ones */
            s->query.phases |= 1u << OD_PHASE_QUEUED;
        s->query.causes = s->set.causes;
    }
    if (s->agent_count == 1) {
        s->one_agent = s->agents[0];
        s->query.agent = &s->one_agent;
    }
    if (!s->any_status && !s->set.phases && !s->set.causes)
        answer(q); /* "Unknown": no call of ours is */
    else
        walk(q);
}

/* ---- the queue's query ---- */

static bool read_time(struct od_request *q, const char *name, int64_t *out)
{
    char value[OD_QUERY_VALUE_MAX];
    if (!od_query_get(q->x->query, name, value) || od_time_parse(value, strlen(value), out))
        return true;
    char pointer[32] = "query/";
    strcat(pointer, name);
    od_request_fault(q, pointer, "must be a date-time as in RFC 3339");
    return false;
}

/* status, status[]: repeated, or words set apart by commas. */
static bool read_statuses(struct od_request *q, const char *name, struct search *s)
{
    char value[OD_QUERY_VALUE_MAX];
    for (unsigned i = 0; od_query_each(q->x->query, name, i, value); i++) {
        for (char *at = value; *at;) {
            size_t bytes = strcspn(at, ",");
            char *next = at + bytes + (at[bytes] == ',');
            at[bytes] = 0;
            if (*at && !od_dasha_status_add(at, &s->set)) {
                od_request_fault(q, "query/status",
                                 "must be Created, Queued, Pending, InProgress (or Running), "
                                 "Completed, Failed, Canceled or Unknown");
                return false;
            }
            s->any_status = s->any_status && !*at;
            at = next;
        }
    }
    return true;
}

void od_dasha_calls_queue(struct od_request *q)
{
    char value[OD_QUERY_VALUE_MAX];
    uint32_t skip, take;
    struct search *s = begin(q);
    if (!s || !od_request_skip_take(q, TAKE_DEFAULT, &skip, &take) ||
        !read_time(q, "fromDate", &s->query.from_ms) || !read_time(q, "toDate", &s->query.to_ms) ||
        !read_statuses(q, "status", s) || !read_statuses(q, "status[]", s))
        return;
    s->queue = true;
    s->skip = skip;
    s->take = take;
    if (s->any_status) { /* what is in the queue */
        od_dasha_status_add("Created", &s->set);
        od_dasha_status_add("Queued", &s->set);
        od_dasha_status_add("Pending", &s->set);
        s->any_status = false;
    }
    if (od_query_get(q->x->query, "agentId", value)) {
        s->agents = calloc(1, sizeof *s->agents);
        if (!s->agents) {
            od_request_err(q, OD_ENOMEM, "call");
            return;
        }
        if (!od_uid_parse(value, strlen(value), &s->agents[0])) {
            answer(q); /* no agent of ours, so no call of it */
            return;
        }
        s->agent_count = 1;
    }
    start(q);
}

/* ---- the search's body ---- */

/* Ids of an array of texts; what is no id of ours can match nothing, and is kept as all zero. */
static bool read_ids(yyjson_val *array, const char *name, struct od_uid **out, size_t *out_count,
                     struct od_faults *faults)
{
    size_t i, max;
    yyjson_val *value;
    char pointer[32] = "#/";
    if (!array || yyjson_is_null(array))
        return true;
    strcat(pointer, name);
    if (!yyjson_is_arr(array) || yyjson_arr_size(array) > IDS_MAX) {
        od_fault_add(faults, "#", name, "must be an array of at most %d ids", IDS_MAX);
        return true;
    }
    *out = calloc(yyjson_arr_size(array) + 1, sizeof **out);
    if (!*out)
        return false;
    yyjson_arr_foreach(od_json_arr(array), i, max, value)
    {
        const char *text = yyjson_get_str(value);
        if (!text)
            od_fault_add_item(faults, pointer, i, "must be an id");
        else if (!od_uid_parse(text, strlen(text), &(*out)[*out_count]))
            (*out)[*out_count] = (struct od_uid){0};
        (*out_count)++;
    }
    return true;
}

static void read_body_statuses(yyjson_val *array, struct search *s, struct od_faults *faults)
{
    size_t i, max;
    yyjson_val *value;
    if (array && !yyjson_is_null(array) && !yyjson_is_arr(array))
        od_fault_add(faults, "#", "callStatuses", "must be an array");
    yyjson_arr_foreach(od_json_arr(array), i, max, value)
    {
        const char *word = yyjson_get_str(value);
        s->any_status = false;
        if (!word || !od_dasha_status_add(word, &s->set))
            od_fault_add_item(faults, "#/callStatuses", i,
                              "must be Created, Queued, Pending, InProgress (or Running), "
                              "Completed, Failed, Canceled or Unknown");
    }
}

static void read_body_time(yyjson_val *body, const char *name, int64_t *out,
                           struct od_faults *faults)
{
    yyjson_val *value = yyjson_obj_get(body, name);
    const char *text = yyjson_get_str(value);
    if (value && !yyjson_is_null(value) && (!text || !od_time_parse(text, strlen(text), out)))
        od_fault_add(faults, "#", name, "must be a date-time as in RFC 3339");
}

static uint64_t read_number(yyjson_val *body, const char *name, uint64_t least, uint64_t most,
                            uint64_t otherwise, struct od_faults *faults)
{
    yyjson_val *value = yyjson_obj_get(body, name);
    if (!value || yyjson_is_null(value))
        return otherwise;
    if (yyjson_is_uint(value) && yyjson_get_uint(value) >= least && yyjson_get_uint(value) <= most)
        return yyjson_get_uint(value);
    od_fault_add(faults, "#", name, "must be a number from %llu to %llu", (unsigned long long)least,
                 (unsigned long long)most);
    return otherwise;
}

static const char *read_text(yyjson_val *body, const char *name, struct od_faults *faults)
{
    yyjson_val *value = yyjson_obj_get(body, name);
    const char *text = yyjson_get_str(value);
    if (value && !yyjson_is_null(value) && !text)
        od_fault_add(faults, "#", name, "must be a string");
    return text && *text ? text : NULL;
}

static void read_sort(yyjson_val *body, struct search *s, struct od_faults *faults)
{
    const char *field = read_text(body, "sortField", faults);
    const char *direction = read_text(body, "sortDirection", faults);
    bool known = !field;
    for (size_t i = 0; field && i < sizeof sort_fields / sizeof *sort_fields; i++)
        if (strcasecmp(field, sort_fields[i].name) == 0) {
            s->sort = sort_fields[i].field;
            known = true;
        }
    if (!known)
        od_fault_add(faults, "#", "sortField",
                     "must be createdTime, completedTime, durationSeconds, endpoint, callStatus or "
                     "priority");
    if (direction && strcasecmp(direction, "Ascending") == 0)
        s->ascending = true;
    else if (direction && strcasecmp(direction, "Descending") != 0)
        od_fault_add(faults, "#", "sortDirection", "must be Ascending or Descending");
}

static void read_aggregations(yyjson_val *body, struct search *s, struct od_faults *faults)
{
    yyjson_val *wanted = yyjson_obj_get(body, "includeAggregations");
    yyjson_val *fields = yyjson_obj_get(body, "aggregationFields"), *value;
    size_t i, max;
    if (wanted && !yyjson_is_null(wanted) && !yyjson_is_bool(wanted))
        od_fault_add(faults, "#", "includeAggregations", "must be true or false");
    s->aggregates = yyjson_is_true(wanted);
    if (fields && !yyjson_is_null(fields) &&
        (!yyjson_is_arr(fields) || yyjson_arr_size(fields) > FIELDS_MAX))
        od_fault_add(faults, "#", "aggregationFields", "must be an array of at most %d names",
                     FIELDS_MAX);
    yyjson_arr_foreach(od_json_arr(fields), i, max, value)
    {
        if (yyjson_is_str(value) && s->field_count < FIELDS_MAX)
            s->fields[s->field_count++] = yyjson_get_str(value);
        else if (!yyjson_is_str(value))
            od_fault_add_item(faults, "#/aggregationFields", i, "must be a name");
    }
}

void od_dasha_results_search(struct od_request *q)
{
    struct od_faults faults = {0};
    yyjson_val *body = yyjson_doc_get_root(q->body);
    if (!yyjson_is_obj(body)) {
        od_request_fault(q, "#", "must be an object");
        return;
    }
    struct search *s = begin(q);
    if (!s)
        return;
    s->page = read_number(body, "page", 0, INT32_MAX, 0, &faults);
    s->take = read_number(body, "size", 1, SIZE_MAX_, SIZE_DEFAULT, &faults);
    s->size = s->take;
    s->skip = s->page * s->take;
    bool memory =
        read_ids(yyjson_obj_get(body, "agentIds"), "agentIds", &s->agents, &s->agent_count,
                 &faults) &&
        read_ids(yyjson_obj_get(body, "callIds"), "callIds", &s->ids, &s->id_count, &faults);
    read_body_statuses(yyjson_obj_get(body, "callStatuses"), s, &faults);
    read_body_time(body, "fromDate", &s->query.from_ms, &faults);
    read_body_time(body, "toDate", &s->query.to_ms, &faults);
    s->text = read_text(body, "searchText", &faults);
    s->endpoint = read_text(body, "endpoint", &faults);
    s->data = yyjson_obj_get(body, "additionalDataFilters");
    if (s->data && !yyjson_is_null(s->data) && !yyjson_is_obj(s->data))
        od_fault_add(&faults, "#", "additionalDataFilters", "must be an object");
    read_sort(body, s, &faults);
    read_aggregations(body, s, &faults);
    if (!memory)
        od_request_err(q, OD_ENOMEM, "call");
    else if (faults.count)
        od_request_faults(q, &faults);
    else
        start(q);
}
