/*
 * dialect - see the header. The vendors' error bodies are small: what our problems say beyond them
 * is told in their one text.
 */
#include "engine/api/dialect.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 512 };

/* "#/config/name" as people say it: "config.name"; the whole document has no name. */
static void place_text(const char *pointer, char *out, size_t size)
{
    size_t used = 0;
    const char *at = pointer;
    if (strncmp(at, "query/", 6) == 0)
        at += 6;
    else if (strncmp(at, "header/", 7) == 0)
        at += 7;
    else if (*at == '#')
        at += at[1] == '/' ? 2 : 1;
    for (; *at && used + 1 < size; at++)
        out[used++] = *at == '/' ? '.' : *at;
    out[used] = 0;
}

/* The problem in one sentence: the first fault with its place, else the detail, else the title. */
static void one_text(const struct od_problem *problem, char out[TEXT_MAX])
{
    const struct od_faults *faults = problem->faults;
    char place[128];
    if (faults && faults->count) {
        place_text(faults->at[0].pointer, place, sizeof place);
        snprintf(out, TEXT_MAX, "%s%s%s", place, *place ? ": " : "", faults->at[0].detail);
    } else {
        snprintf(out, TEXT_MAX, "%s",
                 problem->detail ? problem->detail : od_problem_title(problem->status));
    }
    od_text_scrub(out);
}

static yyjson_mut_doc *callingbox_error(const struct od_problem *problem)
{
    char text[TEXT_MAX];
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    if (!root) {
        yyjson_mut_doc_free(doc);
        return NULL;
    }
    one_text(problem, text);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_strcpy(doc, root, "error", text);
    return doc;
}

/* Twilio's codes for what its own servers say before a resource does; its error dictionary. */
static int twilio_code(int status)
{
    switch (status) {
    case 400:
        return 20001;
    case 401:
        return 20003;
    case 405:
        return 20004;
    default:
        return status >= 500 ? 20500 : 20000 + status;
    }
}

static yyjson_mut_doc *twilio_error(const struct od_problem *problem)
{
    char text[TEXT_MAX], info[64];
    int code = twilio_code(problem->status);
    yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
    if (!root) {
        yyjson_mut_doc_free(doc);
        return NULL;
    }
    one_text(problem, text);
    snprintf(info, sizeof info, "https://www.twilio.com/docs/errors/%d", code);
    yyjson_mut_doc_set_root(doc, root);
    yyjson_mut_obj_add_int(doc, root, "code", code);
    yyjson_mut_obj_add_strcpy(doc, root, "message", text);
    yyjson_mut_obj_add_strcpy(doc, root, "more_info", info);
    yyjson_mut_obj_add_int(doc, root, "status", problem->status);
    return doc;
}

static const struct od_dialect dialects[] = {
    {"/outdial", "native", OD_PROBLEM_TYPE, false, od_problem_doc},
    {"/api/v1", "dasha", OD_PROBLEM_TYPE, false, od_problem_doc},
    {"/v1", "callingbox", "application/json", false, callingbox_error},
    {"/2010-04-01", "twilio", "application/json", true, twilio_error},
};

const struct od_dialect *od_dialect_of(const char *path)
{
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++) {
        size_t bytes = strlen(dialects[i].prefix);
        if (strncmp(path, dialects[i].prefix, bytes) == 0 &&
            (path[bytes] == '/' || path[bytes] == 0))
            return &dialects[i];
    }
    return &dialects[0];
}
