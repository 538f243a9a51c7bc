/*
 * redis_repo_things - the API's requests for the small documents of an org: caller numbers, SIP
 * credentials and their like. One set of scripts serves all kinds.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "proto/redis/redis_read.h"
#include "proto/redis/redis_repo.h"

enum { IDS_MAX = 4000 };

static bool begin(struct od_repo_call *call, enum od_script script, enum od_thing_kind kind)
{
    if (!od_repo_script(call, script))
        return false;
    od_redis_cmd_int(&call->store->cmd, kind);
    return true;
}

static void thing_put(void *ctx, const char *org, enum od_thing_kind kind,
                      const struct od_thing_rec *rec, bool create, od_repo_done_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_DONE, (union od_repo_fn){.done = fn}, fn_ctx);
    if (call == NULL)
        return;
    if (call->org[0] != '\0')
        od_repo_touch_org(call);
    if (!begin(call, OD_SCRIPT_THING_PUT, kind))
        return;
    od_repo_add_uid(call, &rec->id);
    od_repo_add_text(call, rec->key);
    od_repo_add_text(call, rec->doc);
    od_redis_cmd_int(&call->store->cmd, create);
    od_repo_send(call, OD_SCRIPT_THING_PUT, od_repo_done);
}

static void things_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    int err = od_repo_reply(call, reply);
    struct od_thing_rec *recs = NULL;
    size_t count = 0;
    if (err == 0) {
        recs = calloc(reply->elements / 5 + 1, sizeof *recs);
        err = recs == NULL ? OD_ENOMEM : 0;
    }
    if (err != 0) {
        od_repo_answer(call, err);
        return;
    }
    for (size_t i = 1; i + 5 <= reply->elements; i += 5)
        count += od_redis_read_thing(reply, i, &recs[count]);
    call->fn.things(call->fn_ctx, 0, recs, count);
    free(recs);
    od_repo_end(call);
}

static struct od_repo_call *get(void *ctx, const char *org, enum od_thing_kind kind,
                                const char *how, od_repo_things_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_THINGS, (union od_repo_fn){.things = fn}, fn_ctx);
    if (call == NULL || !begin(call, OD_SCRIPT_THING_GET, kind))
        return NULL;
    od_redis_cmd_str(&call->store->cmd, how);
    return call;
}

static void thing_get(void *ctx, const char *org, enum od_thing_kind kind, const struct od_uid *ids,
                      size_t count, od_repo_things_fn fn, void *fn_ctx)
{
    struct od_repo_call *call = get(ctx, org, kind, "id", fn, fn_ctx);
    if (call == NULL)
        return;
    for (size_t i = 0; i < count && i < IDS_MAX; i++)
        od_repo_add_uid(call, &ids[i]);
    od_repo_send(call, OD_SCRIPT_THING_GET, things_done);
}

static void thing_find(void *ctx, const char *org, enum od_thing_kind kind, struct od_text key,
                       od_repo_things_fn fn, void *fn_ctx)
{
    struct od_repo_call *call = get(ctx, org, kind, "key", fn, fn_ctx);
    if (call == NULL)
        return;
    od_repo_add_text(call, key);
    od_repo_send(call, OD_SCRIPT_THING_GET, things_done);
}

static void thing_list(void *ctx, const char *org, enum od_thing_kind kind, uint32_t skip,
                       uint32_t take, od_repo_things_fn fn, void *fn_ctx)
{
    struct od_repo_call *call = get(ctx, org, kind, "list", fn, fn_ctx);
    if (call == NULL)
        return;
    od_redis_cmd_int(&call->store->cmd, skip);
    od_redis_cmd_int(&call->store->cmd, od_repo_page(take));
    od_repo_send(call, OD_SCRIPT_THING_GET, things_done);
}

static void thing_delete(void *ctx, const char *org, enum od_thing_kind kind,
                         const struct od_uid *id, od_repo_done_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_DONE, (union od_repo_fn){.done = fn}, fn_ctx);
    if (call == NULL || !begin(call, OD_SCRIPT_THING_DELETE, kind))
        return;
    call->writes = true;
    od_repo_add_uid(call, id);
    od_repo_send(call, OD_SCRIPT_THING_DELETE, od_repo_done);
}

void od_repo_things_init(struct od_repo_port *repo)
{
    repo->thing_put = thing_put;
    repo->thing_get = thing_get;
    repo->thing_find = thing_find;
    repo->thing_list = thing_list;
    repo->thing_delete = thing_delete;
}
