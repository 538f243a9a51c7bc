/*
 * http_client - asynchronous HTTP/1.1 requests: to outside servers (webhooks, start hooks, tools)
 * and, for the command line, to our own server over TCP or a Unix socket. Connections are kept
 * alive per origin and capped; names are looked up off the loop; https verifies the server's chain
 * and name. It follows no redirects, and what a server may send is bounded in bytes, count and
 * time.
 *
 * Unless a call says allow_private, it connects only to public addresses (http_guard.h): each
 * address is checked after the look-up and then connected to as a number, so that a name can't
 * point somewhere else between check and use.
 *
 * Callbacks come from the loop, never from inside a function of this header; done exactly once per
 * call that request() took, last. From any of them every function here may be called.
 *
 * Lifetime: owned by whoever opened it; close() ends every call (OD_ECANCELED) and frees the client
 * before its callback fires.
 */
#ifndef PROTO_HTTP_HTTP_CLIENT_H
#define PROTO_HTTP_HTTP_CLIENT_H

#include <uv.h>

#include "outdial/repo.h"
#include "outdial/types.h"

struct od_http_client;
struct od_http_head;
struct od_http_identity;
struct od_http_proxy;
struct od_http_rules;

/* Numbers: 0 takes the default in brackets. Strings are copied. */
struct od_http_client_config {
    const char *user_agent;    /* ["outdial"] */
    const char *ca_file;       /* PEM file of trusted authorities; [NULL: the system's] */
    const char *extra_ca_file; /* authorities trusted besides; [NULL: none] */
    const struct od_http_identity *identities; /* certificates of ours (http_tls.h); copied */
    size_t identity_count;
    const struct od_http_proxy *proxy; /* [NULL: none]; copied */
    const struct od_http_rules *rules; /* of the guard; [NULL: none]. With rules, ports are judged
                                          for calls with allow_private too. Copied */
    uint32_t connections_max;          /* [256] */
    uint32_t per_origin_max;           /* [16] connections to one scheme, host and port */
    uint32_t calls_max;                /* [4096] waiting and running */
    uint32_t waiting_per_origin_max;   /* [1024] calls that wait for a connection to one origin */
    uint32_t idle_ms;                  /* [30,000] keep-alive of an unused connection */
    uint32_t connect_ms;               /* [5,000] per address, TLS included */
    uint32_t dns_ttl_ms;               /* [30,000] found names are believed for so long */
    uint32_t family_ms;                /* [50] IPv4 addresses wait for IPv6 ones (RFC 8305) */
    char *why;                         /* OD_EINVAL of open(): which file is wrong; may be NULL */
    size_t why_bytes;
};

/* A call of this client; a stale id finds nothing. gen 0 is never alive. */
struct od_http_call_id {
    uint32_t index, gen;
};

/* What came back. Borrowed until the callback returns. */
struct od_http_answer {
    int status;       /* 200..599; 0: none came */
    const char *body; /* NULL when on_data took it */
    size_t bytes;
    const char *why; /* when err != 0: a short text for logs ("connection refused"); else "" */
    const struct od_http_head *headers; /* for od_http_answer_header(); may be NULL */
};

/* err: OD_OK with a complete answer of any status; OD_EDOWN not reachable (name, connect, TLS, cut
 * before the answer began); OD_ETIMEOUT; OD_EPROTO a broken or cut answer; OD_ETOOBIG; OD_EDENIED a
 * forbidden address; OD_ECANCELED; OD_ENOMEM. After OD_ETIMEOUT, OD_EPROTO and OD_EDOWN the effect
 * on the other side is unknown. */
typedef void (*od_http_done_fn)(void *ctx, int err, const struct od_http_answer *answer);

#define OD_HTTP_NO_DEADLINE UINT64_MAX

/* A request to make. Everything is copied but ctx. */
struct od_http_call {
    const char *method;       /* "GET", "POST", ...; NULL: GET */
    const char *url;          /* "http://host[:port]/path?query", "https://...",
                                 "unix:/path/of/socket:/path?query" */
    const char *headers;      /* NULL or "Name: value\r\n..." lines; not Host, Content-Length,
                                 Transfer-Encoding, Connection, User-Agent, Proxy-Authorization */
    const char *content_type; /* NULL: no such header */
    const void *body;
    size_t body_bytes;
    bool stream_body; /* the body comes by od_http_call_write(), chunked; body is not looked at */
    uint64_t deadline_ms;     /* whole call, absolute from request(); 0: 30,000 */
    bool deadline_from_start; /* the deadline runs from when a connection is free for the call */
    uint32_t idle_ms;         /* longest time with no byte either way once connected; 0: any */
    uint64_t response_max;    /* body bytes; 0: 1 MiB, or no limit when on_data is set */
    bool allow_private;       /* also loopback, private and link-local addresses, and unix: */

    /* A connection is there, and nothing has been sent: whether it is still to be. false: the call
     * ends with OD_ECANCELED. Asked again when the request is repeated. NULL: always. May not call
     * the client. */
    bool (*may_go)(void *ctx);
    /* The final status and headers are there; may be NULL. answer->body is NULL. */
    void (*on_head)(void *ctx, const struct od_http_answer *answer);
    /* Pieces of the body as they come, for streams; NULL: gathered for on_done. */
    void (*on_data)(void *ctx, const char *data, size_t bytes);
    /* With stream_body: room for more. Comes when the request's head is out, and again each time
     * the queue has become empty, until od_http_call_finish(). */
    void (*on_writable)(void *ctx, struct od_http_call_id id);
    od_http_done_fn on_done; /* not NULL */
    void *ctx;
};

/* OD_ENOMEM; OD_EIO: no TLS (the CA file can't be read); OD_EINVAL: the user agent, or a file of
 * extra_ca_file or identities. */
int od_http_client_open(struct od_http_client **out, uv_loop_t *loop,
                        const struct od_http_client_config *config);

/* Other rules from now on, for connections yet to be made; of a client that was opened with some.
 */
void od_http_client_rules(struct od_http_client *client, const struct od_http_rules *rules);

/* Takes the call. OD_EINVAL: url, method or headers break the rules; OD_EBUSY: calls_max or
 * waiting_per_origin_max; OD_ENOMEM. Then no callback comes. id may be NULL. */
int od_http_client_request(struct od_http_client *client, const struct od_http_call *call,
                           struct od_http_call_id *id);

/* A piece of a streamed body, from on_writable on. Returns the bytes queued and not yet taken by
 * the kernel (stop above OD_HTTP_WRITE_HIGH and wait for on_writable), or OD_ENOENT when the call
 * is over or not writable yet, OD_EBUSY when OD_HTTP_WRITE_MAX are queued already (nothing taken).
 */
enum { OD_HTTP_WRITE_HIGH = 256 * 1024, OD_HTTP_WRITE_MAX = 4 * 1024 * 1024 };
int64_t od_http_call_write(struct od_http_client *client, struct od_http_call_id id,
                           const void *data, size_t bytes);
/* The streamed body is complete. */
void od_http_call_finish(struct od_http_client *client, struct od_http_call_id id);

/* Ends the call with OD_ECANCELED soon; nothing when it is over already. */
void od_http_call_cancel(struct od_http_client *client, struct od_http_call_id id);

/* The first header of that name (any case); false when there is none. */
bool od_http_answer_header(const struct od_http_answer *answer, const char *name,
                           struct od_text *value);

/* Joins a base ("http://host:port", "http://host/prefix/", "unix:/path") and a path that begins
 * with
 * '/' to a URL. OD_ETOOBIG when it does not fit. */
int od_http_url_join(const char *base, const char *path, char *out, size_t size);

struct od_http_client_stats {
    uint32_t calls, waiting, connections, idle;                              /* now */
    uint64_t requests, answers, failures, connects, reused, denied, lookups; /* since open */
};
void od_http_client_stats(const struct od_http_client *client, struct od_http_client_stats *out);

/* Ends everything. fn (may be NULL) fires once, from the loop, after the last callback. */
void od_http_client_close(struct od_http_client *client, void (*fn)(void *ctx), void *ctx);

#endif
