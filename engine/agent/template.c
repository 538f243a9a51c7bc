/*
 * template - see template.h.
 */
#include "engine/agent/template.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "engine/base/str.h"
#include "outdial/err.h"

struct od_context {
    yyjson_doc *doc; /* NULL: empty */
};

int od_context_create(struct od_context **out, const char *json, size_t bytes)
{
    struct od_context *context = calloc(1, sizeof *context);
    *out = NULL;
    if (!context)
        return OD_ENOMEM;
    if (bytes) {
        yyjson_read_err bad = {0};
        context->doc = yyjson_read_opts((char *)(uintptr_t)json, bytes, 0, NULL, &bad);
        if (!yyjson_is_obj(yyjson_doc_get_root(context->doc))) {
            od_context_destroy(context);
            return bad.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION ? OD_ENOMEM : OD_EINVAL;
        }
    }
    *out = context;
    return 0;
}

void od_context_destroy(struct od_context *context)
{
    if (!context)
        return;
    yyjson_doc_free(context->doc);
    free(context);
}

static yyjson_val *look_up(const struct od_context *context, const char *name, size_t bytes)
{
    yyjson_val *at = context && context->doc ? yyjson_doc_get_root(context->doc) : NULL;
    yyjson_val *whole = yyjson_obj_getn(at, name, bytes);
    if (whole)
        return whole;
    while (at) {
        const char *dot = memchr(name, '.', bytes);
        size_t part = dot ? (size_t)(dot - name) : bytes;
        at = yyjson_obj_getn(at, name, part);
        if (!dot)
            return at;
        name += part + 1;
        bytes -= part + 1;
    }
    return NULL;
}

static void add_value(struct od_buf *buf, yyjson_val *value)
{
    char number[40];
    if (yyjson_is_str(value)) {
        od_buf_add(buf, yyjson_get_str(value), yyjson_get_len(value));
    } else if (yyjson_is_bool(value)) {
        od_buf_str(buf, yyjson_get_bool(value) ? "true" : "false");
    } else if (yyjson_is_uint(value)) {
        od_buf_u64(buf, yyjson_get_uint(value));
    } else if (yyjson_is_sint(value)) {
        snprintf(number, sizeof number, "%lld", (long long)yyjson_get_sint(value));
        od_buf_str(buf, number);
    } else if (yyjson_is_real(value)) {
        snprintf(number, sizeof number, "%.15g", yyjson_get_real(value));
        od_buf_str(buf, number);
    }
}

/* The place that begins at text ("{{"): its end, or NULL when it isn't closed. */
static const char *read_place(const char *text, const char **name, size_t *bytes)
{
    const char *end = strstr(text + 2, "}}");
    if (!end)
        return NULL;
    const char *first = text + 2, *last = end;
    while (first < last && *first == ' ')
        first++;
    while (last > first && last[-1] == ' ')
        last--;
    *name = first;
    *bytes = (size_t)(last - first);
    return end + 2;
}

int od_template_fill(const struct od_context *context, const char *text, char *out,
                     size_t out_bytes)
{
    struct od_buf buf;
    od_buf_init(&buf, out, out_bytes);
    while (*text) {
        const char *open = strstr(text, "{{");
        const char *name = NULL, *after = NULL;
        size_t bytes = 0;
        if (open)
            after = read_place(open, &name, &bytes);
        if (!after) {
            od_buf_str(&buf, text);
            break;
        }
        od_buf_add(&buf, text, (size_t)(open - text));
        add_value(&buf, look_up(context, name, bytes));
        text = after;
    }
    return buf.cut ? OD_ETOOBIG : (int)buf.used;
}
