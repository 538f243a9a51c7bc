/*
 * outcome - what the end of a call means: a table from (state left, event, SIP status) to a cause
 * and a verdict. The first step towards the end decides; what follows it (the 487 to our CANCEL,
 * the answer to our BYE) doesn't change it. Pure.
 */
#ifndef ENGINE_CORE_OUTCOME_H
#define ENGINE_CORE_OUTCOME_H

#include "engine/core/call_fsm.h"
#include "outdial/engine.h"

/* What is known beside the state and the event. */
struct od_end_facts {
    uint16_t status;                     /* of REJECT; 0: the transaction ended with no response */
    bool local;                          /* of REJECT: made up by our side */
    bool moved;                          /* of REJECT: the trunk has another server */
    uint32_t retry_after_s;              /* of REJECT; 0: none */
    const struct od_verdict_rule *rules; /* of the call's trunk; NULL: none */
    uint8_t order;      /* of CANCEL and STOP: the cause asked for (enum od_cause) */
    const char *reason; /* of REJECT and the failures; NULL: none */
};

struct od_end {
    enum od_cause cause;
    enum od_verdict verdict;
    enum od_trunk_fault fault; /* of what kind a trunk's fault is */
    const char *reason;        /* our word, or the facts' reason; never NULL */
};

/* OD_CAUSE_NONE when that step decides nothing. */
struct od_end od_outcome_of(enum od_call_state from, enum od_call_event event,
                            const struct od_end_facts *facts);

#endif
