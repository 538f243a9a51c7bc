/*
 * request - one exchange on its way through the API, and the API's own state. Private to
 * engine/api.
 *
 *   head() -> route found -> key looked up -> (allowed) body gathered -> route's function -> answer
 *
 * Answering is the last thing done to a request: the exchange may be closed, and the request freed,
 * before the answering function returns. A repo call is bracketed by od_request_out() and, first
 * thing in its callback, od_request_back(): a request whose client has gone is kept until the last
 * of its repo calls has come back, and is told from the others by back() returning false.
 *
 * Lifetime: made in head(), freed when the exchange is closed and no repo call is under way.
 */
#ifndef ENGINE_API_REQUEST_H
#define ENGINE_API_REQUEST_H

#include <yyjson.h>

#include "engine/api/api.h"
#include "engine/api/auth.h"
#include "engine/api/dasha_shape.h"
#include "engine/api/problem.h"
#include "engine/api/query.h"
#include "engine/api/rate.h"
#include "engine/api/route.h"
#include "outdial/http.h"

enum {
    OD_PAGE_DEFAULT = 50,
    OD_PAGE_MAX = 1000,
};

struct od_agent_page;
struct od_bulk;
struct od_download;
struct od_import;
struct od_once;
struct od_streams;
struct od_way_out;

struct od_api {
    struct od_repo_port repo;
    struct od_guard_port guard;
    struct od_outbox_port outbox;
    struct od_api_host host;
    struct od_dasha_shapes shapes;
    uint32_t calls_max;
    bool dasha_running; /* "Running" where the pages say "InProgress" */
    struct od_auth auth;
    struct od_http_handler handler;
    struct od_streams *streams;    /* sse.c */
    struct od_download *downloads; /* download.c: those that wait for their client */
    struct od_rates *rates;
    uint32_t rate_per_key, rate_per_address;
    uint64_t body_bytes_max, import_bytes_max;
    char *openapi; /* made when asked for first; openapi.c */
    size_t openapi_bytes;
    bool draining;
    uint32_t requests;    /* alive, for destroy */
    uint64_t answered[6]; /* by the status's first digit */
};

struct od_request {
    struct od_api *api;
    struct od_exchange *x; /* NULL: closed */
    struct od_route_match at;
    struct od_identity who;
    struct od_rate_state rate; /* of the limit that is nearest to its end */
    uint8_t key_hash[32];
    unsigned out; /* repo calls under way */
    bool authorised, complete, answered;
    bool
        cut; /* the server gave it up in the middle: it is answered at once, whatever once.h says */

    /* routes that take a document: its text, and the same read */
    char *text;
    size_t text_bytes;
    yyjson_doc *body;

    struct od_once *once;         /* came with an Idempotency-Key (once.c) */
    uint32_t key_generation;      /* auth.h, when the key was asked for */
    struct od_import *import;     /* routes that take rows (import.c) */
    struct od_stream *stream;     /* event streams (sse.c) */
    struct od_agent_page *page;   /* agents with what they lead to (agent_page.c) */
    struct od_way_out *ways;      /* numbers and credentials that a call may name (way_out.c) */
    struct od_bulk *bulk;         /* a streamed array of calls (bulk.c) */
    struct od_download *download; /* recordings (download.c); is `work` too */
    void *work;                   /* the route's own; freed with free() */
    void (*work_free)(void *);    /* frees what work points to, before it; NULL: nothing */
};

/* ---- answering; each ends the request for its caller ---- */

/* Takes the document, which may be NULL (no memory: 500). headers as in http.h. */
void od_request_answer(struct od_request *q, int status, yyjson_mut_doc *doc, const char *headers);
void od_request_answer_text(struct od_request *q, int status, const char *type, const char *text,
                            size_t bytes);
/* With headers of its own, as in http.h. */
void od_request_answer_page(struct od_request *q, const char *type, const char *headers,
                            const char *text, size_t bytes);
void od_request_answer_empty(struct od_request *q, int status);
/* 308, for good: there. */
void od_request_answer_moved(struct od_request *q, const char *path);
void od_request_problem(struct od_request *q, int status, const char *code, const char *detail, ...)
    __attribute__((format(printf, 4, 5)));
/* 400: the document breaks its rules. */
void od_request_faults(struct od_request *q, const struct od_faults *faults);
/* 400 with one fault. */
void od_request_fault(struct od_request *q, const char *pointer, const char *detail);
/* What the repo said; `what` names the thing ("campaign"). */
void od_request_err(struct od_request *q, int err, const char *what);
/* Sends without another look at once.h; the request is marked as answered already. */
void od_request_send(struct od_request *q, int status, const char *type, const char *headers,
                     const char *body, size_t bytes);
/* For problems with members of their own. headers: NULL, or as in http.h. */
yyjson_mut_doc *od_request_problem_doc(struct od_request *q, int status, const char *code,
                                       const char *detail);
void od_request_answer_problem(struct od_request *q, int status, yyjson_mut_doc *doc,
                               const char *headers);

/* ---- repo calls ---- */

void od_request_out(struct od_request *q);
/* False: the client has gone; the callback returns without touching q. */
bool od_request_back(struct od_request *q);

/* ---- reading ---- */

/* limit and cursor of a list; false: answered 400. */
bool od_request_page(struct od_request *q, uint32_t *limit, uint64_t *cursor);
/* Begins the answer to it: {"data": [..]}, the list being *data. NULL: answered, because of err
 * (about `what`) or for want of memory. */
yyjson_mut_doc *od_request_page_doc(struct od_request *q, int err, const char *what,
                                    yyjson_mut_val **data);
/* Answers with what was begun. next_cursor 0: nothing comes after this page. */
void od_request_page_answer(struct od_request *q, yyjson_mut_doc *doc, uint64_t next_cursor);
/* skip and take of a list (take 1..1000); false: answered 400. */
bool od_request_skip_take(struct od_request *q, uint32_t take_default, uint32_t *skip,
                          uint32_t *take);
/* True for the name of a time zone. */
bool od_request_zone_ok(struct od_request *q, const char *zone);
/* Wall time now. */
int64_t od_request_wall_ms(struct od_request *q);
/* A new one, and fresh random bytes. Under an Idempotency-Key they are the same when the request is
 * done again (once.h): ids and secrets of what a request makes come from here, in an order that
 * follows from the request alone. */
struct od_uid od_request_uid(struct od_request *q);
void od_request_random(struct od_request *q, void *out, size_t bytes);

#endif
