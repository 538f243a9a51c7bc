/*
 * audit - see the header.
 */
#include "engine/api/audit.h"

#include <stdio.h>
#include <string.h>

#include "engine/api/native.h"
#include "engine/api/project.h"
#include "engine/api/time_text.h"
#include "outdial/err.h"

enum { DEPTH_MAX = 3, PATH_BYTES_MAX = 128, HASH_BYTES = 4, NUMBER_BYTES = 32 };

static const char *const kinds[OD_AUDIT_KINDS] = {[OD_AUDIT_TRUNK] = "trunk",
                                                  [OD_AUDIT_CAMPAIGN] = "campaign",
                                                  [OD_AUDIT_AGENT] = "agent",
                                                  [OD_AUDIT_BREAKER] = "breaker"};

/* ---- writing ---- */

void od_audit_who(const struct od_request *q, char out[OD_AUDIT_WHO_MAX])
{
    struct od_buf buf;
    od_buf_init(&buf, out, OD_AUDIT_WHO_MAX);
    od_buf_str(&buf, q->who.org);
    od_buf_str(&buf, q->who.fixed ? "/configured-" : "/");
    if (q->who.name[0])
        od_buf_str(&buf, q->who.name);
    else
        od_buf_hex(&buf, q->key_hash, HASH_BYTES);
}

/* Tabs and line ends separate what is told. */
static void put_clean(struct od_buf *lines, const char *text)
{
    for (; *text; text++)
        od_buf_char(lines, (unsigned char)*text < ' ' ? ' ' : *text);
}

void od_audit_value(struct od_buf *lines, const char *what, const char *before, const char *after)
{
    if (strcmp(before, after) == 0)
        return;
    put_clean(lines, what);
    od_buf_char(lines, '\t');
    put_clean(lines, before);
    od_buf_char(lines, '\t');
    put_clean(lines, after);
    od_buf_char(lines, '\n');
}

/* "" of what is not there. */
static const char *shown(yyjson_val *value, char number[NUMBER_BYTES])
{
    if (!value || yyjson_is_null(value))
        return "";
    if (yyjson_is_num(value)) {
        snprintf(number, NUMBER_BYTES, "%.10g", yyjson_get_num(value));
        return number;
    }
    if (yyjson_is_bool(value))
        return yyjson_get_bool(value) ? "true" : "false";
    return "\xe2\x80\xa6";
}

static void put_path(struct od_buf *buf, const char *path, const char *key)
{
    od_buf_str(buf, path);
    if (*path)
        od_buf_char(buf, '.');
    od_buf_str(buf, key);
}

static void differ(struct od_buf *lines, const char *path, int depth, yyjson_val *before,
                   yyjson_val *after);

static void member(struct od_buf *lines, const char *path, int depth, const char *key,
                   yyjson_val *before, yyjson_val *after)
{
    char at[PATH_BYTES_MAX];
    struct od_buf buf;
    od_buf_init(&buf, at, sizeof at);
    put_path(&buf, path, key);
    if (yyjson_is_obj(before) && yyjson_is_obj(after) && depth < DEPTH_MAX) {
        differ(lines, at, depth + 1, before, after);
        return;
    }
    if (before && after && yyjson_equals(before, after))
        return;
    char numbers[2][NUMBER_BYTES];
    const char *was = shown(before, numbers[0]), *is = shown(after, numbers[1]);
    if (strcmp(was, is) != 0)
        od_audit_value(lines, at, was, is);
    else if (*was) { /* one ellipsis for another */
        put_clean(lines, at);
        od_buf_str(lines, "\t\xe2\x80\xa6\t\xe2\x80\xa6\n");
    }
}

static void differ(struct od_buf *lines, const char *path, int depth, yyjson_val *before,
                   yyjson_val *after)
{
    size_t i, max;
    yyjson_val *key, *value;
    yyjson_obj_foreach(before, i, max, key, value)
        member(lines, path, depth, yyjson_get_str(key), value,
               yyjson_obj_getn(after, yyjson_get_str(key), yyjson_get_len(key)));
    yyjson_obj_foreach(after, i, max, key, value) if (!yyjson_obj_getn(before, yyjson_get_str(key),
                                                                       yyjson_get_len(key)))
        member(lines, path, depth, yyjson_get_str(key), NULL, value);
}

struct od_text od_audit_agent(char out[OD_AUDIT_CHANGES_MAX], struct od_text before,
                              struct od_text after)
{
    struct od_buf lines;
    yyjson_doc *was = yyjson_read(before.at, before.bytes, YYJSON_READ_BIGNUM_AS_RAW);
    yyjson_doc *is = yyjson_read(after.at, after.bytes, YYJSON_READ_BIGNUM_AS_RAW);
    od_buf_init(&lines, out, OD_AUDIT_CHANGES_MAX);
    if (was && is)
        differ(&lines, "", 1, yyjson_doc_get_root(was), yyjson_doc_get_root(is));
    yyjson_doc_free(was);
    yyjson_doc_free(is);
    while (lines.cut && lines.used && out[lines.used - 1] != '\n') /* no half a line */
        lines.used--;
    return (struct od_text){out, lines.used};
}

/* ---- reading ---- */

static void put_changes(yyjson_mut_doc *doc, yyjson_mut_val *o, struct od_text changes)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(doc, o, "changes");
    const char *at = changes.at, *end = changes.at + changes.bytes;
    while (at < end) {
        static const char *const names[] = {"what", "before", "after"};
        const char *line = memchr(at, '\n', (size_t)(end - at));
        const char *until = line ? line : end;
        yyjson_mut_val *change = yyjson_mut_arr_add_obj(doc, list);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            const char *tab = at < until && i < 2 ? memchr(at, '\t', (size_t)(until - at)) : NULL;
            const char *stop = tab ? tab : until;
            od_put_text(doc, change, names[i], (struct od_text){at, (size_t)(stop - at)});
            at = tab ? tab + 1 : until;
        }
        at = line ? line + 1 : end;
    }
}

static void put_rec(yyjson_mut_doc *doc, yyjson_mut_val *list, const struct od_audit_rec *rec)
{
    yyjson_mut_val *o = yyjson_mut_arr_add_obj(doc, list);
    char id[24];
    struct od_buf buf;
    od_buf_init(&buf, id, sizeof id);
    od_buf_u64(&buf, rec->id);
    yyjson_mut_obj_add_strcpy(doc, o, "id", id);
    od_put_time(doc, o, "at", (int64_t)(rec->id >> 20));
    od_put_text(doc, o, "who", rec->who);
    yyjson_mut_obj_add_str(doc, o, "kind", kinds[rec->kind]);
    if (rec->kind == OD_AUDIT_TRUNK || rec->kind == OD_AUDIT_BREAKER)
        od_put_text(doc, o, "target", rec->name);
    else
        od_put_uid(doc, o, "target", &rec->uid);
    od_put_text(doc, o, "name", rec->name);
    put_changes(doc, o, rec->changes);
}

static void list_done(void *ctx, int err, const struct od_audit_rec *recs, size_t count,
                      uint64_t next_cursor)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    yyjson_mut_val *data;
    yyjson_mut_doc *doc = od_request_page_doc(q, err, "audit list", &data);
    if (!doc)
        return;
    for (size_t i = 0; i < count; i++)
        put_rec(doc, data, &recs[i]);
    od_request_page_answer(q, doc, next_cursor);
}

static bool read_kind(struct od_request *q, int *out)
{
    char word[OD_QUERY_VALUE_MAX];
    *out = -1;
    if (!od_query_get(q->x->query, "kind", word))
        return true;
    for (int i = 0; i < OD_AUDIT_KINDS; i++)
        if (strcmp(word, kinds[i]) == 0)
            *out = i;
    if (*out < 0)
        od_request_fault(q, "query/kind", "must be trunk, campaign, agent or breaker");
    return *out >= 0;
}

static bool read_time(struct od_request *q, const char *name, const char *pointer, int64_t *out)
{
    char text[OD_QUERY_VALUE_MAX];
    *out = 0;
    if (!od_query_get(q->x->query, name, text) || od_time_parse(text, strlen(text), out))
        return true;
    od_request_fault(q, pointer, "must be a time like 2025-01-31T23:59:59Z");
    return false;
}

void od_audit_list(struct od_request *q)
{
    char target[OD_QUERY_VALUE_MAX] = "", who[OD_QUERY_VALUE_MAX] = "";
    struct od_audit_query query = {.target = target, .who = who};
    if (!od_request_page(q, &query.take, &query.cursor) || !read_kind(q, &query.kind) ||
        !read_time(q, "from", "query/from", &query.from_ms) ||
        !read_time(q, "to", "query/to", &query.to_ms))
        return;
    od_query_get(q->x->query, "target", target);
    od_query_get(q->x->query, "who", who);
    od_request_out(q);
    q->api->repo.audit_list(q->api->repo.ctx, q->who.org, &query, list_done, q);
}
