/*
 * agent_read - see agent_read.h. yyjson checks grammar, UTF-8 and depth (it reads without
 * recursion); what is left here is types, bounds and words for the person who wrote the document.
 */
#include "engine/agent/agent_read.h"

#include <stdio.h>
#include <string.h>

#include "engine/agent/json_found.h"
#include "engine/base/str.h"
#include "outdial/err.h"

enum { RATE_MAX = 100000 }; /* calls per second */

void od_agent_reader_init(struct od_agent_reader *reader, struct od_agent_problem *problem)
{
    reader->problem = problem;
    reader->at[0] = '\0';
    reader->depth = 0;
}

static void append(struct od_agent_reader *reader, char c)
{
    if (reader->depth + 1 < sizeof reader->at) {
        reader->at[reader->depth++] = c;
        reader->at[reader->depth] = '\0';
    }
}

size_t od_agent_enter(struct od_agent_reader *reader, const char *key)
{
    size_t mark = reader->depth;
    append(reader, '/');
    for (; *key; key++) { /* RFC 6901 section 3: "~" and "/" are written "~0" and "~1" */
        if (*key == '~' || *key == '/') {
            append(reader, '~');
            append(reader, *key == '~' ? '0' : '1');
        } else {
            append(reader, *key);
        }
    }
    return mark;
}

size_t od_agent_enter_index(struct od_agent_reader *reader, size_t index)
{
    char text[24];
    snprintf(text, sizeof text, "%zu", index);
    return od_agent_enter(reader, text);
}

void od_agent_leave(struct od_agent_reader *reader, size_t mark)
{
    reader->depth = mark;
    reader->at[mark] = '\0';
}

/* Cuts text to fit without leaving half a UTF-8 character. */
static void copy_cut(char *out, size_t size, const char *text, size_t bytes)
{
    if (bytes >= size) {
        bytes = size - 1;
        while (bytes && ((unsigned char)text[bytes] & 0xc0) == 0x80)
            bytes--;
    }
    memcpy(out, text, bytes);
    out[bytes] = '\0';
}

int od_agent_refuse_text(struct od_agent_reader *reader, const char *expected, const char *found)
{
    struct od_agent_problem *p = reader->problem;
    copy_cut(p->pointer, sizeof p->pointer, reader->at, strlen(reader->at));
    copy_cut(p->expected, sizeof p->expected, expected, strlen(expected));
    copy_cut(p->found, sizeof p->found, found, strlen(found));
    return OD_EINVAL;
}

int od_agent_refuse(struct od_agent_reader *reader, const char *expected, yyjson_val *found)
{
    char text[OD_JSON_FOUND_MAX];
    od_json_found(found, text);
    return od_agent_refuse_text(reader, expected, text);
}

static int unknown_key(struct od_agent_reader *reader, const char *const *known, yyjson_val *key)
{
    char words[160];
    struct od_buf buf;
    od_buf_init(&buf, words, sizeof words);
    od_buf_str(&buf, "one of ");
    for (size_t i = 0; known[i]; i++) {
        if (i)
            od_buf_str(&buf, ", ");
        od_buf_str(&buf, known[i]);
    }
    return od_agent_refuse(reader, words, key);
}

int od_agent_keys(struct od_agent_reader *reader, yyjson_val *object, const char *const *known)
{
    uint64_t seen = 0; /* no caller knows more than 64 keys */
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, max, key, value)
    {
        size_t k = 0;
        while (known[k] && !yyjson_equals_str(key, known[k]))
            k++;
        if (!known[k])
            return unknown_key(reader, known, key);
        if (seen & (UINT64_C(1) << k))
            return od_agent_refuse_text(reader, "each key once", known[k]);
        seen |= UINT64_C(1) << k;
    }
    return 0;
}

int od_agent_uint(struct od_agent_reader *reader, yyjson_val *object, const char *key, uint32_t min,
                  uint32_t max, uint32_t *out)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!value || yyjson_is_null(value))
        return 0;
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) < min || yyjson_get_uint(value) > max) {
        char expected[64];
        snprintf(expected, sizeof expected, "a whole number, %u to %u", min, max);
        size_t mark = od_agent_enter(reader, key);
        int err = od_agent_refuse(reader, expected, value);
        od_agent_leave(reader, mark);
        return err;
    }
    *out = (uint32_t)yyjson_get_uint(value);
    return 0;
}

int od_agent_rate(struct od_agent_reader *reader, yyjson_val *object, const char *key,
                  uint32_t *out_milli)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    double cps = yyjson_get_num(value);
    if (!value || yyjson_is_null(value))
        return 0;
    if (!yyjson_is_num(value) || !(cps >= 0 && cps <= RATE_MAX)) {
        size_t mark = od_agent_enter(reader, key);
        int err = od_agent_refuse(reader, "calls per second, 0 to 100000", value);
        od_agent_leave(reader, mark);
        return err;
    }
    *out_milli = cps > 0 && cps < 0.001 ? 1 : (uint32_t)(cps * 1000 + 0.5);
    return 0;
}

int od_agent_bool(struct od_agent_reader *reader, yyjson_val *object, const char *key, bool *out)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!value || yyjson_is_null(value))
        return 0;
    if (!yyjson_is_bool(value)) {
        size_t mark = od_agent_enter(reader, key);
        int err = od_agent_refuse(reader, "true or false", value);
        od_agent_leave(reader, mark);
        return err;
    }
    *out = yyjson_get_bool(value);
    return 0;
}

int od_agent_text(struct od_agent_reader *reader, yyjson_val *object, const char *key,
                  size_t min_bytes, size_t max_bytes, const char **out)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    if (!value || yyjson_is_null(value))
        return 0;
    const char *text = yyjson_get_str(value);
    size_t bytes = yyjson_get_len(value);
    if (!text || bytes < min_bytes || bytes > max_bytes || memchr(text, '\0', bytes)) {
        char expected[96];
        snprintf(expected, sizeof expected, "text of %zu to %zu bytes with no NUL", min_bytes,
                 max_bytes);
        size_t mark = od_agent_enter(reader, key);
        int err = od_agent_refuse(reader, expected, value);
        od_agent_leave(reader, mark);
        return err;
    }
    *out = text;
    return 0;
}
