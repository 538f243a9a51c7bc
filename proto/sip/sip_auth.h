/*
 * sip_auth - a leg's answers to the challenges it meets, and what its identity remembers of them
 * for the next call. The arithmetic is sip_digest's. It never sends: sip_leg does, at its owner's
 * word.
 *
 * Glossary
 *   space   a proxy or the server, and its realm: who asks (RFC 3261 section 22.3). One response
 *           may bring challenges of several.
 *   nonce   one of a server's challenges and how often it was answered; shared by the legs that
 *           were given the same, so that no count is used twice.
 *   answer  a leg's nonce for a space, and how many of its challenges the leg has answered.
 *
 * Lifetime: a nonce lives by its references, the legs' answers' and the identity's for the latest
 * accepted ones. A leg's go with od_sip_auth_end(), its lines with od_sip_auth_free().
 */
#ifndef PROTO_SIP_SIP_AUTH_H
#define PROTO_SIP_SIP_AUTH_H

#include "proto/sip/sip.h"
#include "proto/sip/sip_nta.h"

struct od_sip_leg;
struct od_sip_nonce;
struct od_sip_identity;

enum {
    OD_SIP_SPACES_MAX = 4, /* that one call may meet: a server and some proxies */
    OD_SIP_TRIES_MAX = 2,  /* challenges of one space that a request answers */
    OD_SIP_NONCE_BUCKETS = 32,
};

/* An identity's part. */
struct od_sip_credentials {
    char user[OD_SIP_AUTH_TEXT_MAX], password[OD_SIP_AUTH_TEXT_MAX]; /* user "": none */
    struct od_sip_nonce *accepted[OD_SIP_SPACES_MAX];                /* NULL: free */
    struct od_sip_nonce *live[OD_SIP_NONCE_BUCKETS];                 /* all, to find by value */
};

/* Takes the text of an INVITE's order over; false: too long. */
bool od_sip_credentials_set(struct od_sip_credentials *credentials, const char *user,
                            const char *password);
bool od_sip_credentials_same(const struct od_sip_credentials *credentials, const char *user,
                             const char *password);
void od_sip_credentials_clear(struct od_sip_credentials *credentials); /* wipes them */

struct od_sip_answer {
    struct od_sip_nonce *nonce;
    uint8_t tries; /* 0: begun with what the identity remembered */
};

/* A leg's part; none until it is needed. */
struct od_sip_auth {
    struct od_sip_answer answers[OD_SIP_SPACES_MAX];
    unsigned count;
    char *lines; /* the credentials of the latest INVITE, for the ACK of its 2xx; NULL: none */
};

/* A call begins: with the nonces that the identity knows to be accepted. */
void od_sip_auth_begin(struct od_sip_leg *leg);

/* A 401 or 407. OD_SIP_AUTH_NONE: the request can be sent again with what od_sip_auth_lines()
 * gives; else why not. */
enum od_sip_auth_verdict od_sip_auth_challenged(struct od_sip_leg *leg, const sip_t *response);

/* Whole header lines for a request of the leg, each with its CRLF; each call counts its nonces one
 * further. Free it. NULL: none are needed, or no memory. */
char *od_sip_auth_lines(struct od_sip_leg *leg, const char *method, const url_t *uri);

/* The response shows that the leg's credentials were good: the identity remembers them. */
void od_sip_auth_accepted(struct od_sip_leg *leg, const sip_t *response);

/* The leg's next request is another: what was tried before doesn't count. */
void od_sip_auth_restart(struct od_sip_leg *leg);

/* True when the leg's latest INVITE carried credentials. */
bool od_sip_auth_given(const struct od_sip_leg *leg);

/* No request of the leg will need an answer any more. */
void od_sip_auth_end(struct od_sip_leg *leg);
void od_sip_auth_free(struct od_sip_leg *leg);

#endif
