/*
 * retry - whether an attempt's end is the call's end. Pure: a rule, what is known of the call, and
 * the attempt's outcome go in; the time of the next attempt comes out, inside the callee's hours
 * and before the deadline, or none.
 */
#ifndef ENGINE_CORE_RETRY_H
#define ENGINE_CORE_RETRY_H

#include "outdial/cause.h"
#include "outdial/rules.h"

struct od_retry_facts {
    uint16_t attempt;        /* its number: attempts that a trunk refused are counted in it */
    uint8_t tries;           /* attempts on the person before it */
    int64_t deadline_ms;     /* 0: none */
    struct od_window window; /* the callee's hours, as of the claim */
};

/* Attempts in all for one on the person: what trunks refuse is tried again so often at most. */
enum { OD_RETRY_TRUNK_FACTOR = 8 };

/* Fills in retry_ms and retry_max from the rest of the outcome: cause, verdict, ended_ms. */
void od_retry_decide(const struct od_retry *rule, const struct od_retry_facts *facts,
                     struct od_outcome *outcome);

#endif
