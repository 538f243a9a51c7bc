/*
 * start_hook - see the header. An ask knows the call and the job by id: a call that ended meanwhile
 * is not found, and the engine takes no notice of news about it.
 */
#include "engine/host/start_hook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/hook_body.h"
#include "engine/api/hook_start.h"
#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/redis/redis_store.h"

struct od_start_hooks {
    struct od_start_hooks_config config;
    struct od_talk_port port;
    struct pending *pending;
};

/* One question under way. */
struct pending {
    struct od_start_hooks *hooks;
    struct pending *next, *prev;
    struct od_call_id call;
    struct od_job_id job;
    struct od_start_hook hook; /* its texts: in reason */
    char reason[OD_REASON_MAX];
};

static void pending_free(struct pending *pending)
{
    if (pending->prev)
        pending->prev->next = pending->next;
    else
        pending->hooks->pending = pending->next;
    if (pending->next)
        pending->next->prev = pending->prev;
    free(pending);
}

static void refuse(struct od_start_hooks *hooks, struct od_call_id call, const char *reason)
{
    struct od_event event = {.kind = OD_EV_HOOK_DONE, .call = call};
    snprintf(event.u.hook.reason, sizeof event.u.hook.reason, "%s", reason);
    hooks->config.post(hooks->config.ctx, &event);
}

static void go_on(struct od_start_hooks *hooks, struct od_call_id call, struct od_job_id job)
{
    hooks->config.inner->hook(hooks->config.inner->ctx, call, job);
}

static void on_reply(void *ctx, const struct od_hook_reply *reply)
{
    struct pending *pending = ctx;
    struct od_start_hooks *hooks = pending->hooks;
    const struct od_job *job = hooks->config.job(hooks->config.ctx, pending->job);
    struct od_start_verdict verdict;
    if (!job) { /* it ended meanwhile */
        pending_free(pending);
        return;
    }
    od_start_hook_judge(&pending->hook, reply->status, reply->body, job->context, &verdict);
    if (hooks->config.log && (verdict.fell_back || verdict.ignored)) {
        char line[200], status[24];
        snprintf(status, sizeof status, "status %d", reply->status);
        snprintf(line, sizeof line, "start webhook: %.80s: %s",
                 *reply->error ? reply->error : status,
                 verdict.fell_back ? "no answer of ours, the fallback counts"
                                   : "members of its answer are not taken over");
        hooks->config.log(hooks->config.ctx, line);
    }
    struct od_text context = {verdict.context, verdict.context ? strlen(verdict.context) : 0};
    struct od_text more = {verdict.overrides, verdict.overrides ? strlen(verdict.overrides) : 0};
    if (verdict.accept && (context.bytes || more.bytes))
        hooks->config.data(hooks->config.ctx, pending->job, context, more);
    if (verdict.accept)
        go_on(hooks, pending->call, pending->job);
    else
        refuse(hooks, pending->call, verdict.reason);
    od_start_verdict_free(&verdict);
    pending_free(pending);
}

void od_start_hook_call(const struct od_job *job, struct od_call_rec *out)
{
    *out = (struct od_call_rec){.id = job->uid,
                                .agent = job->agent,
                                .campaign = job->campaign,
                                .phase = OD_PHASE_QUEUED,
                                .priority = job->priority,
                                .context = job->context,
                                .extra = job->extra,
                                .result = {"", 0},
                                .webhook_url = job->webhook_url,
                                .created_ms = job->created_ms,
                                .deadline_ms = job->deadline_ms,
                                .row = job->row};
    od_str_copy(out->to, sizeof out->to, job->to, strlen(job->to));
    od_str_copy(out->from, sizeof out->from, job->from, strlen(job->from));
}

/* Asks; false: there is nobody to ask, or it could not be asked and the fallback has decided. */
static bool ask(struct od_start_hooks *hooks, struct pending *pending, const struct od_job *job,
                yyjson_val *agent)
{
    struct od_call_rec call;
    size_t bytes;
    uint64_t id;
    const char *why;
    od_start_hook_call(job, &call);
    struct od_hook_facts facts = {.event = OD_HOOK_QUEUED,
                                  .seq = 1,
                                  .org = job->org,
                                  .call = &call,
                                  .agent = agent,
                                  .from_domain = ""};
    char *body = od_hook_ask_body(OD_HOOK_ASK_START, &facts, NULL, (struct od_text){"", 0}, &bytes);
    int err = body ? od_hook_ask(hooks->config.asker,
                                 &(struct od_hook_asking){.hook = pending->hook.webhook,
                                                          .payload = body,
                                                          .bytes = bytes,
                                                          .timeout_ms = pending->hook.timeout_ms},
                                 on_reply, pending, &id, &why)
                   : OD_ENOMEM;
    free(body);
    if (err && hooks->config.log)
        hooks->config.log(hooks->config.ctx,
                          "start webhook: it can't be asked; the fallback counts");
    return err == 0;
}

static void on_hook(void *ctx, struct od_call_id call, struct od_job_id job_id)
{
    struct od_start_hooks *hooks = ctx;
    const struct od_job *job = hooks->config.job(hooks->config.ctx, job_id);
    yyjson_val *agent = job ? hooks->config.agent(hooks->config.ctx, &job->agent) : NULL;
    struct od_start_hook hook;
    if (!od_start_hook_read(agent, &hook)) {
        go_on(hooks, call, job_id);
        return;
    }
    struct pending *pending = calloc(1, sizeof *pending);
    if (!pending) {
        refuse(hooks, call, "out of memory");
        return;
    }
    *pending = (struct pending){
        .hooks = hooks, .next = hooks->pending, .call = call, .job = job_id, .hook = hook};
    od_str_copy(pending->reason, sizeof pending->reason, hook.fallback_reason,
                strlen(hook.fallback_reason));
    pending->hook.fallback_reason = pending->reason;
    if (hooks->pending)
        hooks->pending->prev = pending;
    hooks->pending = pending;
    if (ask(hooks, pending, job, agent)) {
        pending->hook.webhook = NULL; /* the document may change while we wait */
        return;
    }
    if (hook.fallback_accept)
        go_on(hooks, call, job_id);
    else
        refuse(hooks, call, hook.fallback_reason);
    pending_free(pending);
}

/* The rest of the port is the talk's. */

static void on_prepare(void *ctx, struct od_call_id call, struct od_job_id job)
{
    const struct od_talk_port *inner = ((struct od_start_hooks *)ctx)->config.inner;
    inner->prepare(inner->ctx, call, job);
}

static void on_start(void *ctx, struct od_call_id call, struct od_job_id job)
{
    const struct od_talk_port *inner = ((struct od_start_hooks *)ctx)->config.inner;
    inner->start(inner->ctx, call, job);
}

static void on_stop(void *ctx, struct od_call_id call, struct od_job_id job, enum od_cause cause)
{
    const struct od_talk_port *inner = ((struct od_start_hooks *)ctx)->config.inner;
    inner->stop(inner->ctx, call, job, cause);
}

static void on_bridge(void *ctx, struct od_call_id call, struct od_call_id leg,
                      const struct od_outcome *outcome)
{
    const struct od_talk_port *inner = ((struct od_start_hooks *)ctx)->config.inner;
    inner->bridge(inner->ctx, call, leg, outcome);
}

int od_start_hooks_create(struct od_start_hooks **out, const struct od_start_hooks_config *config)
{
    struct od_start_hooks *hooks = calloc(1, sizeof *hooks);
    if (!hooks)
        return OD_ENOMEM;
    hooks->config = *config;
    hooks->port = (struct od_talk_port){.ctx = hooks,
                                        .prepare = on_prepare,
                                        .start = on_start,
                                        .stop = on_stop,
                                        .hook = on_hook,
                                        .bridge = on_bridge};
    *out = hooks;
    return 0;
}

void od_start_hooks_destroy(struct od_start_hooks *hooks)
{
    if (!hooks)
        return;
    while (hooks->pending)
        pending_free(hooks->pending);
    free(hooks);
}

const struct od_talk_port *od_start_hooks_port(struct od_start_hooks *hooks)
{
    return &hooks->port;
}
