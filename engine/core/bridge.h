/*
 * bridge - a call's second leg: somebody else whom its callee is to talk to. It is a call like any
 * other to the table, the limiters, the trunks' caps and the verdicts; what makes it a leg is here.
 *
 * It has no job of its own: the ledger knows it by its call's (od_store_port.leg), under names made
 * from the call's uid and an attempt number of its own kind. So it is never claimed, never given
 * back (what would give it back cancels it), never tried again for the person's sake, and counts in
 * no campaign. It goes before what is queued, and past its lane's cap, which is on people called.
 * Neither leg outlives the other's order: when the call leaves the talk, its second leg is stopped;
 * what the call does when the second leg ends is its agent's to say.
 */
#ifndef ENGINE_CORE_BRIDGE_H
#define ENGINE_CORE_BRIDGE_H

#include "engine/core/engine_state.h"

/* Second legs that one call may have, one after the other. */
enum { OD_BRIDGE_LEGS_MAX = 8 };

static inline bool od_bridge_is_leg(const struct od_call *call)
{
    return call->first.gen != 0;
}

/* What the names of the nth second leg's INVITEs are made from. Attempts on the person stay below
 * (OD_WIRE_ATTEMPTS_MAX); a leg has at most OD_TRIES_MAX of its own. */
static inline uint16_t od_bridge_attempt(uint8_t nth)
{
    return (uint16_t)(0x8000u + ((unsigned)nth << 8));
}

/* OD_EV_BRIDGE. One that can't be served is answered at once by the talk port's bridge(). */
void od_bridge_begin(struct od_engine *engine, const struct od_event *event);

/* What order_store() is to a call. */
void od_bridge_order_store(struct od_engine *engine, struct od_call *leg, unsigned actions);

/* The call, or its second leg, has left the state `from` and given its orders. */
void od_bridge_moved(struct od_engine *engine, struct od_call *call, enum od_call_state from);

#endif
