/*
 * http_hub - the server's connections, without the listening: what they share, how one lives, and
 * the exchange it carries. Private to proto/http (server, tests and fuzz targets, which bring
 * streams of their own).
 *
 * Glossary
 *   hub       what all connections of one server share.
 *   turn      one go at a connection's input, from a callback of the loop; ends when the input is
 *             used up or something must be waited for.
 *   stash     input that was read and can't be looked at yet: a pipelined request, a paused body.
 *   linger    our side is shut, what the client still sends is swallowed for a short time, so that
 *             the kernel does not answer it with a reset that would destroy our last answer.
 *
 * Lifetime: a connection owns its stream; it is freed in the stream's closed(), which is also where
 * an exchange that was cut hears its closed().
 */
#ifndef PROTO_HTTP_HTTP_HUB_H
#define PROTO_HTTP_HTTP_HUB_H

#include "engine/base/rng.h"
#include "proto/http/http_bytes.h"
#include "proto/http/http_deadline.h"
#include "proto/http/http_later.h"
#include "proto/http/http_request.h"
#include "proto/http/http_server.h"
#include "proto/http/http_stream.h"
#include "proto/http/http_text.h"

enum { OD_HTTP_PEER_MAX = 48 };

struct od_http_hub {
    uv_loop_t *loop;
    struct od_http_server_config config; /* every number filled in; listen NULL */
    struct od_http_handler handler;
    struct od_http_deadlines deadlines;
    struct od_http_laters laters;
    struct od_http_server_stats stats;
    struct od_http_conn *conns; /* all, doubly linked */
    struct od_rng ids;          /* of request ids */
    bool draining;
    time_t date_at;
    char date[OD_HTTP_DATE_BYTES];
    unsigned handles;             /* timer and idle handle not closed yet */
    void (*on_empty)(void *ctx);  /* the last connection went; may be NULL */
    void (*on_closed)(void *ctx); /* after od_http_hub_close() */
    void *ctx;
};

enum od_http_phase {
    OD_HTTP_IDLE,    /* nothing of a request has come */
    OD_HTTP_READING, /* some of its head has */
    OD_HTTP_TAKING,  /* its body is coming */
    OD_HTTP_WAITING, /* no more of it is read; the answer is to be given or taken */
    OD_HTTP_LINGERING,
    OD_HTTP_CLOSING,
};

enum od_http_answering { OD_HTTP_UNANSWERED, OD_HTTP_STREAMING, OD_HTTP_ANSWERED };

/* One request and its answer: what the handler sees, and behind it what we know of it. */
struct od_http_job {
    struct od_exchange x; /* first: ops get this address */
    struct od_http_conn *conn;
    uint64_t limit, received; /* of the body */
    struct od_http_bytes body;
    uint8_t mode;      /* enum od_body_mode */
    uint8_t answering; /* enum od_http_answering */
    bool complete;     /* the request has been read to its end */
    bool cut;          /* the rest of the request won't be read */
    bool keep;         /* the connection stays when this is done */
    bool paused;
    bool continue_due;      /* the client waits for "100 Continue" */
    bool chunked, bodyless; /* of the answer */
    char request_id[OD_HTTP_REQUEST_ID_MAX + 1];
};

struct od_http_conn {
    struct od_http_hub *hub;
    struct od_http_stream *stream;
    struct od_http_conn *next, *prev;
    struct od_http_request request;
    struct od_http_job *job; /* NULL between requests */
    const char *in;          /* input of the present turn */
    size_t in_bytes;
    struct od_http_bytes stash;
    struct od_http_deadline read_wait, write_wait;
    struct od_http_later later;
    uint64_t window_bytes; /* of the body in the present window, or swallowed while lingering */
    uint64_t taken_mark;   /* what the kernel had taken when the present write window began */
    uint8_t phase;         /* enum od_http_phase */
    bool fresh;            /* no request has come yet */
    bool eof, in_turn, rearm;
    char peer[OD_HTTP_PEER_MAX];
};

/* config's zeros become the defaults; the handler is copied. */
void od_http_hub_init(struct od_http_hub *hub, uv_loop_t *loop,
                      const struct od_http_server_config *config,
                      const struct od_http_handler *handler);
void od_http_hub_drain(struct od_http_hub *hub);
/* Cuts every connection. */
void od_http_hub_cut(struct od_http_hub *hub);
/* No connection may be left. hub->on_closed fires. */
void od_http_hub_close(struct od_http_hub *hub);

/* Takes the stream, whose user and ctx it sets, and begins to read. OD_ENOMEM: the stream is still
 * the caller's. */
int od_http_conn_open(struct od_http_hub *hub, struct od_http_stream *stream, const char *peer);

/* Between http_hub.c, http_conn.c and http_answer.c. */
extern const struct od_http_ops od_http_answer_ops;
void od_http_conn_expired(void *hub, struct od_http_deadline *entry);
void od_http_conn_later(void *hub, struct od_http_later *entry);
void od_http_conn_cut(struct od_http_conn *conn);   /* close at once */
void od_http_conn_touch(struct od_http_conn *conn); /* a turn is needed; takes none itself */
void od_http_conn_wrote(struct od_http_conn *conn); /* something was queued: watch it being taken */
/* Writes an error answer of the server's own. job NULL: the request has none yet. */
int od_http_answer_refuse(struct od_http_conn *conn, struct od_http_job *job, int status);
void od_http_request_id_make(struct od_http_hub *hub, char out[OD_HTTP_REQUEST_ID_MAX + 1]);

#endif
