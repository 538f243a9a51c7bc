/*
 * callee: one telephone during one call: the UAS side of an INVITE transaction, its dialog, and
 * what the population planned for it (RFC 3261 sections 8.2, 9.2, 12, 13.3, 15, 17.2; RFC 6026). It
 * must answer every retransmission, stop when it is answered, and never leave a timer behind. The
 * node calls it with messages that are its own and when its timer is due.
 *
 * Words: final = the last response to the INVITE; closing = the telephone is done, a transaction is
 * not; lingering = both are done, late messages are still answered.
 */
#ifndef OD_BENCH_CARRIER_CALLEE_H
#define OD_BENCH_CARRIER_CALLEE_H

#include "bench/carrier/carrier_state.h"

enum od_callee_state {
    OD_CALLEE_PROCEEDING, /* INVITE here, no final yet; perhaps ringing */
    OD_CALLEE_SILENT,     /* a black hole; swallows everything */
    OD_CALLEE_ANSWERED,   /* 2xx sent, not acknowledged yet */
    OD_CALLEE_TALKING,
    OD_CALLEE_CLOSING, /* a refusal waits for its ACK, or our BYE for its answer */
    OD_CALLEE_LINGERING
};

/* Its timers; the node's heap knows the earliest. */
enum od_callee_timer {
    OD_CALLEE_TIMER_PHONE,      /* the next step: ring, answer, hang up, ... */
    OD_CALLEE_TIMER_REFRESH,    /* the next 18x of a long ring */
    OD_CALLEE_TIMER_RETRANSMIT, /* of the final or of our BYE: timers G and E, 13.3.1.4 */
    OD_CALLEE_TIMER_GIVE_UP,    /* 64*T1 after that was first sent: timers H, F and L */
    OD_CALLEE_TIMER_OFF_HOOK,   /* talk_max_ms */
    OD_CALLEE_TIMER_TALK,       /* the next RTP frame */
    OD_CALLEE_TIMER_RTP_CLOSE,
    OD_CALLEE_TIMER_LINGER,
    OD_CALLEE_TIMERS
};

/* One INVITE server transaction: the first, or a re-INVITE's. Slices point into text. */
struct od_callee_invite {
    char *text;
    struct od_text echo, routes, body; /* what responses repeat; Record-Route lines; its SDP */
    uint64_t key;
    uint32_t cseq;
    struct od_carrier_addr reply_to;
    int status;         /* last response sent; 0: none */
    const char *reason; /* its phrase, a literal */
    bool acked;
    char *sdp; /* our description, once it was sent; NULL before */
    size_t sdp_bytes;
};

struct od_callee {
    /* private to the node */
    uint32_t index, generation;
    size_t heap_at;
    uint64_t due_ns;
    struct od_callee *invite_next, *merge_next;
    uint64_t merge_key, linked_key;
    bool linked; /* it is in both tables, by those keys */

    /* private to callee.c; the node reads state, number and serial */
    struct od_carrier_node *node;
    uint64_t serial;
    enum od_callee_state state;
    struct od_plan plan;
    uint32_t attempt; /* 0: refused before it reached the telephone */
    char number[OD_SIP_TEXT_NUMBER_BYTES];
    char tag[40];
    struct od_callee_invite invite;
    char *dialog; /* text of the slices below */
    struct od_text call_id, from, to, target, routes;
    uint64_t call_id_hash, from_tag_hash, number_hash;
    struct od_carrier_addr source; /* of the INVITE */
    uint32_t cseq_in;              /* highest seen from the caller */
    uint64_t due[OD_CALLEE_TIMERS];
    uint64_t backoff_ns;                            /* the retransmission timer's next interval */
    uint64_t invite_ns, ring_ns, answer_ns, end_ns; /* 0: hasn't happened */
    enum od_outcome outcome;
    bool live, cancelled, acked_ever, refused, hangup_pending, bye_from_caller, bye_from_callee;
    bool delayed_offer; /* our offer went out, the answer comes with the ACK */
    struct od_rtp_talk *talk;
};

/*
 * A new INVITE. `status` 0 lets it through to the telephone; else it is refused with that status
 * and reason (a literal) at once. The message is borrowed for the call. False: out of memory or the
 * request is too large to keep, and the caller must answer it statelessly with 513.
 */
struct od_refusal {
    int status;
    const char *reason;
};
bool od_callee_init(struct od_callee *, struct od_carrier_node *, const struct od_sip_text *,
                    const struct od_carrier_arrival *, struct od_refusal);
void od_callee_deinit(struct od_callee *);

/* Messages of its own transaction or dialog. */
void od_callee_invite_again(struct od_callee *, const struct od_sip_text *,
                            const struct od_carrier_arrival *);
void od_callee_reinvite(struct od_callee *, const struct od_sip_text *,
                        const struct od_carrier_arrival *);
void od_callee_ack(struct od_callee *, const struct od_sip_text *,
                   const struct od_carrier_arrival *);
void od_callee_cancel(struct od_callee *, const struct od_sip_text *,
                      const struct od_carrier_arrival *);
void od_callee_bye(struct od_callee *, const struct od_sip_text *,
                   const struct od_carrier_arrival *);
/* A response to our BYE. */
void od_callee_response(struct od_callee *, const struct od_sip_text *);

/* Something is due. False: its linger is over, the node frees it. */
bool od_callee_run(struct od_callee *);

/* RTP has arrived. */
void od_callee_hear(struct od_callee *);

/* The carrier ends now: what is left is written to the ledger as it stands. */
void od_callee_abandon(struct od_callee *);

#endif
