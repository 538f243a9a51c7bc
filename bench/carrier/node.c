/*
 * node: see node.h. A turn is: the clock is read once, a batch of datagrams or the due timers or
 * the readable audio sockets are handled, what was composed is sent, the timer is set to the
 * earliest callee. Order never depends on a hash table: the tables only find.
 */
#include "bench/carrier/callee_table.h"
#include "bench/carrier/switchboard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    HOUSEKEEPING_MS = 50, /* the longest that a ledger line on audio waits */
    READ_ROUNDS = 8,      /* batches a turn, so that timers get theirs */
    RTP_BATCH = 64,
    SECOND_ROOM = 1 << 17 /* INVITEs a second that the report can count */
};

const char *od_outcome_name(enum od_outcome outcome)
{
    static const char *const names[OD_OUTCOMES] = {"answered",  "no_answer", "busy",
                                                   "declined",  "failed",    "silent",
                                                   "cancelled", "refused",   "unfinished"};
    return names[outcome];
}

/* Both clocks at one moment: kernel stamps of arrivals are moved from one to the other by it, so a
 * process that is held up between the two readings must read again. */
static struct od_carrier_now clock_now(void)
{
    enum { TRIES = 8, APART_NS = 2000 };
    struct od_carrier_now now = {0};
    uint64_t apart_ns = UINT64_MAX;
    for (int i = 0; i < TRIES && apart_ns > APART_NS; i++) {
        struct timespec wall;
        uint64_t before_ns = uv_hrtime();
        clock_gettime(CLOCK_REALTIME, &wall);
        uint64_t after_ns = uv_hrtime();
        if (after_ns - before_ns >= apart_ns)
            continue;
        apart_ns = after_ns - before_ns;
        now.mono_ns = before_ns + apart_ns / 2;
        now.wall_ns = (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec;
    }
    return now;
}

int od_carrier_watch(struct od_carrier_node *n, struct od_callee *c)
{
    struct epoll_event event = {.events = EPOLLIN,
                                .data.u64 = (uint64_t)c->generation << 32 | c->index};
    return epoll_ctl(n->rtp_epoll_fd, EPOLL_CTL_ADD, od_rtp_talk_fd(c->talk), &event) ? -errno : 0;
}

/* ---- turns ---- */

static void set_timer(struct od_carrier_node *n)
{
    uint64_t due = n->heap_n ? n->heap[0]->due_ns : UINT64_MAX;
    if (due >= n->timer_armed_ns || due == UINT64_MAX)
        return; /* waking too early once is cheaper than setting it every turn */
    struct itimerspec when = {.it_value = {(time_t)(due / 1000000000), (long)(due % 1000000000)}};
    timerfd_settime(n->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
    n->timer_armed_ns = due;
}

static void begin_turn(struct od_carrier_node *n)
{
    n->now = clock_now();
}

static void end_turn(struct od_carrier_node *n)
{
    od_ledger_flush(
        &n->ledger); /* first: who has got an answer finds in the ledger what led to it */
    n->tally.dropped_out += od_sip_port_flush(n->port);
    set_timer(n);
}

static void on_datagrams(uv_poll_t *poll, int status, int events)
{
    struct od_carrier_node *n = poll->data;
    (void)status;
    (void)events;
    bool more = true;
    for (int round = 0; more && round < READ_ROUNDS; round++) {
        begin_turn(n);
        size_t count = od_sip_port_read(n->port);
        for (size_t i = 0; i < count; i++) {
            struct od_sip_datagram d = od_sip_port_datagram(n->port, i);
            od_switchboard_take(n, &d);
        }
        more = od_sip_port_more(count);
    }
    end_turn(n);
}

static void on_timer(uv_poll_t *poll, int status, int events)
{
    struct od_carrier_node *n = poll->data;
    uint64_t expired;
    (void)status;
    (void)events;
    if (read(n->timer_fd, &expired, sizeof expired) < 0)
        return;
    n->timer_armed_ns = UINT64_MAX;
    begin_turn(n);
    while (n->heap_n && n->heap[0]->due_ns <= n->now.mono_ns) {
        struct od_callee *c = n->heap[0];
        if (!od_callee_run(c))
            od_callee_table_remove(n, c);
    }
    end_turn(n);
}

static void on_rtp(uv_poll_t *poll, int status, int events)
{
    struct od_carrier_node *n = poll->data;
    struct epoll_event ready[RTP_BATCH];
    (void)status;
    (void)events;
    begin_turn(n);
    int count = epoll_wait(n->rtp_epoll_fd, ready, RTP_BATCH, 0);
    for (int i = 0; i < count; i++) {
        uint32_t index = (uint32_t)ready[i].data.u64;
        struct od_callee *c = n->slots[index].callee;
        if (c && c->generation == ready[i].data.u64 >> 32)
            od_callee_hear(c);
    }
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct od_carrier_node *n = handle->data;
    (void)signum;
    if (n->stopping || n->setup.drain_ms == 0) {
        uv_stop(&n->loop);
        return;
    }
    n->stopping = true;
    n->stop_by_ns = uv_hrtime() + n->setup.drain_ms * 1000000;
}

static void on_housekeeping(uv_timer_t *timer)
{
    struct od_carrier_node *n = timer->data;
    uint64_t now = uv_hrtime();
    od_ledger_flush(&n->ledger);
    if (n->busy)
        n->idle_since_ns = now;
    if (n->stopping && (n->busy == 0 || now >= n->stop_by_ns))
        uv_stop(&n->loop);
    if (n->setup.idle_exit_ms && now - n->idle_since_ns >= n->setup.idle_exit_ms * 1000000)
        uv_stop(&n->loop);
}

/* ---- life ---- */

static int take_memory(struct od_carrier_node *n)
{
    size_t calls = n->setup.calls_max;
    n->chains = 1;
    while (n->chains < calls)
        n->chains *= 2;
    n->slots = calloc(calls, sizeof *n->slots);
    n->free_slots = calloc(calls, sizeof *n->free_slots);
    n->heap = calloc(calls, sizeof *n->heap);
    n->by_invite = calloc(n->chains, sizeof *n->by_invite);
    n->by_merge = calloc(n->chains, sizeof *n->by_merge);
    if (!n->slots || !n->free_slots || !n->heap || !n->by_invite || !n->by_merge)
        return -1;
    for (size_t i = 0; i < calls; i++)
        n->free_slots[n->free_n++] = (uint32_t)(calls - 1 - i);
    const struct od_profile *p = &n->setup.profile;
    uint32_t most = p->cps_limit;
    for (size_t i = 0; i < p->cps_drift.n; i++)
        most = p->cps_drift.steps[i].limit > most ? p->cps_drift.steps[i].limit : most;
    if (od_number_book_init(&n->book, n->setup.numbers_max) ||
        od_rate_window_init(&n->offered, SECOND_ROOM, 1000000000) ||
        od_rate_window_init(&n->accepted, most + 1, p->cps_window_ms * 1000000ll))
        return -1;
    return 0;
}

static int open_ports(struct od_carrier_node *n, char *problem)
{
    char text[OD_CARRIER_ADDR_TEXT];
    od_carrier_addr_text(&n->setup.listen, text);
    int status = od_sip_port_open(&n->port, &n->setup.listen);
    if (status) {
        snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "--listen udp:%s: %s", text, strerror(-status));
        return -1;
    }
    n->media = n->setup.listen;
    if (n->setup.advertise &&
        !od_carrier_addr_host(&n->media, n->setup.advertise, strlen(n->setup.advertise), 0)) {
        snprintf(problem, OD_PROFILE_PROBLEM_BYTES,
                 "--advertise: expected a numeric address, found '%.60s'", n->setup.advertise);
        return -1;
    }
    struct od_carrier_addr contact = n->media;
    od_carrier_addr_set_port(&contact, od_carrier_addr_port(&n->setup.listen));
    od_carrier_addr_text(&contact, n->contact_host);
    od_carrier_addr_set_port(&n->media, 9); /* discard: what signalling-only calls name */
    if (n->setup.rtp) {
        n->room = od_rtp_room_create(
            &(struct od_rtp_room_setup){n->setup.listen, n->setup.rtp_port_lowest,
                                        n->setup.rtp_port_highest, n->setup.record_dir});
        if (!n->room) {
            snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "out of memory");
            return -1;
        }
    }
    return 0;
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int open_handles(struct od_carrier_node *n)
{
    n->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    n->rtp_epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (n->timer_fd < 0 || n->rtp_epoll_fd < 0)
        return -1;
    uv_signal_init(&n->loop, &n->on_term);
    uv_signal_init(&n->loop, &n->on_int);
    uv_timer_init(&n->loop, &n->housekeeping);
    uv_poll_init(&n->loop, &n->timer_poll, n->timer_fd);
    uv_poll_init(&n->loop, &n->rtp_poll, n->rtp_epoll_fd);
    uv_poll_init(&n->loop, &n->sip_poll, od_sip_port_fd(n->port));
    n->on_term.data = n->on_int.data = n->housekeeping.data = n;
    n->timer_poll.data = n->rtp_poll.data = n->sip_poll.data = n;
    n->handles = true;
    return 0;
}

int od_carrier_create(struct od_carrier_node **out, const struct od_carrier_setup *setup,
                      char problem[OD_PROFILE_PROBLEM_BYTES])
{
    struct od_carrier_node *n = calloc(1, sizeof *n);
    if (!n || uv_loop_init(&n->loop)) {
        snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "out of memory");
        free(n);
        return -1;
    }
    n->setup = *setup;
    n->timer_fd = n->rtp_epoll_fd = n->ledger.fd = -1;
    n->timer_armed_ns = UINT64_MAX;
    n->faults = setup->profile.seed;
    raise_file_limit();
    int status = open_ports(n, problem);
    if (status == 0) {
        if (getrandom(&n->secret, sizeof n->secret, 0) != sizeof n->secret || take_memory(n) ||
            open_handles(n)) {
            snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "%s", strerror(errno));
            status = -1;
        }
    }
    if (status == 0) {
        int error = od_ledger_open(&n->ledger, setup->ledger_path);
        if (error) {
            snprintf(problem, OD_PROFILE_PROBLEM_BYTES, "--ledger %.120s: %s", setup->ledger_path,
                     strerror(-error));
            status = -1;
        }
    }
    if (status) {
        od_carrier_destroy(n);
        return -1;
    }
    *out = n;
    return 0;
}

const struct od_carrier_addr *od_carrier_local(const struct od_carrier_node *n)
{
    return &n->setup.listen;
}

/* A ledger may be continued by another run, whose calls count from 1 again. */
static void write_start(struct od_carrier_node *n)
{
    char listen[OD_CARRIER_ADDR_TEXT];
    od_carrier_addr_text(&n->setup.listen, listen);
    od_ledger_begin(&n->ledger, "start", n->now);
    od_ledger_word(&n->ledger, "listen", listen);
    od_ledger_number(&n->ledger, "seed", n->setup.profile.seed);
    od_ledger_end(&n->ledger);
}

void od_carrier_run(struct od_carrier_node *n)
{
    n->started = n->now = clock_now();
    write_start(n);
    n->idle_since_ns = n->started.mono_ns;
    uv_signal_start(&n->on_term, on_signal, SIGTERM);
    uv_signal_start(&n->on_int, on_signal, SIGINT);
    uv_timer_start(&n->housekeeping, on_housekeeping, HOUSEKEEPING_MS, HOUSEKEEPING_MS);
    uv_poll_start(&n->timer_poll, UV_READABLE, on_timer);
    uv_poll_start(&n->rtp_poll, UV_READABLE, on_rtp);
    uv_poll_start(&n->sip_poll, UV_READABLE, on_datagrams);
    uv_run(&n->loop, UV_RUN_DEFAULT);
    begin_turn(n);
    for (size_t i = n->setup.calls_max; i-- > 0;) {
        struct od_callee *c = n->slots[i].callee;
        if (c) {
            od_callee_abandon(c);
            od_callee_table_remove(n, c);
        }
    }
    od_sip_port_flush(n->port);
    od_ledger_flush(&n->ledger);
}

void od_carrier_destroy(struct od_carrier_node *n)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&n->on_term,      (uv_handle_t *)&n->on_int,
                              (uv_handle_t *)&n->housekeeping, (uv_handle_t *)&n->timer_poll,
                              (uv_handle_t *)&n->rtp_poll,     (uv_handle_t *)&n->sip_poll};
    for (size_t i = 0; n->handles && i < sizeof handles / sizeof *handles; i++)
        uv_close(handles[i], NULL);
    uv_run(&n->loop, UV_RUN_DEFAULT);
    uv_loop_close(&n->loop);
    if (n->port)
        od_sip_port_close(n->port);
    if (n->timer_fd >= 0)
        close(n->timer_fd);
    if (n->rtp_epoll_fd >= 0)
        close(n->rtp_epoll_fd);
    od_ledger_close(&n->ledger);
    od_rtp_room_destroy(n->room);
    od_number_book_deinit(&n->book);
    od_rate_window_deinit(&n->offered);
    od_rate_window_deinit(&n->accepted);
    free(n->slots);
    free(n->free_slots);
    free(n->heap);
    free(n->by_invite);
    free(n->by_merge);
    free(n);
}

void od_carrier_report(const struct od_carrier_node *n, struct od_carrier_report *out)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    *out = (struct od_carrier_report){
        .tally = n->tally,
        .invites_in_second_most = n->offered.most,
        .numbers = n->book.used,
        .numbers_forgotten = n->book.forgotten,
        .ledger_lines = n->ledger.lines,
        .ledger_lost = n->ledger.lost,
        .run_s = (double)(n->now.mono_ns - n->started.mono_ns) / 1e9,
        .cpu_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6,
        .once = n->setup.once,
    };
}
