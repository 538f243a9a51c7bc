/*
 * peer_bench - what the tests of connections to agents share: a client on a loop of its own, and
 * the other end of its connection as one raw socket, which says what the test wants said and keeps
 * what it gets.
 */
#ifndef TESTS_UNIT_PEER_BENCH_H
#define TESTS_UNIT_PEER_BENCH_H

#include "proto/ws/peer.h"

enum { LIMIT_MS = 10000, GOT_MAX = 1 << 20 };

/* The first member of a test's world, which is the ctx of its callbacks. */
struct peer_bench {
    uv_loop_t loop;
    uv_timer_t pulse;
    struct od_peer_hub *hub;
    struct od_peer *peer;
    int listening, fd; /* fd < 0: not accepted yet, or closed by the test */
    char url[96];
    uint8_t *got; /* by the server */
    size_t got_bytes;
    bool gone; /* the client's end was seen */
    bool opened, closed, hub_closed;
    struct od_peer_end end;
    char why[200];
};

/* The socket listens and the hub is open; nothing is dialled. `listening` is bound. */
void bench_open(struct peer_bench *b, int listening, const struct od_peer_hub_config *config);
void bench_close(struct peer_bench *b);

/* A socket that is bound to a port of 127.0.0.1. */
int bench_tcp(uint16_t *port);

/* of struct od_peer_user */
void bench_opened(void *ctx);
void bench_closed(void *ctx, const struct od_peer_end *end);

/* One turn of the loop, and what has come is taken. */
void bench_turn(struct peer_bench *b);

#define WAIT(w, condition)                                                                         \
    do {                                                                                           \
        uint64_t until = uv_hrtime() + LIMIT_MS * UINT64_C(1000000);                               \
        while (!(condition) && uv_hrtime() < until)                                                \
            bench_turn(&(w)->b);                                                                   \
        assert_true(condition);                                                                    \
    } while (0)

#endif
