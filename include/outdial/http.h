/*
 * http - the seam between the HTTP server (proto/http) and the resource model (engine/api): one
 * exchange is a request and its answer. The server knows no route; the API knows no socket.
 *
 * Life of an exchange: the server calls handler.head() when the headers are complete; the handler
 * says how it wants the body. Buffered: the server gathers it (413 by itself beyond the limit) and
 * calls handler.body() once with all of it and `last`. Streamed: handler.body() is called with
 * pieces as they come, `last` with the final (maybe empty) one; pause() stops reading from the
 * client until resume(). The handler answers exactly once: respond(), or begin() write()* finish().
 * It may answer at any time from head() on, also much later. handler.closed() comes exactly once,
 * last: after the answer is flushed or the client has gone; from then on the exchange is dead.
 */
#ifndef OUTDIAL_HTTP_H
#define OUTDIAL_HTTP_H

#include "outdial/repo.h"
#include "outdial/types.h"

struct od_exchange;

enum od_body_mode { OD_BODY_BUFFER, OD_BODY_STREAM, OD_BODY_NONE };

struct od_http_ops {
    /* headers: NULL or "Name: value\r\n..." lines. content_type NULL: no body. The body is copied.
     */
    void (*respond)(struct od_exchange *x, int status, const char *content_type,
                    const char *headers, const void *body, size_t bytes);
    void (*begin)(struct od_exchange *x, int status, const char *content_type, const char *headers);
    /* Returns bytes queued and not yet taken by the kernel, for backpressure. */
    size_t (*write)(struct od_exchange *x, const void *data, size_t bytes);
    void (*finish)(struct od_exchange *x);
    void (*pause)(struct od_exchange *x);
    void (*resume)(struct od_exchange *x);
};

struct od_exchange {
    const struct od_http_ops *ops;
    void *user; /* the handler's own */

    /* the request; strings live as long as the exchange */
    const char *method; /* "GET" */
    const char *path;   /* percent-decoded, no query, normalised: no "//", "." or ".." survives */
    const char *query;  /* raw, without '?'; "" when none */
    const char *request_id;  /* client's X-Request-Id when well-formed, else made by the server */
    const char *peer;        /* numeric address, for limits and logs */
    uint64_t content_length; /* UINT64_MAX: unknown (chunked) */
    bool (*header)(const struct od_exchange *x, const char *name, struct od_text *value);
};

struct od_http_refusal {
    int status;
    const char *path;       /* as sent, as much of it as had come; "": none had */
    const char *request_id; /* made by the server */
};

struct od_http_handler {
    void *ctx;
    /* Returns the mode; *limit is the largest body it accepts (preset by the server: 1 MiB). The
     * handler may already have answered: then the rest of the request is drained or cut. */
    enum od_body_mode (*head)(void *ctx, struct od_exchange *x, uint64_t *limit);
    void (*body)(void *ctx, struct od_exchange *x, const char *data, size_t bytes, bool last);
    void (*closed)(void *ctx, struct od_exchange *x);
    /* The client broke a rule in the middle of a request: a body over the limit (413), framed wrong
     * (400), or too slow (408); its rest won't be read. Called when the handler has not answered
     * yet, so that the error can speak its dialect; when it doesn't answer, the server does. May be
     * NULL. */
    void (*refuse)(void *ctx, struct od_exchange *x, int status);
    /* A request that the server refuses before it is an exchange, its head being malformed (400,
     * 417, 501, 505), too large (414, 431) or too slow (408): writes the document to answer with
     * into out, as a string, and returns its media type. The server answers by itself when this is
     * NULL, returns NULL, or in a state of its own (500, 503). */
    const char *(*malformed)(void *ctx, const struct od_http_refusal *refusal, char *out,
                             size_t size);
};

#endif
