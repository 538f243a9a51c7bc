/*
 * Goal: the whole carrier, as a process, behaves on the wire as RFC 3261 and its profile say.
 * Method: each test starts it on a port of the kernel's choosing with short SIP timers, plays the
 * caller with scripted datagrams, waits for answers (never for time) and judges the exit code of
 * the end.
 */
#include "bench/carrier/carrier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGS_MAX = 48, PATIENCE_S = 10 };

/* The caller's side of one test. */
struct caller {
    pid_t carrier;
    int sip, rtp;
    unsigned sip_port, rtp_port;
    char reply[4096]; /* the last datagram received */
    char to_tag[64];
    int media_port; /* where the carrier listens for audio */
};

static int open_socket(unsigned *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof a;
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &bytes), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    *port = ntohs(a.sin_port);
    return fd;
}

/* The carrier runs in a child; `extra` are its arguments after those every test has, NULL at the
 * end. */
static void start(struct caller *c, const char *const *extra)
{
    const char *argv[ARGS_MAX] = {
        "carrier",   "--listen", "udp:127.0.0.1:0", "--json", "--linger-ms",   "300",
        "--t1-ms",   "20",       "--t2-ms",         "80",     "--pdd-ms",      "0",
        "--ring-ms", "0",        "--no-answer",     "0",      "--busy",        "0",
        "--decline", "0",        "--fail",          "0",      "--early-media", "0"};
    int argc = 0, ready[2];
    char line[128] = "", fd[16];
    while (argv[argc])
        argc++;
    assert_int_equal(pipe(ready), 0);
    snprintf(fd, sizeof fd, "%d", ready[1]);
    argv[argc++] = "--ready-fd";
    argv[argc++] = fd;
    for (; *extra; extra++)
        argv[argc++] = *extra;
    memset(c, 0, sizeof *c);
    fflush(NULL);
    c->carrier = fork();
    if (c->carrier == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nothing running */
        close(ready[0]);
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        exit(od_carrier_main(argc, (char **)argv));
    }
    close(ready[1]);
    assert_true(read(ready[0], line, sizeof line - 1) > 0);
    close(ready[0]);
    unsigned port = 0;
    assert_int_equal(sscanf(line, "carrier: listening on udp:127.0.0.1:%u", &port), 1);
    c->sip = open_socket(&c->sip_port);
    c->rtp = open_socket(&c->rtp_port);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(c->sip, (struct sockaddr *)&a, sizeof a), 0);
}

static int stop(struct caller *c)
{
    int status;
    kill(c->carrier, SIGTERM);
    assert_int_equal(waitpid(c->carrier, &status, 0), c->carrier);
    close(c->sip);
    close(c->rtp);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* One request of the dialog "call"; its branch is z9hG4bK-branch. */
struct request {
    const char *method, *call, *branch;
    int cseq;
    const char *body, *extra; /* NULL: none */
};

static void send_request(struct caller *c, const struct request *r)
{
    char text[2048];
    const char *body = r->body ? r->body : "";
    int n = snprintf(text, sizeof text,
                     "%s sip:%s@127.0.0.1 SIP/2.0\r\n"
                     "Via: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bK-%s;rport\r\n"
                     "From: <sip:caller@127.0.0.1>;tag=f%s\r\nTo: <sip:%s@127.0.0.1>%s%s\r\n"
                     "Call-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:caller@127.0.0.1:%u>\r\n%s%s"
                     "Content-Length: %zu\r\n\r\n%s",
                     r->method, r->call, c->sip_port, r->branch, r->call, r->call,
                     c->to_tag[0] ? ";tag=" : "", c->to_tag, r->call, r->cseq, r->method,
                     c->sip_port, *body ? "Content-Type: application/sdp\r\n" : "",
                     r->extra ? r->extra : "", strlen(body), body);
    assert_int_equal(send(c->sip, text, (size_t)n, 0), n);
}

static void invite(struct caller *c, const char *call, const char *branch)
{
    char sdp[256], route[64];
    snprintf(route, sizeof route, "Record-Route: <sip:127.0.0.1:%u;lr>\r\n", c->sip_port);
    snprintf(sdp, sizeof sdp,
             "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
             "m=audio %u RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
             c->rtp_port);
    c->to_tag[0] = 0;
    send_request(c, &(struct request){"INVITE", call, branch, 1, sdp, route});
}

static void receive(struct caller *c)
{
    ssize_t n = recv(c->sip, c->reply, sizeof c->reply - 1, 0);
    if (n <= 0)
        fail_msg("no datagram within %d s", PATIENCE_S);
    c->reply[n] = 0;
}

/* Receives until a message begins with `start`; others before it are passed over. */
static void expect(struct caller *c, const char *start)
{
    do {
        receive(c);
    } while (strncmp(c->reply, start, strlen(start)) != 0);
}

static void take_to_tag(struct caller *c)
{
    const char *to = strstr(c->reply, "\r\nTo: "), *tag = to ? strstr(to, ";tag=") : NULL;
    assert_non_null(tag);
    size_t n = strcspn(tag + 5, "\r;");
    assert_true(n < sizeof c->to_tag);
    memcpy(c->to_tag, tag + 5, n);
    c->to_tag[n] = 0;
}

/* From INVITE to the answered and acknowledged call. */
static void establish(struct caller *c, const char *call)
{
    invite(c, call, call);
    expect(c, "SIP/2.0 200");
    take_to_tag(c);
    const char *media = strstr(c->reply, "m=audio ");
    assert_non_null(media);
    c->media_port = atoi(media + 8);
    send_request(c, &(struct request){"ACK", call, "ack", 1, NULL, NULL});
}

static void hang_up(struct caller *c, const char *call)
{
    send_request(c, &(struct request){"BYE", call, "bye", 2, NULL, NULL});
    expect(c, "SIP/2.0 200");
}

static void answers_and_repeats_until_acknowledged(void **state)
{
    (void)state;
    struct caller c;
    start(&c, (const char *[]){NULL});
    invite(&c, "a", "a");
    expect(&c, "SIP/2.0 100");
    expect(&c, "SIP/2.0 180");
    take_to_tag(&c);
    expect(&c, "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:");
    char first[sizeof c.reply];
    strcpy(first, c.reply);
    assert_non_null(strstr(first, "\r\nRecord-Route: <sip:127.0.0.1:"));
    assert_non_null(strstr(first, "\r\nContact: <sip:callee@127.0.0.1:"));
    assert_non_null(strstr(first, c.to_tag));
    for (int i = 0; i < 3; i++) {
        receive(&c);
        assert_string_equal(c.reply, first);
    }
    /* a repeated INVITE gets the last response again, not a second call */
    invite(&c, "a", "a");
    receive(&c);
    assert_string_equal(c.reply, first);
    take_to_tag(&c);
    send_request(&c, &(struct request){"ACK", "a", "ack", 1, NULL, NULL});
    send_request(&c, &(struct request){"BYE", "a", "bye", 2, NULL, NULL});
    do {
        receive(&c);
    } while (!strstr(c.reply, "CSeq: 2 BYE"));
    send_request(&c, &(struct request){"BYE", "a", "bye", 2, NULL, NULL});
    receive(&c);
    assert_non_null(strstr(c.reply, "SIP/2.0 200"));
    assert_int_equal(stop(&c), 0);
}

static void cancel_ends_the_ringing(void **state)
{
    (void)state;
    struct caller c;
    start(&c, (const char *[]){"--no-answer", "1", "--answer", "0", NULL});
    invite(&c, "a", "a");
    expect(&c, "SIP/2.0 180");
    send_request(&c, &(struct request){"CANCEL", "a", "a", 1, NULL, NULL});
    receive(&c);
    assert_non_null(strstr(c.reply, "CSeq: 1 CANCEL"));
    assert_memory_equal(c.reply, "SIP/2.0 200", 11);
    /* the final is repeated until its ACK */
    for (int i = 0; i < 3; i++) {
        receive(&c);
        assert_memory_equal(c.reply, "SIP/2.0 487", 11);
    }
    take_to_tag(&c);
    send_request(&c, &(struct request){"ACK", "a", "a", 1, NULL, NULL});
    /* a CANCEL too late is answered, and changes nothing */
    send_request(&c, &(struct request){"CANCEL", "a", "a", 1, NULL, NULL});
    do {
        receive(&c);
    } while (!strstr(c.reply, "CANCEL"));
    assert_memory_equal(c.reply, "SIP/2.0 200", 11);
    send_request(&c, &(struct request){"CANCEL", "b", "b", 1, NULL, NULL});
    expect(&c, "SIP/2.0 481");
    assert_int_equal(stop(&c), 0);
}

static void refusals_come_from_the_plan(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"--busy", "1", "SIP/2.0 486 Busy Here"},
        {"--decline", "1", "SIP/2.0 603 Decline"},
        {"--fail", "1", "SIP/2.0 404 Not Found"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct caller c;
        start(&c, (const char *[]){"--answer", "0", cases[i][0], cases[i][1], "--fail-codes",
                                   "404:1", NULL});
        invite(&c, "a", "a");
        expect(&c, cases[i][2]);
        take_to_tag(&c);
        send_request(&c, &(struct request){"ACK", "a", "a", 1, NULL, NULL});
        assert_int_equal(stop(&c), 0);
    }
}

static void unacknowledged_answer_is_hung_up_and_reported(void **state)
{
    (void)state;
    struct caller c;
    start(&c, (const char *[]){NULL});
    invite(&c, "a", "a");
    expect(&c, "SIP/2.0 200");
    expect(&c, "BYE sip:caller@127.0.0.1:");
    assert_non_null(strstr(c.reply, "\r\nRoute: <sip:127.0.0.1:"));
    assert_int_equal(stop(&c), 1);
}

static void callee_hangs_up(void **state)
{
    (void)state;
    struct caller c;
    start(&c, (const char *[]){"--hangup-ms", "30", NULL});
    c.to_tag[0] = 0;
    send_request(&c, &(struct request){"INVITE", "a", "a", 1, NULL, NULL});
    expect(&c, "SIP/2.0 200");
    take_to_tag(&c);
    assert_non_null(strstr(c.reply, "m=audio ")); /* no offer from us: the offer is the carrier's */
    send_request(&c, &(struct request){"ACK", "a", "ack", 1, NULL, NULL});
    expect(&c, "BYE sip:caller@127.0.0.1:");
    expect(&c, "BYE sip:caller@127.0.0.1:"); /* and again: we haven't answered */
    const char *via = strstr(c.reply, "Via: "), *from = strstr(c.reply, "From: ");
    const char *end = strstr(c.reply, "Content-Length");
    assert_true(via && from && end && via < from);
    char answer[2048];
    int n = snprintf(answer, sizeof answer, "SIP/2.0 200 OK\r\n%.*s%.*sContent-Length: 0\r\n\r\n",
                     (int)(strstr(via, "\r\n") + 2 - via), via, (int)(end - from), from);
    assert_int_equal(send(c.sip, answer, (size_t)n, 0), n);
    assert_int_equal(stop(&c), 0);
}

static void nobody_hung_up_breaks_the_run(void **state)
{
    (void)state;
    struct caller c;
    start(&c, (const char *[]){NULL});
    establish(&c, "a");
    send_request(&c, &(struct request){"OPTIONS", "o", "o", 1, NULL, NULL});
    do {
        receive(&c);
    } while (!strstr(c.reply, "OPTIONS\r\n"));
    assert_int_equal(stop(&c), 1);
}

static void limits_refuse_above(void **state)
{
    (void)state;
    struct caller c;
    start(&c, (const char *[]){"--cps-limit", "2", "--cps-window-ms", "60000", "--retry-after-s",
                               "7", "--no-answer", "1", "--answer", "0", NULL});
    invite(&c, "a", "a");
    expect(&c, "SIP/2.0 180");
    invite(&c, "b", "b");
    expect(&c, "SIP/2.0 180");
    invite(&c, "d", "d");
    expect(&c, "SIP/2.0 503 CPS limit exceeded");
    assert_non_null(strstr(c.reply, "\r\nRetry-After: 7\r\n"));
    assert_int_equal(stop(&c), 0);
    start(&c, (const char *[]){"--max-calls", "1", NULL});
    establish(&c, "a");
    invite(&c, "b", "b");
    expect(&c, "SIP/2.0 503 Concurrent call limit exceeded");
    send_request(&c, &(struct request){"ACK", "b", "b", 1, NULL, NULL});
    assert_int_equal(stop(&c), 1);
}

static void second_call_to_a_number_breaks_once(void **state)
{
    (void)state;
    struct caller c;
    start(&c, (const char *[]){"--answer", "0", "--busy", "1", "--once", NULL});
    for (int i = 0; i < 2; i++) {
        char text[512];
        int n =
            snprintf(text, sizeof text,
                     "INVITE sip:+1555@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK%d;rport\r\n"
                     "From: <sip:a@h>;tag=%d\r\nTo: <sip:b@h>\r\nCall-ID: %d\r\nCSeq: 1 INVITE\r\n"
                     "\r\n",
                     i, i, i);
        assert_int_equal(send(c.sip, text, (size_t)n, 0), n);
        expect(&c, "SIP/2.0 486");
        assert_non_null(strstr(c.reply, ";received=127.0.0.1"));
    }
    assert_int_equal(stop(&c), 1);
}

static void strangers_are_answered_by_the_book(void **state)
{
    (void)state;
    struct caller c;
    static const char *const cases[][2] = {{"BYE", "SIP/2.0 481"},
                                           {"REGISTER", "SIP/2.0 405"},
                                           {"NEWMETHOD", "SIP/2.0 501"},
                                           {"OPTIONS", "SIP/2.0 200"}};
    start(&c, (const char *[]){NULL});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        send_request(&c, &(struct request){cases[i][0], "x", cases[i][0], 1, NULL, NULL});
        receive(&c);
        assert_memory_equal(c.reply, cases[i][1], 11);
    }
    send_request(&c, &(struct request){"OPTIONS", "x", "r", 2, NULL, "Require: 100rel\r\n"});
    expect(&c, "SIP/2.0 420");
    assert_non_null(strstr(c.reply, "\r\nUnsupported: 100rel\r\n"));
    /* the same request by another way is a loop, not a second call */
    invite(&c, "m", "m1");
    expect(&c, "SIP/2.0 200");
    take_to_tag(&c);
    char tag[sizeof c.to_tag];
    strcpy(tag, c.to_tag);
    invite(&c, "m", "m2");
    expect(&c, "SIP/2.0 482");
    strcpy(c.to_tag, tag);
    send_request(&c, &(struct request){"ACK", "m", "ack", 1, NULL, NULL});
    hang_up(&c, "m");
    assert_int_equal(stop(&c), 0);
}

static void reinvite_is_answered(void **state)
{
    (void)state;
    struct caller c;
    start(&c, (const char *[]){NULL});
    establish(&c, "a");
    send_request(&c, &(struct request){"INVITE", "a", "re", 2,
                                       "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 9 RTP/AVP 0\r\n"
                                       "a=sendonly\r\n",
                                       NULL});
    do {
        expect(&c, "SIP/2.0 200");
    } while (!strstr(c.reply, "CSeq: 2 INVITE"));
    assert_non_null(strstr(c.reply, "a=recvonly"));
    send_request(&c, &(struct request){"ACK", "a", "ack2", 2, NULL, NULL});
    send_request(&c, &(struct request){"BYE", "a", "bye", 3, NULL, NULL});
    do {
        expect(&c, "SIP/2.0 200");
    } while (!strstr(c.reply, "CSeq: 3 BYE"));
    assert_int_equal(stop(&c), 0);
}

/* What the events of one pressed key must look like, RFC 4733 2.5.1. */
static void keys_are_pressed_as_events(void **state)
{
    (void)state;
    struct caller c;
    start(&c,
          (const char *[]){"--digits", "5", "--digit-delay-ms", "0", "--digit-ms", "100", NULL});
    establish(&c, "a");
    unsigned timestamp = 0, ends = 0, duration_before = 0, seen = 0;
    while (ends < 3) {
        unsigned char p[256];
        ssize_t n = recv(c.rtp, p, sizeof p, 0);
        assert_true(n >= 12);
        if ((p[1] & 127) != 101)
            continue;
        assert_int_equal(n, 16);
        unsigned stamp = (unsigned)p[4] << 24 | (unsigned)p[5] << 16 | (unsigned)p[6] << 8 | p[7];
        unsigned duration = (unsigned)p[14] << 8 | p[15];
        assert_int_equal(p[1] >> 7, seen == 0);
        assert_int_equal(p[12], 5);
        assert_true(seen == 0 || stamp == timestamp);
        assert_true(ends ? duration == duration_before : duration > duration_before);
        timestamp = stamp;
        duration_before = duration;
        ends += p[13] >> 7;
        seen++;
    }
    assert_int_equal(seen, 7); /* 20, 40, 60, 80 ms, and the end at 100 ms three times */
    assert_int_equal(duration_before, 800);
    hang_up(&c, "a");
    assert_int_equal(stop(&c), 0);
}

static void send_audio(struct caller *c, int fd, unsigned sequence, unsigned char loudness)
{
    unsigned char p[172] = {0x80, 0, (unsigned char)(sequence >> 8), (unsigned char)sequence};
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)c->media_port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    p[6] = (unsigned char)(sequence * 160 >> 8);
    p[7] = (unsigned char)(sequence * 160);
    memset(p + 12, loudness, 160);
    assert_int_equal(sendto(fd, p, sizeof p, 0, (struct sockaddr *)&a, sizeof a), sizeof p);
}

static void press_after_turn(const char *talk)
{
    struct caller c;
    unsigned sequence = 1;
    start(&c, (const char *[]){"--digits", "9", "--talk", talk, NULL});
    establish(&c, "a");
    /* the callee's own packets are our clock: 20 loud frames for 20 of its, then we are silent */
    for (int frames = 0;; frames++) {
        unsigned char p[256];
        assert_true(recv(c.rtp, p, sizeof p, 0) >= 12);
        if ((p[1] & 127) == 101) {
            assert_in_range(frames, 20 + 28,
                            20 + 60); /* 600 ms of pause, give or take scheduling */
            break;
        }
        assert_true(frames < 200);
        send_audio(&c, c.rtp, sequence++, frames < 20 ? 0x10 : 0xff);
    }
    hang_up(&c, "a");
    assert_int_equal(stop(&c), 0);
}

static void key_follows_the_callers_turn(void **state)
{
    (void)state;
    press_after_turn("silence");
    press_after_turn("hello"); /* who would speak next presses instead */
}

static void audio_from_elsewhere_breaks_the_run(void **state)
{
    (void)state;
    struct caller c;
    start(&c, (const char *[]){NULL});
    establish(&c, "a");
    send_audio(&c, c.sip, 1, 0x10); /* from the wrong socket's port, by sendto on a connected one */
    hang_up(&c, "a");
    assert_int_equal(stop(&c), 1);
}

static void hostile_bytes_change_nothing(void **state)
{
    (void)state;
    struct caller c;
    unsigned seed = 12345;
    start(&c, (const char *[]){NULL});
    for (int i = 0; i < 2000; i++) {
        char junk[200];
        size_t n = (size_t)(rand_r(&seed) % (int)sizeof junk);
        for (size_t j = 0; j < n; j++)
            junk[j] = (char)rand_r(&seed);
        if (n > 8 && i % 2)
            memcpy(junk, "INVITE s", 8);
        send(c.sip, junk, n, 0);
    }
    establish(&c, "a");
    hang_up(&c, "a");
    assert_int_equal(stop(&c), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_and_repeats_until_acknowledged),
        cmocka_unit_test(cancel_ends_the_ringing),
        cmocka_unit_test(refusals_come_from_the_plan),
        cmocka_unit_test(unacknowledged_answer_is_hung_up_and_reported),
        cmocka_unit_test(callee_hangs_up),
        cmocka_unit_test(nobody_hung_up_breaks_the_run),
        cmocka_unit_test(limits_refuse_above),
        cmocka_unit_test(second_call_to_a_number_breaks_once),
        cmocka_unit_test(strangers_are_answered_by_the_book),
        cmocka_unit_test(reinvite_is_answered),
        cmocka_unit_test(keys_are_pressed_as_events),
        cmocka_unit_test(key_follows_the_callers_turn),
        cmocka_unit_test(audio_from_elsewhere_breaks_the_run),
        cmocka_unit_test(hostile_bytes_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
