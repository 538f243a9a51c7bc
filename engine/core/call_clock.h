/*
 * call_clock - how long a call may stay in its state, and what comes when that is over. One timer
 * per call, named after its state. Private to call.c, but for od_call_time() and od_call_extend()
 * (call.h).
 */
#ifndef ENGINE_CORE_CALL_CLOCK_H
#define ENGINE_CORE_CALL_CLOCK_H

#include "engine/core/engine_state.h"

/* It has entered its state now. */
void od_call_clock_start(struct od_engine *engine, struct od_call *call);

/* Its trunk has answered: it has as long as any to get its INVITE through, from when it was sent.
 */
void od_call_clock_heard(struct od_engine *engine, struct od_call *call);

/* When no more tries are owed to a call whose trunks were at fault. */
uint64_t od_call_tries_end_ns(const struct od_engine *engine, const struct od_call *call);

#endif
