/*
 * Goal: over TCP and over a Unix socket alike, every message is told once and whole however it
 * comes in pieces, what is sent arrives as it is, a peer that is gone, silent, slow, or no agent at
 * all is found out with a word that says so, and both sides can say goodbye. Method: the client on
 * a loop against a server of one raw socket that says exactly what the test wants said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "outdial/err.h"
#include "peer_bench.h"
#include "proto/ws/raw_client.h"

enum { MESSAGES_MAX = 64 };

#define PING "\x93\x07\x00\x00"

struct message {
    size_t bytes;
    uint8_t first, last;
};

struct world {
    struct peer_bench b;
    char path[80];
    bool leaves;
    struct message messages[MESSAGES_MAX];
    unsigned count;
    unsigned parts; /* a long message takes so many more turns */
    const uint8_t *held;
};

static bool on_message(void *ctx, bool text, const uint8_t *at, size_t bytes)
{
    struct world *w = ctx;
    assert_false(text);
    assert_true(w->count < MESSAGES_MAX && bytes > 0);
    w->messages[w->count++] = (struct message){bytes, at[0], at[bytes - 1]};
    if (w->leaves) { /* from inside: no more may come */
        od_peer_leave(w->b.peer, 1000, "");
        w->b.peer = NULL;
    }
    w->held = w->parts && bytes > OD_PEER_PIECE_MAX ? at : NULL;
    return !w->held;
}

/* The message that was not done with is still where it was, and nothing came behind it. */
static bool on_go_on(void *ctx)
{
    struct world *w = ctx;
    const struct message *last = &w->messages[w->count - 1];
    assert_int_equal(w->held[0], last->first);
    assert_int_equal(w->held[last->bytes - 1], last->last);
    return --w->parts == 0;
}

static const struct od_peer_user user = {
    .opened = bench_opened, .message = on_message, .go_on = on_go_on, .closed = bench_closed};

static void say(struct world *w, const void *at, size_t bytes)
{
    const char *from = at;
    while (bytes) { /* a Unix socket takes what its buffer has room for */
        ssize_t n = send(w->b.fd, from, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0)
            n = 0;
        from += n;
        bytes -= (size_t)n;
        if (bytes)
            bench_turn(&w->b);
    }
}

static int bind_tcp(struct world *w)
{
    uint16_t port;
    int fd = bench_tcp(&port);
    snprintf(w->b.url, sizeof w->b.url, "tcp://127.0.0.1:%u", port);
    return fd;
}

static int bind_unix(struct world *w)
{
    struct sockaddr_un here = {.sun_family = AF_UNIX};
    snprintf(w->path, sizeof w->path, "/tmp/outdial-raw-XXXXXX");
    assert_non_null(mkdtemp(w->path));
    snprintf(here.sun_path, sizeof here.sun_path, "%s/bot.sock", w->path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&here, sizeof here), 0);
    snprintf(w->b.url, sizeof w->b.url, "unix://%s", here.sun_path);
    return fd;
}

static int dial(struct world *w, const char *url, bool allow_private)
{
    return od_raw_connect(w->b.hub,
                          &(struct od_raw_open){.url = url,
                                                .allow_private = allow_private,
                                                .gathers = true,
                                                .ping = PING,
                                                .ping_bytes = sizeof PING - 1,
                                                .user = &user,
                                                .ctx = w},
                          &w->b.peer);
}

/* state: non-NULL for a Unix socket. */
static struct world *begin_with(void **state, const struct od_peer_hub_config *config)
{
    struct world *w = calloc(1, sizeof *w);
    bench_open(&w->b, *state ? bind_unix(w) : bind_tcp(w), config);
    return w;
}

static struct world *begin(void **state, const struct od_peer_hub_config *config)
{
    struct world *w = begin_with(state, config);
    assert_int_equal(dial(w, w->b.url, true), 0);
    assert_false(w->b.opened); /* nothing is told from inside */
    WAIT(w, w->b.opened);
    w->b.fd = accept(w->b.listening, NULL, NULL);
    return w;
}

static void end(struct world *w)
{
    char socket_path[96];
    bench_close(&w->b);
    if (*w->path) {
        snprintf(socket_path, sizeof socket_path, "%s/bot.sock", w->path);
        unlink(socket_path);
        rmdir(w->path);
    }
    free(w);
}

static const struct od_peer_hub_config plain = {0};

static void test_messages(void **state)
{
    struct world *w = begin(state, &plain);
    /* three in one piece, the third to be continued byte by byte */
    say(w, "\x93\x01\x02\x03\x90\x92\xc4\x03", 8);
    WAIT(w, w->count == 2);
    assert_int_equal(w->messages[0].bytes, 4);
    assert_int_equal(w->messages[0].last, 3);
    assert_int_equal(w->messages[1].bytes, 1);
    const char *rest = "abc\x07";
    for (unsigned i = 0; i < 4; i++) {
        struct od_peer_stats before, after;
        assert_int_equal(w->count, 2);
        od_peer_hub_stats(w->b.hub, &before);
        say(w, rest + i, 1);
        do {
            bench_turn(&w->b);
            od_peer_hub_stats(w->b.hub, &after);
        } while (after.received_bytes == before.received_bytes);
    }
    assert_int_equal(w->count, 3);
    assert_int_equal(w->messages[2].bytes, 7);
    assert_int_equal(w->messages[2].first, 0x92);
    assert_int_equal(w->messages[2].last, 7);
    end(w);
}

/* A message of many reads, and one right behind it. */
static void test_long_message(void **state)
{
    enum { BODY = 3 * 1000 * 1000 };
    struct world *w = begin(state, &plain);
    char *message = calloc(1, BODY + 8);
    memcpy(message, "\x91\xc6\x00\x2d\xc6\xc0", 6); /* 3,000,000 */
    message[BODY + 5] = 0x55;
    memcpy(message + BODY + 6, "\x91\x09", 2);
    say(w, message, BODY + 8);
    WAIT(w, w->count == 2);
    assert_int_equal(w->messages[0].bytes, BODY + 6);
    assert_int_equal(w->messages[0].last, 0x55);
    assert_int_equal(w->messages[1].last, 9);
    free(message);
    end(w);
}

/* Long messages are done a share of a turn at a time; what is behind them waits. */
static void test_held(void **state)
{
    enum { BODY = 70000, WHOLE = BODY + 6 };
    struct world *w = begin(state, &(struct od_peer_hub_config){.share_us = {.all = 1, .each = 1}});
    char *stream = calloc(1, 3 * (WHOLE + 2));
    for (unsigned i = 0; i < 3; i++) {
        char *message = stream + i * (WHOLE + 2);
        memcpy(message, "\x91\xc6\x00\x01\x11\x70", 6); /* 70,000 */
        message[WHOLE - 1] = (char)(0x50 + i);
        memcpy(message + WHOLE, "\x91\x09", 2);
    }
    w->parts = 50;
    say(w, stream, 3 * (WHOLE + 2));
    WAIT(w, w->count == 6);
    assert_int_equal(w->parts, 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(w->messages[2 * i].bytes, WHOLE);
        assert_int_equal(w->messages[2 * i].last, 0x50 + i);
        assert_int_equal(w->messages[2 * i + 1].bytes, 2);
    }
    free(stream);
    end(w);
}

static void test_sending(void **state)
{
    struct world *w = begin(state, &plain);
    assert_int_equal(od_peer_send(w->b.peer, false, "\x91\x01", 2), 0);
    assert_int_equal(od_peer_send(w->b.peer, false, "\x91\x02", 2), 0);
    assert_int_equal(od_peer_queued(w->b.peer), 4); /* they go out together */
    WAIT(w, w->b.got_bytes == 4);
    assert_memory_equal(w->b.got, "\x91\x01\x91\x02", 4); /* as they are */
    /* the last word, and then the end */
    od_peer_send(w->b.peer, false, "\x91\x03", 2);
    od_peer_leave(w->b.peer, 1000, "");
    WAIT(w, w->b.gone);
    assert_int_equal(w->b.got_bytes, 6);
    say(w, "\x91\x01\xc1", 3); /* still on its way, or nonsense: nobody is told */
    shutdown(w->b.fd, SHUT_WR);
    struct od_peer_stats stats;
    do {
        bench_turn(&w->b);
        od_peer_hub_stats(w->b.hub, &stats);
    } while (stats.open);
    assert_false(w->b.closed);
    assert_int_equal(w->count, 0);
    end(w);
}

static void test_leaving_inside(void **state)
{
    struct world *w = begin(state, &plain);
    w->leaves = true;
    say(w, "\x91\x01\x91\x02\x91\x03", 6);
    WAIT(w, w->b.gone);
    assert_int_equal(w->count, 1);
    assert_false(w->b.closed);
    end(w);
}

static void broken(void **state, const char *said, size_t bytes, bool close_it, int err,
                   const char *why)
{
    struct world *w = begin(state, &(struct od_peer_hub_config){.message_max = 1000});
    say(w, said, bytes);
    if (close_it) {
        close(w->b.fd);
        w->b.fd = -1;
    }
    WAIT(w, w->b.closed);
    assert_int_equal(w->b.end.err, err);
    assert_true(w->b.end.opened);
    assert_string_equal(w->b.why, why);
    if (!close_it)
        WAIT(w, w->b.gone);
    end(w);
}

static void test_broken(void **state)
{
    static const char no_message[] = "bytes that are no message: an array was expected";
    broken(state, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, false, OD_EPROTO, no_message);
    broken(state, "\x80", 1, false, OD_EPROTO, no_message);
    broken(state, "\x91\xc1", 2, false, OD_EPROTO, "a byte that MessagePack has not");
    broken(state, "\x91\xc6\x7f\xff\xff\xff", 6, false, OD_ETOOBIG, "a message that is too long");
    broken(state,
           "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
           "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91",
           34, false, OD_ETOOBIG, "a message that is nested too deeply");
    broken(state, "\x91\x01\x92\x01", 4, true, OD_EDOWN, "closed in the middle of a message");
    broken(state, "\x91\x01", 2, true, OD_EDOWN, "closed without a goodbye");
    broken(state, "", 0, true, OD_EDOWN, "closed without a goodbye");
}

/* No byte: pinged, and after dead_ms broken. What was begun of a message is a sign of life. */
static void test_silent_peer(void **state)
{
    struct world *w = begin(state, &(struct od_peer_hub_config){.ping_ms = 20, .dead_ms = 100});
    WAIT(w, w->b.closed);
    assert_int_equal(w->b.end.err, OD_ETIMEOUT);
    assert_true(w->b.got_bytes >= 2 * (sizeof PING - 1));
    assert_memory_equal(w->b.got, PING PING, 2 * (sizeof PING - 1));
    end(w);

    w = begin(state, &(struct od_peer_hub_config){.ping_ms = 20, .dead_ms = 400});
    size_t answered = 0;
    say(w, "\x9f", 1);
    for (unsigned i = 0; i < 14; i++) { /* a byte for every two pings */
        answered += 2 * (sizeof PING - 1);
        WAIT(w, w->b.got_bytes >= answered);
        assert_false(w->b.closed);
        say(w, "\x08", 1);
    }
    end(w);
}

/* A peer that reads nothing: what is queued is told, and bounded. */
static void test_slow_peer(void **state)
{
    enum { PIECE = 64 * 1024, QUEUE = 1024 * 1024 };
    static char piece[PIECE];
    struct world *w = begin(state, &(struct od_peer_hub_config){.queue_max = QUEUE});
    int fd = w->b.fd, err = 0;
    w->b.fd = -1; /* not read from */
    unsigned sent = 0;
    while (!err && sent < 1000) {
        err = od_peer_send(w->b.peer, false, piece, sizeof piece);
        sent++;
    }
    assert_int_equal(err, OD_EBUSY);
    assert_in_range(od_peer_queued(w->b.peer), QUEUE / 2, QUEUE);
    WAIT(w, w->b.closed);
    assert_int_equal(w->b.end.err, OD_ETIMEOUT);
    close(fd);
    end(w);
}

static void test_not_there(void **state)
{
    struct world *w = begin_with(state, &plain);
    close(w->b.listening); /* nobody listens */
    w->b.listening = dup(0);
    assert_int_equal(dial(w, w->b.url, true), 0);
    WAIT(w, w->b.closed);
    assert_int_equal(w->b.end.err, OD_EDOWN);
    assert_false(w->b.end.opened);
    end(w);
}

/* The guard is the one of every URL; a socket's path is somebody else's to judge. */
static void test_guard(void **state)
{
    struct world *w = begin_with(state, &plain);
    static const char *const denied[] = {
        "tcp://127.0.0.1:4711",        "tcp://10.0.0.1:4711",  "tcp://[::1]:4711",
        "tcp://169.254.169.254:80",    "tcp://localhost:4711", "tcp://93.184.216.34:25",
        "tcp://[::ffff:10.0.0.1]:4711"};
    for (size_t i = 0; i < sizeof denied / sizeof *denied; i++) {
        w->b.closed = false;
        assert_int_equal(dial(w, denied[i], false), 0);
        WAIT(w, w->b.closed);
        if (w->b.end.err != OD_EDENIED)
            fail_msg("%s: %d %s", denied[i], w->b.end.err, w->b.why);
    }
    if (*state) {
        assert_int_equal(dial(w, w->b.url, false), 0);
        WAIT(w, w->b.opened);
    }
    end(w);
}

static void test_urls(void **state)
{
    static const char *const bad[] = {"",
                                      "tcp://",
                                      "tcp://host",
                                      "tcp://host:",
                                      "tcp://host:0",
                                      "tcp://host:65536",
                                      "tcp://host:80/",
                                      "tcp://host:80?x",
                                      "tcp://user@host:80",
                                      "tcp://[::1]",
                                      "tcp://127.1:80",
                                      "tcp://ho st:80",
                                      "unix://",
                                      "unix:///",
                                      "unix://relative/path",
                                      "unix:///with space",
                                      "unix:/one/slash",
                                      "ws://host:80/",
                                      "http://host:80"};
    struct world *w = begin_with(state, &plain);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (dial(w, bad[i], true) != OD_EINVAL)
            fail_msg("%s", bad[i]);
    }
    char path[200] = "unix:///";
    memset(path + 8, 'a', OD_RAW_PATH_MAX);
    assert_int_equal(dial(w, path, true), OD_EINVAL);
    path[7 + OD_RAW_PATH_MAX] = 0; /* as long as may be: nobody is there */
    assert_int_equal(dial(w, path, true), 0);
    WAIT(w, w->b.closed);
    assert_int_equal(w->b.end.err, OD_EDOWN);
    end(w);
}

#define ON_BOTH(test)                                                                              \
    {#test "_tcp", test, NULL, NULL, NULL},                                                        \
    {                                                                                              \
#test "_unix", test, NULL, NULL, "u"                                                       \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(test_messages),    ON_BOTH(test_long_message),  ON_BOTH(test_held),
        ON_BOTH(test_sending),     ON_BOTH(test_broken),        ON_BOTH(test_leaving_inside),
        ON_BOTH(test_silent_peer), ON_BOTH(test_slow_peer),     ON_BOTH(test_not_there),
        ON_BOTH(test_guard),       cmocka_unit_test(test_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
