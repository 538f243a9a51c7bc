/*
 * redis_repo_agents - the API's requests for agents.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "proto/redis/redis_gather.h"
#include "proto/redis/redis_read.h"
#include "proto/redis/redis_repo.h"

static void agent_put(void *ctx, const char *org, const struct od_agent_rec *rec,
                      od_repo_done_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_DONE, (union od_repo_fn){.done = fn}, fn_ctx);
    if (call == NULL)
        return;
    if (call->org[0] != '\0')
        od_repo_touch_org(call);
    if (!od_repo_script(call, OD_SCRIPT_AGENT_PUT))
        return;
    struct od_uid uid = od_uid_none(&rec->id) ? od_repo_make_uid() : rec->id;
    od_repo_add_uid(call, &uid);
    od_redis_cmd_str(&call->store->cmd, rec->name);
    od_repo_add_text(call, rec->doc);
    od_redis_cmd_int(&call->store->cmd, rec->created_ms);
    od_redis_cmd_int(&call->store->cmd, rec->twin);
    od_redis_cmd_str(&call->store->cmd, rec->who == NULL ? "" : rec->who);
    od_repo_add_text(call, rec->who == NULL ? (struct od_text){"", 0} : rec->changes);
    od_repo_send(call, OD_SCRIPT_AGENT_PUT, od_repo_done);
}

static void agents_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    int err = od_repo_reply(call, reply);
    struct od_agent_rec *recs = NULL;
    size_t count = 0;
    if (err == 0) {
        recs = calloc(reply->elements / 7 + 1, sizeof *recs);
        err = recs == NULL ? OD_ENOMEM : 0;
    }
    if (err != 0) {
        od_repo_answer(call, err);
        return;
    }
    for (size_t i = 1; i + 7 <= reply->elements; i += 7)
        count += od_redis_read_agent(reply, i, &recs[count]);
    call->fn.agents(call->fn_ctx, 0, recs, count);
    free(recs);
    od_repo_end(call);
}

void od_repo_agent_slice(struct od_repo_call *call, const struct redisReply *reply, size_t at)
{
    struct od_agent_rec rec = {0};
    if (od_redis_read_text(reply, at).bytes == 0) {
        od_repo_answer(call, OD_ENOENT);
    } else if (!od_redis_read_agent(reply, at, &rec)) {
        call->store->stats.odd++;
        od_repo_answer(call, OD_EPROTO);
    } else {
        call->fn.agents(call->fn_ctx, 0, &rec, 1);
        od_repo_end(call);
    }
}

/* Many ask for the same few agents: they share a script and an answer. */
static void ask(struct od_repo_call *call, const char *by, struct od_text key)
{
    if (call == NULL)
        return;
    if (call->org[0] == '\0') {
        od_repo_defer(call, OD_ENOENT);
        return;
    }
    od_redis_gather(call, OD_GATHER_AGENT,
                    &(struct od_gather_args){.own = {{by, strlen(by)}, key}});
}

static void agent_get(void *ctx, const char *org, const struct od_uid *id, od_repo_agents_fn fn,
                      void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_AGENTS, (union od_repo_fn){.agents = fn}, fn_ctx);
    ask(call, "id", (struct od_text){(const char *)id->b, sizeof id->b});
}

static void agent_find(void *ctx, const char *org, const char *name, od_repo_agents_fn fn,
                       void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_AGENTS, (union od_repo_fn){.agents = fn}, fn_ctx);
    ask(call, "name", (struct od_text){name, strlen(name)});
}

static void agent_list(void *ctx, const char *org, uint32_t skip, uint32_t take,
                       od_repo_agents_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_AGENTS, (union od_repo_fn){.agents = fn}, fn_ctx);
    if (call == NULL || !od_repo_script(call, OD_SCRIPT_AGENT_GET))
        return;
    od_redis_cmd_str(&call->store->cmd, "list");
    od_redis_cmd_int(&call->store->cmd, skip);
    od_redis_cmd_int(&call->store->cmd, od_repo_page(take));
    od_repo_send(call, OD_SCRIPT_AGENT_GET, agents_done);
}

static void agent_delete(void *ctx, const char *org, const struct od_uid *id, od_repo_done_fn fn,
                         void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_DONE, (union od_repo_fn){.done = fn}, fn_ctx);
    if (call == NULL || !od_repo_script(call, OD_SCRIPT_AGENT_DELETE))
        return;
    call->writes = true;
    od_repo_add_uid(call, id);
    od_repo_send(call, OD_SCRIPT_AGENT_DELETE, od_repo_done);
}

static void agent_order(void *ctx, const char *org, const struct od_uid *id,
                        enum od_agent_order order, const char *who, od_repo_done_fn fn,
                        void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_DONE, (union od_repo_fn){.done = fn}, fn_ctx);
    if (call == NULL || !od_repo_script(call, OD_SCRIPT_AGENT_SET))
        return;
    call->writes = true;
    od_repo_add_uid(call, id);
    od_redis_cmd_int(&call->store->cmd, order);
    od_redis_cmd_str(&call->store->cmd, who);
    od_repo_send(call, OD_SCRIPT_AGENT_SET, od_repo_done);
}

void od_repo_agents_init(struct od_repo_port *repo)
{
    repo->agent_put = agent_put;
    repo->agent_get = agent_get;
    repo->agent_find = agent_find;
    repo->agent_list = agent_list;
    repo->agent_delete = agent_delete;
    repo->agent_order = agent_order;
}
