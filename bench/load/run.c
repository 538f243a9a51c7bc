/*
 * run - see run.h. A turn: whatever woke the loop posts its messages, then timers that are due and
 * calls that are due go, then everything written leaves in one system call, and the clock is armed
 * for what is next.
 */
#include "bench/load/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "bench/load/wire.h"
#include "outdial/err.h"

enum {
    SECOND_NS = 1000000000,
    READS_MAX = 16, /* batches a turn, so that reading never starves sending */
    LINGER_S = 6,   /* places for calls that linger: so many seconds of full pace */
    POOL_MAX = 4000000,
};

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* ---- messages ---- */

/* "NAME.INDEX.GEN" of ours. */
static struct od_load_call *call_of(struct od_load_run *run, struct od_text call_id)
{
    char text[64];
    unsigned long long name;
    unsigned index, gen;
    int end = 0;
    if (call_id.bytes >= sizeof text)
        return NULL;
    memcpy(text, call_id.at, call_id.bytes);
    text[call_id.bytes] = 0;
    if (sscanf(text, "%16llx.%x.%x%n", &name, &index, &gen, &end) != 3 ||
        (size_t)end != call_id.bytes || name != run->name)
        return NULL;
    return od_pool_at(&run->calls, index, gen);
}

static void take_datagram(struct od_load_run *run, struct od_sip_datagram datagram)
{
    struct od_sip_text m;
    int status = od_sip_text_parse(&m, datagram.bytes, datagram.count);
    if (status < 0) {
        run->tally->strays++;
        return;
    }
    struct od_load_call *call = status == 0 ? call_of(run, m.call_id) : NULL;
    if (!m.request && call)
        od_load_call_response(run, call, &m);
    else if (!m.request)
        run->tally->strays++;
    else if (call)
        od_load_call_request(run, call, &m, &datagram.source);
    else if (m.method != OD_SIP_TEXT_ACK) /* we take no calls; an OPTIONS may see whether we live */
        od_load_send_response(run, NULL, &m, &datagram.source,
                              status                            ? status
                              : m.method == OD_SIP_TEXT_OPTIONS ? 200
                                                                : 481,
                              false);
}

static void port_readable(uv_poll_t *poll, int status, int events)
{
    struct od_load_run *run = poll->data;
    (void)status;
    (void)events;
    run->now_ns = clock_ns();
    for (int reads = 0; reads < READS_MAX; reads++) {
        size_t count = od_sip_port_read(run->port);
        for (size_t i = 0; i < count; i++)
            take_datagram(run, od_sip_port_datagram(run->port, i));
        if (!od_sip_port_more(count))
            return;
    }
}

static void stream_message(void *ctx, char *bytes, size_t count)
{
    struct od_load_run *run = ctx;
    run->now_ns = clock_ns();
    take_datagram(
        run, (struct od_sip_datagram){.bytes = bytes, .count = count, .source = run->plan->target});
}

static void stream_lost(void *ctx, const char *why)
{
    struct od_load_run *run = ctx;
    run->now_ns = clock_ns();
    for (struct od_list *node = od_list_first(&run->alive), *next; node; node = next) {
        next = od_list_after(&run->alive, node);
        od_load_call_cut(run, OD_OWNER(node, struct od_load_call, node));
    }
    fprintf(stderr, "outdial load: the connection to %s was lost: %s; it is made again\n",
            run->plan->host, why);
}

/* ---- calls ---- */

static void start_call(struct od_load_run *run, uint64_t due_ns)
{
    struct od_load_tally *tally = run->tally;
    uint32_t index, gen;
    uint64_t number = run->plan->numbers ? tally->due % run->plan->numbers : 0;
    tally->due++;
    od_load_tally_second(tally)->due++;
    struct od_load_call *call =
        tally->alive < run->plan->calls_max ? od_pool_get(&run->calls, &index, &gen) : NULL;
    struct od_load_line *line = call && run->room ? od_load_line_take(run->room) : NULL;
    if (!call || (run->room && !line)) {
        if (call)
            od_pool_put(&run->calls, call);
        od_load_tally_end(tally, OD_LOAD_SKIPPED);
        return;
    }
    *call = (struct od_load_call){.index = index,
                                  .gen = gen,
                                  .number = number,
                                  .line = line,
                                  .timer = {.kind = OD_LOAD_TIMER_CALL}};
    od_list_init(&call->node);
    od_list_push(&run->alive, &call->node);
    tally->alive++;
    if (tally->alive > tally->alive_most)
        tally->alive_most = tally->alive;
    od_load_call_start(run, call, due_ns);
}

void od_load_run_ended(struct od_load_run *run, struct od_load_call *call,
                       enum od_load_outcome outcome)
{
    od_list_remove(&call->node);
    run->tally->alive--;
    od_load_tally_end(run->tally, outcome);
}

static void fire(struct od_load_run *run)
{
    for (struct od_timer *timer; (timer = od_timers_fire(&run->timers, run->now_ns));) {
        if (timer->kind == OD_LOAD_TIMER_FRAME) {
            od_load_line_tick(timer, run->now_ns);
            continue;
        }
        struct od_load_call *call = OD_OWNER(timer, struct od_load_call, timer);
        if (!od_load_call_timeout(run, call)) {
            od_load_call_free(call);
            od_pool_put(&run->calls, call);
        }
    }
}

static uint64_t next_due_ns(const struct od_load_run *run)
{
    double at = run->interrupts ? -1 : od_arrivals_next(&run->arrivals);
    return at < 0 ? UINT64_MAX : run->stage_ns + (uint64_t)(at * SECOND_NS);
}

static bool is_over(const struct od_load_run *run)
{
    return (run->tally->alive == 0 && next_due_ns(run) == UINT64_MAX) || run->interrupts > 1;
}

static void tick_seconds(struct od_load_run *run)
{
    while (run->now_ns >= run->second_ns) {
        od_load_tally_tick(run->tally);
        run->second_ns += SECOND_NS;
        run->progress(run);
    }
}

/* What is due by now, then the next alarm. Runs before the loop sleeps, whatever woke it. */
static void turn_end(uv_prepare_t *prepare)
{
    struct od_load_run *run = prepare->data;
    run->now_ns = clock_ns();
    if (run->armed_ns && run->now_ns >= run->armed_ns)
        od_hist_add(&run->tally->metrics[OD_LOAD_LOOP], (run->now_ns - run->armed_ns) / 1000);
    fire(run);
    for (uint64_t due; (due = next_due_ns(run)) <= run->now_ns;) {
        start_call(run, due);
        od_arrivals_take(&run->arrivals);
    }
    tick_seconds(run);
    if (run->stream)
        od_load_stream_flush(run->stream);
    else
        run->tally->unsendable += od_sip_port_flush(run->port);
    if (is_over(run)) {
        uv_stop(&run->loop);
        return;
    }
    uint64_t at = od_timers_next(&run->timers), due = next_due_ns(run);
    at = due < at ? due : at;
    at = run->second_ns < at ? run->second_ns : at;
    if (at == run->armed_ns && run->now_ns < at)
        return; /* the alarm stands already */
    run->armed_ns = at;
    struct itimerspec spec = {
        .it_value = {.tv_sec = (time_t)(at / SECOND_NS), .tv_nsec = (long)(at % SECOND_NS)}};
    timerfd_settime(run->clock_fd, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void clock_fired(uv_poll_t *poll, int status, int events)
{
    struct od_load_run *run = poll->data;
    uint64_t times;
    (void)status;
    (void)events;
    /* turn_end() does the work; reading makes the descriptor quiet */
    if (read(run->clock_fd, &times, sizeof times) < 0)
        return;
}

static void interrupted(uv_signal_t *signal, int number)
{
    struct od_load_run *run = signal->data;
    (void)number;
    run->now_ns = clock_ns();
    if (run->interrupts++)
        return;
    fprintf(stderr, "\noutdial load: ending the calls that are up (Ctrl-C again: leave at once)\n");
    for (struct od_list *node = od_list_first(&run->alive), *next; node; node = next) {
        next = od_list_after(&run->alive, node);
        od_load_call_abort(run, OD_OWNER(node, struct od_load_call, node));
    }
}

/* ---- life ---- */

/* The address the kernel would send from: of a socket that is connected to the target. */
static bool find_source(const struct od_carrier_addr *target, struct od_carrier_addr *out)
{
    int fd = socket(target->u.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t bytes = sizeof *out;
    bool good = fd >= 0 && connect(fd, &target->u.any, od_carrier_addr_bytes(target)) == 0 &&
                getsockname(fd, &out->u.any, &bytes) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

static bool is_any(const struct od_carrier_addr *a)
{
    return a->u.any.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&a->u.v6.sin6_addr)
                                          : a->u.v4.sin_addr.s_addr == INADDR_ANY;
}

/* Where TCP reaches the target by TLS. */
static int secure(struct od_load_run *run, struct od_carrier_addr *hop)
{
    const struct od_carrier_addr *target = &run->plan->target;
    struct od_addr server = {.port = od_carrier_addr_port(target)}, way;
    char why[160];
    if (target->u.any.sa_family == AF_INET6) {
        server.family = 6;
        memcpy(server.ip, &target->u.v6.sin6_addr, 16);
    } else {
        server.family = 4;
        memcpy(server.ip, &target->u.v4.sin_addr, 4);
    }
    int err = od_sip_tls_open(&run->tls, &run->loop, run->plan->ca_file, why, sizeof why);
    if (err) {
        fprintf(stderr, "outdial load: --ca-file: %s\n", err == OD_EINVAL ? why : od_err_text(err));
        return -1;
    }
    err = od_sip_tls_way(run->tls, run->plan->name, &server, &way);
    if (err || way.family != 4) {
        fprintf(stderr, "outdial load: no TLS to %s: %s\n", run->plan->host, od_err_text(err));
        return -1;
    }
    *hop = (struct od_carrier_addr){.u.v4 = {.sin_family = AF_INET, .sin_port = htons(way.port)}};
    memcpy(&hop->u.v4.sin_addr, way.ip, 4);
    return 0;
}

/* Binds, or connects. 0, or -1 with a line on stderr. */
static int open_way(struct od_load_run *run)
{
    const struct od_load_plan *plan = run->plan;
    const struct od_load_stream_events events = {run, stream_message, stream_lost};
    struct od_carrier_addr server = plan->target;
    char text[OD_CARRIER_ADDR_TEXT];
    int status;
    run->local = plan->local;
    if (plan->transport == OD_LOAD_UDP) {
        status = od_sip_port_open(&run->port, &run->local);
        od_carrier_addr_text(&plan->local, text);
        if (status)
            fprintf(stderr, "outdial load: can't listen on udp:%s: %s\n", text, strerror(-status));
        return status ? -1 : 0;
    }
    if (plan->transport == OD_LOAD_TLS && secure(run, &server))
        return -1;
    if (plan->transport == OD_LOAD_TLS) /* the next hop is here */
        run->local = (struct od_carrier_addr){.u.v4.sin_family = AF_INET};
    status = od_load_stream_open(&run->stream, &run->loop, &server, &run->local, &events);
    if (status)
        fprintf(stderr, "outdial load: can't connect by TCP to %s: %s\n", plan->host,
                strerror(-status));
    if (plan->transport == OD_LOAD_TLS) {
        uint16_t port = od_carrier_addr_port(&run->local);
        run->local = plan->local;
        od_carrier_addr_set_port(&run->local, port);
    }
    return status ? -1 : 0;
}

/* And settles under which host others reach us. */
static int open_port(struct od_load_run *run)
{
    const struct od_load_plan *plan = run->plan;
    struct od_carrier_addr told;
    if (open_way(run))
        return -1;
    told = run->local;
    if (is_any(&told) && !find_source(&plan->target, &told)) {
        fprintf(stderr, "outdial load: no route to %s: %s\n", plan->host, strerror(errno));
        return -1;
    }
    if (*plan->advertise)
        od_carrier_addr_parse(&told, plan->advertise, 0);
    od_carrier_addr_set_port(&told, od_carrier_addr_port(&run->local));
    run->media = told;
    od_carrier_addr_text(&told, run->contact_host);
    return 0;
}

static int open_loop(struct od_load_run *run)
{
    int status = uv_loop_init(&run->loop);
    run->clock_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (status || run->clock_fd < 0)
        return -1;
    uv_poll_init(&run->loop, &run->clock_poll, run->clock_fd);
    uv_prepare_init(&run->loop, &run->turn_end);
    uv_signal_init(&run->loop, &run->interrupt);
    run->clock_poll.data = run->turn_end.data = run->interrupt.data = run;
    uv_poll_start(&run->clock_poll, UV_READABLE, clock_fired);
    uv_prepare_start(&run->turn_end, turn_end);
    uv_signal_start(&run->interrupt, interrupted, SIGINT);
    return 0;
}

static int open_all(struct od_load_run *run)
{
    const struct od_load_plan *plan = run->plan;
    double cps_most = plan->knee ? plan->knee_cps_most : plan->arrivals.cps;
    double places = plan->calls_max + cps_most * LINGER_S + 100;
    uint32_t count = places < POOL_MAX ? (uint32_t)places : POOL_MAX;
    if (getrandom(&run->name, sizeof run->name, 0) != sizeof run->name)
        return -1;
    run->rng.state = plan->arrivals.seed;
    od_list_init(&run->alive);
    if (od_timers_init(&run->timers, 2 * count) ||
        od_pool_init(&run->calls, count, sizeof(struct od_load_call))) {
        fprintf(stderr, "outdial load: no memory for %u calls\n", (unsigned)count);
        return -1;
    }
    if (open_loop(run) || open_port(run))
        return -1;
    if (run->port) {
        uv_poll_init(&run->loop, &run->port_poll, od_sip_port_fd(run->port));
        run->port_poll.data = run;
        uv_poll_start(&run->port_poll, UV_READABLE, port_readable);
    }
    struct od_load_room_setup room = {.local = run->local,
                                      .port_lowest = plan->rtp_port_lowest,
                                      .port_highest = plan->rtp_port_highest,
                                      .loop = &run->loop,
                                      .timers = &run->timers};
    run->room = plan->rtp ? od_load_room_create(&room) : NULL;
    return plan->rtp && !run->room ? -1 : 0;
}

int od_load_run_create(struct od_load_run **out, const struct od_load_plan *plan)
{
    struct od_load_run *run = calloc(1, sizeof *run);
    if (!run)
        return -1;
    run->plan = plan;
    run->clock_fd = -1;
    if (open_all(run)) {
        od_load_run_destroy(run);
        return -1;
    }
    *out = run;
    return 0;
}

static void free_calls(struct od_load_run *run)
{
    for (struct od_timer *timer; (timer = od_timers_fire(&run->timers, UINT64_MAX - 1));) {
        if (timer->kind == OD_LOAD_TIMER_CALL)
            od_load_call_free(OD_OWNER(timer, struct od_load_call, timer));
    }
}

static void tls_closed(void *ctx)
{
    (void)ctx; /* the loop has run empty */
}

void od_load_run_destroy(struct od_load_run *run)
{
    if (run->room)
        od_load_room_destroy(run->room);
    if (run->clock_poll.data) {
        uv_handle_t *const handles[] = {(uv_handle_t *)&run->clock_poll,
                                        (uv_handle_t *)&run->turn_end,
                                        (uv_handle_t *)&run->interrupt};
        for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
            uv_close(handles[i], NULL);
        if (run->port_poll.data)
            uv_close((uv_handle_t *)&run->port_poll, NULL);
        if (run->stream)
            od_load_stream_close(run->stream);
        if (run->tls)
            od_sip_tls_close(run->tls, tls_closed, run);
        uv_run(&run->loop, UV_RUN_DEFAULT);
        uv_loop_close(&run->loop);
    }
    if (run->calls.items)
        free_calls(run);
    if (run->clock_fd >= 0)
        close(run->clock_fd);
    if (run->port)
        od_sip_port_close(run->port);
    od_timers_deinit(&run->timers);
    od_pool_deinit(&run->calls);
    free(run);
}

static double cpu_s(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

bool od_load_run_stage(struct od_load_run *run, double cps, struct od_load_tally *tally,
                       void (*progress)(const struct od_load_run *))
{
    struct od_arrivals_plan arrivals = run->plan->arrivals;
    double cpu = cpu_s();
    arrivals.cps = cps;
    od_arrivals_init(&run->arrivals, &arrivals);
    run->tally = tally;
    run->progress = progress;
    run->stage_ns = run->now_ns = clock_ns();
    run->second_ns = run->stage_ns + SECOND_NS;
    run->armed_ns = 0;
    uv_run(&run->loop, UV_RUN_DEFAULT);
    for (; tally->alive > 0; tally->alive--) /* left at once */
        od_load_tally_end(tally, OD_LOAD_ABORTED);
    od_load_tally_tick(tally);
    tally->run_s = (double)(clock_ns() - run->stage_ns) / SECOND_NS;
    tally->cpu_s = cpu_s() - cpu;
    return run->interrupts == 0;
}
