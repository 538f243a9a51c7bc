/*
 * timers - deadlines in order of (time, start order). Most timers of one kind run equally long, so
 * each next one is due after the last: a timer that names a queue goes to that queue's end at no
 * cost if it is due no earlier than the queue's last, and costs next to nothing to stop. All others
 * go into a 4-ary heap, at O(log n).
 *
 * Lifetime: the heap's memory is taken at init; a timer lives in its owner, which stops it before
 * it dies.
 */
#ifndef ENGINE_BASE_TIMERS_H
#define ENGINE_BASE_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/list.h"

enum { OD_TIMER_QUEUES = 16 };

struct od_timer {   /* all zero: idle, of the heap */
    uint16_t kind;  /* set by caller: what it is part of */
    uint16_t queue; /* set by caller while idle: 1..OD_TIMER_QUEUES - 1; 0: none */

    /* private */
    uint32_t place; /* 1 + place in the heap, IN_QUEUE, 0 when idle */
    uint64_t at_ns, order;
    struct od_list node;
};

struct od_timers_entry;

struct od_timers {
    uint32_t count; /* read by caller: running timers */

    /* private */
    uint32_t size, used; /* of the heap */
    uint32_t waiting;    /* bit n: queue n is not empty */
    uint64_t started;
    struct od_timer *earliest; /* NULL: to be looked for */
    struct od_timers_entry *heap;
    struct od_list queues[OD_TIMER_QUEUES];
};

/* size: the most timers that can run at once, 1.. OD_ENOMEM, OD_EINVAL. */
int od_timers_init(struct od_timers *timers, uint32_t size);
void od_timers_deinit(struct od_timers *timers); /* all zero is fine */

/* Starts the timer, or moves it as if newly started; one that runs to at_ns already stays as it is.
 * At most `size` may run. */
void od_timers_start(struct od_timers *timers, struct od_timer *timer, uint64_t at_ns);

/* An idle timer stays idle. */
void od_timers_stop(struct od_timers *timers, struct od_timer *timer);

/* Starts the timer, or stops it when at_ns is OD_NEVER. */
void od_timers_set(struct od_timers *timers, struct od_timer *timer, uint64_t at_ns);

/* The earliest deadline, OD_NEVER when nothing runs. */
uint64_t od_timers_next(struct od_timers *timers);

/* Stops and returns the first timer that is due at now_ns; NULL when none is. */
struct od_timer *od_timers_fire(struct od_timers *timers, uint64_t now_ns);

static inline bool od_timer_running(const struct od_timer *timer)
{
    return timer->place != 0;
}

#endif
