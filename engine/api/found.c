/*
 * found - see the header.
 */
#include "engine/api/found.h"

#include <stdio.h>
#include <string.h>

#include "engine/agent/json_found.h"
#include "engine/api/query.h"
#include "engine/api/secret_fields.h"
#include "engine/base/str.h"

/* Those that say what is expected; the others say what is wrong with what is there. */
static bool says_expected(const char *detail)
{
    static const char *const beginnings[] = {"must ", "expected ", "is ", NULL};
    for (size_t i = 0; beginnings[i]; i++)
        if (strncmp(detail, beginnings[i], strlen(beginnings[i])) == 0)
            return !strstr(detail, "found ");
    return false;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The pointer without its fragment's escapes (RFC 6901 section 6). */
static void unescape(const char *pointer, char *out, size_t size)
{
    size_t used = 0;
    for (; *pointer && used + 1 < size; pointer++) {
        int high = *pointer == '%' ? hex_value(pointer[1]) : -1;
        int low = high >= 0 ? hex_value(pointer[2]) : -1;
        out[used++] = low >= 0 ? (char)(high << 4 | low) : *pointer;
        pointer += low >= 0 ? 2 : 0;
    }
    out[used] = 0;
}

bool od_pointer_secret(const char *pointer)
{
    for (const char *at = strchr(pointer, '/'); at; at = strchr(at + 1, '/')) {
        size_t bytes = strcspn(at + 1, "/");
        for (const struct od_secret_field *field = od_secret_fields; field->name; field++)
            if (field->kind != OD_SECRET_NONE && strlen(field->name) == bytes &&
                memcmp(field->name, at + 1, bytes) == 0)
                return true;
    }
    return false;
}

/* False: nothing came there, or nobody may read it. */
static bool find(const char *pointer, yyjson_doc *body, const char *query,
                 char out[OD_JSON_FOUND_MAX])
{
    char place[sizeof((struct od_fault *)0)->pointer], value[OD_QUERY_VALUE_MAX];
    if (strncmp(pointer, "query/", 6) == 0) {
        if (!od_query_get(query, pointer + 6, value))
            return false;
        snprintf(out, OD_JSON_FOUND_MAX, "\"%.60s%s\"", value, strlen(value) > 60 ? "..." : "");
        od_text_scrub(out);
        return true;
    }
    if (*pointer != '#' || !body || od_pointer_secret(pointer))
        return false;
    unescape(pointer + 1, place, sizeof place);
    yyjson_val *came = *place ? yyjson_doc_ptr_get(body, place) : yyjson_doc_get_root(body);
    if (came)
        od_json_found(came, out);
    return came != NULL;
}

void od_faults_found(struct od_faults *faults, yyjson_doc *body, const char *query)
{
    char found[OD_JSON_FOUND_MAX];
    for (size_t i = 0; i < faults->count && i < OD_FAULTS_MAX; i++) {
        struct od_fault *fault = &faults->at[i];
        size_t used = strlen(fault->detail);
        if (!says_expected(fault->detail) || !find(fault->pointer, body, query, found) ||
            used + strlen(found) + sizeof ", found " > sizeof fault->detail)
            continue;
        snprintf(fault->detail + used, sizeof fault->detail - used, ", found %s", found);
    }
}
