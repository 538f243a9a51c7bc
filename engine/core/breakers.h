/*
 * breakers - the breakers of an engine: one for each trunk, prefix on a trunk, caller number and
 * campaign that had a call, by each rule about such. A call is told of the ways that are open to
 * it; one that takes a slot is bound to its breakers, as a probe where one is half open, until what
 * became of its INVITE is known, and whether its talk was short.
 *
 * Second legs are neither held nor counted: somebody holds the line for them.
 *
 * Memory: limits.breakers_max places, taken at create. When all are used, the closed or idle half
 * open one that was used longest ago goes; open ones stay until their wait is over. When none may
 * go, calls are not counted (`full`), and nothing else happens to them.
 *
 * A turn's cost: a look-up per rule, trunk of the lane and call when routes are looked up, and one
 * per rule when a slot is taken. A change of a breaker's state looks at all lanes.
 */
#ifndef ENGINE_CORE_BREAKERS_H
#define ENGINE_CORE_BREAKERS_H

#include "engine/core/engine_state.h"
#include "engine/core/outcome.h"

int od_breakers_init(struct od_engine *engine); /* OD_ENOMEM */
void od_breakers_deinit(struct od_engine *engine);

static inline bool od_breakers_on(const struct od_engine *engine)
{
    return engine->breakers.rule_count != 0;
}

/* True when no breaker keeps the call from being dialled through the trunk now. */
bool od_breakers_let(const struct od_engine *engine, const struct od_call *call,
                     const struct od_trunk *trunk);

/* When to come back with a call that is held on all its ways: wall ms. */
int64_t od_breakers_until(const struct od_engine *engine, const struct od_call *call);

/* The call takes a slot on its trunk. */
void od_breakers_bind(struct od_engine *engine, struct od_call *call);

/* False: a breaker has opened since the call took its slot, and it may not be dialled. */
bool od_breakers_bound(const struct od_engine *engine, const struct od_call *call);

/* What became of its INVITE. */
void od_breakers_answered(struct od_engine *engine, struct od_call *call);
void od_breakers_refused(struct od_engine *engine, struct od_call *call, const struct od_end *end);

/* The call stops talking, its outcome is settled. */
void od_breakers_talked(struct od_engine *engine, struct od_call *call);

/* Nothing more will be known of the call. */
void od_breakers_unbind(struct od_engine *engine, struct od_call *call);

/* A trunk's, or lane's definition has changed: what its breakers say of it. */
void od_breakers_trunk(struct od_engine *engine, struct od_trunk *trunk);
void od_breakers_lane(struct od_engine *engine, struct od_lane *lane);

/* What an open or half open breaker of the trunk says. */
void od_breakers_trunk_stats(const struct od_engine *engine, const struct od_trunk *trunk,
                             struct od_trunk_stats *out);

void od_breakers_time(struct od_engine *engine, struct od_timer *timer);

#endif
