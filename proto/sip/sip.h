/*
 * sip - the SIP port: sofia-sip's transaction layer (nta) inside a libuv loop, as a user agent
 * client. The only place that includes sofia-sip. It decides nothing: it sends what it is told,
 * once, and reports what came. Retransmission is nta's; nothing here dials again by itself, not
 * even to answer a challenge (RFC 3261 section 22): that is reported, and done when it is ordered.
 *
 * Lifetime: od_sip is owned by the host. Legs live in od_sip, named by the engine's call id; a leg
 * is made by invite() and ends in drop(). Pointers given to callbacks are borrowed until they
 * return. All functions and callbacks run on the loop's thread. No callback is called from inside a
 * function of this header, with the exception of od_sip_close().
 */
#ifndef PROTO_SIP_SIP_H
#define PROTO_SIP_SIP_H

#include <uv.h>

#include "outdial/ports.h"
#include "outdial/types.h"
#include "proto/sip/sip_sdp.h"

struct od_sip;

enum { OD_SIP_AUTH_TEXT_MAX = 128 }; /* a user or password, with NUL */

struct od_sip_config {
    const char *listen[4];      /* "udp:0.0.0.0:5060"; NULL ends; port 0: the kernel's choice */
    const char *advertise;      /* host or host:port for Via and Contact; NULL: the bound address */
    const char *user_agent;     /* User-Agent; NULL or "": none */
    uint64_t (*clock_ns)(void); /* monotonic; NULL: CLOCK_MONOTONIC. Tests give a simulated one */
    uint32_t t1_ms;             /* RFC 3261 T1; 0: 500 */
    struct od_addr sources[64]; /* addresses whose datagrams are let in; family 0 ends; none: all */
    uint32_t coalesce_us;       /* under load, gather datagrams for so long per wake-up; 0: never */
};

struct od_sip_invite {
    const struct od_sip_names *names;
    struct od_addr server;    /* where the INVITE is sent */
    const char *transport;    /* "udp", "tcp" or "tls" */
    struct od_addr hop;       /* of "tls": where TCP reaches the server through somebody's TLS */
    const char *domain;       /* host (or host:port) of Request-URI, To and From */
    const char *from_user;    /* user part of From and Contact */
    const char *display_name; /* NULL or "": none */
    const char *auth_user;    /* for challenges; NULL or "": from_user, where there is a password */
    const char *password;     /* secret */
    const char *to;           /* E.164 ("+1555..") or a whole SIP URI */
    const char *sdp;          /* the offer */
    size_t sdp_bytes;
    const char *sent_by; /* "host:port" in Via; NULL or "": the listener's. For od_sip_recover() */
};

/* What a response says about our credentials. */
enum od_sip_auth_verdict {
    OD_SIP_AUTH_NONE,     /* nothing */
    OD_SIP_AUTH_ACCEPTED, /* it came from behind those who asked for them */
    OD_SIP_AUTH_MISSING,  /* they are asked for, and the INVITE's order had none */
    OD_SIP_AUTH_REFUSED,  /* they are wrong */
    OD_SIP_AUTH_UNUSABLE, /* they are asked for in a way that we can't answer */
};

/* What a final or provisional response said. */
struct od_sip_response {
    uint16_t status;          /* 100..699; 0: the transaction ended with no response */
    bool local;               /* made by nta or by us (timeout, unreachable), not by the peer */
    const char *reason;       /* reason phrase; "" when none */
    uint8_t auth;             /* enum od_sip_auth_verdict */
    uint32_t retry_after_s;   /* 0: none */
    const struct od_sdp *sdp; /* parsed body; NULL: none or unusable */
    int sdp_err;              /* 0, or why a body that was there is unusable */
};

/* What came of a REGISTER (RFC 3261 section 10.3). */
struct od_sip_registered {
    uint16_t status;        /* 200..699; 0: nobody answered */
    const char *reason;     /* reason phrase; "" when none */
    uint8_t auth;           /* enum od_sip_auth_verdict */
    uint32_t expires_s;     /* of a 2xx: so long our contact stays; 0: it is not there */
    uint32_t min_expires_s; /* of a 423: the least that is granted; 0: it didn't say */
    uint32_t retry_after_s; /* 0: none */
};

/* `answered` comes for every 2xx, first or repeated (`again`); the owner orders ack() each time. */
struct od_sip_events {
    void *ctx;
    /* An INVITE had left at sent_ns (the port's clock), if not earlier. */
    void (*sent)(void *ctx, struct od_call_id call, uint64_t sent_ns);
    void (*progress)(void *ctx, struct od_call_id call, const struct od_sip_response *response);
    void (*answered)(void *ctx, struct od_call_id call, const struct od_sip_response *response,
                     bool again);
    void (*rejected)(void *ctx, struct od_call_id call, const struct od_sip_response *response);
    void (*peer_bye)(void *ctx, struct od_call_id call);
    void (*cleared)(void *ctx, struct od_call_id call);
    /* The peer changed the session (re-INVITE, UPDATE); the answer given repeats our offer. */
    void (*reoffered)(void *ctx, struct od_call_id call, const struct od_sdp *sdp);
    /* A message on the wire, for a call's ladder: one line of what and when is kept by the host.
     * outgoing: ours. May be NULL. */
    void (*message)(void *ctx, struct od_call_id call, bool outgoing, const char *start_line);
    /* Refused by 401 or 407, and od_sip_invite_again() would answer it. Nothing is under way. */
    void (*challenged)(void *ctx, struct od_call_id call);
    /* After od_sip_refer(): how the target's phone answers, as the peer tells it (202: the peer
     * will try). final: that was the last word; 0: it ended without one. May be NULL. */
    void (*referred)(void *ctx, struct od_call_id call, uint16_t status, bool final);
    /* A 100: the server has our INVITE. May be NULL. */
    void (*trying)(void *ctx, struct od_call_id call);
    /* An OPTIONS was answered; status 0: it was not, or could not be sent. May be NULL. */
    void (*pong)(void *ctx, uint32_t trunk, uint16_t status);
    /* An INVITE that begins a dialog came from there; it is refused. May be NULL. */
    void (*inbound)(void *ctx, const struct od_addr *from);
    /* After od_sip_register(); another one may be ordered from inside it. May be NULL. */
    void (*registered)(void *ctx, uint32_t id, const struct od_sip_registered *answer);
    /* A response to a leg's request of that method came, for counting. May be NULL. */
    void (*response)(void *ctx, struct od_call_id call, const char *method, uint16_t status);
};

/* Opens the listeners. OD_EBUSY: the address is taken; OD_EINVAL: bad listen or advertise text. In
 * all cases of failure `why` (of why_bytes) holds one line for the operator, and the loop has to
 * run once more before it is closed, for the handles that were opened. All ports of a process have
 * one clock_ns, as the library's clock is global. */
int od_sip_open(struct od_sip **out, uv_loop_t *loop, const struct od_sip_config *config,
                const struct od_sip_events *events, char *why, size_t why_bytes);

/* Ends everything; fn fires once when the last handle is closed and memory is freed. */
void od_sip_close(struct od_sip *sip, void (*fn)(void *ctx), void *ctx);

/* The port that listener i is bound to, host byte order; 0 when there is no such listener. */
uint16_t od_sip_bound_port(const struct od_sip *sip, unsigned i);

/* 0, OD_ENOMEM, OD_EINVAL (an unusable address or text; nothing was sent). On 0 the INVITE was
 * handed to the transport: `sent` follows from the next turn of the loop. */
int od_sip_invite(struct od_sip *sip, struct od_call_id call, const struct od_sip_invite *invite);
/* Sends a challenged INVITE once more, with credentials: the same Call-ID and From, the next CSeq.
 * 0, OD_ENOENT, OD_ECONFLICT (it is not challenged) or OD_ENOMEM. */
int od_sip_invite_again(struct od_sip *sip, struct od_call_id call);
/* Before a provisional answer the CANCEL is held until there is one. A CANCEL that leads to nothing
 * for 64*T1 ends in `rejected` with a local 408 (RFC 3261 section 9.1); that of a challenged call
 * at once in a local 487. */
void od_sip_cancel(struct od_sip *sip, struct od_call_id call);
/* Acknowledges the 2xx; nothing before there is one. */
void od_sip_ack(struct od_sip *sip, struct od_call_id call);
/* Ends an answered call. One that isn't answered is cancelled and `cleared` follows at once. */
void od_sip_bye(struct od_sip *sip, struct od_call_id call);

/* Hands the answered call on: the peer is asked to call `target` (as od_sip_invite.to). `referred`
 * tells what comes of it; the call stays up until somebody ends it. 0, OD_ENOENT, OD_EINVAL (the
 * target), OD_ECONFLICT (not answered, or one is under way), OD_ENOMEM. */
int od_sip_refer(struct od_sip *sip, struct od_call_id call, const char *target);

/* The leg is over and its call id may be used again. No event about it follows. What is still up is
 * ended: a ringing phone is cancelled, an answered call acknowledged and hung up. Stray messages
 * are answered as RFC 3261 asks for 64*T1 more (a late 2xx gets ACK and BYE). */
void od_sip_drop(struct od_sip *sip, struct od_call_id call);

/*
 * What another process needs to end the call, should this one die: written with the intent (call
 * with gen 0: the INVITE as it would be sent), then when it rings and when it is answered. Bytes
 * written, OD_ETOOBIG, or as od_sip_invite(). No NUL at the end; never holds credentials.
 */
enum { OD_SIP_NOTE_MAX = 3072 };
int od_sip_note(struct od_sip *sip, struct od_call_id call, const struct od_sip_invite *invite,
                char *out, size_t size);

/* The same of a leg that has gone on since `before` was written of it: only what changes is made
 * anew. OD_ENOENT: no such leg here; OD_EPROTO: not a note; OD_ETOOBIG. */
int od_sip_note_again(struct od_sip *sip, struct od_call_id call, const char *before,
                      size_t before_bytes, char *out, size_t size);

struct od_sip_recover {
    const struct od_sip_names *names;
    const char *note; /* from od_sip_note(), perhaps another process's */
    size_t note_bytes;
    const char *auth_user, *password; /* for a challenged BYE; NULL or "": none */
    struct od_addr hop;               /* as od_sip_invite.hop, in case the call went out by TLS */
};
/* Ends the leg at the carrier: CANCEL, or ACK and BYE, repeated until they are answered. No event
 * follows. 0 also when the leg is alive here or being ended; then a note that knows of an answer is
 * used where an earlier one did not. OD_EPROTO: not a note of ours. */
int od_sip_recover(struct od_sip *sip, const struct od_sip_recover *what);

/* Sends an OPTIONS to where this INVITE would go (of `who`, only what says where and as whom). A
 * second one while one is under way for the trunk does nothing. 0, OD_EINVAL, OD_ENOMEM, OD_EIO;
 * `pong` follows on 0 alone. */
int od_sip_ping(struct od_sip *sip, uint32_t trunk, const struct od_sip_invite *who);

/* Sends a REGISTER that binds our Contact to sip:from_user@domain for expires_s seconds, or with 0
 * takes the binding away. All requests of an id, which the owner chooses, are one registration: one
 * Call-ID, growing CSeq. 401 and 407 are answered with who's credentials. OD_ECONFLICT: one is
 * under way; else as od_sip_ping(); `registered` follows on 0 alone. */
int od_sip_register(struct od_sip *sip, uint32_t id, const struct od_sip_invite *who,
                    uint32_t expires_s);
/* Forgets the id and what is under way for it; no event follows. */
void od_sip_register_end(struct od_sip *sip, uint32_t id);

struct od_sip_stats {
    uint64_t sent, received, retransmitted, dropped, send_failed;
    uint32_t legs;      /* with an owner */
    uint32_t lingering; /* dropped, not yet forgotten */
};
void od_sip_stats(const struct od_sip *sip, struct od_sip_stats *out);

#endif
