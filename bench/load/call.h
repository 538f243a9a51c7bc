/*
 * call - one call of the load: its SIP states, its one timer, what it keeps of its dialog. A user
 * agent client as of RFC 3261, over UDP, TCP or TLS.
 *
 * Words: the deadline ends a state; a repeat is sent before it (timers A, E, F of RFC 3261 17.1).
 * Lifetime: calls live in the run's pool, from their first INVITE to the end of their linger, in
 * which late repeats are still answered.
 */
#ifndef OD_BENCH_LOAD_CALL_H
#define OD_BENCH_LOAD_CALL_H

#include "bench/carrier/sip_text.h"
#include "bench/load/audio.h"
#include "bench/load/tally.h"
#include "engine/base/timers.h"

struct od_load_run;

enum od_load_state {
    OD_LOAD_CALLING,    /* INVITE sent, nothing came: repeated, ends after 64*T1 */
    OD_LOAD_PROCEEDING, /* a 1xx came: ends with the ring timeout */
    OD_LOAD_CANCELLING, /* CANCEL sent: repeated, ends after 64*T1 */
    OD_LOAD_TALKING,    /* acknowledged: ends with the hold time */
    OD_LOAD_HANGING_UP, /* BYE sent: repeated, ends after 64*T1 */
    OD_LOAD_LINGERING,  /* counted; late messages are answered */
};

struct od_load_call {
    enum od_load_state state;
    struct od_list node; /* among the run's calls that are alive */
    uint32_t index, gen; /* its name, in its Call-ID too */
    struct od_timer timer;
    uint64_t deadline_ns, repeat_ns; /* repeat: UINT64_MAX: nothing is repeated */
    uint64_t repeat_gap_ns;
    uint64_t due_ns, sent_ns, rang_ns, bye_ns; /* rang: 0, or the first 18x */
    uint64_t number;                           /* of the called one */
    uint32_t invite_cseq, cseq;                /* of the INVITE; of the latest request */
    uint8_t auth_tries;
    bool proceeding;   /* a 1xx came, so a CANCEL may be sent (RFC 3261 9.1) */
    bool give_up;      /* CANCEL as soon as it may be sent */
    bool bye_repeated; /* its BYE was challenged and sent again */
    enum od_load_outcome outcome;
    char *dialog; /* memory of the texts below; NULL until a 2xx */
    struct od_text to, target, routes;
    struct od_carrier_addr hop; /* where requests of the dialog go */
    char *auth;                 /* a header line with its end; NULL: none */
    struct od_load_line *line;  /* NULL: no audio */
};

/* A new call that is due, into the pool's memory. */
void od_load_call_start(struct od_load_run *, struct od_load_call *, uint64_t due_ns);
void od_load_call_response(struct od_load_run *, struct od_load_call *, const struct od_sip_text *);
void od_load_call_request(struct od_load_run *, struct od_load_call *, const struct od_sip_text *,
                          const struct od_carrier_addr *source);
/* Its timer has fired. False: the call is over and its memory may be given back. */
bool od_load_call_timeout(struct od_load_run *, struct od_load_call *);
/* The connection that it waits for an answer on is lost: its transaction is over (17.1.1.2). */
void od_load_call_cut(struct od_load_run *, struct od_load_call *);
/* The run is being ended: hang up or cancel. */
void od_load_call_abort(struct od_load_run *, struct od_load_call *);
/* Frees what it holds besides its own memory. */
void od_load_call_free(struct od_load_call *);

#endif
