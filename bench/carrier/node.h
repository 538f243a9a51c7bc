/*
 * node: the carrier's machinery: one libuv loop, the SIP socket, one timer for all callees, the
 * tables that find a callee for a message, and the counters. It routes and times; what a telephone
 * does is callee.h's. It must never block, and its memory is bounded by the limits in its setup.
 * Run by carrier_main.c; the callees call back into it through the functions below.
 *
 * Lifetime: the node owns every callee from od_carrier_add() until it frees it at the end of its
 * linger; pointers to callees never outlive the turn except inside the node's own tables.
 */
#ifndef OD_BENCH_CARRIER_NODE_H
#define OD_BENCH_CARRIER_NODE_H

#include "bench/carrier/keyed_hash.h"
#include "bench/carrier/ledger.h"
#include "bench/carrier/number_book.h"
#include "bench/carrier/rate_window.h"
#include "bench/carrier/rtp_talk.h"

#include <uv.h>

struct od_callee;

/* Set by the caller of od_carrier_create(); strings are borrowed until destroy. */
struct od_carrier_setup {
    struct od_carrier_addr listen;
    const char *advertise; /* host for Contact and SDP; NULL: the listening one */
    struct od_profile profile;
    const char *ledger_path; /* NULL: none */
    const char *record_dir;  /* NULL: none */
    uint16_t rtp_port_lowest, rtp_port_highest;
    bool rtp;                                   /* false: signalling only */
    bool once;                                  /* a number may be called once only */
    uint64_t idle_exit_ms, drain_ms, linger_ms; /* the first two: 0 is off */
    size_t calls_max;                           /* callees in memory, lingering ones too */
    size_t numbers_max;                         /* numbers remembered */
};

/* How a call ended. */
enum od_outcome {
    OD_OUTCOME_ANSWERED,
    OD_OUTCOME_NO_ANSWER, /* rang; cancelled or given up */
    OD_OUTCOME_BUSY,
    OD_OUTCOME_DECLINED,
    OD_OUTCOME_FAILED,
    OD_OUTCOME_SILENT,
    OD_OUTCOME_CANCELLED,  /* cancelled, though it would have gone another way */
    OD_OUTCOME_REFUSED,    /* over a limit, or an INVITE that can't be served */
    OD_OUTCOME_UNFINISHED, /* not decided when the carrier ended */
    OD_OUTCOMES
};

const char *od_outcome_name(enum od_outcome);

/* Counted by the node and the callees, read by the summary. */
struct od_carrier_tally {
    uint64_t datagrams, malformed, invites, invite_retransmissions, calls;
    uint64_t acks, cancels, byes_in, byes_out, options, other_requests, strays;
    uint64_t responses_out, dropped_in, dropped_out, duplicated_out, unsendable;
    uint64_t outcomes[OD_OUTCOMES];
    uint64_t answered, acked;
    uint64_t refused_cps, refused_calls, refused_other;
    uint64_t never_acked;       /* answered, and no ACK ever came (losses of our own excused) */
    uint64_t off_hook;          /* answered, and nobody hung up */
    uint64_t ringing_abandoned; /* rang to the end: neither cancelled nor answered */
    uint64_t double_dials;      /* overlapping calls to a number; with once: any second call */
    uint64_t redials;           /* calls to a number called before */
    uint64_t byes_unanswered, refusals_unacked; /* given up after 64*T1 */
    uint64_t rtp_in, rtp_out, rtp_lost, rtp_wrong_place, rtp_after_bye;
    uint64_t live_most;
};

struct od_carrier_node; /* carrier_state.h has its inside */

/* 0, or -1 with one line for the operator in `problem`. */
int od_carrier_create(struct od_carrier_node **out, const struct od_carrier_setup *,
                      char problem[OD_PROFILE_PROBLEM_BYTES]);

/* The address it listens on, with the port the kernel chose. */
const struct od_carrier_addr *od_carrier_local(const struct od_carrier_node *);

/* Runs until a signal or the idle end, then closes every call that is left and the ledger. */
void od_carrier_run(struct od_carrier_node *);
void od_carrier_destroy(struct od_carrier_node *);

/* What the summary prints. Read after od_carrier_run(). */
struct od_carrier_report {
    struct od_carrier_tally tally;
    size_t invites_in_second_most; /* first transmissions, by the kernel's stamps */
    uint64_t numbers, numbers_forgotten;
    uint64_t ledger_lines, ledger_lost;
    double run_s, cpu_s;
    bool once;
};

void od_carrier_report(const struct od_carrier_node *, struct od_carrier_report *);

#endif
