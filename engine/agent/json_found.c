/*
 * json_found - see the header.
 */
#include "engine/agent/json_found.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN_BYTES_MAX = 60 };

static void quote(const char *mark, const char *text, size_t bytes, char *out)
{
    size_t shown = bytes < SHOWN_BYTES_MAX ? bytes : SHOWN_BYTES_MAX;
    while (shown < bytes && shown && ((unsigned char)text[shown] & 0xc0) == 0x80)
        shown--;
    snprintf(out, OD_JSON_FOUND_MAX, "%s%.*s%s%s", mark, (int)shown, text,
             shown < bytes ? "..." : "", mark);
}

/* 1.0 is no 1 to whoever expects an integer. */
static void real(double number, char *out)
{
    int n = snprintf(out, OD_JSON_FOUND_MAX, "%.15g", number);
    if (!strpbrk(out, ".en"))
        snprintf(out + n, (size_t)(OD_JSON_FOUND_MAX - n), ".0");
}

void od_json_found(yyjson_val *value, char out[OD_JSON_FOUND_MAX])
{
    if (!value)
        snprintf(out, OD_JSON_FOUND_MAX, "nothing");
    else if (yyjson_is_str(value))
        quote("\"", yyjson_get_str(value), yyjson_get_len(value), out);
    else if (yyjson_is_raw(value)) /* a number too large to be one */
        quote("", yyjson_get_raw(value), yyjson_get_len(value), out);
    else if (yyjson_is_uint(value))
        snprintf(out, OD_JSON_FOUND_MAX, "%llu", (unsigned long long)yyjson_get_uint(value));
    else if (yyjson_is_sint(value))
        snprintf(out, OD_JSON_FOUND_MAX, "%lld", (long long)yyjson_get_sint(value));
    else if (yyjson_is_real(value))
        real(yyjson_get_real(value), out);
    else
        snprintf(out, OD_JSON_FOUND_MAX, "%s",
                 yyjson_is_obj(value)     ? "an object"
                 : yyjson_is_arr(value)   ? "an array"
                 : yyjson_is_true(value)  ? "true"
                 : yyjson_is_false(value) ? "false"
                                          : "null");
}
