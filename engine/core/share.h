/*
 * share - this process's part of a rate that several processes keep together. Whoever keeps the
 * books (outdial/ports.h, od_rate_port) grants either the whole rate for a while, and then our own
 * limits rule, or single *slots*: moments at which one INVITE may leave. It asks for them ahead of
 * need, and says when the next INVITE may leave. It never sends, and it knows no clock.
 *
 * Why slots: all slots of a rate, whoever has them, are od_share.interval_ns apart, and each is
 * used within late_ns after its moment or not at all. So the INVITEs of n + 1 slots span at least
 * n * interval - late, and with interval = (window + late) / count that is a whole window: no
 * rolling window holds more than count, whatever the processes do, die or come back as. The price
 * is late / window of the rate, 2.5 % of a window of a second.
 *
 * Glossary
 *   slot    a moment of the rate that belongs to one process
 *   sole    nobody else wants the rate: our limits alone rule, no slot is needed
 *   late    how long after its moment a slot may be used: our wake-ups, our order's way to the wire
 *   pause   the silence between a sole use and the first slot after it, or the other way round
 *
 * Lifetime: the owner's memory.
 */
#ifndef ENGINE_CORE_SHARE_H
#define ENGINE_CORE_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "outdial/engine.h"

/* As many as are granted ahead: 0.4 s of 1,280 a second. */
enum { OD_SHARE_SLOTS = 512 };
#define OD_SHARE_LATE_NS (25 * OD_NS_PER_MS)

struct od_share_slot {
    uint64_t from_ns, until_ns; /* may be used in between */
};

/* How a rate is shared. */
enum od_share_kind {
    OD_SHARE_OFF,
    OD_SHARE_DEALT, /* among all that want some */
    OD_SHARE_WHOLE, /* one process has all of it, as long as it wants some: where the moments of two
                       rates must meet, slots that are far apart would seldom do */
};

struct od_share {
    uint8_t on; /* read by caller: enum od_share_kind, of what is set */

    /* private */
    uint64_t interval_ns, late_ns, pause_ns; /* of the shapes */
    uint64_t sole_until_ns;
    struct od_share_slot slots[OD_SHARE_SLOTS]; /* ring, in order */
    uint32_t first, count;
    uint64_t stride_ns;           /* between two of ours, of late */
    uint64_t asked_ns, answer_ns; /* asked last; given up on an answer after */
    uint64_t wanted_ns;           /* there was a need last */
    uint32_t used, missed;        /* slots since the last ask */
    uint32_t most;                /* worth asking for: what is missed is wasted */
    bool asking, urgent;
    bool elsewhere; /* WHOLE: another process has it, as was last heard */
};

/* Sets what the slots are spaced for; what was granted for other shapes is void. Without shapes the
 * rate is not shared. */
void od_share_set(struct od_share *share, enum od_share_kind kind, const struct od_shape *shapes,
                  uint32_t count);

/* All grants are void: whoever keeps the books may not know of them any more. */
void od_share_void(struct od_share *share);

void od_share_grant(struct od_share *share, uint64_t now_ns, const struct od_grant *grant);

/* True while our own limits alone rule. */
bool od_share_sole(const struct od_share *share, uint64_t now_ns);

/* The earliest time of an INVITE now: exact. OD_NEVER: no slot is known. 0 when sole or not shared.
 */
uint64_t od_share_when(struct od_share *share, uint64_t now_ns);

/* The time of the one after `ahead` more, as far as slots are known, and beyond them as they came
 * of late. A plan. */
uint64_t od_share_plan(struct od_share *share, uint64_t now_ns, uint32_t ahead);

/* How many could be sent up to until_ns, at most `most`. A plan. */
uint32_t od_share_room(struct od_share *share, uint64_t now_ns, uint64_t until_ns, uint32_t most);

/* An INVITE leaves now: it uses up a slot, unless sole. */
void od_share_use(struct od_share *share, uint64_t now_ns);

/* An INVITE of ours left after its slot had passed: the next slot is not used. */
void od_share_late(struct od_share *share, uint64_t charged_ns, uint64_t sent_ns);

/* One that is not ours takes the place of our next: its slot is not used. */
void od_share_skip(struct od_share *share, uint64_t now_ns);

/* When to ask for more, with so many calls to send, those with slots included; OD_NEVER: not by
 * itself. */
uint64_t od_share_ask_when(const struct od_share *share, uint64_t now_ns, uint32_t calls);

/* Somebody has a call and no slot: the next ask comes soon. */
void od_share_hurry(struct od_share *share);

/* What to ask for, now. */
void od_share_ask(struct od_share *share, uint64_t now_ns, uint32_t calls, struct od_rate_ask *out);

#endif
