/*
 * talk_transfer - see talk_transfer.h.
 */
#include "engine/host/talk_transfer.h"

#include <limits.h>

#include "engine/host/log.h"
#include "engine/host/talk_session.h"
#include "outdial/err.h"
#include "proto/redis/redis_store.h"

unsigned od_talk_transfer_status(int err)
{
    return err == OD_EINVAL ? 400 : err == OD_ENOENT ? 404 : err == OD_ECONFLICT ? 491 : 481;
}

static int go(struct od_talk_session *session, const char *to, const struct od_transfer *how)
{
    if (how->bridge)
        return od_talk_bridge_begin(session, to, how);
    int err = session->bridge.asked ? OD_ECONFLICT : od_talk_session_refer(session, to);
    return err == OD_ENOENT ? OD_EDOWN : err; /* there is nobody to send a REFER to */
}

static int go_way(struct od_talk_session *session, const struct od_transfer_way *way)
{
    struct od_transfer how = session->transfer.how;
    od_transfer_plan_apply(way, &how);
    how.brief &= session->agent && session->agent->briefs;
    return go(session, way->to, &how);
}

static const struct od_agent_def *agent_of(struct od_talk_session *session,
                                           const struct od_job **job)
{
    const struct od_talk_events *events = &session->host->events;
    *job = events->job(events->ctx, session->job);
    return *job ? events->agent(events->ctx, session->call, *job) : NULL;
}

static void on_answer(void *ctx, int err, const char *json, size_t bytes)
{
    struct od_talk_session *session = ctx;
    struct od_talk_transfer *transfer = &session->transfer;
    struct od_transfer_way way = transfer->otherwise;
    const struct od_job *job;
    const struct od_agent_def *def = agent_of(session, &job);
    unsigned status = OD_TRANSFER_FAILED;
    transfer->ask = 0;
    int bad = err || !def ? 0 : od_transfer_plan_answer(&def->plan, json, bytes, &way);
    if (err || bad) { /* an answer may hold a number: it isn't written down */
        od_log(OD_CONFIG_LOG_WARN, "agent", "%s: whom to transfer to was asked in vain: %.*s",
               def ? def->name : "", err ? (int)bytes : INT_MAX,
               err ? json : "the answer names nobody");
        way = transfer->otherwise;
    }
    if (*way.to) {
        err = go_way(session, &way);
        if (!err)
            return;
        status = od_talk_transfer_status(err);
    }
    if (session->agent && session->agent->ops->referred)
        session->agent->ops->referred(session->agent, session->tick_ns, (uint16_t)status, true);
}

/* Whether the webhook will say. */
static bool ask(struct od_talk_session *session, const struct od_agent_def *def,
                const struct od_job *job, struct od_text order)
{
    const struct od_talk_events *events = &session->host->events;
    int err = events->route ? events->route(events->ctx, def, job, order, on_answer, session,
                                            &session->transfer.ask)
                            : OD_ENOENT;
    if (err) {
        session->transfer.ask = 0;
        od_log(OD_CONFIG_LOG_WARN, "agent", "%s: whom to transfer to can't be asked: %s", def->name,
               od_err_text(err));
    }
    return !err;
}

int od_talk_transfer_begin(struct od_talk_session *session, const char *word,
                           const struct od_transfer *how, struct od_text order)
{
    struct od_talk_transfer *transfer = &session->transfer;
    struct od_transfer_way way = {0};
    const struct od_job *job;
    const struct od_agent_def *def = agent_of(session, &job);
    if (session->ended || transfer->ask)
        return OD_ECONFLICT;
    transfer->how = *how;
    if (!def || !def->plan.on)
        return *word ? go(session, word, how) : OD_EINVAL;
    int err = od_transfer_plan_find(&def->plan, word, &way);
    if (def->plan.ask) {
        transfer->otherwise = way;
        if (ask(session, def, job, order))
            return 0;
    }
    return err ? err : go_way(session, &way);
}

void od_talk_transfer_end(struct od_talk_session *session)
{
    const struct od_talk_events *events = &session->host->events;
    if (session->transfer.ask && events->tool_cancel)
        events->tool_cancel(events->ctx, session->transfer.ask);
    session->transfer.ask = 0;
}
