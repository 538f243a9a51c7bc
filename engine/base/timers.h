/*
 * timers - deadlines in order of (time, start order): a 4-ary heap of intrusive timers. Starting,
 * moving and stopping cost O(log n); equal deadlines fire in the order they were started.
 *
 * Lifetime: the heap's memory is taken at init; a timer lives in its owner, which stops it before
 * it dies.
 */
#ifndef ENGINE_BASE_TIMERS_H
#define ENGINE_BASE_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

struct od_timer {
    uint32_t place; /* private: 1 + place in the heap, 0 when idle; all zero is an idle timer */
    uint32_t kind;  /* the owner's word for what it is part of */
};

struct od_timers_entry;

struct od_timers {
    uint32_t count; /* read by caller: running timers */

    /* private */
    uint32_t size;
    uint64_t started;
    struct od_timers_entry *heap;
};

/* size: the most timers that can run at once, 1.. OD_ENOMEM, OD_EINVAL. */
int od_timers_init(struct od_timers *timers, uint32_t size);
void od_timers_deinit(struct od_timers *timers); /* all zero is fine */

/* Starts the timer, or moves it as if newly started. At most `size` may run. */
void od_timers_start(struct od_timers *timers, struct od_timer *timer, uint64_t at_ns);

/* An idle timer stays idle. */
void od_timers_stop(struct od_timers *timers, struct od_timer *timer);

/* The earliest deadline, OD_NEVER when nothing runs. */
uint64_t od_timers_next(const struct od_timers *timers);

/* Takes the first timer that is due at now_ns off the heap; NULL when none is. */
struct od_timer *od_timers_fire(struct od_timers *timers, uint64_t now_ns);

static inline bool od_timer_running(const struct od_timer *timer)
{
    return timer->place != 0;
}

#endif
