/*
 * http_request - reads HTTP/1.x requests from bytes as they come (the pure half of the server). It
 * bounds heads, trailers and chunk framing, and refuses what two readers could understand
 * differently; llhttp runs with nothing lenient.
 *
 * The caller pulls: step() looks at the bytes it is given and returns with the first thing that
 * needs a decision. Nothing is called back.
 *
 * Lifetime: embedded in a connection. The head of a message is made when it begins and is the
 * reader's until next() or free().
 */
#ifndef PROTO_HTTP_HTTP_REQUEST_H
#define PROTO_HTTP_HTTP_REQUEST_H

#include <llhttp.h>

#include "proto/http/http_head.h"

enum od_http_step {
    OD_HTTP_MORE, /* all bytes are used up; more are needed */
    OD_HTTP_HEAD, /* the head is complete: the fields below are set */
    OD_HTTP_BODY, /* a piece of the body: body, body_bytes; borrowed from the caller's bytes */
    OD_HTTP_END,  /* the message is complete; next() before the following step */
    OD_HTTP_BAD,  /* the peer broke a rule, final */
};

struct od_http_request {
    llhttp_t parser;

    /* set by the caller before the first step */
    uint32_t head_bytes_max, target_bytes_max;

    /* read by the caller after HEAD; pointers into head */
    struct od_http_head *head;
    const char *method, *path, *query;
    uint64_t content_length; /* UINT64_MAX: chunked */
    bool is_head, keep_alive, http10, expect_continue;

    /* read by the caller after BODY */
    const char *body;
    size_t body_bytes;

    /* read by the caller after BAD: the status to answer with */
    int status;

    /* private */
    uint32_t framing_bytes; /* of the head so far, or since the last byte of the body */
    bool begun, foreign_method, target_done, version_done, head_done;
    uint8_t event;
};

void od_http_request_init(struct od_http_request *request, uint32_t head_bytes_max,
                          uint32_t target_bytes_max);
void od_http_request_free(struct od_http_request *request);

/* Uses up *data, moving it and *bytes on. After HEAD and BODY the next thing may be known already:
 * step with no bytes until it says MORE. */
enum od_http_step od_http_request_step(struct od_http_request *request, const char **data,
                                       size_t *bytes);

/* A step is worth its while even with no bytes. */
bool od_http_request_ripe(const struct od_http_request *request);

/* The path as it was sent, as much of it as has come and fits: "" when none has. For words about a
 * request that will not be one. */
void od_http_request_path(const struct od_http_request *request, char *out, size_t size);

/* Some byte of a message has been seen that is not complete. */
bool od_http_request_begun(const struct od_http_request *request);

/* The message is done with, after END: frees its head. */
void od_http_request_next(struct od_http_request *request);

#endif
