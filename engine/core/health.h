/*
 * health - whether a trunk can be dialled through, from what its calls and pings show. It tells the
 * time when it wants to be looked at again and knows no clock; it neither sends nor ends anything.
 *
 *   UP --bad_max faults or pings in a row--> DOWN --back-off, or good pings--> PROBING
 *   PROBING --good_min good answers--> UP        PROBING --a fault--> DOWN, for twice as long
 *
 * Real calls weigh more than pings: a trunk whose calls get through is not down for unanswered
 * OPTIONS, and none that answers OPTIONS is up before a call got through.
 *
 * Lifetime: part of its trunk.
 */
#ifndef ENGINE_CORE_HEALTH_H
#define ENGINE_CORE_HEALTH_H

#include "outdial/engine.h"

struct od_health {
    uint8_t state; /* read by owner: enum od_health_state */
    char reason[OD_REASON_MAX];
    uint64_t since_ns;
    uint64_t pings, pings_bad;

    /* private */
    uint32_t bad_max, good_min;
    uint64_t ping_ns;
    uint32_t bad_run, good_run;   /* of calls */
    uint32_t ping_bad, ping_good; /* runs */
    uint64_t bad_since_ns;        /* the first of bad_run */
    bool good_traffic;            /* a call got through since the last ping */
    uint64_t backoff_ns;          /* the next one's length */
    uint64_t probe_at_ns, ping_at_ns;
    uint64_t pong_by_ns; /* the ping under way is given up then; 0: none is */
};

/* bad_max 0: always UP. What is known stays. */
void od_health_set(struct od_health *health, uint32_t bad_max, uint32_t good_min, uint64_t ping_ns,
                   uint64_t now_ns);

/* All of these return true when the state has changed. */

/* A call got an answer that shows the trunk at work. */
bool od_health_good(struct od_health *health, uint64_t now_ns);
/* A call failed by the trunk's fault. soft: such a fault may also mean that we are too fast. */
bool od_health_bad(struct od_health *health, uint64_t now_ns, bool soft, const char *why);
/* An OPTIONS was answered; status 0: it was not. */
bool od_health_pong(struct od_health *health, uint64_t now_ns, uint16_t status);
/* *ping: an OPTIONS is to be sent now. */
bool od_health_time(struct od_health *health, uint64_t now_ns, bool *ping);

/* When to call od_health_time() next; OD_NEVER. */
uint64_t od_health_when(const struct od_health *health);

#endif
