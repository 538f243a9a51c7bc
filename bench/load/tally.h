/*
 * tally - what came of the calls of a stage: counts by outcome, histograms of durations, and a
 * line per second. Pure memory; filled by the run, read by objectives and reports.
 */
#ifndef OD_BENCH_LOAD_TALLY_H
#define OD_BENCH_LOAD_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/hist.h"

/* How a call ended. Every call that was due ends in exactly one of these. */
enum od_load_outcome {
    OD_LOAD_ANSWERED,  /* 2xx, whoever hung up */
    OD_LOAD_BUSY,      /* 486, 600 */
    OD_LOAD_NO_ANSWER, /* rang until the ring timeout, or 408 or 480 after ringing */
    OD_LOAD_DECLINED,  /* 603 */
    OD_LOAD_REFUSED,   /* any other final response */
    OD_LOAD_SILENT,    /* no response at all in 64*T1, or none after 100 within the ring timeout, or
                          its connection was lost */
    OD_LOAD_ABORTED,   /* still being set up when the run was interrupted */
    OD_LOAD_SKIPPED,   /* due while --max-calls were up: never sent, and counted */
    OD_LOAD_OUTCOMES
};
const char *od_load_outcome_name(enum od_load_outcome);

/* Durations; all are in microseconds, from the moment the call was due where it begins with it. */
enum od_load_metric {
    OD_LOAD_SETUP,  /* due to 2xx */
    OD_LOAD_PDD,    /* due to the first 18x, or the 2xx or failure that came without one */
    OD_LOAD_ANSWER, /* first 18x to 2xx */
    OD_LOAD_BYE,    /* our BYE to its final response */
    OD_LOAD_JITTER, /* RFC 3550 interarrival jitter at the end of the call */
    OD_LOAD_LATE,   /* due to our INVITE's leaving: our own lateness */
    OD_LOAD_LOOP,   /* how late a turn of our loop came */
    OD_LOAD_METRICS
};
const char *od_load_metric_name(enum od_load_metric);

enum { OD_LOAD_SECONDS_MAX = 86400, OD_LOAD_STATUS_MAX = 700 };

struct od_load_second {
    uint32_t due, answered, failed, ended, alive; /* alive: at the end of the second */
    uint32_t setup_p50_us, setup_p99_us;          /* of the calls answered in it; 0: none */
};

struct od_load_tally {
    uint64_t due; /* calls that were due: the sum of all outcomes at the end */
    uint64_t outcomes[OD_LOAD_OUTCOMES];
    uint64_t statuses[OD_LOAD_STATUS_MAX]; /* final responses to INVITEs, by status */
    uint64_t retransmits, bye_unanswered, ended_by_peer, challenged, unsendable, strays;
    uint64_t rtp_sent, rtp_received, rtp_lost, rtp_calls, rtp_mute; /* mute: answered, no packet */
    uint32_t alive, alive_most;
    double run_s, cpu_s; /* wall and processor time of the stage */
    struct od_hist metrics[OD_LOAD_METRICS];

    size_t seconds_n;
    struct od_load_second *seconds; /* of OD_LOAD_SECONDS_MAX */

    /* private */
    struct od_hist setup_now; /* of the second under way */
};

/* False: no memory. */
bool od_load_tally_init(struct od_load_tally *);
void od_load_tally_deinit(struct od_load_tally *); /* all zero is fine */

struct od_load_second *od_load_tally_second(struct od_load_tally *); /* the one under way */
void od_load_tally_setup(struct od_load_tally *, uint64_t us);
void od_load_tally_end(struct od_load_tally *, enum od_load_outcome);
/* The second is over. */
void od_load_tally_tick(struct od_load_tally *);

/* Shares in percent of the calls that were due; 0 when none was. Failed are the refused, the silent
 * and the skipped: what a platform (or a too small --max-calls) is to blame for. */
double od_load_tally_failed(const struct od_load_tally *);
double od_load_tally_asr(const struct od_load_tally *);  /* answered */
double od_load_tally_loss(const struct od_load_tally *); /* of the RTP packets expected */

#endif
