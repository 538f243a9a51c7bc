/*
 * redis_repo_calls - the API's requests for calls: storing batches, reading, stopping one,
 * canceling a campaign's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "proto/redis/redis_gather.h"
#include "proto/redis/redis_read.h"
#include "proto/redis/redis_repo.h"
#include "proto/wire/wire.h"

enum { BATCH_MAX = 1000, TAKE_MAX = 1000 };

/* The org in which this process tells of what a script ended. */
static struct od_redis_org *org_of(const struct od_repo_call *call)
{
    return od_store_org(call->store, call->org, true);
}

static void add_uid(struct od_store *store, const struct od_uid *uid)
{
    if (uid == NULL)
        od_redis_cmd_str(&store->cmd, "");
    else
        od_redis_cmd_add(&store->cmd, uid->b, sizeof uid->b);
}

/* Adding */

/* What is acknowledged now; those that were there already are not what was asked for. */
static void note_added(struct od_repo_call *call, const uint32_t *twice, size_t twice_count)
{
    static const struct od_uid none;
    struct od_redis_org *org = org_of(call);
    struct od_uid *uids = call->held;
    if (uids == NULL || org == NULL)
        return;
    for (size_t i = 0; i < twice_count; i++)
        uids[twice[i]] = none;
    for (size_t i = 0; i < call->batch; i++)
        if (!od_uid_equal(&uids[i], &none))
            od_redis_acked_note(org, &uids[i]);
}

void od_repo_added_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    int err = od_repo_reply(call, reply);
    uint32_t *twice = NULL;
    if (err == 0) {
        twice = calloc(reply->elements, sizeof *twice);
        err = twice == NULL ? OD_ENOMEM : 0;
    }
    if (err != 0) {
        od_repo_answer(call, err);
        return;
    }
    size_t count = 0;
    for (size_t i = 1; i < reply->elements; i++) {
        int64_t index = od_redis_read_int(reply, i);
        if (index >= 0 && (size_t)index < call->batch)
            twice[count++] = (uint32_t)index;
    }
    note_added(call, twice, count);
    call->fn.added(call->fn_ctx, 0, call->batch - count, twice, count);
    free(twice);
    od_repo_end(call);
}

static struct od_text text_of(const char *text)
{
    return text == NULL ? (struct od_text){"", 0} : (struct od_text){text, strlen(text)};
}

/* In store->scratch: its bytes, or an error. */
static int make_row(struct od_store *store, const struct od_call_new *call, int64_t now_ms)
{
    return od_wire_row_put(store->scratch, OD_STORE_SCRATCH, &call->id, call->hooks,
                           &(struct od_wire_job){
                               .to = text_of(call->to),
                               .from = text_of(call->from),
                               .context = call->context,
                               .webhook_url = call->webhook_url,
                               .timezone = text_of(call->timezone),
                               .created_ms = call->created_ms ? call->created_ms : now_ms,
                               .not_before_ms = call->not_before_ms,
                               .deadline_ms = call->deadline_ms,
                               .row = call->row,
                               .extra = call->extra,
                           });
}

static int add_row(struct od_store *store, const struct od_call_new *call, int64_t now_ms)
{
    int bytes = make_row(store, call, now_ms);
    if (bytes < 0)
        return bytes;
    od_redis_cmd_add(&store->cmd, store->scratch, (size_t)bytes);
    return 0;
}

/* A single call leaves with those that others make at the moment. */
static void add_single(struct od_repo_call *call, const struct od_uid *agent, int32_t priority,
                       const struct od_call_new *new)
{
    struct od_store *store = call->store;
    char text[16];
    int bytes = make_row(store, new, od_store_wall_ms());
    if (bytes < 0) {
        od_repo_defer(call, bytes);
        return;
    }
    int n = snprintf(text, sizeof text, "%d", (int)priority);
    od_redis_gather(
        call, OD_GATHER_ADD,
        &(struct od_gather_args){
            .common = {{(const char *)agent->b, sizeof agent->b},
                       {"", 0},
                       {text, (size_t)n},
                       {(const char *)new->via.b, od_uid_none(&new->via) ? 0 : sizeof new->via.b}},
            .own = {{(const char *)store->scratch, (size_t)bytes}}});
}

void od_repo_added_slice(struct od_repo_call *call, const struct redisReply *reply, size_t at)
{
    struct od_redis_org *org = org_of(call);
    (void)reply, (void)at; /* single calls know no number that is there already */
    if (org != NULL)
        od_redis_acked_note(org, &call->uid);
    call->fn.added(call->fn_ctx, 0, 1, NULL, 0);
    od_repo_end(call);
}

/* For when they are acknowledged. */
static void keep_uids(struct od_repo_call *call, const struct od_call_new *calls, size_t count)
{
    struct od_uid *uids = malloc(count * sizeof *uids);
    for (size_t i = 0; uids != NULL && i < count; i++)
        uids[i] = calls[i].id;
    call->held = uids;
}

static void calls_add(void *ctx, const char *org, const struct od_uid *agent,
                      const struct od_uid *campaign, int32_t priority,
                      const struct od_call_new *calls, size_t count, od_repo_added_fn fn,
                      void *fn_ctx)
{
    struct od_store *store = ctx;
    struct od_repo_call *call =
        od_repo_begin(store, org, OD_REPO_ADDED, (union od_repo_fn){.added = fn}, fn_ctx);
    if (call == NULL)
        return;
    if (call->org[0] == '\0' || count < 1 || count > BATCH_MAX) {
        od_repo_defer(call, call->org[0] == '\0' ? OD_ENOENT : OD_EINVAL);
        return;
    }
    od_repo_touch_org(call);
    call->batch = count;
    if (campaign == NULL && count == 1) {
        call->uid = calls->id;
        add_single(call, agent, priority, calls);
        return;
    }
    keep_uids(call, calls, count);
    od_redis_script_begin(&store->cmd, OD_SCRIPT_CALLS_ADD, call->prefix);
    add_uid(store, agent);
    add_uid(store, campaign);
    od_redis_cmd_int(&store->cmd, priority);
    add_uid(store, od_uid_none(&calls[0].via) ? NULL : &calls[0].via);
    int64_t now_ms = od_store_wall_ms();
    for (size_t i = 0; i < count; i++) {
        int err = add_row(store, &calls[i], now_ms);
        if (err != 0) {
            od_repo_defer(call, err);
            return;
        }
    }
    od_repo_send(call, OD_SCRIPT_CALLS_ADD, od_repo_added_done);
}

/* Reading */

static void list_send(struct od_repo_call *call, uint64_t cursor);

static void calls_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    int err = od_repo_reply(call, reply);
    struct od_call_rec *recs = NULL;
    if (err == 0) {
        recs = calloc(reply->elements / 4 + 1, sizeof *recs);
        err = recs == NULL ? OD_ENOMEM : 0;
    }
    if (err != 0) {
        od_repo_answer(call, err);
        return;
    }
    size_t count = 0;
    for (size_t i = 2; i + 4 <= reply->elements; i += 4) {
        if (od_redis_read_call(reply, i, &recs[count]))
            count++;
        else
            call->store->stats.odd++;
    }
    int64_t next = od_redis_read_int(reply, 1);
    if (count == 0 && next > 0) { /* none of those looked at passed the filter: look on */
        free(recs);
        list_send(call, (uint64_t)next);
        return;
    }
    call->fn.calls(call->fn_ctx, 0, recs, count, next < 0 ? 0 : (uint64_t)next);
    free(recs);
    od_repo_end(call);
}

static void call_get(void *ctx, const char *org, const struct od_uid *id, od_repo_calls_fn fn,
                     void *fn_ctx)
{
    struct od_store *store = ctx;
    struct od_repo_call *call =
        od_repo_begin(store, org, OD_REPO_CALLS, (union od_repo_fn){.calls = fn}, fn_ctx);
    if (call == NULL)
        return;
    if (call->org[0] == '\0') {
        od_repo_defer(call, OD_ENOENT);
        return;
    }
    od_redis_gather(call, OD_GATHER_CALL,
                    &(struct od_gather_args){.own = {{(const char *)id->b, sizeof id->b}}});
}

void od_repo_call_slice(struct od_repo_call *call, const struct redisReply *reply, size_t at)
{
    struct od_call_rec rec = {0};
    if (od_redis_read_text(reply, at).bytes == 0) {
        od_repo_answer(call, OD_ENOENT);
    } else if (!od_redis_read_call(reply, at, &rec)) {
        call->store->stats.odd++;
        od_repo_answer(call, OD_EPROTO);
    } else {
        call->fn.calls(call->fn_ctx, 0, &rec, 1, 0);
        od_repo_end(call);
    }
}

static void list_send(struct od_repo_call *call, uint64_t cursor)
{
    struct od_store *store = call->store;
    const struct od_call_query *query = &call->query;
    od_redis_script_begin(&store->cmd, OD_SCRIPT_CALL_LIST, call->prefix);
    add_uid(store, query->campaign ? &call->uid : NULL);
    add_uid(store, query->agent ? &call->agent : NULL);
    od_redis_cmd_int(&store->cmd, query->phases);
    od_redis_cmd_int(&store->cmd, query->causes);
    od_redis_cmd_int(&store->cmd, query->from_ms);
    od_redis_cmd_int(&store->cmd, query->to_ms);
    od_redis_cmd_int(&store->cmd, cursor > INT64_MAX ? INT64_MAX : (int64_t)cursor);
    od_redis_cmd_int(&store->cmd, query->take);
    od_repo_send(call, OD_SCRIPT_CALL_LIST, calls_done);
}

static void call_list(void *ctx, const char *org, const struct od_call_query *query,
                      od_repo_calls_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_CALLS, (union od_repo_fn){.calls = fn}, fn_ctx);
    if (call == NULL)
        return;
    if (call->org[0] == '\0') {
        od_repo_defer(call, OD_ENOENT);
        return;
    }
    call->query = *query;
    if (query->campaign != NULL)
        call->uid = *query->campaign;
    if (query->agent != NULL)
        call->agent = *query->agent;
    if (query->take < 1 || query->take > TAKE_MAX)
        call->query.take = query->take < 1 ? 1 : TAKE_MAX;
    list_send(call, query->cursor);
}

/* Stopping */

static void stop_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    int err = od_repo_reply(call, reply);
    struct od_redis_org *org = org_of(call);
    if (err == 0 && org != NULL && reply->elements > 1)
        od_redis_tell_ended(org, reply->element[1]);
    od_repo_answer(call, err);
}

static void call_stop(void *ctx, const char *org, const struct od_uid *id, bool hangup,
                      od_repo_done_fn fn, void *fn_ctx)
{
    struct od_store *store = ctx;
    struct od_repo_call *call =
        od_repo_begin(store, org, OD_REPO_DONE, (union od_repo_fn){.done = fn}, fn_ctx);
    if (call == NULL)
        return;
    if (call->org[0] == '\0') {
        od_repo_defer(call, OD_ENOENT);
        return;
    }
    call->writes = true;
    od_redis_script_begin(&store->cmd, OD_SCRIPT_CALL_STOP, call->prefix);
    add_uid(store, id);
    od_redis_cmd_int(&store->cmd, hangup);
    od_repo_send(call, OD_SCRIPT_CALL_STOP, stop_done);
}

static void sweep_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    int err = od_repo_reply(call, reply);
    struct od_redis_org *org = org_of(call);
    if (err == 0 && org != NULL && reply->elements > 2)
        od_redis_tell_ended(org, reply->element[2]);
    if (err == 0 && od_redis_read_int(reply, 1) > 0)
        od_repo_sweep(call);
    else
        od_repo_answer(call, err);
}

void od_repo_sweep(struct od_repo_call *call)
{
    od_redis_script_begin(&call->store->cmd, OD_SCRIPT_SWEEP, call->prefix);
    add_uid(call->store, &call->uid);
    od_repo_send(call, OD_SCRIPT_SWEEP, sweep_done);
}

void od_repo_calls_init(struct od_repo_port *repo)
{
    repo->calls_add = calls_add;
    repo->call_get = call_get;
    repo->call_list = call_list;
    repo->call_stop = call_stop;
}
