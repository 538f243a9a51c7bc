/*
 * breaker - whether calls of one kind (one trunk, one prefix on it, one caller number, one list)
 * still make sense, from how the last ones ended. It knows no clock and holds nothing back itself:
 * who owns it asks how many calls may go, and tells what became of them.
 *
 *   CLOSED --a share is beyond its rule, of enough calls--> OPEN --its wait--> HALF_OPEN
 *   HALF_OPEN --all probes known, within the rule--> CLOSED
 *   HALF_OPEN --all probes known, beyond the rule--> OPEN, for twice as long
 *
 * An answer counts at once, not when the talk is over: calls that fail are over sooner than those
 * that talk, and would weigh more. How long a talk was is known within short_ms of the answer and
 * counts where its answer did. So no share is bent by calls that are still up.
 *
 * Lifetime: part of its owner (breakers.h). The rule is borrowed in each call and must be the same.
 */
#ifndef ENGINE_CORE_BREAKER_H
#define ENGINE_CORE_BREAKER_H

#include "outdial/engine.h"

/* A window is kept in so many slices; the oldest leaves it at once. */
enum { OD_BREAKER_SLICES = 12 };

/* What is known of an INVITE. */
enum od_breaker_fact {
    OD_BREAKER_ANSWERED,
    OD_BREAKER_REFUSED, /* by the callee, or as a request: nobody answered, no trunk is at fault */
    OD_BREAKER_FAILED,  /* by the trunk's fault */
};

struct od_breaker_tally {
    uint32_t calls, answered, shorts, failed;
};

struct od_breaker {
    uint8_t state; /* read by owner: enum od_breaker_state */
    char reason[OD_REASON_MAX];
    uint64_t since_ns;   /* of the state */
    uint32_t probes_out; /* HALF_OPEN: under way */

    /* private */
    uint64_t until_ns;  /* OPEN: its end; HALF_OPEN: when it can be judged, 0: not known */
    uint64_t proven_ns; /* HALF_OPEN: the last answer can't prove short any more */
    uint64_t wait_ns;   /* the next one's length; 0: the rule's */
    uint64_t slice;     /* number of the newest */
    struct od_breaker_tally slices[OD_BREAKER_SLICES];
    struct od_breaker_tally sum; /* of them; HALF_OPEN: of the probes */
};

/* True for a rule whose fields are in order. */
bool od_breaker_rule_valid(const struct od_breaker_rule *rule);

/* Closed, and nothing is known. */
void od_breaker_init(struct od_breaker *breaker, uint64_t now_ns);

/* How many calls may be let through; UINT32_MAX: as many as come. */
uint32_t od_breaker_free(const struct od_breaker *breaker, const struct od_breaker_rule *rule);

/* One of those it has free is let through. */
void od_breaker_probe(struct od_breaker *breaker);

/* Nothing will be known of a probe: another may go. */
void od_breaker_probe_void(struct od_breaker *breaker);

/* What became of an INVITE; probe: of a probe. True when the state has changed. */
bool od_breaker_note(struct od_breaker *breaker, const struct od_breaker_rule *rule,
                     uint64_t now_ns, enum od_breaker_fact fact, bool probe);

/* A call that was answered at answered_ns has ended within short_ms. True as above. */
bool od_breaker_short(struct od_breaker *breaker, const struct od_breaker_rule *rule,
                      uint64_t now_ns, uint64_t answered_ns, bool probe);

/* Its time has come. True as above. */
bool od_breaker_time(struct od_breaker *breaker, const struct od_breaker_rule *rule,
                     uint64_t now_ns);

/* Closes it, and nothing is known. */
void od_breaker_reset(struct od_breaker *breaker, uint64_t now_ns);

/* When to call od_breaker_time() next; OD_NEVER. */
uint64_t od_breaker_when(const struct od_breaker *breaker);

/* What is in the window now. */
struct od_breaker_tally od_breaker_tally(const struct od_breaker *breaker,
                                         const struct od_breaker_rule *rule, uint64_t now_ns);

#endif
