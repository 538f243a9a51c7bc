/*
 * Queries are split at "&", names from values at "=", and both decoded as in the URL standard's
 * application/x-www-form-urlencoded: "+" is a blank, "%XX" a byte.
 */
#include "engine/api/query.h"

#include <string.h>

#include "engine/base/str.h"

enum { PAIRS_MAX = 32 };

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes with a NUL. False: a broken escape, a NUL, not UTF-8, or too long. */
static bool decode(const char *text, size_t bytes, char out[OD_QUERY_VALUE_MAX])
{
    size_t used = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i] == '+' ? ' ' : text[i];
        if (c == '%') {
            int high = i + 2 < bytes ? hex_value(text[i + 1]) : -1;
            int low = high >= 0 ? hex_value(text[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (!c || used + 1 >= OD_QUERY_VALUE_MAX)
            return false;
        out[used++] = c;
    }
    out[used] = 0;
    return od_str_utf8(out, used);
}

struct pair {
    const char *name, *value;
    size_t name_bytes, value_bytes;
};

/* The next pair; false at the end. Empty ones ("&&") are passed over. */
static bool next_pair(const char **at, struct pair *pair)
{
    while (**at == '&')
        (*at)++;
    if (!**at)
        return false;
    size_t bytes = strcspn(*at, "&");
    const char *equals = memchr(*at, '=', bytes);
    pair->name = *at;
    pair->name_bytes = equals ? (size_t)(equals - *at) : bytes;
    pair->value = *at + pair->name_bytes + (equals ? 1 : 0);
    pair->value_bytes = bytes - pair->name_bytes - (equals ? 1 : 0);
    *at += bytes;
    return true;
}

static bool is_allowed(const char *name, const char *const *allowed, bool *repeats)
{
    size_t bytes = strlen(name);
    *repeats = false;
    for (; allowed && *allowed; allowed++)
        if (strncmp(*allowed, name, bytes) == 0 &&
            (!(*allowed)[bytes] || strcmp(*allowed + bytes, "*") == 0)) {
            *repeats = (*allowed)[bytes] != 0;
            return true;
        }
    return false;
}

void od_query_check(const char *query, const char *const *allowed, struct od_faults *faults)
{
    char name[OD_QUERY_VALUE_MAX], value[OD_QUERY_VALUE_MAX], other[OD_QUERY_VALUE_MAX];
    struct pair pair, earlier;
    unsigned count = 0;
    bool repeats;
    for (const char *at = query; next_pair(&at, &pair);) {
        if (++count > PAIRS_MAX) {
            od_fault_add(faults, "query", NULL, "more than %d query parameters", PAIRS_MAX);
            return;
        }
        if (!decode(pair.name, pair.name_bytes, name)) {
            od_fault_add(faults, "query", NULL, "a query parameter's name can't be read");
            continue;
        }
        if (!is_allowed(name, allowed, &repeats)) {
            const char *meant = allowed ? od_str_nearest(name, allowed) : NULL;
            od_fault_add(faults, "query", name, "unknown query parameter%s%.*s%s",
                         meant ? "; did you mean \"" : "", meant ? (int)strcspn(meant, "*") : 0,
                         meant ? meant : "", meant ? "\"?" : "");
            continue;
        }
        if (!decode(pair.value, pair.value_bytes, value))
            od_fault_add(faults, "query", name, "the value can't be read");
        for (const char *before = query;
             !repeats && before != pair.name && next_pair(&before, &earlier);) {
            if (earlier.name == pair.name)
                break;
            if (decode(earlier.name, earlier.name_bytes, other) && strcmp(other, name) == 0) {
                od_fault_add(faults, "query", name, "is given twice");
                break;
            }
        }
    }
}

bool od_query_each(const char *query, const char *name, unsigned index,
                   char out[OD_QUERY_VALUE_MAX])
{
    struct pair pair;
    for (const char *at = query; next_pair(&at, &pair);)
        if (decode(pair.name, pair.name_bytes, out) && strcmp(out, name) == 0 && !index--)
            return decode(pair.value, pair.value_bytes, out);
    out[0] = 0;
    return false;
}

bool od_query_get(const char *query, const char *name, char out[OD_QUERY_VALUE_MAX])
{
    struct pair pair;
    for (const char *at = query; next_pair(&at, &pair);) {
        if (decode(pair.name, pair.name_bytes, out) && strcmp(out, name) == 0)
            return decode(pair.value, pair.value_bytes, out) && out[0];
    }
    out[0] = 0;
    return false;
}
