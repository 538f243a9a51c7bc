/*
 * verdict - whose verdict a SIP refusal is: the trunk's fault, the callee's word, or ours; and for
 * a trunk's fault of what kind, for its health and its rate. A table (verdict.c), before which the
 * rules of a trunk's definition come: carriers say the same thing in their own dialects. Pure.
 */
#ifndef ENGINE_CORE_VERDICT_H
#define ENGINE_CORE_VERDICT_H

#include "outdial/engine.h"

struct od_refusal {
    uint16_t status;        /* 300..699; 0: the transaction ended with no response */
    bool rang;              /* a 18x came before it */
    bool local;             /* made up by our side: unreachable, timeout */
    uint32_t retry_after_s; /* 0: none */
    const char *reason;     /* NULL: none */
};

struct od_ruling {
    uint8_t cause, verdict; /* enum od_cause, enum od_verdict */
    uint8_t fault;          /* enum od_trunk_fault */
};

/* rules: OD_VERDICTS_MAX of them, the first with from 0 ends them; NULL: none. */
struct od_ruling od_verdict_of(const struct od_verdict_rule *rules,
                               const struct od_refusal *refusal);

/* True for a rule whose status range and words are in order. */
bool od_verdict_rule_valid(const struct od_verdict_rule *rule);

#endif
