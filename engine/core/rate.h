/*
 * rate - limits that one or several keep together: trunks with one cps_key, the lanes of one
 * campaign or agent (then it is called their pace), and through engine/core/share.h other processes
 * as well. It says when the next INVITE may leave and is charged for each that does; whoever uses
 * it is touched when that may have changed.
 *
 * Its number, for the host's books of shared rates: a trunk's index, or trunks_max and a pace's.
 *
 * Lifetime: the engine's, one for each trunk and each pace, taken at create.
 */
#ifndef ENGINE_CORE_RATE_H
#define ENGINE_CORE_RATE_H

#include "engine/core/engine_state.h"

/* Called for each number below trunks_max + paces_max. */
void od_rate_init(struct od_engine *engine, uint32_t number);

/* The shapes that rule from now on, `count` at most, ended by one of kind NONE before. What was
 * sent is remembered. */
void od_rate_set(struct od_rate *rate, const struct od_shape *shapes, uint32_t count);

/* The earliest time of an INVITE: exact; up to now: at once. OD_NEVER: other processes have it. */
uint64_t od_rate_when(const struct od_engine *engine, const struct od_rate *rate);

/* The time of the one after `ahead` more: a plan. */
uint64_t od_rate_plan(const struct od_engine *engine, const struct od_rate *rate, uint32_t ahead);

/* How many could be sent up to until_ns, at most `most`. A plan. */
uint32_t od_rate_room(const struct od_engine *engine, const struct od_rate *rate, uint64_t until_ns,
                      uint32_t most);

/* An INVITE leaves now. in_turn: it waited for od_rate_when(). */
void od_rate_charge(struct od_engine *engine, struct od_rate *rate, bool in_turn);

/* It left at sent_ns, later than it was charged, as the rate's INVITE number `invite`. */
void od_rate_late(struct od_rate *rate, uint64_t charged_ns, uint64_t sent_ns, uint64_t invite);

/* INVITEs of an earlier turn are not known to have left yet: the next one waits for the word. */
bool od_rate_awaits(const struct od_engine *engine, const struct od_rate *rate);

/* One more of those is known to have left, or never will. */
void od_rate_reported(struct od_engine *engine, struct od_rate *rate);

/* All that use it are looked at again. */
void od_rate_touch(struct od_engine *engine, struct od_rate *rate, unsigned what);

/* Of a rate that is shared with other processes: what was granted; a call waits for a grant; the
 * time to ask for more has come; the books are out of reach. */
void od_rate_grant(struct od_engine *engine, const struct od_grant *grant);
void od_rate_hurry(struct od_engine *engine, struct od_rate *rate);
/* There are calls for it: it is asked for when it isn't there, and asked for again in time. */
void od_rate_want(struct od_engine *engine, struct od_rate *rate);
void od_rate_ask_more(struct od_engine *engine, struct od_rate *rate);
void od_rates_void(struct od_engine *engine);

#endif
