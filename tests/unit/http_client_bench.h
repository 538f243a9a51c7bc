/*
 * http_client_bench - what the tests of the HTTP client share: a server that answers by a script, a
 * caller that notes what it hears, a client in a loop of its own.
 */
#ifndef TESTS_UNIT_HTTP_CLIENT_BENCH_H
#define TESTS_UNIT_HTTP_CLIENT_BENCH_H

#include "http_support.h"
#include "proto/http/http_client.h"

/* What scripts are made of. */
#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"
#define GOOD                                                                                       \
    {                                                                                              \
        .before = OK "Content-Length: 5\r\n\r\nagain"                                              \
    }

enum then { HOLD, CLOSE, RESET };

struct script {
    const char *before; /* sent once a request's head has come; NULL: nothing */
    const char *piece;  /* then this, `pieces` times or until the client is gone */
    unsigned pieces;
    unsigned pause_ms; /* between pieces */
    const char *after;
    enum then then;
    bool at_accept; /* does not wait for a request */
};

struct peer {
    uv_tcp_t listener;
    uv_loop_t *loop;
    const struct script *scripts; /* by request, the last one again and again */
    unsigned script_count, requests, accepted, open;
    uint16_t port;
    char seen[65536]; /* the last request, as far as it fits */
    uint64_t seen_bytes;
};

extern const struct script good;

void peer_open(struct peer *peer, uv_loop_t *loop, const struct script *scripts, unsigned count);
void peer_close(struct peer *peer);
void url_of(const struct peer *peer, const char *path, char out[128]);

/* The caller's side */

struct heard {
    unsigned dones, heads, writables;
    int err, status;
    char body[4096];
    char why[128], type[64];
    size_t bytes;
    uint64_t streamed;
    struct od_http_client *client;
    struct od_http_call_id id;
    bool cancel_on_data;
};

struct fixture {
    uv_loop_t loop;
    struct od_http_client *client;
    bool closed;
};

void on_done(void *ctx, int err, const struct od_http_answer *answer);
bool is_done(void *ctx);
void open_client(struct fixture *f, struct od_http_client_config config);
void client_closed(void *ctx);
bool is_closed(void *ctx);
void close_client(struct fixture *f);
void close_loop(struct fixture *f);

#endif
