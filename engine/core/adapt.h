/*
 * adapt - the rate a trunk really takes. A carrier's limit may be lower than what we were told, and
 * may drift; it shows in refusals. A refusal lowers the working rate to a little below what was
 * just accepted; from there it grows along a cubic (as RFC 9438 does for TCP, section 4): quickly
 * back to near the level that was refused, slowly past it, faster the longer nothing is refused, up
 * to the configured rate, where it lifts itself. Only what is sent shows what is taken, so a rate
 * that isn't used up grows more slowly, and never above 1.08 times of what was sent in the last
 * second (as RFC 7661 keeps TCP's window from growing unvalidated, section 4.2). A post-dial delay
 * that rises well above the usual stops the growth and lowers the rate a little: an overloaded
 * trunk slows down before it refuses.
 *
 * It knows no clock and holds nothing back itself: the trunk makes a limit of its rate.
 *
 * Lifetime: part of its trunk.
 */
#ifndef ENGINE_CORE_ADAPT_H
#define ENGINE_CORE_ADAPT_H

#include "outdial/engine.h"

enum { OD_ADAPT_SLICES = 60, OD_ADAPT_PER_S = 20 }; /* of the last three seconds */

/* A working rate is a guess at a carrier's, no promise: where our process wakes up late, the sends
 * that follow make up for it, or a busy machine would never send what the rate says. */
#define OD_ADAPT_TRAIL_NS (20 * OD_NS_PER_MS)

struct od_adapt {
    /* set by owner */
    bool on;
    uint32_t most_milli; /* the configured rate in thousandths of a call per second; 0: none */

    /* read by owner */
    uint32_t working_milli;  /* 0: not lowered */
    uint64_t pause_until_ns; /* what was sent too fast leaves the carrier's window until then */
    char why[OD_REASON_MAX];
    uint64_t cut_ns; /* lowered last; 0: never */
    uint64_t refusals;
    uint64_t delay_ns; /* smoothed post-dial delay */

    /* private */
    uint32_t level_milli; /* what was accepted when the rate was lowered last */
    uint64_t grown_ns;    /* time in use since then: of each send, at most its interval */
    uint64_t last_ns;     /* the last send */
    uint64_t usual_ns;    /* the delay, smoothed over a long time */
    uint32_t delays;
    uint32_t strikes; /* bare 503s lately */
    uint64_t strike_ns;
    uint64_t slice; /* number of the newest */
    uint16_t sent[OD_ADAPT_SLICES], refused[OD_ADAPT_SLICES];
};

void od_adapt_set(struct od_adapt *adapt, bool on, uint32_t most_milli);

/* An INVITE leaves. */
void od_adapt_sent(struct od_adapt *adapt, uint64_t now_ns);

/* An INVITE that left at sent_ns was refused; sure: in words that speak of a limit. True when the
 * working rate has changed. */
bool od_adapt_refused(struct od_adapt *adapt, uint64_t now_ns, uint64_t sent_ns, bool sure,
                      const char *reason);

/* A phone rang, or answered, so long after its INVITE. True when the working rate has changed. */
bool od_adapt_delay(struct od_adapt *adapt, uint64_t now_ns, uint64_t delay_ns);

#endif
