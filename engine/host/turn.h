/*
 * turn - gives the engine its turns inside the libuv loop: after every batch of I/O when facts were
 * posted, and at the moment the engine asked for, to the microsecond (a timerfd, because libuv's
 * timers have whole milliseconds and pacing needs better).
 *
 * Time is read here, once per turn, and nowhere below.
 *
 * Lifetime: embedded in the host; close() takes a callback; the engine must outlive it.
 */
#ifndef ENGINE_HOST_TURN_H
#define ENGINE_HOST_TURN_H

#include <uv.h>

#include "outdial/engine.h"

struct od_turn {
    uv_loop_t *loop;
    struct od_engine *engine;

    /* private */
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle; /* runs only while the engine's budget is used up */
    uv_poll_t poll;
    int timer_fd;
    uint64_t armed_ns;
    unsigned open_handles;
    bool running;
    void (*closed)(void *ctx);
    void *closed_ctx;

    /* read by anybody */
    uint64_t turns, slow_turns, longest_ns;
};

/* CLOCK_MONOTONIC in ns and the wall clock in ms. */
struct od_now od_turn_now(void);

/* OD_EIO: no descriptor left. */
int od_turn_open(struct od_turn *turn, uv_loop_t *loop, struct od_engine *engine);

/* For facts posted outside the loop's callbacks, or configuration set: a turn comes soon. */
void od_turn_wake(struct od_turn *turn);

void od_turn_close(struct od_turn *turn, void (*fn)(void *ctx), void *ctx);

#endif
