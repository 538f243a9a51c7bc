/*
 * limit - a rate as a carrier states it (struct od_shape), kept over what was actually sent. It is
 * asked before each INVITE and told of each one that leaves; it never sends, and it knows no clock.
 *
 * EVEN and BUCKET are one rule (the generic cell rate algorithm of ITU-T I.371): a next turn, moved
 * on by one interval per send, and a slack by which a send may trail its turn without moving the
 * following ones. WINDOW keeps the times of its last sends. All three keep a guard of 0.4 %, so
 * that the network between us and the carrier's own counter can shift an INVITE by a millisecond or
 * more without putting one too many into a window.
 *
 * EVEN holds count in every rolling window by arithmetic: `count` turns span 1.004 windows, a send
 * trails its turn by no more than the slack unless it moves the turns, and the slack is at most
 * 0.002 windows.
 *
 * Lifetime: the owner's memory; the log of a WINDOW lives in memory the owner brings.
 */
#ifndef ENGINE_CORE_LIMIT_H
#define ENGINE_CORE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "outdial/engine.h"

/* Entries a WINDOW remembers. Above that count, several sends share one, which counts until its
 * last send leaves the window: strict, at a cost of under 1 % of the rate. */
enum { OD_LIMIT_LOG = 128 };
struct od_limit_entry {
    uint64_t at_ns;   /* the last send in it */
    uint64_t through; /* sends since the beginning, this entry's included */
};

struct od_limit {
    /* set by owner, after init */
    uint64_t trail_ns; /* an EVEN send may trail its turn by so much, up to half an interval,
                          without moving the next; what is held then is the rate, not every window.
                          0: the slack above */

    struct od_shape shape; /* read by caller */

    /* private */
    uint64_t last_ns; /* the last send */
    bool sent;        /* anything was */
    /* EVEN, BUCKET */
    uint64_t interval_ns, slack_ns;
    uint64_t turn_ns; /* the turn the last send was charged to */
    /* WINDOW */
    uint64_t span_ns;           /* the window with its guard */
    struct od_limit_entry *log; /* ring of OD_LIMIT_LOG */
    uint64_t forgotten;         /* `through` of the newest entry that has left */
    uint32_t per_entry;         /* sends that share an entry */
    uint32_t first, entries;
};

/* False when a field is out of its range: count 1..1,000,000, window 1 ms..24 h, burst of a BUCKET
 * 1..1,000,000. Kind NONE is fine. */
bool od_shape_valid(const struct od_shape *shape);

/* log: OD_LIMIT_LOG entries, owned by the caller, touched by WINDOW alone. */
void od_limit_init(struct od_limit *limit, struct od_limit_entry *log);

/* Changes the shape and keeps the memory of what was sent. Where the kinds can't tell each other
 * what was sent, the new one starts as if the old one had just used it up. */
void od_limit_set(struct od_limit *limit, const struct od_shape *shape);

/* An INVITE left at now_ns, whether it was its turn or not. */
void od_limit_charge(struct od_limit *limit, uint64_t now_ns);

/* An INVITE that left later than it was charged: our process was held up between the two. What
 * follows is spaced from there. */
struct od_late {
    uint64_t charged_ns, sent_ns;
    uint64_t since; /* INVITEs charged after it */
};
void od_limit_late(struct od_limit *limit, const struct od_late *late);

/* The earliest time at which `ahead` + 1 more can have been sent; up to now_ns: at once. Exact for
 * ahead 0, a plan for more. */
uint64_t od_limit_when(const struct od_limit *limit, uint64_t now_ns, uint32_t ahead);

/* How many could be sent from now_ns to until_ns, at most `most`. A plan. */
uint32_t od_limit_room(const struct od_limit *limit, uint64_t now_ns, uint64_t until_ns,
                       uint32_t most);

/* The same over several limits that must all hold; count 0: no limit. */
void od_limits_charge(struct od_limit *limits, uint32_t count, uint64_t now_ns);
void od_limits_late(struct od_limit *limits, uint32_t count, const struct od_late *late);
uint64_t od_limits_when(const struct od_limit *limits, uint32_t count, uint64_t now_ns,
                        uint32_t ahead);
uint32_t od_limits_room(const struct od_limit *limits, uint32_t count, uint64_t now_ns,
                        uint64_t until_ns, uint32_t most);

#endif
