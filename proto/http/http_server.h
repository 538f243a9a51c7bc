/*
 * http_server - the HTTP/1.1 server: listens, reads requests, hands each to the handler of
 * outdial/http.h as an exchange, and writes the answer. It knows no route and never blocks. What a
 * client may send is bounded in bytes, in number and in time; a client that breaks the rules gets
 * one error answer (application/problem+json) where HTTP has one for it, and is cut off.
 *
 * One exchange per connection at a time: pipelined requests wait in the socket and are answered in
 * order. An idle connection costs one small struct; buffers come with the first byte of a request
 * and go with its exchange.
 *
 * Lifetime: owned by whoever opened it; close() ends every exchange (handler.closed() is called for
 * each) and frees the server before its callback fires. The loop, and what the handler points to,
 * must outlive that callback.
 */
#ifndef PROTO_HTTP_HTTP_SERVER_H
#define PROTO_HTTP_HTTP_SERVER_H

#include <uv.h>

#include "outdial/http.h"

struct od_http_server;

/* Numbers: 0 takes the default in brackets. Strings are copied. */
struct od_http_server_config {
    const char *listen; /* "127.0.0.1:8080", "[::1]:0" (0: any free port), "unix:/path" */
    const char *tls_cert, *tls_key; /* PEM files, both or NULL; read again when they change */
    void (*log)(void *ctx, bool trouble, const char *text); /* of the files; may be NULL */
    void *log_ctx;

    uint32_t connections_max;       /* [20,000] more are answered 503 and closed */
    uint32_t header_bytes_max;      /* [16 KiB] 256..60,000: request line and headers; else 431 */
    uint32_t target_bytes_max;      /* [8 KiB] path and query; else 414 */
    uint64_t body_bytes_max;        /* [1 MiB] preset of head()'s *limit; else 413 */
    uint32_t write_queue_bytes_max; /* [4 MiB] a streamed answer that piles up more is cut */

    uint32_t idle_ms;   /* [60,000] between requests */
    uint32_t head_ms;   /* [10,000] from the first byte of a request (the first time: from the
                           connection) to the end of its headers, absolute; else 408 */
    uint32_t linger_ms; /* [2,000] how long a refused client's bytes are still swallowed, so that
                           it can read why */
    /* A body that comes, or an answer that is taken, slower than this over a whole window ends the
     * connection (a body: 408). Time in which the handler paused the client does not count. */
    uint32_t rate_window_ms;       /* [10,000] */
    uint32_t rate_bytes_per_s_min; /* [512] */
};

struct od_http_server_stats {
    uint32_t connections, exchanges; /* now */
    uint64_t accepted, requests;     /* since open */
    uint64_t answers[6];             /* by first digit of the status */
    uint64_t refused;                /* over connections_max */
    uint64_t bad;                    /* requests the server itself answered 4xx, 5xx */
    uint64_t timeouts;               /* cut for slowness or idleness */
    uint64_t overruns;               /* cut for write_queue_bytes_max */
    uint64_t accept_failed;          /* no descriptor or memory for a connection */
    uint64_t odd;                    /* the handler answered twice, or after the end */
};

/* Listens. OD_EINVAL, OD_EDENIED, OD_EBUSY (address in use), OD_EIO, OD_ENOMEM: `why` (of
 * why_bytes) says it in a line. The handler is copied. */
int od_http_server_open(struct od_http_server **out, uv_loop_t *loop,
                        const struct od_http_server_config *config,
                        const struct od_http_handler *handler, char *why, size_t why_bytes);

/* Reads the certificate's files again now. */
void od_http_server_reload(struct od_http_server *server);

/* The TCP port listened on; 0 for a Unix socket. */
uint16_t od_http_server_bound_port(const struct od_http_server *server);

void od_http_server_stats(const struct od_http_server *server, struct od_http_server_stats *out);

/* No new connections, idle ones are closed, answers under way finish with "Connection: close". fn
 * (may be NULL) fires once, from the loop, when no connection is left; not when close() comes
 * before that. To be called once. */
void od_http_server_drain(struct od_http_server *server, void (*fn)(void *ctx), void *ctx);

/* Cuts everything. fn fires once, from the loop, after the last callback of this server. */
void od_http_server_close(struct od_http_server *server, void (*fn)(void *ctx), void *ctx);

#endif
