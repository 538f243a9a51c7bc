/*
 * http_client_priv - the client's insides, shared by http_call.c (what is asked), http_client.c
 * (calls, origins, the queue) and http_link.c (one connection and the call on it).
 *
 * Glossary
 *   origin    scheme, host, port and whether private addresses are allowed: what connections can be
 *             shared for.
 *   link      a connection to an origin, which carries one call at a time.
 *
 * Lifetime: calls are freed in od_http_call_end(); links when their stream is closed; origins when
 * they have neither calls nor links.
 */
#ifndef PROTO_HTTP_HTTP_CLIENT_PRIV_H
#define PROTO_HTTP_HTTP_CLIENT_PRIV_H

#include "proto/http/http_client.h"
#include "proto/http/http_dial.h"
#include "proto/http/http_later.h"
#include "proto/http/http_response.h"

/* Lanes of the client's deadlines. */
enum { OD_HTTP_LANE_CALL, OD_HTTP_LANE_SILENCE, OD_HTTP_LANE_KEEP };

struct od_http_link;

struct od_http_origin {
    struct od_http_client *client;
    struct od_http_origin *next, *prev;
    struct od_http_url url; /* without its target */
    bool allow_private;
    bool by_proxy; /* its requests are the proxy's to forward, in absolute form */
    struct od_http_request_call *first, *last; /* waiting for a connection */
    uint32_t waiting;
    uint32_t links;            /* being dialled, in use and idle */
    struct od_http_link *idle; /* the one used last first */
    struct od_http_later later;
};

enum od_http_call_state { OD_HTTP_CALL_WAITING, OD_HTTP_CALL_DIALING, OD_HTTP_CALL_RUNNING };

struct od_http_request_call {
    struct od_http_client *client;
    struct od_http_origin *origin;
    struct od_http_request_call *next, *prev; /* among the waiting */
    struct od_http_call_id id;
    uint8_t state; /* enum od_http_call_state */

    /* the request */
    struct od_http_bytes head, body;
    bool is_head, repeatable, stream_body, finished; /* finished: the whole body was given */
    bool retried;
    bool deadline_from_start;
    uint64_t deadline_ms, response_max;
    uint32_t idle_ms;

    struct od_http_dial *dial;
    struct od_http_link *link;
    struct od_http_deadline deadline, silence;
    struct od_http_later later;
    int ending; /* the error to end with soon; 0: none */

    /* the answer */
    struct od_http_bytes answer;
    uint64_t answer_bytes;

    bool (*may_go)(void *ctx);
    void (*on_head)(void *ctx, const struct od_http_answer *answer);
    void (*on_data)(void *ctx, const char *data, size_t bytes);
    void (*on_writable)(void *ctx, struct od_http_call_id id);
    od_http_done_fn on_done;
    void *ctx;
};

struct od_http_link {
    struct od_http_client *client;
    struct od_http_origin *origin;
    struct od_http_stream *stream;
    struct od_http_response response;
    struct od_http_request_call *call; /* NULL: idle */
    struct od_http_link *next, *prev;  /* among the idle */
    struct od_http_deadline keep;
    uint32_t calls; /* carried so far, the present one included */
    bool closing;
};

struct od_http_slot {
    struct od_http_request_call *call;
    uint32_t gen;
    uint32_t next_free; /* UINT32_MAX: none */
};

struct od_http_client {
    uv_loop_t *loop;
    struct od_http_client_config config; /* every number filled in; strings NULL */
    char *user_agent;
    struct od_http_rules rules; /* used when the configuration had some */
    struct od_http_proxy proxy; /* likewise */
    struct od_http_plain_set plain;
    struct od_http_tls *tls;
    struct od_http_dialer dialer;
    struct od_http_deadlines deadlines;
    struct od_http_laters origin_laters, call_laters;
    struct od_http_origin *origins;
    struct od_http_slot *slots;
    uint32_t free_slot;
    uint32_t links;
    struct od_http_client_stats stats;
    bool closing;
    bool running; /* an origin's queue is being worked on: nothing of it may be freed */
    unsigned open_parts;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* The definition keeps the rules; the URL is read apart. */
bool od_http_call_ok(const struct od_http_call *def, const char *method);
/* Neither queued nor in a slot yet. NULL: no memory. */
struct od_http_request_call *od_http_call_create(struct od_http_origin *origin,
                                                 const struct od_http_call *def, const char *method,
                                                 const struct od_http_url *url);
void od_http_call_free(struct od_http_request_call *call);

/* A stream to the origin of a call is there: the link begins with this call. */
void od_http_link_open(struct od_http_request_call *call, struct od_http_stream *stream);
/* An idle link takes the call. */
void od_http_link_take(struct od_http_link *link, struct od_http_request_call *call);
void od_http_link_close(struct od_http_link *link);
int64_t od_http_link_write(struct od_http_link *link, const void *data, size_t bytes);
void od_http_link_finish(struct od_http_link *link);

/* From a link: the call on it is over. The link is closed, or idle already. */
void od_http_call_end(struct od_http_request_call *call, int err, const char *why,
                      const struct od_http_response *response);
/* From a link: it broke before anything of an answer came, on a connection that had served before;
 * true when the call is queued again. */
bool od_http_call_again(struct od_http_request_call *call);
/* Something may be done for the origin's calls, or it may be of no more use. */
void od_http_origin_touch(struct od_http_origin *origin);
/* A connection to the origin has ended or become idle: its calls may go on, and others'. */
void od_http_place_free(struct od_http_origin *origin);
/* The last handle may be closed: the client may go. */
void od_http_client_settle(struct od_http_client *client);

#endif
