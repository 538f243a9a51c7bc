/*
 * The import's pump: it runs when bytes come in, when the campaign is known and when a batch has
 * come back, and goes as far as it can.
 */
#include "engine/api/import.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/contact_row.h"
#include "engine/api/native.h"
#include "engine/base/str.h"
#include "outdial/err.h"

enum {
    ARENA_BYTES = 256 * 1024, /* of one batch's texts; several times the longest row */
    HELD_BYTES_MAX = 8 << 20, /* what a server may still push after pause() */
    LINE_BYTES_MAX = 32 * 1024,
};

/* On its way to the repo it belongs to nobody but its callback. */
struct batch {
    struct od_import *import;
    size_t count, used;
    struct od_call_new calls[OD_IMPORT_BATCH];
    char arena[ARENA_BYTES];
};

struct import_error {
    uint64_t line;
    char why[OD_CONTACT_WHY_MAX];
    char value[64];
};

struct od_import {
    struct od_request *q;
    bool started, json, paused, last;
    bool done;  /* the last row is read, or reading was given up */
    int failed; /* the first batch's error */

    char *held; /* bytes not yet read */
    size_t held_at, held_bytes, held_size;

    struct od_csv *csv;
    struct od_columns *columns;
    uint64_t line;      /* NDJSON */
    bool skipping_line; /* NDJSON: the line is too long */

    struct od_uid agent;
    int32_t priority;
    struct batch *filling;
    unsigned in_flight;

    uint64_t imported, rejected, twice;
    size_t error_count;
    struct import_error errors[OD_IMPORT_ERRORS_MAX];
    char context[OD_CONTACT_CONTEXT_MAX];
};

struct od_import *od_import_create(struct od_request *q)
{
    struct od_import *im = calloc(1, sizeof *im);
    if (im) {
        im->q = q;
        im->paused = true;
    }
    return im;
}

void od_import_destroy(struct od_import *im)
{
    if (!im)
        return;
    od_csv_destroy(im->csv);
    od_columns_destroy(im->columns);
    free(im->filling);
    free(im->held);
    free(im);
}

/* ---- the answer ---- */

static int by_line(const void *a, const void *b)
{
    const struct import_error *left = a, *right = b;
    return (left->line > right->line) - (left->line < right->line);
}

static void add_counts(struct od_import *im, yyjson_mut_doc *doc)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    yyjson_mut_obj_add_uint(doc, root, "imported", im->imported);
    yyjson_mut_obj_add_uint(doc, root, "rejected", im->rejected);
    yyjson_mut_obj_add_uint(doc, root, "duplicates", im->twice);
}

static yyjson_mut_doc *summary(struct od_import *im)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    if (!doc)
        return NULL;
    yyjson_mut_doc_set_root(doc, yyjson_mut_obj(doc));
    add_counts(im, doc);
    yyjson_mut_val *errors = yyjson_mut_obj_add_arr(doc, yyjson_mut_doc_get_root(doc), "errors");
    qsort(im->errors, im->error_count, sizeof *im->errors, by_line);
    for (size_t i = 0; i < im->error_count; i++) {
        yyjson_mut_val *error = yyjson_mut_arr_add_obj(doc, errors);
        yyjson_mut_obj_add_uint(doc, error, "line", im->errors[i].line);
        yyjson_mut_obj_add_strcpy(doc, error, "reason", im->errors[i].why);
        yyjson_mut_obj_add_strcpy(doc, error, "value", im->errors[i].value);
    }
    return doc;
}

static void answer_failed(struct od_import *im)
{
    bool down = im->failed == OD_EDOWN || im->failed == OD_ETIMEOUT || im->failed == OD_EBUSY ||
                im->failed == OD_ECANCELED;
    int status = down || im->failed == OD_ENOMEM ? 503 : 500;
    yyjson_mut_doc *doc = od_request_problem_doc(
        im->q, status, "import_incomplete",
        "the store failed in the middle; send the file again, stored contacts are not doubled");
    if (doc)
        add_counts(im, doc);
    od_request_answer_problem(im->q, status, doc, NULL);
}

/* Ends reading; the answer waits for the batches under way. */
static void give_up(struct od_import *im, int err)
{
    if (!im->failed)
        im->failed = err;
    im->done = true;
}

static void reject(struct od_import *im, uint64_t line, const char *why, const char *value)
{
    if (im->error_count == OD_IMPORT_ERRORS_MAX)
        return;
    struct import_error *error = &im->errors[im->error_count++];
    error->line = line;
    od_str_copy(error->why, sizeof error->why, why, strlen(why));
    od_str_copy(error->value, sizeof error->value, value, strlen(value));
}

/* ---- batches ---- */

static void pump(struct od_import *im);

static void calls_add_done(void *ctx, int err, size_t added, const uint32_t *twice,
                           size_t twice_count)
{
    struct batch *batch = ctx;
    struct od_import *im = batch->import;
    if (!od_request_back(im->q)) {
        free(batch);
        return;
    }
    im->in_flight--;
    if (err) {
        give_up(im, err);
    } else {
        im->imported += added;
        im->twice += twice_count;
        for (size_t i = 0; i < twice_count; i++)
            if (twice[i] < batch->count)
                reject(im, batch->calls[twice[i]].row, "already in the campaign",
                       batch->calls[twice[i]].to);
    }
    free(batch);
    pump(im);
}

static void batch_send(struct od_import *im)
{
    struct batch *batch = im->filling;
    struct od_request *q = im->q;
    im->filling = NULL;
    im->in_flight++;
    od_request_out(q);
    q->api->repo.calls_add(q->api->repo.ctx, q->who.org, &im->agent, &q->at.ids[0], im->priority,
                           batch->calls, batch->count, calls_add_done, batch);
}

/* A batch with room for one more row; NULL: not now (all are under way), or no memory. */
static struct batch *batch_open(struct od_import *im)
{
    size_t row = OD_CONTACT_CONTEXT_MAX + 2 * OD_ENDPOINT_MAX;
    struct batch *batch = im->filling;
    if (batch && batch->count < OD_IMPORT_BATCH && ARENA_BYTES - batch->used >= row)
        return batch;
    if (batch) {
        if (im->in_flight == OD_IMPORT_IN_FLIGHT)
            return NULL;
        batch_send(im);
    }
    batch = malloc(sizeof *batch);
    if (!batch) {
        give_up(im, OD_ENOMEM);
        return NULL;
    }
    batch->import = im;
    batch->count = batch->used = 0;
    im->filling = batch;
    return batch;
}

static const char *keep(struct batch *batch, const char *text, size_t bytes)
{
    char *at = batch->arena + batch->used;
    memcpy(at, text, bytes);
    at[bytes] = 0;
    batch->used += bytes + 1;
    return at;
}

static void batch_add(struct od_import *im, struct batch *batch, const struct od_contact *contact,
                      uint64_t line)
{
    struct od_call_new *call = &batch->calls[batch->count++];
    *call = (struct od_call_new){
        .id = od_request_uid(im->q),
        .to = keep(batch, contact->to, strlen(contact->to)),
        .from = keep(batch, contact->from, strlen(contact->from)),
        .context = {keep(batch, im->context, contact->context_bytes), contact->context_bytes},
        .not_before_ms = contact->not_before_ms,
        .deadline_ms = contact->deadline_ms,
        .timezone = keep(batch, contact->timezone, strlen(contact->timezone)),
        .row = line,
    };
}

/* ---- rows ---- */

static void take_contact(struct od_import *im, struct batch *batch, bool ok,
                         const struct od_contact *contact, uint64_t line)
{
    bool zone_ok = !ok || !*contact->timezone || od_request_zone_ok(im->q, contact->timezone);
    if (ok && zone_ok) {
        batch_add(im, batch, contact, line);
    } else {
        im->rejected++;
        reject(im, line, zone_ok ? contact->why : "the timezone " OD_ZONE_FAULT, contact->value);
    }
}

/* The header decides whether there is anything to import at all. False: answered. */
static bool take_header(struct od_import *im, enum od_csv_step step, const struct od_csv_row *row)
{
    char name[OD_QUERY_VALUE_MAX], why[OD_COLUMNS_WHY_MAX];
    struct od_request *q = im->q;
    im->done = true;
    if (step == OD_CSV_END) {
        od_request_problem(q, 400, "import_empty",
                           "the file is empty; its first row must name the "
                           "columns");
        return false;
    }
    if (step == OD_CSV_BAD) {
        od_request_problem(q, 400, "import_header", "the first row (line %llu): %s",
                           (unsigned long long)row->line, row->why);
        return false;
    }
    bool named = od_query_get(q->x->query, "number_column", name);
    int err = od_columns_create(&im->columns, row, named ? name : NULL, why);
    if (err == OD_EINVAL) {
        od_request_problem(q, 400, "import_columns", "%s", why);
        return false;
    }
    if (err) {
        od_request_err(q, err, "import");
        return false;
    }
    im->done = false;
    return true;
}

/* Reads rows while there are bytes and batches. False: answered. */
static bool read_csv(struct od_import *im)
{
    while (!im->done) {
        struct batch *batch = im->columns ? batch_open(im) : NULL;
        if (im->columns && !batch)
            return true;
        const char *data = im->held ? im->held + im->held_at : "";
        size_t bytes = im->held_bytes;
        struct od_csv_row row;
        enum od_csv_step step = od_csv_next(im->csv, &data, &bytes, im->last, &row);
        im->held_at += im->held_bytes - bytes;
        im->held_bytes = bytes;
        if (step == OD_CSV_MORE)
            return true;
        if (!im->columns) {
            if (!take_header(im, step, &row))
                return false;
        } else if (step == OD_CSV_END) {
            im->done = true;
        } else if (step == OD_CSV_BAD) {
            im->rejected++;
            reject(im, row.line, row.why, "");
        } else {
            struct od_contact contact;
            bool ok = od_contact_from_row(im->columns, &row, &contact, im->context);
            take_contact(im, batch, ok, &contact, row.line);
        }
    }
    return true;
}

static bool is_blank(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

static void take_line(struct od_import *im, struct batch *batch, const char *text, size_t bytes)
{
    struct od_contact contact;
    im->line++;
    if (im->skipping_line) {
        im->skipping_line = false;
        im->rejected++;
        reject(im, im->line, "longer than 32 KiB", "");
    } else if (!is_blank(text, bytes)) {
        bool ok = od_contact_from_json(text, bytes, &contact, im->context);
        take_contact(im, batch, ok, &contact, im->line);
    }
}

static void read_lines(struct od_import *im)
{
    while (!im->done) {
        struct batch *batch = batch_open(im);
        if (!batch)
            return;
        const char *text = im->held ? im->held + im->held_at : "";
        const char *end = memchr(text, '\n', im->held_bytes);
        size_t bytes = end ? (size_t)(end - text) : im->held_bytes;
        bool too_long = bytes > LINE_BYTES_MAX;
        if (too_long)
            im->skipping_line = true;
        if (!end && !im->last && !too_long)
            return; /* the line goes on */
        size_t used = bytes + (end ? 1 : 0);
        if (end || im->last) {
            if (used || im->skipping_line)
                take_line(im, batch, text, bytes);
            im->done = !end;
        }
        im->held_at += used;
        im->held_bytes -= used;
    }
}

/* ---- the pump ---- */

static void flow(struct od_import *im)
{
    /* NDJSON: a line's beginning may be held while its end is still to come */
    bool starved = im->json && im->in_flight < OD_IMPORT_IN_FLIGHT;
    bool pause = im->done || (im->held_bytes > 0 && !starved);
    if (pause == im->paused || im->last)
        return;
    im->paused = pause;
    if (pause)
        im->q->x->ops->pause(im->q->x);
    else
        im->q->x->ops->resume(im->q->x);
}

static void pump(struct od_import *im)
{
    if (!im->started || im->q->answered)
        return;
    if (im->json)
        read_lines(im);
    else if (!read_csv(im))
        return;
    if (im->done && im->filling && !im->failed && im->in_flight < OD_IMPORT_IN_FLIGHT) {
        if (im->filling->count)
            batch_send(im);
    }
    bool unsent = im->filling && im->filling->count && !im->failed;
    if (im->done && !im->in_flight && !unsent) {
        if (im->failed)
            answer_failed(im);
        else
            od_request_answer(im->q, 200, summary(im), NULL);
        return;
    }
    flow(im);
}

void od_import_push(struct od_import *im, const char *data, size_t bytes, bool last)
{
    im->last = last;
    if (im->held_bytes + bytes > HELD_BYTES_MAX) {
        od_request_problem(im->q, 413, "body_too_large", "more was sent than could be stored");
        return;
    }
    if (im->held_at && im->held_bytes)
        memmove(im->held, im->held + im->held_at, im->held_bytes);
    im->held_at = 0;
    if (im->held_bytes + bytes > im->held_size) {
        size_t size = im->held_bytes + bytes + LINE_BYTES_MAX;
        char *held = realloc(im->held, size);
        if (!held) {
            od_request_err(im->q, OD_ENOMEM, "import");
            return;
        }
        im->held = held;
        im->held_size = size;
    }
    if (bytes)
        memcpy(im->held + im->held_bytes, data, bytes);
    im->held_bytes += bytes;
    pump(im);
}

/* ---- the beginning ---- */

static void campaign_get_done(void *ctx, int err, const struct od_campaign_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (!err && !count)
        err = OD_ENOENT;
    if (err) {
        od_request_err(q, err, "campaign");
        return;
    }
    if (recs->state == OD_CAMPAIGN_CANCELED) {
        od_request_problem(q, 409, "campaign_canceled", "a canceled campaign takes no contacts");
        return;
    }
    struct od_import *im = q->import;
    if (!im->json && od_csv_create(&im->csv)) {
        od_request_err(q, OD_ENOMEM, "import");
        return;
    }
    im->agent = recs->agent;
    im->priority = recs->priority;
    im->started = true;
    if (!im->last) {
        im->paused = false;
        q->x->ops->resume(q->x);
    }
    pump(im);
}

static bool type_is(struct od_text header, const char *const *types)
{
    const char *end = memchr(header.at, ';', header.bytes);
    size_t bytes = end ? (size_t)(end - header.at) : header.bytes;
    while (bytes && (header.at[bytes - 1] == ' ' || header.at[bytes - 1] == '\t'))
        bytes--;
    for (; *types; types++)
        if (od_str_equal_nocase(header.at, bytes, *types))
            return true;
    return false;
}

void od_import_run(struct od_request *q)
{
    static const char *const csv_types[] = {"text/csv", "application/csv", NULL};
    static const char *const json_types[] = {"application/x-ndjson", "application/ndjson",
                                             "application/jsonl", NULL};
    struct od_text header = {"", 0};
    char name[OD_QUERY_VALUE_MAX];
    q->x->header(q->x, "content-type", &header);
    q->import->json = type_is(header, json_types);
    if (!q->import->json && !type_is(header, csv_types)) {
        od_request_problem(q, 415, "media_type",
                           "send contacts as Content-Type: text/csv or application/x-ndjson");
        return;
    }
    if (q->import->json && od_query_get(q->x->query, "number_column", name)) {
        od_request_fault(q, "query/number_column", "goes with CSV only");
        return;
    }
    od_request_out(q);
    q->api->repo.campaign_get(q->api->repo.ctx, q->who.org, &q->at.ids[0], campaign_get_done, q);
}
