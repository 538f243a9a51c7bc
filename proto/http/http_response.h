/*
 * http_response - reads HTTP/1.x answers from bytes as they come (the pure half of the client). It
 * bounds heads, trailers and chunk framing, passes over interim answers (1xx, a few) and refuses
 * what can't be the one answer to the one request that was sent. Pulled like http_request.
 *
 * Lifetime: embedded in a connection; the head is the reader's until next() or free().
 */
#ifndef PROTO_HTTP_HTTP_RESPONSE_H
#define PROTO_HTTP_HTTP_RESPONSE_H

#include "proto/http/http_request.h"

enum { OD_HTTP_INTERIM_MAX = 10, OD_HTTP_RESPONSE_HEAD_MAX = 16 * 1024 };

struct od_http_response {
    llhttp_t parser;

    /* set by the caller before the first step of an answer */
    bool to_head; /* the request was HEAD: no body follows, whatever the head says */
    bool upgrade; /* another protocol was asked for: 101 is a final answer, its HEAD the last step,
                     what follows isn't HTTP */

    /* read by the caller after HEAD */
    struct od_http_head *head;
    int status; /* 200..599; 101 after `upgrade` */
    bool keep_alive;

    /* read by the caller after BODY */
    const char *body;
    size_t body_bytes;

    /* read by the caller after BAD; static text */
    const char *why;

    /* private */
    uint32_t framing_bytes;
    uint8_t interims, event;
    bool begun, version_done, head_done, interim;
};

void od_http_response_init(struct od_http_response *response);
void od_http_response_free(struct od_http_response *response);

/* As od_http_request_step(). */
enum od_http_step od_http_response_step(struct od_http_response *response, const char **data,
                                        size_t *bytes);
bool od_http_response_ripe(const struct od_http_response *response);

/* The connection has ended: END when that completes the answer, else BAD. */
enum od_http_step od_http_response_eof(struct od_http_response *response);

/* Something of an answer has come, be it interim. */
bool od_http_response_begun(const struct od_http_response *response);

/* After END: ready for the answer to the next request. */
void od_http_response_next(struct od_http_response *response);

#endif
