/*
 * redis_repo_rules - the API's requests about what holds calls back: the list of numbers that
 * nobody may dial, why one call waits, and what was set aside as damaged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"
#include "proto/redis/redis_read.h"
#include "proto/redis/redis_repo.h"

enum { BATCH_MAX = 1000 };

/* Suppressions */

/* One of the things that the script does. */
static struct od_repo_call *begin_script(void *ctx, const char *org, enum od_repo_shape shape,
                                         union od_repo_fn fn, void *fn_ctx, enum od_script script,
                                         const char *what)
{
    struct od_repo_call *call = od_repo_begin(ctx, org, shape, fn, fn_ctx);
    if (call == NULL || !od_repo_script(call, script))
        return NULL;
    od_redis_cmd_str(&call->store->cmd, what);
    return call;
}

static struct od_repo_call *begin(void *ctx, const char *org, enum od_repo_shape shape,
                                  union od_repo_fn fn, void *fn_ctx, const char *what)
{
    return begin_script(ctx, org, shape, fn, fn_ctx, OD_SCRIPT_SUPPRESS, what);
}

static void suppress_put(void *ctx, const char *org, const struct od_suppression *recs,
                         size_t count, od_repo_added_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        begin(ctx, org, OD_REPO_ADDED, (union od_repo_fn){.added = fn}, fn_ctx, "put");
    if (call == NULL)
        return;
    if (count < 1 || count > BATCH_MAX) {
        od_repo_defer(call, OD_EINVAL);
        return;
    }
    call->writes = true;
    call->batch = count;
    for (size_t i = 0; i < count; i++) {
        od_redis_cmd_str(&call->store->cmd, recs[i].number);
        od_redis_cmd_str(&call->store->cmd, recs[i].reason);
    }
    od_repo_send(call, OD_SCRIPT_SUPPRESS, od_repo_added_done);
}

static void suppressions_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    int err = od_repo_reply(call, reply);
    struct od_suppression *recs = NULL;
    if (err == 0) {
        recs = calloc(reply->elements / 3 + 1, sizeof *recs);
        err = recs == NULL ? OD_ENOMEM : 0;
    }
    if (err != 0) {
        od_repo_answer(call, err);
        return;
    }
    size_t count = 0;
    for (size_t i = 2; i + 3 <= reply->elements; i += 3) {
        struct od_suppression *rec = &recs[count++];
        struct od_text number = od_redis_read_text(reply, i);
        struct od_text reason = od_redis_read_text(reply, i + 1);
        od_str_copy(rec->number, sizeof rec->number, number.at, number.bytes);
        od_str_copy(rec->reason, sizeof rec->reason, reason.at, reason.bytes);
        rec->created_ms = od_redis_read_int(reply, i + 2);
    }
    int64_t next = od_redis_read_int(reply, 1);
    call->fn.suppressions(call->fn_ctx, 0, recs, count, next < 0 ? 0 : (uint64_t)next);
    free(recs);
    od_repo_end(call);
}

static void suppress_list(void *ctx, const char *org, uint64_t cursor, uint32_t take,
                          od_repo_suppressions_fn fn, void *fn_ctx)
{
    struct od_repo_call *call = begin(ctx, org, OD_REPO_SUPPRESSIONS,
                                      (union od_repo_fn){.suppressions = fn}, fn_ctx, "list");
    if (call == NULL)
        return;
    od_redis_cmd_int(&call->store->cmd, cursor > INT64_MAX ? INT64_MAX : (int64_t)cursor);
    od_redis_cmd_int(&call->store->cmd, od_repo_page(take == 0 ? 1 : take));
    od_repo_send(call, OD_SCRIPT_SUPPRESS, suppressions_done);
}

static void suppress_find(void *ctx, const char *org, const char *number,
                          od_repo_suppressions_fn fn, void *fn_ctx)
{
    struct od_repo_call *call = begin(ctx, org, OD_REPO_SUPPRESSIONS,
                                      (union od_repo_fn){.suppressions = fn}, fn_ctx, "find");
    if (call == NULL)
        return;
    od_redis_cmd_str(&call->store->cmd, number);
    od_repo_send(call, OD_SCRIPT_SUPPRESS, suppressions_done);
}

static void suppress_remove(void *ctx, const char *org, const char *number, od_repo_done_fn fn,
                            void *fn_ctx)
{
    struct od_repo_call *call =
        begin(ctx, org, OD_REPO_DONE, (union od_repo_fn){.done = fn}, fn_ctx, "remove");
    if (call == NULL)
        return;
    call->writes = true;
    od_redis_cmd_str(&call->store->cmd, number);
    od_repo_send(call, OD_SCRIPT_SUPPRESS, od_repo_done);
}

/* What was set aside */

static void dead_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    int err = od_repo_reply(call, reply);
    struct od_dead_rec *recs = NULL;
    size_t prefix = strlen(call->prefix), count = 0;
    if (err == 0) {
        recs = calloc(reply->elements / 3 + 1, sizeof *recs);
        err = recs == NULL ? OD_ENOMEM : 0;
    }
    if (err != 0) {
        od_repo_answer(call, err);
        return;
    }
    for (size_t i = 2; i + 3 <= reply->elements; i += 3) {
        struct od_dead_rec *rec = &recs[count++];
        struct od_text what = od_redis_read_text(reply, i);
        struct od_text reason = od_redis_read_text(reply, i + 1);
        struct od_uid uid;
        if (what.bytes == sizeof uid.b) {
            memcpy(uid.b, what.at, sizeof uid.b);
            od_uid_text(&uid, rec->id);
        } else if (what.bytes > prefix && memcmp(what.at, call->prefix, prefix) == 0) {
            od_str_copy(rec->id, sizeof rec->id, what.at + prefix, what.bytes - prefix);
        }
        od_str_copy(rec->reason, sizeof rec->reason, reason.at,
                    reason.bytes < sizeof rec->reason ? reason.bytes : sizeof rec->reason - 1);
        rec->at_ms = od_redis_read_int(reply, i + 2);
    }
    int64_t next = od_redis_read_int(reply, 1);
    call->fn.dead(call->fn_ctx, 0, recs, count, next < 0 ? 0 : (uint64_t)next);
    free(recs);
    od_repo_end(call);
}

static struct od_repo_call *begin_dead(void *ctx, const char *org, enum od_repo_shape shape,
                                       union od_repo_fn fn, void *fn_ctx, const char *what)
{
    return begin_script(ctx, org, shape, fn, fn_ctx, OD_SCRIPT_DEAD, what);
}

static void dead_list(void *ctx, const char *org, uint64_t cursor, uint32_t take,
                      od_repo_dead_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        begin_dead(ctx, org, OD_REPO_DEAD, (union od_repo_fn){.dead = fn}, fn_ctx, "list");
    if (call == NULL)
        return;
    od_redis_cmd_int(&call->store->cmd, cursor > UINT32_MAX ? UINT32_MAX : (int64_t)cursor);
    od_redis_cmd_int(&call->store->cmd, od_repo_page(take == 0 ? 1 : take));
    od_repo_send(call, OD_SCRIPT_DEAD, dead_done);
}

static void dead_change(void *ctx, const char *org, const char *verb, const char *id,
                        od_repo_done_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        begin_dead(ctx, org, OD_REPO_DONE, (union od_repo_fn){.done = fn}, fn_ctx, verb);
    struct od_uid uid;
    char key[OD_REDIS_KEY_MAX + OD_DEAD_ID_MAX];
    if (call == NULL)
        return;
    call->writes = true;
    if (od_uid_parse(id, strlen(id), &uid)) {
        od_repo_add_uid(call, &uid);
    } else {
        snprintf(key, sizeof key, "%s%.*s", call->prefix, OD_DEAD_ID_MAX - 1, id);
        od_redis_cmd_str(&call->store->cmd, key);
    }
    od_repo_send(call, OD_SCRIPT_DEAD, od_repo_done);
}

static void dead_requeue(void *ctx, const char *org, const char *id, od_repo_done_fn fn,
                         void *fn_ctx)
{
    dead_change(ctx, org, "requeue", id, fn, fn_ctx);
}

static void dead_drop(void *ctx, const char *org, const char *id, od_repo_done_fn fn, void *fn_ctx)
{
    dead_change(ctx, org, "drop", id, fn, fn_ctx);
}

/* Why */

static void why_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    int err = od_repo_reply(call, reply);
    struct od_call_rec rec;
    struct od_call_holds holds = {.campaign_state = OD_CAMPAIGN_RUNNING};
    if (err == 0 && !od_redis_read_call(reply, 2, &rec)) {
        call->store->stats.odd++;
        err = OD_EPROTO;
    }
    if (err != 0) {
        od_repo_answer(call, err);
        return;
    }
    struct od_text reason = od_redis_read_text(reply, 7);
    holds.suppressed = od_redis_read_int(reply, 6) != 0;
    od_str_copy(holds.suppressed_for, sizeof holds.suppressed_for, reason.at, reason.bytes);
    holds.cap_until_ms = od_redis_read_int(reply, 8);
    if (holds.cap_until_ms <= od_store_wall_ms())
        holds.cap_until_ms = 0;
    int64_t waiting = od_redis_read_int(reply, 9), state = od_redis_read_int(reply, 10);
    holds.lane_waiting = waiting < 0 ? 0 : (uint64_t)waiting;
    if (od_redis_read_text(reply, 10).bytes > 0 && state >= 0 && state <= OD_CAMPAIGN_DRAINING)
        holds.campaign_state = (uint8_t)state;
    call->fn.why(call->fn_ctx, 0, &rec, &holds);
    od_repo_end(call);
}

static void call_why(void *ctx, const char *org, const struct od_uid *id, od_repo_why_fn fn,
                     void *fn_ctx)
{
    struct od_store *store = ctx;
    struct od_repo_call *call =
        od_repo_begin(store, org, OD_REPO_WHY, (union od_repo_fn){.why = fn}, fn_ctx);
    if (call == NULL || !od_repo_script(call, OD_SCRIPT_CALL_WHY))
        return;
    od_repo_add_uid(call, id);
    od_redis_cmd_add(&store->cmd, store->caps, store->caps_bytes);
    od_repo_send(call, OD_SCRIPT_CALL_WHY, why_done);
}

void od_repo_rules_init(struct od_repo_port *repo)
{
    repo->suppress_put = suppress_put;
    repo->suppress_list = suppress_list;
    repo->suppress_find = suppress_find;
    repo->suppress_remove = suppress_remove;
    repo->dead_list = dead_list;
    repo->dead_requeue = dead_requeue;
    repo->dead_drop = dead_drop;
    repo->call_why = call_why;
}
