/*
 * hook_body - what a webhook says: an event of a call as JSON, in the words of each contract. Pure:
 * the same facts give the same bytes, at any time and on any machine, because the body of a row may
 * be made by one worker and sent again by another.
 *
 * Texts of the facts are borrowed while the function runs.
 */
#ifndef ENGINE_API_HOOK_BODY_H
#define ENGINE_API_HOOK_BODY_H

#include <yyjson.h>

#include "outdial/outbox.h"

struct od_hook_facts {
    enum od_hook_event event;
    uint32_t seq;
    int64_t at_ms;
    const char *org;
    const struct od_call_rec *call; /* as it was at the event */
    yyjson_val *agent;              /* the agent's document; NULL: deleted */
    const char *from_domain;        /* of the trunk dialled; "" when not known */
};

/* The body for that kind of destination; free() it. NULL: no memory. */
char *od_hook_body(enum od_hook_to to, const struct od_hook_facts *facts, size_t *bytes);

/* The payloads that are no events of the outbox, in Dasha's words. */
enum od_hook_ask {
    OD_HOOK_ASK_START,    /* StartWebHookPayload */
    OD_HOOK_ASK_TOOL,     /* ToolWebHookPayload */
    OD_HOOK_ASK_TRANSFER, /* TransferWebHookPayload */
    OD_HOOK_ASK_UNKNOWN,  /* UnknownWebHookPayload */
};
/* tool, arguments (JSON): of a tool call; without a tool the arguments are an agent's order to
 * transfer; else NULL and empty. */
char *od_hook_ask_body(enum od_hook_ask ask, const struct od_hook_facts *facts, const char *tool,
                       struct od_text arguments, size_t *bytes);

/* For a call's end in Dasha's contract: a CompletedWebHookPayload, else a failed or canceled one.
 */
bool od_hook_dasha_done(const struct od_call_rec *call);

#endif
