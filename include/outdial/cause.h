/*
 * cause - how a call ended: a closed set, nouns. The SIP status is kept beside it, never inside it.
 *
 * One cause projects to both dialects' statuses (ARCHITECTURE.md, "One call, two projections").
 * The mapping from (state, event, SIP status) to a cause is a table in engine/core/outcome.c.
 */
#ifndef OUTDIAL_CAUSE_H
#define OUTDIAL_CAUSE_H

#include "outdial/types.h"

enum od_cause {
    OD_CAUSE_NONE,           /* not ended */
    OD_CAUSE_COMPLETED,      /* answered and ended normally, by either side */
    OD_CAUSE_MACHINE,        /* answered by a machine, and the agent's rule is to hang up */
    OD_CAUSE_BUSY,           /* 486, 600 */
    OD_CAUSE_NO_ANSWER,      /* ring timeout, 408, 480 */
    OD_CAUSE_DECLINED,       /* 603, 607 */
    OD_CAUSE_INVALID_NUMBER, /* 404, 410, 484, 604 */
    OD_CAUSE_REJECTED,       /* other 4xx and 6xx: our request was refused as such */
    OD_CAUSE_TRUNK_FAILED,   /* 5xx, 503, unreachable, silence without a 18x */
    OD_CAUSE_MEDIA_FAILED,   /* no common codec, unusable SDP, no RTP port, media silence */
    OD_CAUSE_AGENT_FAILED,   /* the voice agent could not be reached or broke down */
    OD_CAUSE_REFUSED,        /* the start hook, a suppression or a policy refused the call */
    OD_CAUSE_CANCELED,       /* by the user */
    OD_CAUSE_DEADLINE,       /* callDeadline passed before dialing */
    OD_CAUSE_UNKNOWN,        /* a worker died after the INVITE may have left */
    OD_CAUSE_COUNT,
};

/* Whose verdict an ending is; decides whether another try is owed (product rule "three verdicts").
 */
enum od_verdict {
    OD_VERDICT_NONE,
    OD_VERDICT_CALLEE, /* the person's or their phone's: never another trunk */
    OD_VERDICT_TRUNK,  /* the trunk's fault: not an attempt on the person */
    OD_VERDICT_OURS,   /* our request or configuration: stop and tell */
    OD_VERDICT_USER,   /* the user's wish */
};

/* The end of one call, complete. Times are wall ms, 0 for "did not happen". */
struct od_outcome {
    enum od_cause cause;
    enum od_verdict verdict;
    uint16_t sip_status; /* final SIP status, 0 when none came */
    uint32_t trunk;      /* engine's index of the trunk dialled last, OD_NO_TRUNK for none */
    uint16_t
        faults; /* INVITEs of this claim refused by trunks' faults: no attempts on the person */
    int64_t dialed_ms;   /* first INVITE handed to the transport */
    int64_t ringing_ms;  /* first 18x */
    int64_t answered_ms; /* first 2xx */
    int64_t ended_ms;
    /* Of finish(): the attempt is over but not the call, which waits until then; 0: the call has
     * ended. retry_max: so many attempts on the person there may be in all, and the store knows of
     * those of other campaigns. */
    int64_t retry_ms;
    uint8_t retry_max;
    char reason[OD_REASON_MAX]; /* reason phrase or our word ("ring timeout"); may be empty */
};

/* "busy", "no_answer", ...: the word used in events, counters and the API. Never NULL. */
const char *od_cause_name(enum od_cause cause);

/* OD_CAUSE_COUNT when the word is none of them. */
enum od_cause od_cause_from_name(const char *name);

#endif
