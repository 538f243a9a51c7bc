/*
 * redis_repo_audit - the API's requests about what was changed while it ran, and by whom: a stream
 * whose ids are the times of Redis' clock.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"
#include "proto/redis/redis_read.h"
#include "proto/redis/redis_repo.h"

enum { COUNT_BITS = 20, FIELDS = 6, ID_MAX = 48 };

static const char *const letters[OD_AUDIT_KINDS] = {[OD_AUDIT_TRUNK] = "t",
                                                    [OD_AUDIT_CAMPAIGN] = "c",
                                                    [OD_AUDIT_AGENT] = "a",
                                                    [OD_AUDIT_BREAKER] = "b"};

static void audit_add(void *ctx, const char *org, const struct od_audit_rec *rec,
                      od_repo_done_fn fn, void *fn_ctx)
{
    struct od_store *store = ctx;
    struct od_text parts[] = {
        {letters[rec->kind], 1}, rec->name, rec->name, rec->who, rec->changes};
    bool here = store->stage == OD_STORE_SERVING;
    int err = od_redis_held_note(store, org, parts, sizeof parts / sizeof *parts, fn, fn_ctx);
    if (err == 0 && here)
        return;
    struct od_repo_call *call =
        od_repo_begin(store, org, OD_REPO_DONE, (union od_repo_fn){.done = fn}, fn_ctx);
    if (call != NULL)
        od_repo_defer(call, err);
}

/* "ms-count" */
static bool read_id(struct od_text text, uint64_t *out)
{
    const char *dash = text.bytes > 0 ? memchr(text.at, '-', text.bytes) : NULL;
    uint64_t ms, count;
    if (dash == NULL ||
        !od_str_u64(text.at, (size_t)(dash - text.at), UINT64_MAX >> COUNT_BITS, &ms) ||
        !od_str_u64(dash + 1, text.bytes - (size_t)(dash + 1 - text.at), UINT64_MAX, &count))
        return false;
    if (count >= UINT64_C(1) << COUNT_BITS)
        count = (UINT64_C(1) << COUNT_BITS) - 1;
    *out = ms << COUNT_BITS | count;
    return true;
}

static bool read_rec(const struct redisReply *reply, size_t at, struct od_audit_rec *out)
{
    struct od_text kind = od_redis_read_text(reply, at + 1);
    memset(out, 0, sizeof *out);
    while (out->kind < OD_AUDIT_KINDS && (kind.bytes != 1 || kind.at[0] != letters[out->kind][0]))
        out->kind++;
    if (out->kind == OD_AUDIT_KINDS || !read_id(od_redis_read_text(reply, at), &out->id))
        return false;
    bool has_uid = out->kind == OD_AUDIT_CAMPAIGN || out->kind == OD_AUDIT_AGENT;
    if (has_uid && !od_redis_read_uid(reply, at + 2, &out->uid))
        return false;
    out->name = od_redis_read_text(reply, at + 3);
    out->who = od_redis_read_text(reply, at + 4);
    out->changes = od_redis_read_text(reply, at + 5);
    return true;
}

static void audits_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    int err = od_repo_reply(call, reply);
    struct od_audit_rec *recs = NULL;
    if (err == 0) {
        recs = calloc(reply->elements / FIELDS + 1, sizeof *recs);
        err = recs == NULL ? OD_ENOMEM : 0;
    }
    if (err != 0) {
        od_repo_answer(call, err);
        return;
    }
    size_t count = 0, seen = 0;
    uint64_t last = 0;
    for (size_t i = 1; i + FIELDS <= reply->elements; i += FIELDS, seen++) {
        if (read_rec(reply, i, &recs[count]))
            last = recs[count++].id;
        else
            call->store->stats.odd++;
    }
    call->fn.audits(call->fn_ctx, 0, recs, count, seen == call->batch ? last : 0);
    free(recs);
    od_repo_end(call);
}

static void add_oldest_and_newest(struct od_redis_cmd *cmd, const struct od_audit_query *query)
{
    char newest[ID_MAX] = "+", oldest[ID_MAX] = "-";
    if (query->to_ms > 0)
        snprintf(newest, sizeof newest, "(%" PRId64 "-0", query->to_ms);
    if (query->cursor != 0 &&
        (query->to_ms <= 0 || query->cursor >> COUNT_BITS < (uint64_t)query->to_ms))
        snprintf(newest, sizeof newest, "(%" PRIu64 "-%" PRIu64, query->cursor >> COUNT_BITS,
                 query->cursor & ((UINT64_C(1) << COUNT_BITS) - 1));
    if (query->from_ms > 0)
        snprintf(oldest, sizeof oldest, "%" PRId64 "-0", query->from_ms);
    od_redis_cmd_str(cmd, newest);
    od_redis_cmd_str(cmd, oldest);
}

static void audit_list(void *ctx, const char *org, const struct od_audit_query *query,
                       od_repo_audits_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_AUDITS, (union od_repo_fn){.audits = fn}, fn_ctx);
    if (call == NULL || !od_repo_script(call, OD_SCRIPT_AUDIT))
        return;
    struct od_redis_cmd *cmd = &call->store->cmd;
    struct od_uid uid;
    call->batch = od_repo_page(query->take == 0 ? 1 : query->take);
    od_redis_cmd_str(cmd, "list");
    add_oldest_and_newest(cmd, query);
    od_redis_cmd_int(cmd, (int64_t)call->batch);
    od_redis_cmd_str(cmd, query->kind < 0 ? "" : letters[query->kind]);
    if (od_uid_parse(query->target, strlen(query->target), &uid))
        od_repo_add_uid(call, &uid);
    else
        od_redis_cmd_str(cmd, query->target);
    od_redis_cmd_str(cmd, query->who);
    od_repo_send(call, OD_SCRIPT_AUDIT, audits_done);
}

void od_repo_audit_init(struct od_repo_port *repo)
{
    repo->audit_add = audit_add;
    repo->audit_list = audit_list;
}
