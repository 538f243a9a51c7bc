/*
 * sip_loop - runs the guest's steps from libuv.
 *
 * A turn is: flush what the owner queued, step the guest until it has nothing more to do, flushing
 * after each step, arm the timer. Turns come from the guest's epoll set, from the timer, and from
 * the prepare handle when the owner did something (kick) or the clock has passed the guest's next
 * deadline.
 *
 * Under load a wake-up per datagram costs more than the datagram. When more than BUSY_PER_S come,
 * the set is left alone for coalesce_us after each turn and then drained at once.
 */
#include "proto/sip/sip_loop.h"

#include <sofia-sip/su_log.h>
#include <string.h>
#include <time.h>

#include "outdial/err.h"
#include "outdial/types.h"
#include "proto/sip/sip_fds.h"
#include "proto/sip/sip_gate.h"
#include "proto/sip/sip_getaddrinfo.h"

enum {
    STEPS_PER_TURN = 512, /* then other handles get their turn */
    BUSY_PER_S = 400,     /* datagrams; about where a wake-up each begins to show (measured) */
    WINDOW_MS = 50,
};

/* The library's hooks for its clock (su_time0.c); it exports them but no header declares them. */
extern void (*_su_time)(su_time_t *tv);
extern uint64_t (*_su_nanotime)(uint64_t *ns);
extern su_log_t nta_log[], tport_log[], stun_log[], sresolv_log[];

/* Seconds from 1900 to 1970: the library counts from there. */
#define NTP_EPOCH_S UINT64_C(2208988800)

static uint64_t (*process_clock)(void);
static unsigned process_clock_users;
static void (*library_time)(su_time_t *tv);
static uint64_t (*library_nanotime)(uint64_t *ns);

static void hooked_time(su_time_t *tv)
{
    if (!tv)
        return;
    uint64_t ns = process_clock();
    tv->tv_sec = (unsigned long)(NTP_EPOCH_S + ns / OD_NS_PER_S);
    tv->tv_usec = (unsigned long)(ns % OD_NS_PER_S / 1000);
}

static uint64_t hooked_nanotime(uint64_t *ns)
{
    uint64_t now = NTP_EPOCH_S * OD_NS_PER_S + process_clock();
    if (ns)
        *ns = now;
    return now;
}

static uint64_t monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * OD_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static bool clock_acquire(uint64_t (*clock_ns)(void))
{
    if (process_clock_users && process_clock != clock_ns)
        return false;
    if (!process_clock_users++) {
        process_clock = clock_ns;
        library_time = _su_time;
        library_nanotime = _su_nanotime;
        _su_time = hooked_time;
        _su_nanotime = hooked_nanotime;
    }
    return true;
}

static void clock_release(void)
{
    if (--process_clock_users)
        return;
    _su_time = library_time;
    _su_nanotime = library_nanotime;
    process_clock = NULL;
}

void od_sip_loop_enter(void)
{
    od_sip_names_off();
    od_sip_gate_up();
}

void od_sip_loop_leave(void)
{
    od_sip_gate_down();
    od_sip_names_on();
}

static void on_timer(uv_timer_t *timer);
static void on_readable(uv_poll_t *poll, int status, int events);

/* While gathering only the timer brings turns; stopping and starting the poll costs two system
 * calls, so it happens when the load changes and not each time. */
static void choose_watching(struct od_sip_loop *loop)
{
    bool gather = loop->busy && loop->config.coalesce_us;
    if (gather && !loop->gathering)
        uv_poll_stop(&loop->poll);
    else if (!gather && loop->gathering)
        uv_poll_start(&loop->poll, UV_READABLE, on_readable);
    loop->gathering = gather;
}

static void arm(struct od_sip_loop *loop, long guest_ms)
{
    uint64_t delay_ms = UINT64_MAX;
    loop->due_ns = OD_NEVER;
    if (guest_ms >= 0) {
        delay_ms = (uint64_t)guest_ms;
        loop->due_ns = loop->config.clock_ns() + delay_ms * OD_NS_PER_MS;
    }
    choose_watching(loop);
    if (loop->gathering) {
        uint64_t gather_ms = (loop->config.coalesce_us + 999) / 1000;
        if (gather_ms < delay_ms)
            delay_ms = gather_ms;
    }
    /* libuv before 1.46 spins for ever on a timer that re-arms itself with 0 */
    if (delay_ms == 0)
        delay_ms = 1;
    if (delay_ms == UINT64_MAX)
        uv_timer_stop(&loop->timer);
    else
        uv_timer_start(&loop->timer, on_timer, delay_ms, 0);
}

static void count_steps(struct od_sip_loop *loop, uint32_t datagrams)
{
    uint64_t now_ns = loop->config.clock_ns();
    uint64_t passed_ns = now_ns - loop->window_ns;
    loop->window_count += datagrams;
    if (passed_ns < WINDOW_MS * OD_NS_PER_MS)
        return;
    loop->busy = loop->window_count * OD_NS_PER_S / passed_ns >= BUSY_PER_S;
    loop->window_ns = now_ns;
    loop->window_count = 0;
}

static void turn(struct od_sip_loop *loop)
{
    loop->dirty = false;
    uv_idle_stop(&loop->idle);
    loop->config.flush(loop->config.ctx);
    od_sip_loop_enter();
    /* A step handles one datagram and returns 0, or, with nothing to read, the milliseconds to its
     * next timer: which is 0 as well when that is due in less than one. Only a step that read has
     * another behind it. */
    uint32_t steps = 0;
    uint64_t reads;
    long next_ms;
    do {
        reads = od_sip_gate_reads();
        next_ms = su_root_step(loop->root, 0);
        steps++;
        /* each time, so that what a callback queued is told before the answer to it */
        loop->config.flush(loop->config.ctx);
    } while (next_ms == 0 && od_sip_gate_reads() != reads && steps < STEPS_PER_TURN);
    bool more = next_ms == 0 && od_sip_gate_reads() != reads;
    od_sip_loop_leave();
    count_steps(loop, more ? steps : steps - 1);
    arm(loop, next_ms);
    if (more && !loop->gathering)
        od_sip_loop_kick(loop);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    turn(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
    turn(timer->data);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct od_sip_loop *loop = prepare->data;
    if (loop->gathering) {
        /* the guest's turn comes in a moment; what the owner queued doesn't wait for it */
        loop->dirty = false;
        uv_idle_stop(&loop->idle);
        loop->config.flush(loop->config.ctx);
    } else if (loop->dirty || loop->config.clock_ns() >= loop->due_ns) {
        turn(loop);
    }
}

/* Its being active is what matters: the loop doesn't block. */
static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

void od_sip_loop_kick(struct od_sip_loop *loop)
{
    if (loop->dirty)
        return;
    loop->dirty = true;
    uv_idle_start(&loop->idle, on_idle);
}

static bool is_epoll(void *ctx, int fd, const char *link)
{
    int *found = ctx;
    if (strcmp(link, "anon_inode:[eventpoll]") != 0)
        return true;
    *found = fd;
    return false;
}

static void silence(void *stream, char const *format, va_list args)
{
    (void)stream;
    (void)format;
    (void)args;
}

/* What the library has to say is for its own developers, and one of its loggers overflows. */
static void silence_logs(void)
{
    su_log_t *const logs[] = {su_log_default, nta_log, tport_log, stun_log, sresolv_log};
    for (unsigned i = 0; i < sizeof logs / sizeof *logs; i++) {
        su_log_set_level(logs[i], 0);
        su_log_redirect(logs[i], silence, NULL);
    }
}

static int make_guest(struct od_sip_loop *loop, const char **why)
{
    struct od_sip_fds before;
    *why = "out of memory";
    int err = od_sip_fds_take(&before);
    if (err) {
        *why = "can't read /proc/self/fd";
        return err;
    }
    loop->epoll_fd = -1;
    loop->root = su_root_create(NULL);
    if (loop->root) {
        su_root_threading(loop->root, 0);
        od_sip_fds_new(&before, is_epoll, &loop->epoll_fd);
    }
    od_sip_fds_drop(&before);
    if (!loop->root)
        return OD_ENOMEM;
    if (loop->epoll_fd < 0) {
        su_root_destroy(loop->root);
        loop->root = NULL;
        *why = "the SIP library's epoll descriptor was not found: it is not the library this "
               "program was written for";
        return OD_EIO;
    }
    return 0;
}

int od_sip_loop_open(struct od_sip_loop *loop, uv_loop_t *uv,
                     const struct od_sip_loop_config *config, const char **why)
{
    memset(loop, 0, sizeof *loop);
    loop->config = *config;
    if (!loop->config.clock_ns)
        loop->config.clock_ns = monotonic_ns;
    if (!clock_acquire(loop->config.clock_ns)) {
        *why = "another SIP port of this process runs on another clock";
        return OD_EINVAL;
    }
    silence_logs();
    su_init();
    int err = make_guest(loop, why);
    if (!err && uv_poll_init(uv, &loop->poll, loop->epoll_fd)) {
        su_root_destroy(loop->root);
        *why = "can't watch the SIP library's epoll descriptor";
        err = OD_EIO;
    }
    if (err) {
        clock_release();
        return err;
    }
    uv_prepare_init(uv, &loop->prepare);
    uv_idle_init(uv, &loop->idle);
    uv_timer_init(uv, &loop->timer);
    loop->poll.data = loop->prepare.data = loop->idle.data = loop->timer.data = loop;
    loop->handles = 4;
    loop->window_ns = loop->config.clock_ns();
    loop->due_ns = OD_NEVER;
    uv_poll_start(&loop->poll, UV_READABLE, on_readable);
    uv_prepare_start(&loop->prepare, on_prepare);
    od_sip_loop_kick(loop);
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct od_sip_loop *loop = handle->data;
    if (--loop->handles)
        return;
    clock_release();
    loop->closed(loop->closed_ctx);
}

void od_sip_loop_close(struct od_sip_loop *loop, void (*closed)(void *ctx), void *ctx)
{
    loop->closed = closed;
    loop->closed_ctx = ctx;
    /* before the descriptor goes, or libuv polls a number that is someone else's by then */
    uv_poll_stop(&loop->poll);
    uv_close((uv_handle_t *)&loop->poll, on_closed);
    uv_close((uv_handle_t *)&loop->prepare, on_closed);
    uv_close((uv_handle_t *)&loop->idle, on_closed);
    uv_close((uv_handle_t *)&loop->timer, on_closed);
    od_sip_loop_enter();
    su_root_destroy(loop->root);
    od_sip_loop_leave();
    loop->root = NULL;
}
