/*
 * The list of numbers that nobody may dial. It is asked at the moment of dialling, so whoever is
 * put on it is safe from calls that were queued before.
 */
#include "engine/api/native.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/json_read.h"
#include "engine/api/number.h"
#include "engine/api/project.h"
#include "engine/base/str.h"
#include "outdial/err.h"

enum { BATCH = 1000, REASON_MAX = OD_NAME_MAX * 2 - 1 };

struct entry_in {
    const char *number, *reason;
};

#define AT(member) offsetof(struct entry_in, member)
static const struct od_field entry_fields[] = {
    {"number", OD_FIELD_TEXT, AT(number), 1, 255, true},
    {"reason", OD_FIELD_TEXT, AT(reason), 0, REASON_MAX, false},
};

/* A request's numbers on their way to the store, a batch at a time. */
struct put_work {
    size_t count, sent, added;
    struct od_suppression recs[];
};

static yyjson_mut_val *project(yyjson_mut_doc *doc, const struct od_suppression *rec)
{
    yyjson_mut_val *o = yyjson_mut_obj(doc);
    yyjson_mut_obj_add_strcpy(doc, o, "number", rec->number);
    od_put_text(doc, o, "reason", (struct od_text){rec->reason, strlen(rec->reason)});
    od_put_time(doc, o, "created_at", rec->created_ms);
    return o;
}

/* ---- putting ---- */

static void put_batch(struct od_request *q);

static void put_done(void *ctx, int err, size_t added, const uint32_t *twice, size_t twice_count)
{
    struct od_request *q = ctx;
    (void)twice, (void)twice_count;
    if (!od_request_back(q))
        return;
    struct put_work *work = q->work;
    if (err) {
        od_request_err(q, err, "suppression");
        return;
    }
    work->added += added;
    if (work->sent < work->count) {
        put_batch(q);
        return;
    }
    yyjson_mut_doc *doc = od_project_doc();
    if (doc) {
        yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
        yyjson_mut_obj_add_uint(doc, root, "added", work->added);
        yyjson_mut_obj_add_uint(doc, root, "already", work->count - work->added);
    }
    od_request_answer(q, work->added ? 201 : 200, doc, NULL);
}

static void put_batch(struct od_request *q)
{
    struct put_work *work = q->work;
    size_t count = work->count - work->sent < BATCH ? work->count - work->sent : BATCH;
    const struct od_suppression *recs = work->recs + work->sent;
    work->sent += count;
    od_request_out(q);
    q->api->repo.suppress_put(q->api->repo.ctx, q->who.org, recs, count, put_done, q);
}

/* A number alone, or an object with a reason. */
static void read_entry(yyjson_val *value, const char *pointer, struct od_suppression *rec,
                       struct od_faults *faults)
{
    struct entry_in in = {.reason = ""};
    if (yyjson_is_str(value))
        in.number = yyjson_get_str(value);
    else if (od_json_fields(value, entry_fields, sizeof entry_fields / sizeof *entry_fields, &in,
                            pointer, faults))
        return;
    const char *why = od_number_read(in.number, strlen(in.number), rec->number);
    if (why)
        od_fault_add(faults, pointer, yyjson_is_str(value) ? NULL : "number", "%s", why);
    od_str_copy(rec->reason, sizeof rec->reason, in.reason, strlen(in.reason));
}

/* One entry, an array of them, or an array as the member "numbers" with a reason for all. */
void od_suppressions_put(struct od_request *q)
{
    yyjson_val *root = yyjson_doc_get_root(q->body), *list = root;
    yyjson_val *numbers = yyjson_obj_get(root, "numbers");
    struct od_faults faults = {0};
    const char *shared = "";
    if (numbers) {
        yyjson_val *reason = yyjson_obj_get(root, "reason");
        list = numbers;
        if (!yyjson_is_arr(numbers))
            od_fault_add(&faults, "#", "numbers", "must be an array");
        if (reason && (!yyjson_is_str(reason) || yyjson_get_len(reason) > REASON_MAX))
            od_fault_add(&faults, "#", "reason", "must be text of up to %d bytes", REASON_MAX);
        else if (reason)
            shared = yyjson_get_str(reason);
        if (yyjson_obj_size(root) > (reason ? 2u : 1u))
            od_fault_add(&faults, "#", NULL, "may have \"numbers\" and \"reason\" only");
    }
    size_t count = yyjson_is_arr(list) ? yyjson_arr_size(list) : 1;
    if (!faults.count && !count)
        od_fault_add(&faults, "#", numbers ? "numbers" : NULL, "is empty");
    struct put_work *work =
        faults.count ? NULL : calloc(1, sizeof *work + count * sizeof *work->recs);
    if (!work) {
        if (faults.count)
            od_request_faults(q, &faults);
        else
            od_request_err(q, OD_ENOMEM, "suppression");
        return;
    }
    work->count = count;
    q->work = work;
    for (size_t i = 0; i < count; i++) {
        yyjson_val *value = yyjson_is_arr(list) ? yyjson_arr_get(list, i) : root;
        char pointer[48] = "#";
        struct od_buf buf;
        od_buf_init(&buf, pointer, sizeof pointer);
        od_buf_str(&buf, numbers                                ? "#/numbers/"
                         : list == root && !yyjson_is_arr(root) ? "#"
                                                                : "#/");
        if (yyjson_is_arr(list))
            od_buf_u64(&buf, i);
        read_entry(value, pointer, &work->recs[i], &faults);
        if (!work->recs[i].reason[0])
            od_str_copy(work->recs[i].reason, sizeof work->recs[i].reason, shared, strlen(shared));
    }
    if (faults.count)
        od_request_faults(q, &faults);
    else
        put_batch(q);
}

/* ---- reading ---- */

static void list_done(void *ctx, int err, const struct od_suppression *recs, size_t count,
                      uint64_t next_cursor)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    yyjson_mut_val *data;
    yyjson_mut_doc *doc = od_request_page_doc(q, err, "suppression", &data);
    if (!doc)
        return;
    for (size_t i = 0; i < count; i++)
        yyjson_mut_arr_append(data, project(doc, &recs[i]));
    od_request_page_answer(q, doc, next_cursor);
}

void od_suppressions_list(struct od_request *q)
{
    uint32_t limit;
    uint64_t cursor;
    if (!od_request_page(q, &limit, &cursor))
        return;
    od_request_out(q);
    q->api->repo.suppress_list(q->api->repo.ctx, q->who.org, cursor, limit, list_done, q);
}

/* The number of the path in its one form; false: answered, since no other is on the list. */
static bool path_number(struct od_request *q, char out[OD_ENDPOINT_MAX])
{
    if (!od_number_read(q->at.name, strlen(q->at.name), out))
        return true;
    od_request_err(q, OD_ENOENT, "suppression");
    return false;
}

static void show_done(void *ctx, int err, const struct od_suppression *recs, size_t count,
                      uint64_t next_cursor)
{
    struct od_request *q = ctx;
    (void)next_cursor;
    if (!od_request_back(q))
        return;
    if (err || !count) {
        od_request_err(q, err ? err : OD_ENOENT, "suppression");
        return;
    }
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (doc)
        yyjson_mut_doc_set_root(doc, project(doc, recs));
    od_request_answer(q, 200, doc, NULL);
}

void od_suppressions_show(struct od_request *q)
{
    char number[OD_ENDPOINT_MAX];
    if (!path_number(q, number))
        return;
    od_request_out(q);
    q->api->repo.suppress_find(q->api->repo.ctx, q->who.org, number, show_done, q);
}

static void remove_done(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err)
        od_request_err(q, err, "suppression");
    else
        od_request_answer_empty(q, 204);
}

void od_suppressions_remove(struct od_request *q)
{
    char number[OD_ENDPOINT_MAX];
    if (!path_number(q, number))
        return;
    od_request_out(q);
    q->api->repo.suppress_remove(q->api->repo.ctx, q->who.org, number, remove_done, q);
}
