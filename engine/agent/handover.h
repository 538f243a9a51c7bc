/*
 * handover - what an outside agent is told when its call begins: texts by name for the formats that
 * have only those, and one object with the call, the context and the agent's own configuration, its
 * texts filled in and its secrets left out. Pure.
 */
#ifndef ENGINE_AGENT_HANDOVER_H
#define ENGINE_AGENT_HANDOVER_H

#include "engine/agent/agent_def.h"

struct od_handover {
    const struct od_agent_def *def;
    struct od_uid call, agent, campaign; /* campaign all zero: none */
    uint16_t attempt;
    const char *amd; /* a JSON object: {mode, kind} */
    const char *from, *to;
    const char *context; /* the call's JSON object */
    size_t context_bytes;
    const char *extra; /* what the call's creator said besides (od_job.extra); may be NULL */
    size_t extra_bytes;
};

/*
 * The call's context over the agent's additionalData, as a JSON object to be freed by the caller:
 * what {{name}} stands for. OD_EINVAL: the context is no object; OD_ENOMEM.
 */
int od_agent_context(const struct od_agent_def *def, const char *context, size_t bytes, char **out,
                     size_t *out_bytes);

/*
 * params: an object of texts: from_number, to_number, the agent's `parameters`, the context.
 * details: {"call_id", "agent_id", "agent", "direction", "attempt", "campaign_id"?, "amd",
 * "context", "talk_first", "config": {...}}. Both to be freed by the caller. OD_EINVAL, OD_ENOMEM.
 */
int od_handover_write(const struct od_handover *handover, char **params, char **details);

#endif
