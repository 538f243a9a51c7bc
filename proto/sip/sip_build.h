/*
 * sip_build - makes the requests of a leg, and finds how to reach the other side of a dialog.
 */
#ifndef PROTO_SIP_SIP_BUILD_H
#define PROTO_SIP_SIP_BUILD_H

#include "proto/sip/sip_identity.h"
#include "proto/sip/sip_nta.h"

struct od_sip_request {
    sip_method_t method;
    const char *method_name;
    uint32_t cseq;
    const url_t *uri;
    const sip_to_t *to;       /* NULL: uri, with no tag */
    const sip_route_t *route; /* copied; may be NULL */
    const char *branch;
    const char *lines; /* more header lines, each with its CRLF; NULL: none */
    const char *body;  /* SDP; NULL: none */
    size_t body_bytes;
};

/* `before` and the hex text of so many random bytes (16 at most): for names that guard nothing. */
void od_sip_random_name(char *out, size_t size, const char *before, size_t bytes);

/* The message, ready for nta; NULL: no memory. */
msg_t *od_sip_request(const struct od_sip_leg *leg, const struct od_sip_request *request);

/* How to reach the other side of a dialog that this 2xx made (RFC 3261 section 12.1.2). Borrows
 * from the response; route is made in `home`. */
struct od_sip_target {
    url_t uri;          /* Request-URI */
    sip_route_t *route; /* Route headers; NULL: none */
    url_t hop;          /* where to send it */
};
void od_sip_target(const struct od_sip_identity *identity, su_home_t *home, const sip_t *response,
                   struct od_sip_target *out);

#endif
