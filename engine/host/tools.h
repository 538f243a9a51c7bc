/*
 * tools - an agent's tool calls over HTTP, and its question whom to transfer to: the tool's webhook
 * is asked, tried again as the document says, and its answer (or the tool's fallBackResult) is
 * given back to the agent.
 *
 *   config.tools[] or tools[]  { name, webhook | url, timeoutSeconds 1..300, retryCount 0..5,
 *                                fallBackResult }
 *
 * Lifetime: owned by the host; done fires exactly once, from the loop, never from inside run(), and
 * not after cancel().
 */
#ifndef ENGINE_HOST_TOOLS_H
#define ENGINE_HOST_TOOLS_H

#include "engine/agent/agent_def.h"
#include "engine/host/hook_ask.h"

struct od_job;
struct od_tools;

enum { OD_TOOL_RESULT_MAX = OD_HOOK_ANSWER_MAX };

struct od_tool_id {
    uint64_t ask; /* 0: none */
};

struct od_tool_ask {
    const struct od_agent_def *agent;
    const struct od_job *job;
    const char *tool;
    struct od_text arguments; /* a JSON object, or empty */
};

/* err 0: json is the tool's answer, or its fallBackResult. Otherwise json is {"error":"..."}:
 * OD_EDOWN no answer and no fallback, OD_EPROTO an answer with another status than 2xx and no
 * fallback. */
typedef void (*od_tool_done_fn)(void *ctx, int err, const char *json, size_t bytes);

int od_tools_create(struct od_tools **out, struct od_hook_asker *asker);
void od_tools_destroy(struct od_tools *tools); /* after the asker has closed; NULL is fine */

/* OD_ENOENT: the agent has no such tool, or one with no webhook; OD_EINVAL: its document can't be
 * made a request; OD_EBUSY, OD_ENOMEM. Then done does not fire. */
int od_tools_run(struct od_tools *tools, const struct od_tool_ask *ask, od_tool_done_fn done,
                 void *ctx, struct od_tool_id *id);
/* The webhook of the agent's transfer plan, once, within the plan's time: the payload is a
 * TransferWebHookPayload with the agent's order (a JSON object, or empty) as `transfer`. done as
 * above; there is no fallback here. OD_ENOENT: the plan has none; else as above. */
int od_tools_route(struct od_tools *tools, const struct od_agent_def *agent,
                   const struct od_job *job, struct od_text order, od_tool_done_fn done, void *ctx,
                   struct od_tool_id *id);
/* At the call's end, or when the agent no longer wants to know. */
void od_tools_cancel(struct od_tools *tools, struct od_tool_id id);

#endif
