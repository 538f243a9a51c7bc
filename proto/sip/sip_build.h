/*
 * sip_build - makes the requests of a leg.
 *
 * What doesn't change from call to call is parsed and encoded once and shared by all messages of an
 * identity: a trunk's server and domain, and who we say we are. Messages hold a reference to the
 * identity's template, so an identity may go while its messages live.
 *
 * Text given here by configuration or by callers of the API is checked for what could break out of
 * its header before it is used.
 */
#ifndef PROTO_SIP_SIP_BUILD_H
#define PROTO_SIP_SIP_BUILD_H

#include "proto/sip/sip.h"
#include "proto/sip/sip_nta.h"

enum { OD_SIP_IDENTITIES = 256, OD_SIP_IDENTITY_KEY_MAX = 512 };

/* Owned by its references: the table's and the legs'. */
struct od_sip_identity {
    uint32_t refs;
    struct od_addr server;
    msg_t *model; /* holds all the objects below */
    const sip_via_t *via;
    const char *via_text;   /* "Via: ...;branch=" */
    const sip_from_t *from; /* no tag */
    const char *from_text;  /* "From: ...;tag=" */
    const sip_max_forwards_t *max_forwards;
    const sip_contact_t *contact; /* its encoding carries all constant lines of an INVITE */
    const url_t *route;           /* the server, as a URL */
    const url_t *base;            /* sip:DOMAIN */
    char contact_text[192];       /* value of Contact, for answers */
    char key[OD_SIP_IDENTITY_KEY_MAX];
};

struct od_sip_identities {
    struct od_sip_identity *slot[OD_SIP_IDENTITIES];
};

/* The identity of an INVITE, from the table or new; *out has a reference for the caller. 0,
 * OD_EINVAL (unusable text, or no listener for the transport) or OD_ENOMEM. */
int od_sip_identity_get(struct od_sip *sip, const struct od_sip_invite *invite,
                        struct od_sip_identity **out);
void od_sip_identity_put(struct od_sip_identity *identity); /* NULL is fine */
void od_sip_identities_clear(struct od_sip_identities *identities);

/* Request-URI from a number or a SIP URI; free with su_free(NULL). NULL: unusable or no memory. */
url_t *od_sip_uri(const struct od_sip_identity *identity, const char *to);

struct od_sip_request {
    sip_method_t method;
    const char *method_name;
    uint32_t cseq;
    const url_t *uri;
    const sip_to_t *to;       /* NULL: uri, with no tag */
    const sip_route_t *route; /* copied; may be NULL */
    const char *branch;
    const char *body; /* SDP; NULL: none */
    size_t body_bytes;
};

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

/* What every answer and INVITE says we understand. */
extern const char od_sip_allow[];

#endif
