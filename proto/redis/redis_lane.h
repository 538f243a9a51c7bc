/*
 * redis_lane - the lanes this process knows: the org's own number of a lane to the number the
 * engine uses, and what was last said about it.
 *
 * Lifetime: owned by the store; a lane stays until the store is closed.
 */
#ifndef PROTO_REDIS_REDIS_LANE_H
#define PROTO_REDIS_REDIS_LANE_H

#include "proto/redis/redis_store.h"

struct od_redis_org;

enum { OD_LANE_DEF_BYTES = 45, OD_LANE_VIA_BYTES = 16, OD_LANE_NUMBER_MAX = 16 * 1024 * 1024 };

struct od_redis_lane {
    struct od_lane_info info;
    struct od_redis_org *org;
    uint32_t number;             /* the org's */
    char def[OD_LANE_DEF_BYTES]; /* as last told; what stands behind it never changes */
    bool told;
    char *hook; /* the campaign's webhook, may be NULL */
    size_t hook_bytes;
};

struct od_redis_lanes {
    struct od_redis_lane **all;
    uint32_t count, size, max;
};

/* An org's numbers; all zero at first. */
struct od_redis_lane_numbers {
    uint32_t *index; /* of the lane in `all`, + 1 */
    size_t size;
};

void od_redis_lanes_deinit(struct od_redis_lanes *lanes);

/* NULL: not known. */
struct od_redis_lane *od_redis_lane_find(const struct od_redis_lanes *lanes,
                                         const struct od_redis_lane_numbers *numbers,
                                         uint32_t number);

/* Finds or adds. NULL: too many lanes, a number out of range, or no memory. */
struct od_redis_lane *od_redis_lane_get(struct od_redis_lanes *lanes,
                                        struct od_redis_lane_numbers *numbers, uint32_t number);

/* Reads a definition as the scripts pack it. False when it is none. */
bool od_redis_lane_def(struct od_text def, struct od_lane_info *out);

#endif
