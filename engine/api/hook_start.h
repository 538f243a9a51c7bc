/*
 * hook_start - an agent's startWebhook: what the document says of it, and what its answer means.
 * Pure.
 *
 *   config.startWebhook { webhook, isEnabledForOutbound, timeout (seconds), fallbackResponse
 *                         { accept, reasonMessage } }
 *   answer              { accept, reasonMessage?, additionalData?, prompt?, ... }
 *
 * Of an answer's other members only a list is taken over; who is dialled, through which trunk and
 * with which secrets is not for a webhook to say.
 */
#ifndef ENGINE_API_HOOK_START_H
#define ENGINE_API_HOOK_START_H

#include <yyjson.h>

#include "outdial/repo.h"

enum { OD_START_TIMEOUT_S_MAX = 60 };

struct od_start_hook {
    yyjson_val *webhook;
    uint32_t timeout_ms;
    bool fallback_accept;
    const char *fallback_reason;
};

/* False: the agent has none for outbound calls. */
bool od_start_hook_read(yyjson_val *agent, struct od_start_hook *out);

struct od_start_verdict {
    bool accept;
    bool fell_back; /* the answer was none, or none of ours */
    char reason[OD_REASON_MAX];
    char *context;    /* the call's data with the answer's merged in; NULL: as it was. free() */
    char *overrides;  /* the members that are taken over, a JSON object; NULL: none. free() */
    unsigned ignored; /* members that are not */
};

/* status 0: no answer. context: the call's. */
void od_start_hook_judge(const struct od_start_hook *hook, int status, struct od_text answer,
                         struct od_text context, struct od_start_verdict *out);
void od_start_verdict_free(struct od_start_verdict *verdict);

/* What is wrong with an answer, one line an error, at most `size` bytes. Returns how many. */
unsigned od_start_answer_check(struct od_text answer, char *out, size_t size);

#endif
