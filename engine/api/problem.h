/*
 * problem - error answers: problem details (RFC 9457) with our members `code`, `request_id` and
 * `errors`. Pure: builds the document, sends nothing.
 *
 * `code` is the stable word that programs compare; `detail` is for people and may change.
 */
#ifndef ENGINE_API_PROBLEM_H
#define ENGINE_API_PROBLEM_H

#include <stddef.h>
#include <yyjson.h>

#define OD_PROBLEM_TYPE "application/problem+json"

#define OD_ZONE_FAULT "is not the name of a time zone, like America/New_York"

enum { OD_FAULTS_MAX = 16 };

/* What is wrong with a document, place by place. */
struct od_fault {
    char pointer[128]; /* "#/a/b": JSON pointer as a URI fragment, "#" the whole; or
                           "query/name": a query parameter */
    char detail[192];
};
struct od_faults {
    size_t count; /* of all; only the first OD_FAULTS_MAX are kept */
    struct od_fault at[OD_FAULTS_MAX];
};

struct od_problem {
    int status;
    const char *code;
    const char *detail;             /* NULL: none */
    const char *instance;           /* the request's path */
    const char *request_id;         /* may be NULL */
    const struct od_faults *faults; /* NULL: none */
};

/* member is a key of the document at `pointer` ("#", "#/outdial"), NULL for the place itself. */
void od_fault_add(struct od_faults *faults, const char *pointer, const char *member,
                  const char *detail, ...) __attribute__((format(printf, 4, 5)));

/* Of the index-th item of the array at `pointer`. */
void od_fault_add_item(struct od_faults *faults, const char *pointer, size_t index,
                       const char *detail);

/* The fault's place turns out to be inside the member (or item) of that name. */
void od_fault_within(struct od_fault *fault, const char *member);

/* Makes UTF-8 of a text that a cut may have broken: "?" for every byte that belongs to nothing. */
void od_text_scrub(char *text);

/* "Not Found", ...: RFC 9110's words; never NULL. */
const char *od_problem_title(int status);

/* A document whose root is the problem; the caller may add members and frees it. Copies all text.
 * NULL: no memory. */
yyjson_mut_doc *od_problem_doc(const struct od_problem *problem);

#endif
