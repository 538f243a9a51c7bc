/*
 * Answering, and what every route's function needs besides: problems, pages, time, new uids.
 */
#include "engine/api/dialect.h"
#include "engine/api/found.h"
#include "engine/api/once.h"
#include "engine/api/request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/project.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

void od_request_send(struct od_request *q, int status, const char *type, const char *extra,
                     const char *body, size_t bytes)
{
    /* Answers are about now, and some hold secrets or people's numbers. */
    char headers[1024], rate[OD_RATE_HEADERS_MAX];
    struct od_buf buf;
    od_rate_headers(&q->rate, rate);
    od_buf_init(&buf, headers, sizeof headers);
    od_buf_str(&buf, "Cache-Control: no-store\r\n");
    od_buf_str(&buf, rate);
    od_buf_str(&buf, extra ? extra : "");
    q->api->answered[status >= 100 && status < 600 ? status / 100 : 5]++;
    q->x->ops->respond(q->x, status, type, headers, body, bytes);
}

static void respond(struct od_request *q, int status, const char *type, const char *extra,
                    const char *body, size_t bytes)
{
    if (!q->x || q->answered)
        return;
    q->answered = true;
    if (q->cut || !od_once_answers(q, status, type, extra, body, bytes))
        od_request_send(q, status, type, extra, body, bytes);
}

static void respond_doc(struct od_request *q, int status, const char *type, yyjson_mut_doc *doc,
                        const char *headers)
{
    size_t bytes = 0;
    char *text = doc ? yyjson_mut_write(doc, YYJSON_WRITE_NEWLINE_AT_END, &bytes) : NULL;
    yyjson_mut_doc_free(doc);
    if (text)
        respond(q, status, type, headers, text, bytes);
    else
        respond(q, 500, NULL, NULL, NULL, 0);
    free(text);
}

void od_request_answer(struct od_request *q, int status, yyjson_mut_doc *doc, const char *headers)
{
    respond_doc(q, status, "application/json", doc, headers);
}

void od_request_answer_text(struct od_request *q, int status, const char *type, const char *text,
                            size_t bytes)
{
    respond(q, status, type, NULL, text, bytes);
}

void od_request_answer_page(struct od_request *q, const char *type, const char *headers,
                            const char *text, size_t bytes)
{
    respond(q, 200, type, headers, text, bytes);
}

void od_request_answer_empty(struct od_request *q, int status)
{
    respond(q, status, NULL, NULL, NULL, 0);
}

void od_request_answer_moved(struct od_request *q, const char *path)
{
    char headers[128];
    snprintf(headers, sizeof headers, "Location: %s\r\n", path);
    respond(q, 308, NULL, headers, NULL, 0);
}

static yyjson_mut_doc *problem_doc(struct od_request *q, int status, const char *code,
                                   const char *detail, const struct od_faults *faults)
{
    if (!q->x)
        return NULL;
    return od_dialect_of(q->x->path)
        ->error(&(struct od_problem){.status = status,
                                     .code = code,
                                     .detail = detail,
                                     .instance = q->x->path,
                                     .request_id = q->x->request_id,
                                     .faults = faults});
}

yyjson_mut_doc *od_request_problem_doc(struct od_request *q, int status, const char *code,
                                       const char *detail)
{
    return problem_doc(q, status, code, detail, NULL);
}

void od_request_answer_problem(struct od_request *q, int status, yyjson_mut_doc *doc,
                               const char *headers)
{
    /* Trying again later can help: say when (RFC 9110 section 10.2.3). */
    if (!headers && (status == 503 || status == 429))
        headers = "Retry-After: 1\r\n";
    const char *type = q->x ? od_dialect_of(q->x->path)->error_type : OD_PROBLEM_TYPE;
    respond_doc(q, status, type, doc, headers);
}

void od_request_problem(struct od_request *q, int status, const char *code, const char *detail, ...)
{
    char text[512];
    va_list args;
    va_start(args, detail);
    vsnprintf(text, sizeof text, detail, args);
    va_end(args);
    od_request_answer_problem(q, status, problem_doc(q, status, code, text, NULL), NULL);
}

void od_request_faults(struct od_request *q, const struct od_faults *given)
{
    char text[512];
    struct od_faults told = *given, *faults = &told;
    if (q->x)
        od_faults_found(faults, q->body, q->x->query);
    const struct od_fault *first = &faults->at[0];
    bool whole = strcmp(first->pointer, "#") == 0;
    snprintf(text, sizeof text, "%s%s%s", whole ? "" : first->pointer, whole ? "" : ": ",
             first->detail);
    od_request_answer_problem(q, 400, problem_doc(q, 400, "invalid_request", text, faults), NULL);
}

void od_request_fault(struct od_request *q, const char *pointer, const char *detail)
{
    struct od_faults faults = {0};
    od_fault_add(&faults, pointer, NULL, "%s", detail);
    od_request_faults(q, &faults);
}

void od_request_err(struct od_request *q, int err, const char *what)
{
    switch (err) {
    case OD_ENOENT:
        od_request_problem(q, 404, "not_found", "there is no such %s", what);
        return;
    case OD_EEXIST:
        od_request_problem(q, 409, "exists", "there is another %s of that name", what);
        return;
    case OD_ECONFLICT:
        od_request_problem(q, 409, "conflict", "the state of the %s does not allow this", what);
        return;
    case OD_EBUSY:
        od_request_problem(q, 429, "busy", "too much is going on; try again later");
        return;
    case OD_ETIMEOUT:
        od_request_problem(q, 504, "store_timeout",
                           "the store did not answer in time: this may or may not have been done");
        return;
    case OD_EDOWN:
        od_request_problem(q, 503, "store_down", "the store can't be reached; nothing was done");
        return;
    case OD_ECANCELED:
        od_request_problem(q, 503, "stopping", "the server is stopping");
        return;
    case OD_ENOMEM:
        od_request_problem(q, 503, "no_memory", "there is not enough memory for this now");
        return;
    case OD_ETOOBIG:
        od_request_problem(q, 413, "too_large", "the %s is larger than can be stored", what);
        return;
    default:
        od_request_problem(q, 500, "internal", "%s: %s", what, od_err_text(err));
        return;
    }
}

bool od_request_page(struct od_request *q, uint32_t *limit, uint64_t *cursor)
{
    char value[OD_QUERY_VALUE_MAX];
    uint64_t number = OD_PAGE_DEFAULT;
    *cursor = 0;
    if (od_query_get(q->x->query, "limit", value) &&
        (!od_str_u64(value, strlen(value), OD_PAGE_MAX, &number) || !number)) {
        od_request_fault(q, "query/limit", "must be a number from 1 to 1000");
        return false;
    }
    *limit = (uint32_t)number;
    if (od_query_get(q->x->query, "cursor", value) &&
        !od_str_u64(value, strlen(value), UINT64_MAX, cursor)) {
        od_request_fault(q, "query/cursor", "is not a cursor given by an earlier page");
        return false;
    }
    return true;
}

yyjson_mut_doc *od_request_page_doc(struct od_request *q, int err, const char *what,
                                    yyjson_mut_val **data)
{
    yyjson_mut_doc *doc = err ? NULL : od_project_doc();
    if (!doc) {
        od_request_err(q, err ? err : OD_ENOMEM, what);
        return NULL;
    }
    *data = yyjson_mut_obj_add_arr(doc, yyjson_mut_doc_get_root(doc), "data");
    return doc;
}

void od_request_page_answer(struct od_request *q, yyjson_mut_doc *doc, uint64_t next_cursor)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    char cursor[24];
    struct od_buf buf;
    od_buf_init(&buf, cursor, sizeof cursor);
    od_buf_u64(&buf, next_cursor);
    if (next_cursor)
        yyjson_mut_obj_add_strcpy(doc, root, "next_cursor", cursor);
    else
        yyjson_mut_obj_add_null(doc, root, "next_cursor");
    od_request_answer(q, 200, doc, NULL);
}

bool od_request_skip_take(struct od_request *q, uint32_t take_default, uint32_t *skip,
                          uint32_t *take)
{
    char value[OD_QUERY_VALUE_MAX];
    uint64_t number = 0;
    *skip = 0;
    *take = take_default;
    if (od_query_get(q->x->query, "skip", value)) {
        if (!od_str_u64(value, strlen(value), INT32_MAX, &number)) {
            od_request_fault(q, "query/skip", "must be a number from 0 to 2147483647");
            return false;
        }
        *skip = (uint32_t)number;
    }
    if (od_query_get(q->x->query, "take", value)) {
        if (!od_str_u64(value, strlen(value), OD_PAGE_MAX, &number) || !number) {
            od_request_fault(q, "query/take", "must be a number from 1 to 1000");
            return false;
        }
        *take = (uint32_t)number;
    }
    return true;
}

bool od_request_zone_ok(struct od_request *q, const char *zone)
{
    const struct od_zone_port *zones = q->api->host.zones;
    return !zones || zones->known(zones->ctx, zone);
}

int64_t od_request_wall_ms(struct od_request *q)
{
    return q->api->host.now(q->api->host.ctx).wall_ms;
}

void od_request_random(struct od_request *q, void *out, size_t bytes)
{
    if (!od_once_random(q, out, bytes))
        q->api->host.random(q->api->host.ctx, out, bytes);
}

struct od_uid od_request_uid(struct od_request *q)
{
    uint8_t random[10];
    int64_t first_ms = od_once_wall_ms(q);
    od_request_random(q, random, sizeof random);
    return od_uid_make(first_ms ? first_ms : od_request_wall_ms(q), random);
}
