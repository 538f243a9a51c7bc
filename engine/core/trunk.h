/*
 * trunk - a trunk's slots, rate and share of what is claimed ahead. It answers "could it?" for the
 * pacer and keeps the engine's lists of trunks with something to do.
 */
#ifndef ENGINE_CORE_TRUNK_H
#define ENGINE_CORE_TRUNK_H

#include "engine/core/engine_state.h"
#include "engine/core/outcome.h"

void od_trunk_init(struct od_engine *engine, uint32_t index);

/* What the pacer shall look at in this turn: something changed that may let the trunk ... */
enum od_touch {
    OD_TOUCH_SEND = 1,  /* ... send */
    OD_TOUCH_ARM = 2,   /* ... give a slot to a queued call */
    OD_TOUCH_CLAIM = 4, /* ... use more calls from the store */
    OD_TOUCH_ALL = 7,
};
void od_trunk_touch(struct od_engine *engine, struct od_trunk *trunk, unsigned what);

/* True while the trunk takes calls at all: set, usable, not down, not held, its
 * breakers not open. */
bool od_trunk_up(const struct od_engine *engine, const struct od_trunk *trunk);

/* The earliest time at which the trunk's next INVITE may leave; up to now: at once. */
uint64_t od_trunk_when(const struct od_engine *engine, const struct od_trunk *trunk);

/* The same for the one after `ahead` of the trunk's own and all that others with its rate hold
 * ready. A plan. */
uint64_t od_trunk_plan_ns(const struct od_engine *engine, const struct od_trunk *trunk,
                          uint32_t ahead);

/* True when the trunk has a rate at all. */
bool od_trunk_paced(const struct od_trunk *trunk);

/* How many INVITEs could leave up to until_ns, at most `most`. A plan. */
uint32_t od_trunk_room(const struct od_engine *engine, const struct od_trunk *trunk,
                       uint64_t until_ns, uint32_t most);

/* Something of it has changed that routes may go by: they are looked up anew if so. */
void od_trunk_look(struct od_engine *engine, struct od_trunk *trunk);

/* A probing trunk takes one call at a time: true when this one would be it. */
bool od_trunk_takes_one(const struct od_trunk *trunk);

/* What its calls and pings tell about the trunk. */
void od_trunk_good(struct od_engine *engine, struct od_trunk *trunk);
void od_trunk_failed(struct od_engine *engine, const struct od_call *call, const struct od_end *end,
                     uint32_t retry_after_s);
void od_trunk_rang(struct od_engine *engine, const struct od_call *call);
void od_trunk_pong(struct od_engine *engine, uint32_t index, uint16_t status);
void od_trunk_health_time(struct od_engine *engine, struct od_trunk *trunk);

/* An INVITE of this trunk leaves now. */
void od_trunk_charge(struct od_engine *engine, struct od_trunk *trunk);

/* Another process heard that nothing may be sent to it until then. */
void od_trunk_held(struct od_engine *engine, uint32_t index, uint64_t until_ns);

/* An INVITE came from it: counts where its limits say so. */
void od_trunk_inbound(struct od_engine *engine, uint32_t index);

/* The call goes to the state `next`: queued it counts as ahead of the trunk it was claimed for,
 * while its start hook is asked as hooking there, in no other state. */
void od_trunk_recharge(struct od_engine *engine, struct od_call *call, enum od_call_state next);

/* Slots free under the trunk's own cap. */
uint32_t od_trunk_slots(const struct od_trunk *trunk);

/* How long before its send a call should get its slot: the store's latency as observed. With hook:
 * how long before that its start hook should be asked, too. */
uint64_t od_engine_lead_ns(const struct od_engine *engine, bool hook);

/* How far ahead of its send a call may be claimed. */
uint64_t od_engine_ahead_ns(const struct od_engine *engine, bool hook);

/* The time at which one more call may take a slot, as far as the rate goes: its lead before the
 * send that is not yet spoken for. */
uint64_t od_trunk_arm_ns(const struct od_engine *engine, const struct od_trunk *trunk);

/* True when one more call may take a slot of this trunk now. */
bool od_trunk_can_arm(const struct od_engine *engine, const struct od_trunk *trunk);

/* What comes in one turn was answered as one batch: its first, which waited longest, counts. */
void od_latency_add(struct od_latency *latency, uint64_t now_ns, uint64_t sample_ns);

#endif
