/*
 * redis_health - whether a Redis is fit to keep a queue of calls, from what it says of itself in
 * INFO. Pure. A Redis that may throw keys away, or that is a replica, would lose calls silently:
 * it is refused with a text for the operator.
 */
#ifndef PROTO_REDIS_REDIS_HEALTH_H
#define PROTO_REDIS_REDIS_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct od_redis_health {
    unsigned version_major, version_minor;
    bool loading, replica, append_only;
    char run_id[41]; /* of this start of this server */
    uint64_t maxmemory;
    bool evicts; /* maxmemory is set and the policy is not noeviction */
};

/* Reads INFO's text. 0 when fit; otherwise OD_EDOWN (it may become fit by itself: loading) or
 * OD_EINVAL (someone has to change something), with the reason in why. */
int od_redis_health_check(const char *info, size_t bytes, struct od_redis_health *out, char *why,
                          size_t why_size);

#endif
