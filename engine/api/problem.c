/*
 * Problem documents. The type is a URN of the code: it names the kind of problem for ever and
 * promises no page behind it (RFC 9457 section 3.1.1 allows any URI).
 */
#include "engine/api/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/str.h"

enum { TEXT_MAX = 512 };

/* Appends a key to a pointer: "~" and "/" as in RFC 6901 section 3, and what a URI fragment can't
 * hold percent-encoded (RFC 6901 section 6). */
static void pointer_add(struct od_buf *buf, const char *member)
{
    static const char hex[] = "0123456789ABCDEF";
    od_buf_char(buf, '/');
    for (const unsigned char *p = (const unsigned char *)member; *p; p++) {
        if (*p == '~')
            od_buf_str(buf, "~0");
        else if (*p == '/')
            od_buf_str(buf, "~1");
        else if (*p <= ' ' || *p >= 0x7f || strchr("%\"<>\\^`{|}#[]", *p))
            od_buf_add(buf, (char[]){'%', hex[*p >> 4], hex[*p & 15]}, 3);
        else
            od_buf_char(buf, (char)*p);
    }
}

void od_text_scrub(char *text)
{
    size_t bytes = strlen(text);
    for (size_t at = 0; at < bytes;) {
        unsigned char c = (unsigned char)text[at];
        size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        if (n <= bytes - at && od_str_utf8(text + at, n))
            at += n;
        else
            text[at++] = '?';
    }
}

void od_fault_add(struct od_faults *faults, const char *pointer, const char *member,
                  const char *detail, ...)
{
    if (faults->count++ >= OD_FAULTS_MAX)
        return;
    struct od_fault *fault = &faults->at[faults->count - 1];
    struct od_buf buf;
    od_buf_init(&buf, fault->pointer, sizeof fault->pointer);
    od_buf_str(&buf, pointer);
    if (member)
        pointer_add(&buf, member);
    va_list args;
    va_start(args, detail);
    vsnprintf(fault->detail, sizeof fault->detail, detail, args);
    va_end(args);
    od_text_scrub(fault->detail);
}

void od_fault_add_item(struct od_faults *faults, const char *pointer, size_t index,
                       const char *detail)
{
    char member[24];
    snprintf(member, sizeof member, "%zu", index);
    od_fault_add(faults, pointer, member, "%s", detail);
}

void od_fault_within(struct od_fault *fault, const char *member)
{
    char inner[sizeof fault->pointer];
    struct od_buf buf;
    memcpy(inner, fault->pointer, sizeof inner);
    od_buf_init(&buf, fault->pointer, sizeof fault->pointer);
    od_buf_char(&buf, '#');
    pointer_add(&buf, member);
    od_buf_str(&buf, inner + 1);
}

const char *od_problem_title(int status)
{
    switch (status) {
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 415:
        return "Unsupported Media Type";
    case 417:
        return "Expectation Failed";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Internal Server Error";
    }
}

/* Paths from clients may be any bytes. */
static yyjson_mut_val *safe_text(yyjson_mut_doc *doc, const char *text)
{
    char copy[TEXT_MAX];
    od_str_copy(copy, sizeof copy, text, strnlen(text, TEXT_MAX));
    od_text_scrub(copy);
    return yyjson_mut_strcpy(doc, copy);
}

static void add_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, const char *text)
{
    if (text)
        yyjson_mut_obj_add_val(doc, object, key, safe_text(doc, text));
}

yyjson_mut_doc *od_problem_doc(const struct od_problem *problem)
{
    char type[96];
    snprintf(type, sizeof type, "urn:outdial:problem:%s", problem->code);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    if (!root) {
        yyjson_mut_doc_free(doc);
        return NULL;
    }
    yyjson_mut_doc_set_root(doc, root);
    add_text(doc, root, "type", type);
    add_text(doc, root, "title", od_problem_title(problem->status));
    yyjson_mut_obj_add_int(doc, root, "status", problem->status);
    add_text(doc, root, "detail", problem->detail);
    add_text(doc, root, "instance", problem->instance);
    add_text(doc, root, "code", problem->code);
    add_text(doc, root, "request_id", problem->request_id);
    const struct od_faults *faults = problem->faults;
    if (!faults || !faults->count)
        return doc;
    yyjson_mut_val *errors = yyjson_mut_obj_add_arr(doc, root, "errors");
    for (size_t i = 0; i < faults->count && i < OD_FAULTS_MAX; i++) {
        yyjson_mut_val *error = yyjson_mut_arr_add_obj(doc, errors);
        add_text(doc, error, "pointer", faults->at[i].pointer);
        add_text(doc, error, "detail", faults->at[i].detail);
    }
    return doc;
}
