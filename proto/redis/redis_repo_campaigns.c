/*
 * redis_repo_campaigns - the API's requests for campaigns.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "proto/redis/redis_read.h"
#include "proto/redis/redis_repo.h"

static void campaign_create(void *ctx, const char *org, const struct od_campaign_rec *rec,
                            od_repo_done_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_DONE, (union od_repo_fn){.done = fn}, fn_ctx);
    if (call == NULL)
        return;
    if (call->org[0] != '\0')
        od_repo_touch_org(call);
    if (!od_repo_script(call, OD_SCRIPT_CAMPAIGN_CREATE))
        return;
    struct od_redis_cmd *cmd = &call->store->cmd;
    struct od_uid uid = od_uid_none(&rec->id) ? od_repo_make_uid() : rec->id;
    int64_t now = od_store_wall_ms();
    int64_t started = rec->started_ms;
    if (started == 0 && rec->state == OD_CAMPAIGN_RUNNING)
        started = now;
    od_repo_add_uid(call, &uid);
    od_repo_add_uid(call, &rec->agent);
    od_redis_cmd_str(cmd, rec->name);
    od_redis_cmd_int(cmd, rec->state);
    od_redis_cmd_int(cmd, rec->priority);
    od_redis_cmd_int(cmd, rec->cps_milli);
    od_redis_cmd_int(cmd, rec->max_calls);
    od_repo_add_text(call, rec->webhook_url);
    od_redis_cmd_int(cmd, rec->created_ms == 0 ? now : rec->created_ms);
    od_redis_cmd_int(cmd, started);
    uint8_t retry[OD_WIRE_RETRY_BYTES];
    int retry_bytes = rec->has_retry ? od_wire_retry_put(retry, sizeof retry, &rec->retry) : 0;
    od_redis_cmd_add(cmd, retry, (size_t)retry_bytes);
    od_repo_send(call, OD_SCRIPT_CAMPAIGN_CREATE, od_repo_done);
}

static void campaigns_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    int err = od_repo_reply(call, reply);
    struct od_campaign_rec *recs = NULL;
    size_t count = 0;
    if (err == 0) {
        recs = calloc(reply->elements / 2 + 1, sizeof *recs);
        err = recs == NULL ? OD_ENOMEM : 0;
    }
    if (err != 0) {
        od_repo_answer(call, err);
        return;
    }
    for (size_t i = 1; i + 2 <= reply->elements; i += 2)
        count += od_redis_read_campaign(reply, i, &recs[count]);
    call->fn.campaigns(call->fn_ctx, 0, recs, count);
    free(recs);
    od_repo_end(call);
}

static void campaign_get(void *ctx, const char *org, const struct od_uid *id,
                         od_repo_campaigns_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_CAMPAIGNS, (union od_repo_fn){.campaigns = fn}, fn_ctx);
    if (call == NULL || !od_repo_script(call, OD_SCRIPT_CAMPAIGN_GET))
        return;
    od_redis_cmd_str(&call->store->cmd, "id");
    od_repo_add_uid(call, id);
    od_repo_send(call, OD_SCRIPT_CAMPAIGN_GET, campaigns_done);
}

static void campaign_list(void *ctx, const char *org, uint32_t skip, uint32_t take,
                          od_repo_campaigns_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_CAMPAIGNS, (union od_repo_fn){.campaigns = fn}, fn_ctx);
    if (call == NULL || !od_repo_script(call, OD_SCRIPT_CAMPAIGN_GET))
        return;
    od_redis_cmd_str(&call->store->cmd, "list");
    od_redis_cmd_int(&call->store->cmd, skip);
    od_redis_cmd_int(&call->store->cmd, od_repo_page(take));
    od_repo_send(call, OD_SCRIPT_CAMPAIGN_GET, campaigns_done);
}

static void add_limit(struct od_repo_call *call, uint32_t value)
{
    if (value == UINT32_MAX)
        od_redis_cmd_str(&call->store->cmd, "");
    else
        od_redis_cmd_int(&call->store->cmd, value);
}

static void campaign_limits(void *ctx, const char *org, const struct od_uid *id, uint32_t cps_milli,
                            uint32_t max_calls, const char *who, od_repo_done_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_DONE, (union od_repo_fn){.done = fn}, fn_ctx);
    if (call == NULL || !od_repo_script(call, OD_SCRIPT_CAMPAIGN_SET))
        return;
    call->writes = true;
    od_repo_add_uid(call, id);
    od_redis_cmd_str(&call->store->cmd, "limits");
    add_limit(call, cps_milli);
    add_limit(call, max_calls);
    od_redis_cmd_str(&call->store->cmd, who);
    od_repo_send(call, OD_SCRIPT_CAMPAIGN_SET, od_repo_done);
}

static void set_state_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    int err = od_repo_reply(call, reply);
    if (err == 0 && call->sweeps)
        od_repo_sweep(call);
    else
        od_repo_answer(call, err);
}

static void campaign_set_state(void *ctx, const char *org, const struct od_uid *id,
                               enum od_campaign_state state, const char *who, od_repo_done_fn fn,
                               void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_DONE, (union od_repo_fn){.done = fn}, fn_ctx);
    if (call == NULL || !od_repo_script(call, OD_SCRIPT_CAMPAIGN_SET))
        return;
    call->writes = true;
    call->uid = *id;
    call->sweeps = state == OD_CAMPAIGN_CANCELED;
    od_repo_add_uid(call, id);
    od_redis_cmd_str(&call->store->cmd, "state");
    od_redis_cmd_int(&call->store->cmd, state);
    od_redis_cmd_str(&call->store->cmd, who);
    od_repo_send(call, OD_SCRIPT_CAMPAIGN_SET, set_state_done);
}

void od_repo_campaigns_init(struct od_repo_port *repo)
{
    repo->campaign_create = campaign_create;
    repo->campaign_get = campaign_get;
    repo->campaign_list = campaign_list;
    repo->campaign_limits = campaign_limits;
    repo->campaign_set_state = campaign_set_state;
}
