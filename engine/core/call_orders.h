/*
 * call_orders - what a step orders of the ports (call_fsm's actions), in the order that call.c
 * gives them in, and the books of what its INVITEs cost their trunk. Private to call.c, but for
 * od_call_sent() (call.h).
 */
#ifndef ENGINE_CORE_CALL_ORDERS_H
#define ENGINE_CORE_CALL_ORDERS_H

#include "engine/core/engine_state.h"

/* actions: bits of od_call_step. Before any order to SIP: the ledger hears of an answer first, then
 * the callee has its ACK. */
void od_call_order_note(struct od_engine *engine, const struct od_call *call, unsigned actions);
void od_call_order_sip(struct od_engine *engine, struct od_call *call, unsigned actions);
void od_call_order_talk(struct od_engine *engine, struct od_call *call, unsigned actions);
void od_call_order_store(struct od_engine *engine, struct od_call *call, unsigned actions);

/* Whatever is heard of the call after its INVITE was ordered says that it left, or never will. */
void od_call_reported(struct od_engine *engine, struct od_call *call);

/* A challenged call waits no more for its next turn to send. */
void od_call_leave_turn(struct od_call *call, struct od_trunk *trunk);

/* odd: the table has no such step. */
void od_call_trace(struct od_engine *engine, const struct od_call *call, enum od_call_state from,
                   enum od_call_event event, bool odd);

#endif
