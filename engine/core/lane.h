/*
 * lane - what waits under one rule, and what of it may move now: claims, turns and sends within
 * the lane's own hours, cap and pace. A lane that changed is touched; od_lane_review() then sets
 * what each of its paths wishes for and when the lane is to be looked at again.
 */
#ifndef ENGINE_CORE_LANE_H
#define ENGINE_CORE_LANE_H

#include "engine/core/engine_state.h"

void od_lane_init(struct od_engine *engine, uint32_t index);

/* To be reviewed before anything is paced. */
void od_lane_touch(struct od_engine *engine, struct od_lane *lane);

void od_lane_review(struct od_engine *engine, struct od_lane *lane);

/* An INVITE of this lane leaves now; again: after a challenge. */
void od_lane_charge(struct od_engine *engine, struct od_lane *lane, bool again);

/* So many of its calls more, or less, hold a slot and are not dialled. */
void od_lane_ready(struct od_engine *engine, struct od_lane *lane, int more);

/* True when the lane has anything to dial. */
bool od_lane_works(const struct od_lane *lane);

/* Calls that the lane could send within moments but for this pace of its, `most` at most. */
uint32_t od_lane_calls(const struct od_engine *engine, const struct od_lane *lane,
                       const struct od_rate *pace, uint32_t most);

/* The earliest time of its next INVITE by its paces; up to now: at once. OD_NEVER: another process
 * has one of them. */
uint64_t od_lane_when(const struct od_engine *engine, const struct od_lane *lane);

/* True while calls of this lane may be claimed and dialled. */
bool od_lane_open(const struct od_engine *engine, const struct od_lane *lane);

/* Its hours alone, at that moment. */
bool od_lane_in_hours(const struct od_lane *lane, int64_t wall_ms);

/* Works out which paths take the call's number, unless that is known. */
void od_lane_route(struct od_engine *engine, struct od_call *call);

/* True when the lane has trunks and none takes the number. A trunk not set yet takes all. */
bool od_lane_refuses(struct od_engine *engine, struct od_call *call);

/* True when some trunk that takes the number is up, or the lane has none at all. */
bool od_lane_reaches(struct od_engine *engine, struct od_call *call);

/* True when a trunk that takes the number is up and was not tried for the call yet. */
bool od_lane_fresh(struct od_engine *engine, struct od_call *call);

/* The first of the lane's queued calls that may use `path`, or no path at all (to be refused),
 * looking past a few others; NULL when there is none. */
struct od_call *od_lane_pick(struct od_engine *engine, struct od_lane *lane,
                             const struct od_path *path);

/* The path a picked call takes: among those with room the best trunk priority, then by weight. */
struct od_path *od_lane_choose(struct od_engine *engine, struct od_lane *lane,
                               const struct od_call *call);

/* How many calls the lane may claim now, by its own cap and pace. */
uint32_t od_lane_claimable(const struct od_engine *engine, const struct od_lane *lane);

/* The lane's first call that was not dialled and can go back; NULL when there is none. */
struct od_call *od_lane_undialled(const struct od_lane *lane);

/* The first queued call that a breaker keeps from all its ways. */
struct od_call *od_lane_shut(struct od_engine *engine, const struct od_lane *lane);

#endif
