/*
 * redis_lane - the lanes this process knows.
 */
#include "proto/redis/redis_lane.h"

#include <stdlib.h>
#include <string.h>

void od_redis_lanes_deinit(struct od_redis_lanes *lanes)
{
    for (uint32_t i = 0; i < lanes->count; i++) {
        free(lanes->all[i]->hook);
        free(lanes->all[i]);
    }
    free(lanes->all);
    memset(lanes, 0, sizeof *lanes);
}

struct od_redis_lane *od_redis_lane_find(const struct od_redis_lanes *lanes,
                                         const struct od_redis_lane_numbers *numbers,
                                         uint32_t number)
{
    if (number >= numbers->size || numbers->index[number] == 0)
        return NULL;
    return lanes->all[numbers->index[number] - 1];
}

static bool make_room(struct od_redis_lanes *lanes, struct od_redis_lane_numbers *numbers,
                      uint32_t number)
{
    if (number >= numbers->size) {
        size_t size = numbers->size == 0 ? 64 : numbers->size;
        while (size <= number)
            size *= 2;
        uint32_t *index = realloc(numbers->index, size * sizeof *index);
        if (index == NULL)
            return false;
        memset(index + numbers->size, 0, (size - numbers->size) * sizeof *index);
        numbers->index = index;
        numbers->size = size;
    }
    if (lanes->count == lanes->size) {
        uint32_t size = lanes->size == 0 ? 64 : lanes->size * 2;
        struct od_redis_lane **all = realloc(lanes->all, size * sizeof(struct od_redis_lane *));
        if (all == NULL)
            return false;
        lanes->all = all;
        lanes->size = size;
    }
    return true;
}

struct od_redis_lane *od_redis_lane_get(struct od_redis_lanes *lanes,
                                        struct od_redis_lane_numbers *numbers, uint32_t number)
{
    struct od_redis_lane *lane = od_redis_lane_find(lanes, numbers, number);
    if (lane != NULL)
        return lane;
    if (lanes->count >= lanes->max || number > OD_LANE_NUMBER_MAX ||
        !make_room(lanes, numbers, number))
        return NULL;
    lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return NULL;
    lane->number = number;
    lane->info.lane = lanes->count;
    lanes->all[lanes->count++] = lane;
    numbers->index[number] = lanes->count;
    return lane;
}

static uint32_t be32(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

bool od_redis_lane_def(struct od_text def, struct od_lane_info *out)
{
    bool has_via = def.bytes == OD_LANE_DEF_BYTES + OD_LANE_VIA_BYTES;
    if (def.bytes != OD_LANE_DEF_BYTES && !has_via)
        return false;
    if (has_via)
        memcpy(out->via.b, def.at + OD_LANE_DEF_BYTES, OD_LANE_VIA_BYTES);
    memcpy(out->agent.b, def.at, 16);
    memcpy(out->campaign.b, def.at + 16, 16);
    out->priority = (int32_t)be32(def.at + 32);
    out->cps_milli = be32(def.at + 36);
    out->max_calls = be32(def.at + 40);
    out->open = def.at[44] == 1;
    return true;
}
