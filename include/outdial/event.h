/*
 * event - facts that adapters report to the engine. They are copied by od_engine_post() and looked
 * at in the engine's next turn; posting never runs anything, so any adapter may post from any
 * callback. Events name calls and jobs by id; an id that is no longer alive is counted `late`.
 *
 * A fact is complete in itself: no pointer in an event is kept, none points anywhere.
 */
#ifndef OUTDIAL_EVENT_H
#define OUTDIAL_EVENT_H

#include "outdial/cause.h"
#include "outdial/rules.h"
#include "outdial/types.h"

enum od_event_kind {
    OD_EV_NONE,

    /* from the store */
    OD_EV_STORE_UP,    /* claims and intents are possible (again) */
    OD_EV_STORE_DOWN,  /* stop claiming; calls go on */
    OD_EV_LANE_READY,  /* u.lane: work is waiting in a lane */
    OD_EV_JOB,         /* u.job: a call was claimed for us */
    OD_EV_CLAIM_DONE,  /* u.claim: the claim is answered; its OD_EV_JOBs were posted before */
    OD_EV_DURABLE,     /* call: its intent to dial is on disk */
    OD_EV_NOT_DURABLE, /* call: the store says the claim is not ours; nothing may be sent for it */
    OD_EV_RELEASED,    /* call: the store has it back */
    OD_EV_LOST,        /* call: our lease ran out and another worker has it; end it, dial nothing */
    OD_EV_LEASE,       /* u.lease: what we hold is ours until then; beyond it no INVITE may leave */
    OD_EV_GRANT,       /* u.grant: our part of a rate that is shared with other processes */

    /* from SIP */
    OD_EV_SENT,       /* call: an INVITE was handed to the transport; u.sent */
    OD_EV_TRYING,     /* call: a 100: the trunk has our INVITE */
    OD_EV_CHALLENGED, /* call: refused by 401 or 407, and we know the answer: order invite_again */
    OD_EV_PROGRESS,   /* call: a 1xx above 100; u.sip.status */
    OD_EV_ANSWER,     /* call: a 2xx to our INVITE, first or repeated */
    OD_EV_REJECT,     /* call: a final 3xx-6xx, or the transaction died locally; u.sip */
    OD_EV_PEER_BYE,   /* call */
    OD_EV_CLEARED,    /* call: our BYE was answered or given up */
    OD_EV_INBOUND,    /* u.inbound: an INVITE came from the trunk; its limits may count it */
    OD_EV_PONG,       /* u.pong: a trunk's OPTIONS was answered, or given up */
    OD_EV_HELD,       /* u.held: to another process the trunk's carrier said Retry-After */

    /* from media and the agent */
    OD_EV_AGENT_DONE,   /* call: the agent said goodbye; hang up normally */
    OD_EV_AGENT_FAILED, /* call: the agent broke; u.fail.reason */
    OD_EV_MEDIA_FAILED, /* call: no usable media (SDP answer, silence, ports); u.fail.reason */
    OD_EV_HOOK_DONE,    /* call: the start hook answered; u.hook */
    OD_EV_BRIDGE,       /* call: its callee is to talk to somebody else; u.bridge */

    /* from the operator */
    OD_EV_STOP,  /* call: cancel or hang up; u.stop */
    OD_EV_DRAIN, /* no new claims; give back what has not been dialled */

    OD_EV_COUNT,
};

/* Of a shared rate: all of it for a while, or moments at which one INVITE may leave each. An answer
 * may come as several of these. */
enum { OD_GRANT_SLOTS = 16 };
struct od_grant {
    uint32_t rate;          /* as od_rate_port.ask was told */
    uint8_t count;          /* slots */
    bool last;              /* of the answer to one ask */
    bool voids;             /* what was granted before this is void: the clock it was in was set */
    uint64_t sole_until_ns; /* mono: until then nobody else uses the rate; 0: others do */
    uint64_t late_ns;       /* a slot may be used so long after its moment */
    uint64_t from_ns[OD_GRANT_SLOTS]; /* mono, rising */
};

struct od_event {
    uint8_t kind; /* enum od_event_kind */
    struct od_call_id call;
    union {
        struct {
            uint32_t lane;
            uint32_t waiting; /* at least so many wait; 0: empty */
        } lane;
        struct {
            uint32_t lane;
            struct od_job_id job;
            struct od_uid uid;
            uint16_t attempt;         /* 1.. */
            uint8_t tries;            /* attempts on the person so far */
            int64_t deadline_wall_ms; /* 0: none */
            struct od_window window;  /* the callee's hours */
            char to[OD_ENDPOINT_MAX];
            char caller[OD_CALLER_MAX]; /* the number it is to show; "": its lane's */
        } job;
        struct {
            uint32_t lane;
            uint32_t asked, got;
            uint32_t waiting; /* left in the lane after the claim */
            bool failed;      /* no answer: nothing is known, try again after STORE_UP */
        } claim;
        struct {
            uint64_t mono_ns; /* it had left by then: at this time or, since its order, before */
        } sent;
        struct {
            uint64_t until_ns; /* mono; OD_NEVER: no lease is kept */
        } lease;
        struct od_grant grant;
        struct {
            uint16_t status;        /* 101..699; 0: the transaction ended with no response */
            uint32_t retry_after_s; /* 0: none given */
            bool local;             /* made up by our side (timeout, unreachable, resolver) */
            bool moved; /* of REJECT: its trunk goes on with another server: it is not at fault */
            char reason[OD_REASON_MAX];
        } sip;
        struct {
            uint32_t trunk;
        } inbound;
        struct {
            uint32_t trunk;
            uint16_t status; /* 200..699; 0: no answer */
        } pong;
        struct {
            uint32_t trunk;
            uint64_t until_ns; /* mono: no INVITE before then */
        } held;
        struct {
            char reason[OD_REASON_MAX];
        } fail;
        struct {
            bool accept;
            char reason[OD_REASON_MAX];
        } hook;
        struct {
            uint32_t ring_ms;     /* how long that phone may ring, 1,000..600,000 */
            uint32_t talk_ms_max; /* and how long the two may talk, 1,000.. */
            char to[OD_ENDPOINT_MAX];
        } bridge;
        struct {
            bool before_answer_only; /* cancel: an answered call is left alone */
            uint8_t cause;           /* enum od_cause to end with: CANCELED, DEADLINE, COMPLETED */
        } stop;
    } u;
};

#endif
