/*
 * turn - prepare runs the engine for what timers posted, check for what I/O posted. Between them
 * the loop sleeps until a descriptor is ready; the engine's own deadline is one of them.
 */
#include "engine/host/turn.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "engine/host/log.h"
#include "outdial/err.h"

enum { SLOW_TURN_MS = 10 }; /* longer than half a packet time: worth a line */

struct od_now od_turn_now(void)
{
    struct timespec mono, wall;
    clock_gettime(CLOCK_MONOTONIC, &mono);
    clock_gettime(CLOCK_REALTIME, &wall);
    return (struct od_now){
        .mono_ns = (uint64_t)mono.tv_sec * OD_NS_PER_S + (uint64_t)mono.tv_nsec,
        .wall_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000,
    };
}

/*
 * The timer is only ever moved to an earlier moment, or armed anew when it has fired: deadlines
 * that move away (most do, as calls progress) cost a wake-up now and then instead of a system call
 * each. Setting it also clears what a reader would otherwise have to read.
 */
static void arm(struct od_turn *turn, uint64_t deadline_ns, uint64_t now_ns)
{
    struct itimerspec spec = {0};
    bool fired = turn->armed_ns <= now_ns;
    if (deadline_ns == OD_NEVER && !fired)
        return;
    if (deadline_ns != OD_NEVER && !fired && deadline_ns >= turn->armed_ns)
        return;
    if (deadline_ns == OD_NEVER && turn->armed_ns == OD_NEVER)
        return;
    turn->armed_ns = deadline_ns;
    if (deadline_ns != OD_NEVER) {
        spec.it_value.tv_sec = (time_t)(deadline_ns / OD_NS_PER_S);
        spec.it_value.tv_nsec = (long)(deadline_ns % OD_NS_PER_S);
    }
    timerfd_settime(turn->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void on_idle(uv_idle_t *handle)
{
    (void)handle; /* its being active keeps the loop from sleeping */
}

static void run(struct od_turn *turn)
{
    struct od_now now = od_turn_now();
    bool due = turn->armed_ns <= now.mono_ns;
    if (!due && !od_engine_pending(turn->engine) && !uv_is_active((uv_handle_t *)&turn->idle))
        return;
    uint64_t next_ns = od_engine_run(turn->engine, now);
    turn->turns++;
    uint64_t took_ns = od_turn_now().mono_ns - now.mono_ns;
    if (took_ns > turn->longest_ns)
        turn->longest_ns = took_ns;
    if (took_ns > SLOW_TURN_MS * OD_NS_PER_MS) {
        turn->slow_turns++;
        od_log_fields(OD_CONFIG_LOG_WARN, "loop", "slow engine turn",
                      (struct od_log_field[]){OD_LOG_NUMBER("us", took_ns / 1000), {0}});
    }
    /* Orders given in this turn may have posted facts already; they want another turn. */
    bool again = next_ns <= now.mono_ns || od_engine_pending(turn->engine);
    if (again)
        uv_idle_start(&turn->idle, on_idle);
    else
        uv_idle_stop(&turn->idle);
    arm(turn, again ? OD_NEVER : next_ns, now.mono_ns);
}

static void on_prepare(uv_prepare_t *handle)
{
    run(handle->data);
}

static void on_check(uv_check_t *handle)
{
    run(handle->data);
}

static void on_deadline(uv_poll_t *handle, int status, int events)
{
    (void)handle; /* being woken is all: the check handle runs the turn and arms the timer anew */
    (void)status;
    (void)events;
}

int od_turn_open(struct od_turn *turn, uv_loop_t *loop, struct od_engine *engine)
{
    memset(turn, 0, sizeof *turn);
    turn->loop = loop;
    turn->engine = engine;
    turn->armed_ns = OD_NEVER;
    turn->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (turn->timer_fd < 0) {
        od_log(OD_CONFIG_LOG_ERROR, "loop", "timerfd: %s", strerror(errno));
        return OD_EIO;
    }
    uv_prepare_init(loop, &turn->prepare);
    uv_check_init(loop, &turn->check);
    uv_idle_init(loop, &turn->idle);
    uv_poll_init(loop, &turn->poll, turn->timer_fd);
    turn->prepare.data = turn->check.data = turn->idle.data = turn->poll.data = turn;
    uv_prepare_start(&turn->prepare, on_prepare);
    uv_check_start(&turn->check, on_check);
    uv_poll_start(&turn->poll, UV_READABLE, on_deadline);
    turn->open_handles = 4;
    turn->running = true;
    od_turn_wake(turn);
    return 0;
}

void od_turn_wake(struct od_turn *turn)
{
    if (turn->running)
        uv_idle_start(&turn->idle, on_idle);
}

static void on_closed(uv_handle_t *handle)
{
    struct od_turn *turn = handle->data;
    if (--turn->open_handles)
        return;
    close(turn->timer_fd);
    turn->closed(turn->closed_ctx);
}

void od_turn_close(struct od_turn *turn, void (*fn)(void *ctx), void *ctx)
{
    turn->running = false;
    turn->closed = fn;
    turn->closed_ctx = ctx;
    uv_close((uv_handle_t *)&turn->prepare, on_closed);
    uv_close((uv_handle_t *)&turn->check, on_closed);
    uv_close((uv_handle_t *)&turn->idle, on_closed);
    uv_close((uv_handle_t *)&turn->poll, on_closed);
}
