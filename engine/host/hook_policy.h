/*
 * hook_policy - how each kind of destination is delivered to: one row of a table per contract.
 * Pure.
 */
#ifndef ENGINE_HOST_HOOK_POLICY_H
#define ENGINE_HOST_HOOK_POLICY_H

#include "outdial/outbox.h"

struct od_hook_policy {
    const uint32_t *waits_s; /* before attempt 2, 3, ...; 0 ends */
    bool retry_4xx;          /* and 3xx: everything that is no 2xx */
    bool retry_after;        /* the receiver's Retry-After is a floor */
    bool gone;               /* 410 ends it, and its endpoint */
};

const struct od_hook_policy *od_hook_policy(enum od_hook_to to);

enum od_hook_verdict { OD_HOOK_OK, OD_HOOK_AGAIN, OD_HOOK_GIVE_UP, OD_HOOK_GONE };

/* What an attempt's answer means. status 0: none came; denied: it may never be sent there. */
enum od_hook_verdict od_hook_judge(const struct od_hook_policy *policy, int status, bool denied);

/* Ms until the attempt after `tries` made ones, spread by a fifth each way with `random`; 0: there
 * is none. floor_ms: what the receiver asked for, believed up to a day. */
uint64_t od_hook_wait_ms(const struct od_hook_policy *policy, unsigned tries, uint64_t floor_ms,
                         uint32_t random);

#endif
