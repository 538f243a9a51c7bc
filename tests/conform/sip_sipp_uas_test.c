/*
 * Goal: against a SIP stack that is not ours, at a working rate and in real time, each call is
 * answered, acknowledged, hung up and cleared, and datagrams are gathered under load.
 * Method: sipp's built-in callee on the loopback; calls are started from a timer at 200 a second
 * for three seconds. Skipped, loudly, where sipp is not installed.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/sip/sip.h"

enum { CALLS = 600, PER_TICK = 2, TICK_MS = 10, LIMIT_MS = 30000 };

extern char **environ;

static struct {
    uv_loop_t loop;
    uv_timer_t pace, limit;
    struct od_sip *sip;
    uint16_t port;
    unsigned started, sent, progress, answered, cleared, rejected, odd;
    bool closed, timed_out;
} t;

static const char sdp[] = "v=0\r\no=outdial 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"
                          "t=0 0\r\nm=audio 20000 RTP/AVP 0 8 101\r\n"
                          "a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

static void on_sent(void *ctx, struct od_call_id call, uint64_t sent_ns)
{
    (void)ctx;
    (void)call;
    (void)sent_ns;
    t.sent++;
}

static void on_progress(void *ctx, struct od_call_id call, const struct od_sip_response *response)
{
    (void)ctx;
    (void)call;
    t.progress += response->status == 180;
}

static void on_answered(void *ctx, struct od_call_id call, const struct od_sip_response *response,
                        bool again)
{
    (void)ctx;
    od_sip_ack(t.sip, call);
    if (again)
        return;
    t.answered++;
    t.odd += !response->sdp || response->sdp->remote.port == 0;
    od_sip_bye(t.sip, call);
}

static void stop_if_done(void)
{
    if (t.cleared + t.rejected == CALLS)
        uv_stop(&t.loop);
}

static void on_rejected(void *ctx, struct od_call_id call, const struct od_sip_response *response)
{
    (void)ctx;
    (void)response;
    t.rejected++;
    od_sip_drop(t.sip, call);
    stop_if_done();
}

static void on_cleared(void *ctx, struct od_call_id call)
{
    (void)ctx;
    t.cleared++;
    od_sip_drop(t.sip, call);
    stop_if_done();
}

static void on_peer_bye(void *ctx, struct od_call_id call)
{
    (void)ctx;
    (void)call;
    t.odd++;
}

static void on_reoffered(void *ctx, struct od_call_id call, const struct od_sdp *offer)
{
    (void)ctx;
    (void)call;
    (void)offer;
    t.odd++;
}

static void on_tick(uv_timer_t *timer)
{
    for (unsigned i = 0; i < PER_TICK && t.started < CALLS; i++, t.started++) {
        struct od_sip_names names;
        snprintf(names.call_id, sizeof names.call_id, "%032x", t.started + 1);
        snprintf(names.from_tag, sizeof names.from_tag, "%016x", t.started + 1);
        snprintf(names.branch, sizeof names.branch, "z9hG4bK%016x", t.started + 1);
        struct od_sip_invite invite = {
            .names = &names,
            .server = {.family = 4, .port = t.port, .ip = {127, 0, 0, 1}},
            .transport = "udp",
            .domain = "carrier.example",
            .from_user = "+15550001111",
            .to = "service",
            .sdp = sdp,
            .sdp_bytes = sizeof sdp - 1,
        };
        assert_int_equal(od_sip_invite(t.sip, (struct od_call_id){t.started, 1}, &invite), 0);
    }
    if (t.started == CALLS)
        uv_timer_stop(timer);
}

static void on_limit(uv_timer_t *timer)
{
    (void)timer;
    t.timed_out = true;
    uv_stop(&t.loop);
}

static void on_closed(void *ctx)
{
    (void)ctx;
    t.closed = true;
}

static uint16_t free_port(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET};
    socklen_t bytes = sizeof addr;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    bind(fd, (struct sockaddr *)&addr, sizeof addr);
    getsockname(fd, (struct sockaddr *)&addr, &bytes);
    close(fd);
    return ntohs(addr.sin_port);
}

/* True when the port is taken: sipp listens. */
static bool is_bound(uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    bool taken = bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0;
    close(fd);
    return taken;
}

static pid_t start_sipp(uint16_t port)
{
    char text[8];
    snprintf(text, sizeof text, "%u", port);
    char *argv[] = {"sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", text, "-nostdin", NULL};
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", 1, 0);
    posix_spawn_file_actions_addopen(&files, 2, "/dev/null", 1, 0);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", 0, 0);
    pid_t pid;
    int err = posix_spawnp(&pid, "sipp", &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    if (err)
        return -1;
    for (int wait_ms = 0; !is_bound(port); wait_ms += 20) {
        if (wait_ms > 10000 || waitpid(pid, NULL, WNOHANG) == pid)
            return -1;
        usleep(20000);
    }
    return pid;
}

static void every_call_is_answered_and_cleared(void **state)
{
    (void)state;
    t.port = free_port();
    pid_t sipp = start_sipp(t.port);
    if (sipp < 0)
        fail_msg("sipp can't be started: install the package sip-tester");
    uv_loop_init(&t.loop);
    struct od_sip_config config = {.listen = {"udp:127.0.0.1:0"}, .coalesce_us = 2000};
    struct od_sip_events events = {.sent = on_sent,
                                   .progress = on_progress,
                                   .answered = on_answered,
                                   .rejected = on_rejected,
                                   .peer_bye = on_peer_bye,
                                   .cleared = on_cleared,
                                   .reoffered = on_reoffered};
    char why[128];
    assert_int_equal(od_sip_open(&t.sip, &t.loop, &config, &events, why, sizeof why), 0);
    uv_timer_init(&t.loop, &t.pace);
    uv_timer_init(&t.loop, &t.limit);
    uv_timer_start(&t.pace, on_tick, 0, TICK_MS);
    uv_timer_start(&t.limit, on_limit, LIMIT_MS, 0);
    uv_run(&t.loop, UV_RUN_DEFAULT);
    struct od_sip_stats stats;
    od_sip_stats(t.sip, &stats);
    uv_close((uv_handle_t *)&t.pace, NULL);
    uv_close((uv_handle_t *)&t.limit, NULL);
    od_sip_close(t.sip, on_closed, NULL);
    while (uv_run(&t.loop, UV_RUN_DEFAULT))
        ;
    uv_loop_close(&t.loop);
    kill(sipp, SIGKILL);
    waitpid(sipp, NULL, 0);
    assert_false(t.timed_out);
    assert_true(t.closed);
    assert_int_equal(t.sent, CALLS);
    assert_int_equal(t.answered, CALLS);
    assert_int_equal(t.progress, CALLS);
    assert_int_equal(t.cleared, CALLS);
    assert_int_equal(t.rejected, 0);
    assert_int_equal(t.odd, 0);
    assert_int_equal(stats.legs, 0);
    assert_int_equal(stats.send_failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_is_answered_and_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
