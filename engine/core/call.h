/*
 * call - performs what the table (call_fsm) says. od_call_do() is the one place where a call's
 * state changes: it moves the call between lists, takes and gives back what the state holds, arms
 * the state's timer, gives the orders and writes the trace line.
 */
#ifndef ENGINE_CORE_CALL_H
#define ENGINE_CORE_CALL_H

#include "engine/core/engine_state.h"
#include "engine/core/outcome.h"

/* A call for a job the store handed over, in CREATED. NULL: no room (counted). */
struct od_call *od_call_create(struct od_engine *engine, const struct od_event *job);

/* A second leg for a call that talks, in CREATED; bridge.h. NULL: no room (counted). */
struct od_call *od_call_create_leg(struct od_engine *engine, struct od_call *first,
                                   const struct od_event *bridge);

/* Its state may last until then, if that is longer than it may now. */
void od_call_extend(struct od_engine *engine, struct od_call *call, uint64_t until_ns);

/* NULL when the call is over, which is normal. */
struct od_call *od_call_get(const struct od_engine *engine, struct od_call_id id);

/* One step. facts: of the event, for the outcome; NULL: none. The call may be gone afterwards. */
void od_call_do(struct od_engine *engine, struct od_call *call, enum od_call_event event,
                const struct od_end_facts *facts);

/* Its last INVITE was gone at sent_ns: later than it was charged if our process was held up. */
void od_call_sent(struct od_engine *engine, const struct od_call *call, uint64_t sent_ns);

/* A step that gives the job back, if the table says so, and why: it may come again at once. */
void od_call_give_back(struct od_engine *engine, struct od_call *call, enum od_call_event event,
                       const char *why);

/* The same, not to come again before wall ms. */
void od_call_give_back_until(struct od_engine *engine, struct od_call *call,
                             enum od_call_event event, const char *why, int64_t not_before_ms);

/* The same, to come again after a while: all trunks that take its number are down. */
void od_call_put_off(struct od_engine *engine, struct od_call *call, enum od_call_event event,
                     const char *why);

/* Its INVITE was refused, or died: by whose fault decides what follows. */
void od_call_refused(struct od_engine *engine, struct od_call *call, struct od_end_facts *facts);

/* Asks the start hook of a queued call that has one to ask; true when that was so. It takes no slot
 * for that: what is accepted is queued for the next slot, in the order of acceptance. */
bool od_call_ask_hook(struct od_engine *engine, struct od_call *call);

/* The call takes a slot on this path: its intent is written. */
void od_call_take_slot(struct od_engine *engine, struct od_call *call, struct od_path *path);

/* True when the deadline of a call not yet dialled has passed. */
bool od_call_expired(const struct od_engine *engine, const struct od_call *call);

/* Why the call may not be dialled at this time of day ("hours", "schedule"), and until when: 0 for
 * not known here. NULL: it may. */
const char *od_call_shut(const struct od_engine *engine, const struct od_call *call,
                         int64_t *until_ms);

/* The state's timer has fired. */
void od_call_time(struct od_engine *engine, struct od_call *call);

uint64_t od_call_uid_hash(const struct od_engine *engine, const struct od_uid *uid);

#endif
