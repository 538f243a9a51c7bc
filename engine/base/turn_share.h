/*
 * turn_share - how much of one turn of the loop a kind of work may take, and how much each of those
 * that ask for it: what comes from outside is done as far as that goes and put off to a later turn
 * from there, so that nobody can hold up everybody else. Pure: the clock is an argument.
 *
 * The time runs from the first of a turn's work on, whatever else is done in between: a turn that
 * is long already takes on less.
 *
 * Lifetime: a share is its owner's; a part is embedded in one who asks. All zero is a beginning.
 */
#ifndef ENGINE_BASE_TURN_SHARE_H
#define ENGINE_BASE_TURN_SHARE_H

#include <stdbool.h>
#include <stdint.h>

struct od_turn_share {
    /* set by the owner */
    uint64_t all_ns, each_ns;

    /* read by the owner: the turn's number */
    uint64_t turn;

    /* private */
    uint64_t begun_ns; /* 0: not yet in this turn */
};

struct od_turn_part {
    uint64_t turn, begun_ns; /* private */
};

/* A turn begins. */
static inline void od_turn_next(struct od_turn_share *share)
{
    share->turn++;
    share->begun_ns = 0;
}

/* Whether a part may do something, or something more, in this turn. What it begins it may finish:
 * who asks often enough is late by little. now_ns: monotonic, above 0. */
static inline bool od_turn_may(struct od_turn_share *share, struct od_turn_part *part,
                               uint64_t now_ns)
{
    if (!share->begun_ns)
        share->begun_ns = now_ns;
    if (part->turn != share->turn || !part->begun_ns)
        *part = (struct od_turn_part){share->turn, now_ns};
    return now_ns - share->begun_ns < share->all_ns && now_ns - part->begun_ns < share->each_ns;
}

#endif
