/*
 * ports - the orders the engine gives. Ports only go out: a port function returns nothing, never
 * calls back into the engine, and reports what came of it by posting an event (event.h), also when
 * it fails at once. That rules out re-entrancy and makes the event stream replayable.
 *
 * The real ports are wired in engine/host/wiring.c, the simulated ones in tests/sim. All pointers
 * in arguments are borrowed for the time of the call.
 */
#ifndef OUTDIAL_PORTS_H
#define OUTDIAL_PORTS_H

#include "outdial/cause.h"
#include "outdial/types.h"

/* Names on the wire for one attempt, all derived by keyed hash from (uid, attempt): a restarted
 * worker can rebuild them, an outsider can't guess them. */
struct od_sip_names {
    char call_id[33];  /* 32 hex digits; the SIP Call-ID */
    char from_tag[17]; /* 16 hex digits */
    char branch[32];   /* "z9hG4bK" + 16 hex digits */
};

struct od_invite {
    struct od_job_id job;
    uint32_t trunk; /* engine's index; the host knows server, credentials and identity */
    struct od_sip_names names;
    const char *to;          /* E.164 or SIP URI */
    struct od_call_id first; /* of a second leg: the call it is one of; gen 0: it is a call */
};

/*
 * The queue and the ledger.
 *
 * After claim() has answered (JOB.., CLAIM_DONE), each job is the engine's until exactly one of
 * release() or finish(); from that order on it is the adapter's to get stored, however long the
 * store is away. intent() comes before any SIP order for the job and is answered by DURABLE or
 * NOT_DURABLE, never both. When a trunk was at fault the same job is dialled again: by another
 * intent, whose attempt is the next number. Attempts so count INVITEs with names of their own, not
 * attempts on the person.
 */
struct od_store_port {
    void *ctx;
    void (*claim)(void *ctx, uint32_t lane, uint32_t count);
    void (*intent)(void *ctx, struct od_call_id call, struct od_job_id job,
                   const struct od_sip_names *names, uint32_t trunk, uint16_t attempt);
    /* A step others may want to see: state is "ringing" or "talking". Best effort, kept in order.
     */
    void (*progress)(void *ctx, struct od_job_id job, const char *state, int64_t wall_ms);
    /* Give back undialled: not before wall ms (0: at once), why in a word ("paused", "hours"). */
    void (*release)(void *ctx, struct od_call_id call, struct od_job_id job, int64_t not_before_ms,
                    const char *why);
    void (*finish)(void *ctx, struct od_job_id job, const struct od_outcome *outcome);
    /* The call's second leg, of the job that its first holds. sent: false, before its INVITE: its
     * intent, answered by DURABLE or NOT_DURABLE for `call`, which is the second leg's. true: it
     * rings or is answered; best effort. NULL: there are no second legs. */
    void (*leg)(void *ctx, struct od_call_id call, const struct od_invite *invite, bool sent);
};

/* Whether the whole of a shared rate may be one process's for a while, with no slots. */
enum od_rate_sole {
    OD_RATE_SOLE_NEVER,
    OD_RATE_SOLE_ALONE,  /* while nobody else wants it */
    OD_RATE_SOLE_ALWAYS, /* as long as that process wants some: no slots are dealt at all */
};

/* What this process could use of a rate that it shares with others. */
struct od_rate_ask {
    uint32_t want;        /* calls to be sent beyond the slots that are held; 0: none, but soon */
    uint64_t interval_ns; /* between two slots of the rate, whoever has them; whole microseconds */
    uint64_t late_ns;     /* how long after its moment a slot may be used */
    uint64_t pause_ns;    /* between a sole use and another's first slot, and the other way round */
    uint8_t sole;         /* enum od_rate_sole */
};

/* The books of the rates that processes share: engine/core/share.h. */
struct od_rate_port {
    void *ctx;
    /* rate: the trunk that keeps its limits, or trunks_max and a pace's index. Answered by GRANT,
     * the last one marked; while the books can't be reached it isn't, and is asked again. */
    void (*ask)(void *ctx, uint32_t rate, const struct od_rate_ask *ask);
    /* The trunk's carrier said Retry-After: for the others that send to it, who hear of it as HELD.
     * May be NULL. */
    void (*held)(void *ctx, uint32_t trunk, uint64_t until_ns);
};

struct od_sip_port {
    void *ctx;
    /* Opens media, offers it, sends the INVITE. Answered by SENT, then PROGRESS/ANSWER/REJECT. */
    void (*invite)(void *ctx, struct od_call_id call, const struct od_invite *invite);
    /* After CHALLENGED, at the limiter's word: the INVITE once more, with credentials. Answered as
     * invite(). */
    void (*invite_again)(void *ctx, struct od_call_id call);
    void (*cancel)(void *ctx, struct od_call_id call); /* answered by REJECT (487) or ANSWER */
    void (*ack)(void *ctx, struct od_call_id call);    /* acknowledges the latest 2xx */
    void (*bye)(void *ctx, struct od_call_id call);    /* answered by CLEARED */
    /* The leg is over: no event follows, and what may still be up is ended. invite() may follow. */
    void (*drop)(void *ctx, struct od_call_id call);
    void (*ping)(void *ctx, uint32_t trunk); /* an OPTIONS; answered by PONG. May be NULL */
};

struct od_talk_port {
    void *ctx;
    /* Likely to be answered: get speech and connections ready. May be called more than once. */
    void (*prepare)(void *ctx, struct od_call_id call, struct od_job_id job);
    void (*start)(void *ctx, struct od_call_id call, struct od_job_id job); /* answered; talk */
    /* The call is over for the agent; its result goes into the job before finish(). Cause NONE:
     * only this try of it was, by its trunk's fault; prepare() may follow. */
    void (*stop)(void *ctx, struct od_call_id call, struct od_job_id job, enum od_cause cause);
    void (*hook)(void *ctx, struct od_call_id call, struct od_job_id job); /* -> HOOK_DONE */
    /* After BRIDGE: `leg` is being dialled for the call (outcome NULL), and is over (its outcome).
     * In between come prepare(), start() and stop() for it as for any call. A leg with gen 0 was
     * never dialled. NULL: there are no second legs. */
    void (*bridge)(void *ctx, struct od_call_id call, struct od_call_id leg,
                   const struct od_outcome *outcome);
};

/* One line per state change, from the one place that changes states. Strings are static. */
struct od_step_view {
    struct od_call_id call;
    struct od_uid uid;
    uint16_t attempt;
    uint32_t trunk;
    const char *from, *event, *to;
    enum od_cause cause; /* OD_CAUSE_NONE until the end */
    bool odd;            /* the world did something surprising */
    struct od_call_id
        first; /* of a second leg: the call it is one of, with the same uid; or gen 0 */
};

struct od_breaker_view; /* engine.h */

struct od_trace_port {
    void *ctx;
    void (*step)(void *ctx, struct od_now now, const struct od_step_view *view);
    /* A breaker has changed its state. May be NULL. */
    void (*breaker)(void *ctx, struct od_now now, const struct od_breaker_view *view);
};

struct od_ports {
    struct od_store_port store;
    struct od_sip_port sip;
    struct od_talk_port talk;
    struct od_trace_port trace; /* step may be NULL */
    struct od_rate_port rate;   /* ask may be NULL: no rate is shared with other processes */
};

#endif
