/*
 * Goal: a connection opens only for the right answer, tells every message, answers pings, shows a
 * peer that is gone, ends in order from either side, and bounds what a slow peer makes it hold.
 * Method: the client on a loop against a server of one raw socket that says exactly what the test
 * wants said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "outdial/err.h"
#include "peer_bench.h"
#include "proto/ws/ws_client.h"
#include "proto/ws/ws_handshake.h"

struct world {
    struct peer_bench b;
    char key[64];
    unsigned drained;
    char messages[4096];
};

static bool on_message(void *ctx, bool text, const uint8_t *at, size_t bytes)
{
    struct world *w = ctx;
    size_t used = strlen(w->messages);
    snprintf(w->messages + used, sizeof w->messages - used, "%c%.*s|", text ? 't' : 'b',
             bytes < 100 ? (int)bytes : 100, (const char *)at);
    return true;
}

static void on_drained(void *ctx)
{
    ((struct world *)ctx)->drained++;
}

static const struct od_peer_user user = {
    .opened = bench_opened, .message = on_message, .drained = on_drained, .closed = bench_closed};

static void say(struct world *w, const void *at, size_t bytes)
{
    assert_int_equal(send(w->b.fd, at, bytes, MSG_NOSIGNAL), (ssize_t)bytes);
}

static struct world *begin_with(const struct od_peer_hub_config *config, bool allow_private,
                                bool gathers)
{
    struct world *w = calloc(1, sizeof *w);
    uint16_t port;
    bench_open(&w->b, bench_tcp(&port), config);
    snprintf(w->b.url, sizeof w->b.url, "ws://127.0.0.1:%u/x", port);
    assert_int_equal(od_ws_connect(w->b.hub,
                                   &(struct od_ws_open){.url = w->b.url,
                                                        .allow_private = allow_private,
                                                        .gathers = gathers,
                                                        .user = &user,
                                                        .ctx = w},
                                   &w->b.peer),
                     0);
    return w;
}

static struct world *begin(const struct od_peer_hub_config *config, bool allow_private)
{
    return begin_with(config, allow_private, false);
}

static void take_request(struct world *w)
{
    w->b.fd = accept(w->b.listening, NULL, NULL);
    WAIT(w, strstr((char *)w->b.got, "\r\n\r\n"));
    const char *key = strstr((char *)w->b.got, "Sec-WebSocket-Key: ");
    assert_non_null(key);
    snprintf(w->key, sizeof w->key, "%.24s", key + 19);
    w->b.got_bytes = 0;
    memset(w->b.got, 0, 2048);
}

static void answer(struct world *w, const char *more, size_t more_bytes)
{
    char accept[OD_WS_ACCEPT_CHARS + 1], text[1024];
    od_ws_accept(w->key, accept);
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n"
                     "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                     accept);
    memcpy(text + n, more, more_bytes);
    say(w, text, (size_t)n + more_bytes);
}

static void end(struct world *w)
{
    bench_close(&w->b);
    free(w);
}

static const struct od_peer_hub_config plain = {0};

static void test_talk(void **state)
{
    (void)state;
    struct world *w = begin(&plain, true);
    take_request(w);
    /* the first frames lie in the same segment as the answer's head */
    answer(w, "\x81\x02hi\x82\x01x\x89\x03png", 12);
    WAIT(w, w->b.opened && strcmp(w->messages, "thi|bx|") == 0);
    WAIT(w, w->b.got_bytes >= 9); /* the pong: masked, with the ping's payload */
    assert_memory_equal(w->b.got, "\x8a\x83", 2);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(w->b.got[6 + i] ^ w->b.got[2 + i % 4], "png"[i]);
    w->b.got_bytes = 0;
    assert_int_equal(od_peer_send(w->b.peer, true, "hello", 5), 0);
    WAIT(w, w->b.got_bytes >= 11);
    assert_memory_equal(w->b.got, "\x81\x85", 2);
    w->b.got_bytes = 0;
    say(w,
        "\x88\x05\x03\xe8"
        "bye",
        7); /* the server closes: its code comes back */
    WAIT(w, w->b.closed && w->b.got_bytes >= 8);
    assert_int_equal(w->b.end.err, 0);
    assert_int_equal(w->b.end.code, 1000);
    assert_string_equal(w->b.why, "bye");
    assert_memory_equal(w->b.got, "\x88\x82", 2);
    WAIT(w, w->b.gone);
    end(w);
}

static void test_leaving(void **state)
{
    (void)state;
    struct world *w = begin(&plain, true);
    take_request(w);
    answer(w, "", 0);
    WAIT(w, w->b.opened);
    od_peer_leave(w->b.peer, 1000, "done");
    WAIT(w, w->b.got_bytes >= 12);
    assert_memory_equal(w->b.got, "\x88\x86", 2);
    say(w, "\x81\x02hi", 4); /* still on its way: nobody is told */
    say(w, "\x88\x02\x03\xe8", 4);
    WAIT(w, w->b.gone);
    assert_false(w->b.closed);
    assert_string_equal(w->messages, "");
    end(w);
}

/* What is said in one turn goes out in one piece, in its order; a goodbye takes it along. */
static void test_gathering(void **state)
{
    (void)state;
    struct od_peer_stats before, after;
    struct world *w = begin_with(&plain, true, true);
    take_request(w);
    answer(w, "", 0);
    WAIT(w, w->b.opened);
    od_peer_hub_stats(w->b.hub, &before);
    for (char c = 'a'; c <= 'j'; c++)
        assert_int_equal(od_peer_send(w->b.peer, true, &c, 1), 0);
    assert_int_equal(od_peer_queued(w->b.peer), 70);
    WAIT(w, w->b.got_bytes >= 70);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(w->b.got[7 * i + 6] ^ w->b.got[7 * i + 2], 'a' + i);
    od_peer_hub_stats(w->b.hub, &after);
    assert_int_equal(after.sent - before.sent, 10);
    assert_int_equal(after.writes - before.writes, 1);
    assert_int_equal(od_peer_queued(w->b.peer), 0);

    static char much[40000]; /* more than is waited for goes at once */
    assert_int_equal(od_peer_send(w->b.peer, false, much, sizeof much), 0);
    od_peer_hub_stats(w->b.hub, &after);
    assert_int_equal(after.writes - before.writes, 2);
    WAIT(w, w->b.got_bytes >= 70 + sizeof much);
    w->b.got_bytes = 0;
    od_peer_send(w->b.peer, true, "k", 1);
    od_peer_leave(w->b.peer, 1000, "");
    WAIT(w, w->b.got_bytes >= 15);
    assert_memory_equal(w->b.got, "\x81\x81", 2);
    assert_memory_equal(w->b.got + 7, "\x88\x82", 2);
    say(w, "\x88\x02\x03\xe8", 4);
    WAIT(w, w->b.gone);
    end(w);
}

static void refused(const char *text, int err, int status, const char *why)
{
    struct world *w = begin(&plain, true);
    take_request(w);
    say(w, text, strlen(text));
    WAIT(w, w->b.closed);
    assert_false(w->b.opened);
    assert_int_equal(w->b.end.err, err);
    assert_int_equal(w->b.end.status, status);
    assert_non_null(strstr(w->b.why, why));
    end(w);
}

static void test_refused(void **state)
{
    (void)state;
    refused("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", OD_EDENIED, 403, "403");
    refused("HTTP/1.1 200 OK\r\n\r\n", OD_EDENIED, 200, "200");
    refused("HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
            OD_EPROTO, 0, "Sec-WebSocket-Accept");
    refused("HTTP/1.1 101 S\r\nConnection: Upgrade\r\n\r\n", OD_EPROTO, 0, "Upgrade");
    refused("SSH-2.0-x\r\n\r\n", OD_EPROTO, 0, "");
}

static void test_not_there(void **state)
{
    (void)state;
    struct world *w = begin(&plain, false); /* the guard */
    WAIT(w, w->b.closed);
    assert_int_equal(w->b.end.err, OD_EDENIED);
    w->b.closed = false;
    close(w->b.listening); /* nobody listens */
    w->b.listening = dup(0);
    assert_int_equal(
        od_ws_connect(
            w->b.hub,
            &(struct od_ws_open){.url = w->b.url, .allow_private = true, .user = &user, .ctx = w},
            &w->b.peer),
        0);
    WAIT(w, w->b.closed);
    assert_int_equal(w->b.end.err, OD_EDOWN);
    assert_int_equal(od_ws_connect(w->b.hub,
                                   &(struct od_ws_open){.url = "http://x/", .user = &user},
                                   &w->b.peer),
                     OD_EINVAL);
    assert_int_equal(od_ws_connect(w->b.hub,
                                   &(struct od_ws_open){
                                       .url = w->b.url, .headers = "Host: x\r\n", .user = &user},
                                   &w->b.peer),
                     OD_EINVAL);
    end(w);
}

static void test_broken(void **state)
{
    (void)state;
    struct world *w = begin(&plain, true);
    take_request(w);
    answer(w, "\x83\x00", 2); /* an unknown opcode */
    WAIT(w, w->b.closed);
    assert_int_equal(w->b.end.err, OD_EPROTO);
    assert_true(w->b.end.opened);
    WAIT(w, w->b.got_bytes >= 8);
    assert_memory_equal(w->b.got, "\x88\x82", 2);
    end(w);

    w = begin(&plain, true);
    take_request(w);
    answer(w, "", 0);
    WAIT(w, w->b.opened);
    close(w->b.fd); /* gone without a word */
    w->b.fd = -1;
    WAIT(w, w->b.closed);
    assert_int_equal(w->b.end.err, OD_EDOWN);
    end(w);
}

/* No byte and no pong: after dead_ms the connection is broken; until then it is pinged. */
static void test_silent_peer(void **state)
{
    (void)state;
    struct world *w = begin(&(struct od_peer_hub_config){.ping_ms = 20, .dead_ms = 100}, true);
    take_request(w);
    answer(w, "", 0);
    WAIT(w, w->b.closed);
    assert_int_equal(w->b.end.err, OD_ETIMEOUT);
    assert_true(w->b.got_bytes >= 2 * 6);
    assert_memory_equal(w->b.got, "\x89\x80", 2);
    end(w);

    w = begin(&(struct od_peer_hub_config){.open_ms = 50}, true);
    WAIT(w, w->b.closed); /* the kernel took the connection; nobody answers the upgrade */
    assert_int_equal(w->b.end.err, OD_ETIMEOUT);
    end(w);
}

/* A peer that reads nothing: what is queued is told, and bounded. */
static void test_slow_peer(void **state)
{
    (void)state;
    enum { PIECE = 64 * 1024, QUEUE = 1024 * 1024 };
    static char piece[PIECE];
    struct world *w = begin(&(struct od_peer_hub_config){.queue_max = QUEUE}, true);
    take_request(w);
    answer(w, "", 0);
    WAIT(w, w->b.opened);
    int fd = w->b.fd;
    w->b.fd = -1; /* not read from */
    int err = 0;
    unsigned sent = 0;
    while (!err && sent < 1000) {
        err = od_peer_send(w->b.peer, false, piece, sizeof piece);
        sent++;
    }
    assert_int_equal(err, OD_EBUSY);
    assert_true(od_peer_queued(w->b.peer) <= QUEUE);
    WAIT(w, w->b.closed);
    assert_int_equal(w->b.end.err, OD_ETIMEOUT);
    close(fd);
    end(w);
}

/* ---- a turn's share ---- */

enum { PEERS = 20, MESSAGES = 60, WORK_US = 200, PARTS = 17, LONG_BYTES = 100000 };

struct crowd;

struct peer {
    struct crowd *crowd;
    struct od_peer *ws;
    int fd;
    bool opened, closed;
    unsigned messages, in_turn, parts_left, pieces;
    const uint8_t *held;
};

struct crowd {
    struct world *w;
    struct peer peers[PEERS];
    unsigned done, most, most_of_one;
};

static uint64_t worked_ns;

static uint64_t work_clock(void)
{
    return 1 + worked_ns;
}

static void work(struct peer *peer)
{
    worked_ns += WORK_US * 1000;
    peer->in_turn++;
}

static void peer_opened(void *ctx)
{
    ((struct peer *)ctx)->opened = true;
}

/* Small ones say their number; a long one takes PARTS. */
static bool peer_message(void *ctx, bool text, const uint8_t *at, size_t bytes)
{
    struct peer *peer = ctx;
    char number[8] = {0};
    (void)text;
    assert_int_equal(peer->parts_left, 0);
    work(peer);
    if (bytes == LONG_BYTES) {
        peer->held = at;
        peer->parts_left = PARTS - 1;
        peer->pieces++;
        return false;
    }
    assert_true(bytes < sizeof number);
    memcpy(number, at, bytes);
    assert_int_equal(atoi(number), peer->messages++);
    return true;
}

static bool peer_go_on(void *ctx)
{
    struct peer *peer = ctx;
    work(peer);
    assert_int_equal(peer->held[0], 'L');
    assert_int_equal(peer->held[LONG_BYTES - 1], 'L');
    return --peer->parts_left == 0;
}

static void peer_closed(void *ctx, const struct od_peer_end *end)
{
    (void)end;
    ((struct peer *)ctx)->closed = true;
}

static const struct od_peer_user peer_user = {
    .opened = peer_opened, .message = peer_message, .go_on = peer_go_on, .closed = peer_closed};

static struct crowd *crowd_begin(void)
{
    static const struct od_peer_hub_config config = {.clock_ns = work_clock};
    struct crowd *crowd = calloc(1, sizeof *crowd);
    struct world *w = crowd->w = begin(&config, true);
    take_request(w);
    answer(w, "", 0);
    WAIT(w, w->b.opened);
    int first = w->b.fd;
    for (unsigned i = 0; i < PEERS; i++) {
        struct peer *peer = &crowd->peers[i];
        peer->crowd = crowd;
        assert_int_equal(od_ws_connect(w->b.hub,
                                       &(struct od_ws_open){.url = w->b.url,
                                                            .allow_private = true,
                                                            .user = &peer_user,
                                                            .ctx = peer},
                                       &peer->ws),
                         0);
        w->b.got_bytes = 0;
        take_request(w);
        answer(w, "", 0);
        WAIT(w, peer->opened);
        peer->fd = w->b.fd;
    }
    w->b.fd = first;
    return crowd;
}

static void crowd_turn(struct crowd *crowd)
{
    unsigned all = 0;
    for (unsigned i = 0; i < PEERS; i++)
        crowd->peers[i].in_turn = 0;
    uv_run(&crowd->w->b.loop, UV_RUN_ONCE);
    for (unsigned i = 0; i < PEERS; i++) {
        unsigned n = crowd->peers[i].in_turn;
        all += n;
        crowd->most_of_one = n > crowd->most_of_one ? n : crowd->most_of_one;
    }
    crowd->most = all > crowd->most ? all : crowd->most;
}

static void crowd_end(struct crowd *crowd)
{
    for (unsigned i = 0; i < PEERS; i++) {
        close(crowd->peers[i].fd);
        if (!crowd->peers[i].closed)
            od_peer_leave(crowd->peers[i].ws, 1000, "");
    }
    end(crowd->w);
    free(crowd);
}

static size_t put_small(uint8_t *out, unsigned number)
{
    int n = snprintf((char *)out + 2, 8, "%u", number);
    out[0] = 0x81;
    out[1] = (uint8_t)n;
    return 2 + (size_t)n;
}

static size_t put_long(uint8_t *out)
{
    memcpy(out, "\x82\x7f\0\0\0\0", 6);
    out[6] = 0;
    out[7] = LONG_BYTES >> 16;
    out[8] = LONG_BYTES >> 8 & 0xff;
    out[9] = LONG_BYTES & 0xff;
    memset(out + 10, 'L', LONG_BYTES);
    return 10 + LONG_BYTES;
}

/* All say more at once than a turn has time for: each has its part of every turn, and nothing is
 * lost nor out of its order, a long message's parts included. */
static void test_share(void **state)
{
    (void)state;
    static uint8_t text[LONG_BYTES + MESSAGES * 16];
    struct crowd *crowd = crowd_begin();
    size_t bytes = 0, sent[PEERS] = {0};
    for (unsigned i = 0; i < MESSAGES; i++) {
        if (i == MESSAGES / 2)
            bytes += put_long(text + bytes);
        bytes += put_small(text + bytes, i);
    }
    uint64_t until = uv_hrtime() + LIMIT_MS * UINT64_C(1000000);
    for (unsigned done = 0; done < PEERS && uv_hrtime() < until;) {
        unsigned least = UINT32_MAX, most = 0;
        done = 0;
        for (unsigned i = 0; i < PEERS; i++) {
            struct peer *peer = &crowd->peers[i];
            ssize_t n =
                send(peer->fd, text + sent[i], bytes - sent[i], MSG_NOSIGNAL | MSG_DONTWAIT);
            sent[i] += n > 0 ? (size_t)n : 0;
            done += peer->messages == MESSAGES;
            least = peer->messages < least ? peer->messages : least;
            most = peer->messages > most ? peer->messages : most;
        }
        /* before the long ones, which come when they come, nobody is more than three parts ahead */
        if (most < MESSAGES / 2)
            assert_in_range(most - least, 0, 9);
        crowd_turn(crowd);
    }
    for (unsigned i = 0; i < PEERS; i++) {
        assert_int_equal(crowd->peers[i].messages, MESSAGES);
        assert_int_equal(crowd->peers[i].pieces, 1);
        assert_false(crowd->peers[i].closed);
    }
    assert_in_range(crowd->most, 18, 20); /* 4 ms */
    assert_int_equal(crowd->most_of_one, 3);
    crowd_end(crowd);
}

/* Who leaves, or breaks off, in the middle of a long message hears no more of it. */
static void test_gone_in_between(void **state)
{
    (void)state;
    static uint8_t text[LONG_BYTES + 32];
    struct crowd *crowd = crowd_begin();
    size_t bytes = put_long(text), goodbye = bytes + put_small(text + bytes, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct peer *peer = &crowd->peers[i];
        for (size_t sent = 0; sent < goodbye || peer->pieces == 0; crowd_turn(crowd)) {
            ssize_t n = send(peer->fd, text + sent, goodbye - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
            sent += n > 0 ? (size_t)n : 0;
        }
        assert_in_range(peer->parts_left, 1, PARTS - 1);
        if (i == 0) {
            static char flood[5 << 20]; /* more than may be queued */
            assert_int_equal(od_peer_send(peer->ws, false, flood, sizeof flood), OD_EBUSY);
            WAIT(crowd->w, peer->closed);
        } else {
            unsigned left = peer->parts_left;
            od_peer_leave(peer->ws, 1000, "");
            peer->closed = true; /* nobody will tell */
            crowd_turn(crowd);
            assert_int_equal(peer->parts_left, left);
        }
        assert_int_equal(peer->messages, 0);
    }
    crowd_end(crowd);
}

/* The first frame of a turn goes at once; those behind it go out together. */
static void test_said_at_once(void **state)
{
    (void)state;
    struct od_peer_stats before, after;
    struct world *w = begin(&plain, true);
    take_request(w);
    answer(w, "", 0);
    WAIT(w, w->b.opened);
    bench_turn(&w->b);
    od_peer_hub_stats(w->b.hub, &before);
    for (char c = 'a'; c <= 'z'; c++) {
        assert_int_equal(od_peer_send(w->b.peer, true, &c, 1), 0);
        od_peer_hub_stats(w->b.hub, &after);
        assert_int_equal(after.writes - before.writes, 1);
    }
    WAIT(w, w->b.got_bytes >= 26 * 7);
    for (unsigned i = 0; i < 26; i++)
        assert_int_equal(w->b.got[7 * i + 6] ^ w->b.got[7 * i + 2], 'a' + i);
    od_peer_hub_stats(w->b.hub, &after);
    assert_int_equal(after.writes - before.writes, 2);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_talk),         cmocka_unit_test(test_leaving),
        cmocka_unit_test(test_gathering),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_not_there),    cmocka_unit_test(test_broken),
        cmocka_unit_test(test_share),        cmocka_unit_test(test_gone_in_between),
        cmocka_unit_test(test_said_at_once), cmocka_unit_test(test_silent_peer),
        cmocka_unit_test(test_slow_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
