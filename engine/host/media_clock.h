/*
 * media_clock - the host's metronome for media: one timerfd with absolute deadlines that fires at
 * the beginning of each slot (engine/media/clock.h) while anybody talks, and not at all otherwise.
 * libuv's own timers have whole milliseconds and drift when they repeat.
 *
 * Lifetime: embedded in its owner; its memory may go in or after close()'s callback.
 */
#ifndef ENGINE_HOST_MEDIA_CLOCK_H
#define ENGINE_HOST_MEDIA_CLOCK_H

#include <uv.h>

#include "outdial/types.h"

/* A slot of this phase has begun (maybe a while ago). now_ns: CLOCK_MONOTONIC. */
typedef void (*od_media_clock_fn)(void *ctx, uint32_t phase, uint64_t now_ns);

struct od_media_clock { /* private */
    uv_poll_t poll;
    int fd;
    bool running;
    uint64_t slot; /* the last one that was told */
    od_media_clock_fn fn;
    void *ctx;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* CLOCK_MONOTONIC, in ns. */
uint64_t od_media_now(void);

/* OD_EIO: no descriptor left; nothing is to be closed then. */
int od_media_clock_open(struct od_media_clock *clock, uv_loop_t *loop, od_media_clock_fn fn,
                        void *ctx);
void od_media_clock_close(struct od_media_clock *clock, void (*fn)(void *ctx), void *ctx);

/* Starts with the next slot, or stops. Doing it twice is fine. */
void od_media_clock_run(struct od_media_clock *clock, bool running);

#endif
