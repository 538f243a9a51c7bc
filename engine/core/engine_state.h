/*
 * engine_state - the structs behind od_engine, for the files of engine/core alone.
 *
 * How they hang together: a lane has up to eight paths, one per trunk it may use. A path wishes to
 * claim (from the store), wishes to arm (a queued call) and offers to send (an armed call), each on
 * its trunk's queue; the pacer serves the queues of trunks that have something to do. So a turn
 * costs by what happens in it, never by how many calls, lanes or trunks there are.
 *
 * Glossary
 *   path    one trunk of one lane
 *   ahead   calls of a trunk that are asked for or queued: claimed before their turn
 *   asked   calls whose start hook is asked: they hold no slot, and count for what is claimed
 *   ready   calls that hold a slot and have not been sent: ARMING, ARMED
 *   lead    how long before its send a call must be armed, from the store's observed latency
 *
 * Lifetime: everything is owned by od_engine and taken at create.
 */
#ifndef ENGINE_CORE_ENGINE_STATE_H
#define ENGINE_CORE_ENGINE_STATE_H

#include "engine/base/index.h"
#include "engine/base/list.h"
#include "engine/base/pool.h"
#include "engine/base/ring.h"
#include "engine/base/timers.h"
#include "engine/core/adapt.h"
#include "engine/core/breaker.h"
#include "engine/core/call_fsm.h"
#include "engine/core/fair.h"
#include "engine/core/health.h"
#include "engine/core/limit.h"
#include "engine/core/share.h"
#include "outdial/engine.h"

enum { OD_TRIES_MAX = 8 };

/* What a fired timer is part of (od_timer.kind). */
enum od_timer_kind {
    OD_TIMER_CALL,
    OD_TIMER_LANE,
    OD_TIMER_TRUNK_SEND,
    OD_TIMER_TRUNK_ARM,
    OD_TIMER_TRUNK_CLAIM,
    OD_TIMER_TRUNK_HEALTH,
    OD_TIMER_RATE_ASK,
    OD_TIMER_BREAKER,
};

/* The breakers (breakers.h). */
struct od_breakers {
    struct od_breaker_rule rules[OD_BREAKERS_MAX];
    uint32_t rule_count;
    struct od_pool places;
    struct od_index by_key;
    struct od_list idle;    /* those that may make room, the idlest first */
    struct od_list tripped; /* those that are not closed, the latest first */
    uint64_t opened[OD_BREAKER_AXIS_COUNT], forgotten, full;
};

/* A breaker that a call is bound to. */
struct od_breaker_ref {
    uint32_t index, gen;
};

/* The rate of one trunk, or of several that share it; the pace of lanes (rate.h). */
struct od_rate {
    uint32_t number;
    uint32_t limit_count;
    uint8_t inbound; /* bit i: limits[i] counts INVITEs that come from the trunk */
    struct od_limit limits[OD_SHAPES_MAX];
    uint64_t last_send_ns;
    bool sent;
    uint64_t charged_ns; /* the turn that charged the last INVITE */
    uint64_t invites;
    uint32_t unreported;    /* INVITEs of which SENT, or anything later, was not heard */
    uint32_t trunks;        /* that use it */
    struct od_list members; /* those, or a pace's lanes */
    uint32_t ready;         /* sum over them, a trunk's challenged ones too */
    struct od_share *share; /* our part of it; NULL: no rate is shared with other processes */
    struct od_timer ask_timer;
    uint64_t plenty_ns; /* more waited than could be claimed, last */
};

struct od_trunk {
    struct od_trunk_def def;
    bool set;
    uint32_t index;
    struct od_rate *rate;
    struct od_limit work; /* the working rate, while it is lower than the configured one */
    struct od_adapt adapt;
    struct od_health health;
    uint64_t hold_until_ns; /* it said Retry-After */
    bool up;                /* takes calls, as of the last look: routes go by it */
    uint8_t breaker;        /* enum od_breaker_state: the worst of its own breakers */
    uint32_t probes_free;   /* calls that these let through; UINT32_MAX: all */
    uint32_t unreported;    /* INVITEs ordered of which SENT, or anything later, was not heard */
    struct od_list rate_member; /* on its rate's list */

    uint32_t in_use;  /* slots taken */
    uint32_t hooking; /* in START_HOOK, claimed for this trunk */
    uint32_t ready;   /* in ARMING or ARMED */
    uint32_t dialing; /* in DIALING */
    uint32_t challenged_count;
    uint32_t ahead;
    uint64_t invites, answers, failures;

    struct od_fair claim, claim_hook, arm;          /* paths that wish */
    struct od_heap send;                            /* paths that offer an armed call */
    struct od_list challenged;                      /* calls to be sent again, first come first */
    struct od_list send_work, arm_work, claim_work; /* on the engine's lists of that name */
    struct od_timer send_timer, arm_timer, claim_timer, health_timer;
};

/* A lane on the list of a pace that it keeps. */
struct od_pace_member {
    struct od_lane *lane;
    struct od_rate *rate;
    struct od_list node;
};

struct od_path {
    struct od_lane *lane;
    struct od_trunk *trunk;
    struct od_fair_item claim, arm;
    struct od_heap_node send;
    uint64_t send_order;          /* arm order of the first armed call, as of when it was offered */
    struct od_list arming, armed; /* calls */
    struct od_list gone;          /* on the engine's list of paths taken out of their lanes */
    uint64_t turn;                /* weighted turns among the lane's trunks */
};

struct od_lane {
    struct od_lane_def def;
    bool set;
    uint32_t index;
    uint32_t path_count;
    struct od_path *paths[OD_TRUNKS_PER_LANE];
    uint32_t pace_count;
    struct od_pace_member paces[OD_PACES_PER_LANE];
    uint64_t turn; /* of the path chosen last */

    uint32_t waiting; /* in the store, at least */
    uint32_t asked;   /* claim under way: calls not yet handed over */
    bool claiming;
    struct od_trunk *claim_trunk; /* whose ahead counts the claim under way */
    uint64_t claim_after_ns;
    uint32_t queued, hooking, ready, in_use;
    uint32_t legs_queued; /* second legs among the queued */
    bool broken;          /* a breaker of the whole lane is open */
    uint32_t probes_free; /* calls that these let through; UINT32_MAX: all */

    uint32_t deferred_count;
    struct od_list queue;                         /* QUEUED calls */
    struct od_list deferred;                      /* DEFERRED calls */
    struct od_list hooks;                         /* START_HOOK calls */
    struct od_list touched, recalled, shut, busy; /* on the engine's lists of that name */
    struct od_timer timer;
};

struct od_call {
    struct od_call_id id;
    uint8_t state;        /* enum od_call_state; changed by od_call_do() alone */
    bool decided;         /* the outcome's cause is settled */
    bool waits_turn;      /* on its trunk's list of challenged calls */
    bool unreported;      /* counted in its trunk's */
    bool hooked;          /* its start hook has accepted */
    bool heard;           /* the trunk has answered this INVITE somehow */
    uint8_t route;        /* bit i: the lane's path i takes the number */
    uint8_t shut;         /* bit i: a breaker keeps the call from path i; as of route_version */
    uint8_t breaker_bits; /* bit i: bound to breakers[i] */
    uint8_t probe_bits;   /* bit i: as a probe of it */
    bool breakers_told;   /* of its answer */
    uint16_t attempt;
    uint8_t misses;               /* INVITEs refused by trunks' faults */
    uint32_t tried[OD_TRIES_MAX]; /* the trunks of those */
    uint64_t first_ns;            /* the first INVITE */
    uint64_t retry_ns;            /* when DEFERRED ends */
    uint32_t route_version;
    uint32_t trunk; /* engine's index, OD_NO_TRUNK before a slot was taken */
    /* the lane's queue, the path's arming or armed list, the trunk's challenged calls */
    struct od_list node;
    struct od_timer timer;
    uint64_t since_ns, until_ns; /* of the state */
    /* its last INVITE: when it was charged, and as the how manieth of its trunk and paces */
    uint64_t charged_ns, rate_invite, trunk_invite;
    struct od_paced {
        struct od_rate *rate; /* NULL: none more */
        uint64_t invite;
    } paced[OD_PACES_PER_LANE];
    uint64_t arm_order;
    struct od_lane *lane;
    struct od_path *path;     /* while ready */
    struct od_trunk *charged; /* whose ahead, or hooking, counts it; NULL: none */
    struct od_job_id job;
    struct od_uid uid;
    int64_t deadline_wall_ms;
    struct od_window window; /* the callee's hours */
    uint8_t tries;           /* attempts on the person before this one */
    const char *release_why;
    int64_t release_ms; /* not to be claimed before; 0: at once */
    struct od_outcome outcome;
    struct od_sip_names names;
    uint64_t answered_ns;
    struct od_breaker_ref breakers[OD_BREAKERS_MAX]; /* by rule */
    char to[OD_ENDPOINT_MAX];
    char caller[OD_CALLER_MAX]; /* "": its lane's */

    /* two legs (bridge.h) */
    struct od_call_id first;       /* of a second leg: whose; gen 0: it is none */
    struct od_call_id second;      /* the call's second leg; gen 0: there is none */
    uint8_t legs;                  /* second legs it has had */
    uint32_t ring_ms, talk_ms_max; /* of a second leg: its own */
};

/* A smoothed time and its spread, as RFC 6298 section 2 smooths round trips. */
struct od_latency {
    uint64_t mean_ns, spread_ns;
    uint64_t turn_ns; /* of the last sample */
};

struct od_engine {
    struct od_limits limits;
    struct od_ports ports;
    struct od_now now; /* of the present turn */
    bool store_up, draining;
    uint64_t lease_until_ns; /* beyond it what was claimed may be another's: no INVITE leaves */
    bool changed;            /* trunks or lanes were set since the last turn */

    struct od_ring events;
    struct od_timers timers;
    struct od_pool calls, paths, groups;
    struct od_index calls_by_uid, groups_by_key;
    uint64_t index_key[2];
    struct od_lane *lanes;
    uint32_t lanes_set; /* none beyond was ever set */
    struct od_trunk *trunks;
    struct od_rate *rates;   /* the trunks', then the paces' */
    struct od_share *shares; /* likewise; NULL without a port for them */
    struct od_limit_entry *rate_logs;
    struct od_breakers breakers;

    /* lanes to look at again, to empty, with undialled calls; paths to empty */
    struct od_list touched, recalled, shut, busy, gone;
    /* trunks with something to send, arm, claim */
    struct od_list send_work, arm_work, claim_work;

    uint32_t by_state[OD_CALL_STATE_COUNT];
    uint32_t dialled;      /* slots taken on this node */
    uint64_t arm_early_ns; /* while a trunk is served: who is due so soon is armed too */
    uint32_t reserved;     /* places in `calls` promised to claims under way */
    uint32_t ahead;        /* sum over trunks */
    uint32_t route_version;
    uint64_t arm_orders;
    struct od_latency intent, hook;
    uint64_t claimed, invited, answered, ended, retried, bridged, late, odd, full;
    uint64_t ended_by[OD_CAUSE_COUNT];
    uint64_t hash;
};

/* Folds a decision into the engine's hash. */
static inline void od_engine_fold(struct od_engine *engine, uint64_t value)
{
    uint64_t z = (engine->hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);

    engine->hash = z ^ (z >> 29);
}

#endif
