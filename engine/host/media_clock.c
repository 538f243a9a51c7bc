/*
 * media_clock - see media_clock.h. After a stall of the loop each phase is told once, however many
 * slots were missed: the streams know from the time how many frames they owe.
 */
#include "engine/host/media_clock.h"

#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "engine/media/clock.h"
#include "outdial/err.h"

uint64_t od_media_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * OD_NS_PER_S + (uint64_t)now.tv_nsec;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct od_media_clock *clock = poll->data;
    uint64_t fired;
    (void)status;
    (void)events;
    if (read(clock->fd, &fired, sizeof fired) != (ssize_t)sizeof fired || !clock->running)
        return;
    uint64_t now_ns = od_media_now();
    uint64_t slot = now_ns / OD_CLOCK_SLOT_NS;
    uint64_t first = clock->slot + 1;
    if (slot >= OD_CLOCK_PHASES && first < slot - OD_CLOCK_PHASES + 1)
        first = slot - OD_CLOCK_PHASES + 1;
    clock->slot = slot;
    for (; first <= slot && clock->running; first++)
        clock->fn(clock->ctx, (uint32_t)(first % OD_CLOCK_PHASES), now_ns);
}

int od_media_clock_open(struct od_media_clock *clock, uv_loop_t *loop, od_media_clock_fn fn,
                        void *ctx)
{
    memset(clock, 0, sizeof *clock);
    clock->fn = fn;
    clock->ctx = ctx;
    clock->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (clock->fd < 0)
        return OD_EIO;
    if (uv_poll_init(loop, &clock->poll, clock->fd)) {
        close(clock->fd);
        return OD_EIO;
    }
    clock->poll.data = clock;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct od_media_clock *clock = handle->data;
    close(clock->fd);
    clock->closed(clock->closed_ctx);
}

void od_media_clock_close(struct od_media_clock *clock, void (*fn)(void *ctx), void *ctx)
{
    clock->running = false;
    clock->closed = fn;
    clock->closed_ctx = ctx;
    uv_close((uv_handle_t *)&clock->poll, on_closed);
}

void od_media_clock_run(struct od_media_clock *clock, bool running)
{
    struct itimerspec spec;
    if (running == clock->running)
        return;
    clock->running = running;
    memset(&spec, 0, sizeof spec);
    if (!running) {
        timerfd_settime(clock->fd, 0, &spec, NULL);
        uv_poll_stop(&clock->poll);
        return;
    }
    clock->slot = od_media_now() / OD_CLOCK_SLOT_NS;
    uint64_t first_ns = (clock->slot + 1) * OD_CLOCK_SLOT_NS;
    spec.it_value.tv_sec = (time_t)(first_ns / OD_NS_PER_S);
    spec.it_value.tv_nsec = (long)(first_ns % OD_NS_PER_S);
    spec.it_interval.tv_nsec = (long)OD_CLOCK_SLOT_NS;
    timerfd_settime(clock->fd, TFD_TIMER_ABSTIME, &spec, NULL);
    uv_poll_start(&clock->poll, UV_READABLE, on_readable);
}
