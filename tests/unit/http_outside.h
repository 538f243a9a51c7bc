/*
 * http_outside - the world outside, for tests of how a destination is reached: names, addresses
 * that answer, refuse or say nothing, a client that asks, a peer that answers with a script.
 *
 * Method: getaddrinfo() and connect() are this program's own (its symbols have to be exported), so
 * that every look-up is answered by the test and every connect is seen, and led to a socket of this
 * machine.
 */
#ifndef TESTS_UNIT_HTTP_OUTSIDE_H
#define TESTS_UNIT_HTTP_OUTSIDE_H

#include "http_support.h"

#include <netinet/in.h>
#include <pthread.h>

#include "proto/http/http_client.h"

enum way { REFUSES, ANSWERS, SILENT };

/* Which family's answer comes first, each kept back until the loop has had the other; or one that
 * is kept back until the test lets it go. */
enum order { FOUR_FIRST, SIX_FIRST, NO_FOUR, NO_SIX };

/* Every connect() that was tried, and how many names were looked up. */
struct seen {
    char text[INET6_ADDRSTRLEN];
    uint64_t at_ms;
};
extern struct seen seen[32];
extern unsigned seen_count, lookups;

/* Of a test group: a listener whose queue is full, so what connects to it hears nothing. */
int open_silence(void **state);
int close_silence(void **state);

/* What connects to an address meets; of those not set, refusal. port: where it leads, 0: the port
 * asked for. */
void set_world(size_t at, const char *text, enum way way, uint16_t port);
void clear_world(void);

void set_order(enum order order);
void release_answer(void);
/* Whether an answer was kept back until nobody waited for it any more. */
bool was_released_late(void);
/* Waits until the loop has taken an answer of IPv4 (0) or IPv6 (1), and what comes of it. */
void wait_had(unsigned six);

/* What the client's latest request came to. */
struct heard {
    bool done, closed;
    int err, status;
    char why[128], body[256];
};
extern uv_loop_t loop;
extern struct od_http_client *client;
extern struct heard heard;

void open_client(struct od_http_client_config config);
void shut_client(void);  /* its requests are over */
void close_client(void); /* so is the loop */
void begin_ask(const char *url, bool allow_private);
void wait_done(void);
void ask(const char *url, bool allow_private);
void ask_port(const char *scheme, const char *host, uint16_t port);

/* A peer that answers with a script, on a thread of its own. */
struct peer {
    int fd;
    uint16_t port, onward; /* onward: a tunnel leads there */
    const char *answer;    /* "tunnel": a tunnel; NULL: none, the connection stays; "": it closes */
    pthread_t thread;
    unsigned connections;
    char seen[4096]; /* the last head */
};

void peer_open(struct peer *peer, const char *answer, uint16_t onward);
void peer_close(struct peer *peer);

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine"

#endif
