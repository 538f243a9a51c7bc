/*
 * sip_identity - who we are toward a trunk: its server and domain, and the caller we name. What
 * doesn't change from call to call is parsed and encoded once and shared by all messages of an
 * identity. Messages hold a reference to the identity's model, so an identity may go while its
 * messages live.
 *
 * Text given by configuration or by callers of the API is checked here for what could break out of
 * its header.
 */
#ifndef PROTO_SIP_SIP_IDENTITY_H
#define PROTO_SIP_SIP_IDENTITY_H

#include "proto/sip/sip.h"
#include "proto/sip/sip_auth.h"
#include "proto/sip/sip_nta.h"

enum { OD_SIP_IDENTITIES = 256, OD_SIP_IDENTITY_KEY_MAX = 512 };

/* Owned by its references: the table's and the legs'. */
struct od_sip_identity {
    uint32_t refs;
    struct od_addr hop; /* where requests go: the server, or a TLS's near end */
    bool fixed_hop;     /* all of them, whatever a dialog says */
    msg_t *model;       /* holds all the objects below */
    const sip_via_t *via;
    const char *via_text;   /* "Via: ...;branch=" */
    const sip_from_t *from; /* no tag */
    const char *from_text;  /* "From: ...;tag=" */
    const sip_max_forwards_t *max_forwards;
    const sip_contact_t *contact; /* its encoding carries all constant lines of an INVITE */
    const url_t *route;           /* the server, as a URL */
    const url_t *base;            /* sip:DOMAIN */
    struct od_sip_credentials credentials;
    char contact_text[192]; /* value of Contact, for answers */
    char sent_by[96];       /* in Via */
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

/* What every answer and INVITE says we understand. */
extern const char od_sip_allow[];

#endif
