/*
 * sip_internal - what the files of this module share; nobody else includes it (its conformance
 * tests apart).
 *
 * How a call is split between the library and us:
 *   - nta owns the INVITE's client transaction until the first answer arrives: retransmission,
 *     timer B, transport errors. The first provisional answer ends that transaction here, and with
 *     it some 12 kB that nta would keep for 32 s beyond the call's end.
 *   - From then on answers arrive without a transaction, in the agent's message callback, and the
 *     leg does the rest of RFC 3261 section 17.1.1: it acknowledges failures hop by hop, cancels on
 *     the INVITE's branch, acknowledges each 2xx. That is also what makes late and forked answers
 *     harmless: no state of nta's decides whether they are seen.
 *   - BYE and CANCEL are nta's client transactions from end to end.
 *   - Requests from the peer are answered without a transaction: a repeated request finds the leg
 *     in the same state and gets the same answer again.
 *
 * Lifetime: a leg is made by od_sip_invite() and belongs to its owner until od_sip_drop(). Then it
 * lingers, without events, until nothing of it can still be on the wire.
 */
#ifndef PROTO_SIP_SIP_INTERNAL_H
#define PROTO_SIP_SIP_INTERNAL_H

#include "proto/sip/sip.h"
#include "proto/sip/sip_auth.h"
#include "proto/sip/sip_build.h"
#include "proto/sip/sip_loop.h"
#include "proto/sip/sip_nta.h"

/* The names of our listeners in the library, which doesn't see the family of "[::1]" and, asked for
 * a name, compares it with each listener's: all must have one. */
#define OD_SIP_IDENT(family) ((family) == 6 ? "v6" : "v4")

enum {
    OD_SIP_INVITE_CSEQ = 1,
    OD_SIP_BRANCH_BYTES = 64,
    OD_SIP_LISTENERS_MAX = 5, /* four, and one of our own for TLS */
    OD_SIP_FORKS_MAX = 4,     /* extra dialogs of one INVITE that are told to go away */
    OD_SIP_ROUTES_MAX = 16,   /* Record-Route entries obeyed */
    OD_SIP_SDP_MAX = 2048,    /* an offer of ours */
};

enum od_sip_leg_state {
    OD_SIP_CALLING,    /* INVITE sent, nothing heard; nta has the transaction */
    OD_SIP_RINGING,    /* a provisional answer was heard; the INVITE is pending at the peer */
    OD_SIP_CANCELING,  /* CANCEL sent, the INVITE's final answer is awaited */
    OD_SIP_CHALLENGED, /* 401 or 407; nothing is up until the owner orders the next INVITE */
    OD_SIP_ANSWERED,   /* 2xx: a dialog is up */
    OD_SIP_BYEING,     /* our BYE is out */
    OD_SIP_ENDED,      /* nothing is up; strays are still recognised */
};

struct od_sip_leg {
    struct od_sip *sip;
    struct od_call_id call;
    uint8_t state;      /* enum od_sip_leg_state */
    bool dropped;       /* the owner is gone: no events */
    bool cancel_wanted; /* before a provisional answer came (RFC 3261 section 9.1) */
    bool answered;      /* a 2xx made a dialog: remote_tag is its name */
    bool acked;         /* an ACK was sent for it */
    bool early_bye;     /* the peer's BYE overtook its 2xx */
    bool peer_left;     /* a BYE of the peer was answered and reported */
    bool has_peer_cseq;
    bool bye_again; /* the BYE was challenged and sent once more */
    bool linked;    /* in the deadline list */
    uint8_t forks;  /* used entries of fork_tags */

    struct od_sip_names names;
    uint32_t hash;                    /* of names.call_id, as the library hashes Call-IDs */
    struct od_sip_identity *identity; /* counted */
    struct od_sip_auth *auth;         /* owned; NULL: nobody asked */
    url_t *uri;                       /* Request-URI of the INVITE; owned, su_free(NULL) */
    nta_outgoing_t *invite;           /* while CALLING */
    nta_outgoing_t *bye;              /* the owner's BYE, until answered */
    msg_t *answer;                    /* the first 2xx, while the dialog may need it */
    uint64_t remote_tag;              /* hash of the dialog's remote tag */
    uint64_t fork_tags[OD_SIP_FORKS_MAX];
    uint32_t invite_cseq; /* of the latest INVITE */
    uint32_t peer_cseq;   /* latest CSeq of the peer's requests in the dialog */
    uint32_t changes;     /* re-offers answered */

    msg_t *reinvite; /* the peer's re-INVITE whose 2xx waits for an ACK */
    uint8_t reinvite_direction;
    uint32_t reinvite_ms;      /* next interval of its 2xx */
    uint32_t reinvite_left_ms; /* until giving up (64*T1) */
    su_timer_t *reinvite_timer;

    nta_outgoing_t *refer; /* until answered */
    char *refer_to;        /* the target's URI; owned; NULL: nobody was asked to call another */
    bool referring;        /* its last word has not come */
    bool refer_again;      /* it was challenged and sent once more */
    uint8_t refers;        /* sent: they count in the dialog's CSeq */

    char *offer; /* our SDP, for repeating; owned */
    size_t offer_bytes;

    char *dialog; /* header lines of the answer that made a dialog, for od_sip_note(); owned */
    size_t dialog_bytes;

    struct od_sip_leg *chain;           /* next with the same hash */
    struct od_sip_leg *earlier, *later; /* deadline list */
    uint64_t deadline_ns;
};

struct od_sip_listener {
    struct od_addr bound;
    char transport[4]; /* "udp", "tcp" */
};

enum od_sip_queued_kind { OD_SIP_Q_SENT, OD_SIP_Q_CLEARED, OD_SIP_Q_MESSAGE, OD_SIP_Q_TERMINATED };

/* An event raised inside a function of sip.h, kept for the next turn. */
struct od_sip_queued {
    uint8_t kind;
    struct od_call_id call;
    uint64_t at_ns; /* SENT */
    char *line;     /* MESSAGE: owned */
};

struct od_sip {
    struct od_sip_loop loop;
    struct od_sip_events events;
    nta_agent_t *agent;
    uint64_t (*clock_ns)(void);
    uint32_t t1_ms;
    bool closing;

    struct od_sip_listener listeners[OD_SIP_LISTENERS_MAX];
    unsigned listener_count;
    const struct od_sip_listener *local_listener; /* of od_sip_local_listener(); NULL: none yet */
    char advertise_host[64];
    uint16_t advertise_port; /* 0: the listener's */
    char user_agent[64];
    struct od_sip_identities identities;

    struct od_sip_leg **by_index; /* by call.index; NULL: none */
    uint32_t index_size;
    struct od_sip_leg **by_call_id; /* power of two heads */
    uint32_t hash_size, hash_used;
    struct od_sip_leg *deadline_first, *deadline_last;
    su_timer_t *deadline_timer;
    uint32_t alive, lingering;
    struct od_sip_ping *pings; /* under way; owned */
    struct od_sip_registration *registrations;

    struct od_sip_queued *queue; /* ring, power of two */
    uint32_t queue_size, queue_head, queue_count;

    uint64_t stray_window_ns; /* strays answered are counted per second */
    uint32_t strays;
    uint64_t dropped, send_failed;
    uint64_t refused_before; /* by the gate, when we opened */

    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* sip_table.c */
uint64_t od_sip_tag_hash(const char *tag);                    /* NULL is "" */
int od_sip_table_reserve(struct od_sip *sip, uint32_t index); /* room for one more, of this index */
void od_sip_table_insert(struct od_sip *sip, struct od_sip_leg *leg); /* by Call-ID */
void od_sip_table_remove(struct od_sip *sip, struct od_sip_leg *leg);
struct od_sip_leg *od_sip_leg_get(const struct od_sip *sip, struct od_call_id call);
struct od_sip_leg *od_sip_leg_find(struct od_sip *sip, const sip_call_id_t *call_id,
                                   const char *local_tag);

/* sip_send.c: NULL, and counted, when a request could not be made. An INVITE or BYE with no fn
 * is repeated until it is answered, and forgotten then. */
nta_outgoing_t *od_sip_send_invite(struct od_sip_leg *leg, nta_response_f *fn);
void od_sip_send_cancel(struct od_sip_leg *leg);
/* The branch of the leg's INVITE with this CSeq. */
void od_sip_invite_branch(const struct od_sip_leg *leg, uint32_t cseq, char *out);
void od_sip_send_ack_of_failure(struct od_sip_leg *leg, const sip_t *response);
void od_sip_send_ack(struct od_sip_leg *leg, const sip_t *response); /* response: the 2xx */
nta_outgoing_t *od_sip_send_refer(struct od_sip_leg *leg, const sip_t *response, bool credentials,
                                  nta_response_f *fn);
nta_outgoing_t *od_sip_send_bye(struct od_sip_leg *leg, const sip_t *response, nta_response_f *fn);
/* A challenged BYE once more; response: the 2xx, again. NULL: it can't be answered. */
nta_outgoing_t *od_sip_send_bye_again(struct od_sip_leg *leg, const sip_t *response,
                                      nta_response_f *fn);

/* sip_leg.c */
/* A response to an INVITE that found no transaction of nta's. msg is borrowed. */
void od_sip_leg_response(struct od_sip_leg *leg, msg_t *msg, const sip_t *response);
/* Nothing is up any more (the peer's BYE was answered). */
void od_sip_leg_end(struct od_sip_leg *leg);
void od_sip_legs_close(struct od_sip *sip);
void od_sip_leg_free(struct od_sip_leg *leg);
bool od_sip_names_usable(const struct od_sip_names *names);
void od_sip_leg_cancel_pending(struct od_sip_leg *leg); /* CANCEL now, then 64*T1 for its INVITE */
void od_sip_leg_bye(struct od_sip_leg *leg);            /* of an answered one */

/* sip_recover.c: keeps what od_sip_note() wants of a response with a To tag. */
void od_sip_keep_dialog(struct od_sip_leg *leg, const sip_t *response);

/* sip_ping.c */
void od_sip_pings_close(struct od_sip *sip);

/* sip_register.c */
void od_sip_registrations_close(struct od_sip *sip);

/* sip_peer.c: a request from the network. Takes msg over. */
void od_sip_peer_request(struct od_sip *sip, msg_t *msg, const sip_t *request);
/* sip_refer.c: a NOTIFY of the dialog; the status to answer it with. */
int od_sip_refer_notified(struct od_sip_leg *leg, const sip_t *request);
void od_sip_refer_forget(struct od_sip_leg *leg);

void od_sip_peer_forget(struct od_sip_leg *leg); /* stops repeating a 2xx to a re-INVITE */

/* sip_port.c */
/* A loopback TCP listener, which the library needs to connect from; made when there is none. */
const struct od_sip_listener *od_sip_local_listener(struct od_sip *sip);
void od_sip_queue(struct od_sip *sip, enum od_sip_queued_kind kind, struct od_call_id call,
                  const char *line);
void od_sip_note_sent(struct od_sip *sip, struct od_call_id call, const sip_t *message);
void od_sip_note_received(struct od_sip *sip, struct od_call_id call, const sip_t *message);

#endif
