/*
 * engine - decides: who is dialled next, on which trunk, when, and what an ending means.
 *
 * Pure: no clock, no socket, no file, no global, no allocation after create. Time comes in as an
 * argument, orders go out through ports (ports.h), facts come in as events (event.h). The host
 * calls od_engine_run() whenever events were posted or the returned deadline has come. Two engines
 * in one process are fine.
 *
 * Lifetime: owned by the host; ports are copied at create, what their ctx points to must outlive
 * the engine.
 */
#ifndef OUTDIAL_ENGINE_H
#define OUTDIAL_ENGINE_H

#include "outdial/event.h"
#include "outdial/ports.h"
#include "outdial/rules.h"
#include "outdial/types.h"

struct od_engine;

struct od_limits {
    uint32_t calls_max;    /* 1..1,000,000: calls alive in memory, from claim to end */
    uint32_t dialled_max;  /* 1..calls_max: calls between intent and end on this node */
    uint32_t lanes_max;    /* 1..1,000,000 */
    uint32_t trunks_max;   /* 1..65,000 */
    uint32_t events_max;   /* power of two; posting beyond it is refused */
    uint32_t turn_budget;  /* events and timers per turn before run() asks to be called again */
    uint8_t ident_key[16]; /* key of the SIP names' hash */
};

/* A rate as carriers state it. All shapes of a trunk must hold at once. */
enum od_shape_kind {
    OD_SHAPE_NONE,
    OD_SHAPE_EVEN,   /* count per window_ns, evenly spaced from the last actual send; burst 1 */
    OD_SHAPE_WINDOW, /* at most count in any rolling window_ns */
    OD_SHAPE_BUCKET, /* count tokens per window_ns, at most burst saved up */
};
struct od_shape {
    uint8_t kind;
    uint32_t count; /* 1.. */
    uint32_t burst; /* BUCKET only */
    uint64_t window_ns;
};
enum { OD_SHAPES_MAX = 4, OD_PREFIXES_MAX = 16, OD_PREFIX_LEN_MAX = 12 };

struct od_trunk_def {
    char name[OD_NAME_MAX];
    struct od_shape shapes[OD_SHAPES_MAX]; /* kind NONE ends the list; none at all: no rate limit */
    uint32_t max_calls;                    /* 0: no cap of its own */
    uint16_t priority, weight;             /* lower priority first; weight 1.. within one */
    uint32_t ring_ms_max;                  /* no-answer time from the first 18x; 0: the lane's */
    char prefixes[OD_PREFIXES_MAX][OD_PREFIX_LEN_MAX]; /* "+44"; first empty ends; none: all */
    bool usable;                                       /* resolved, healthy and not paused */
};

/* A lane: what waits in the store under one rule: one agent, one campaign or none, one priority. */
struct od_lane_def {
    int32_t priority; /* higher first */
    uint32_t rotor;   /* lanes of one rotor share a turn among equals (org, agent) */
    uint16_t trunks[OD_TRUNKS_PER_LANE]; /* UINT16_MAX ends the list */
    struct od_shape shape;               /* the campaign's own pace; kind NONE: none */
    uint32_t max_calls;                  /* the campaign's or agent's cap; 0: none */
    uint32_t ring_ms;                    /* no-answer time from the first 18x, 1,000..600,000 */
    uint32_t talk_ms_max;                /* longest talk, from the 2xx */
    bool hook;                           /* a start hook runs before dialing */
    bool open;                           /* false: paused or disabled: claim nothing */
    struct od_window window; /* its hours: outside of them it is closed, and opens by itself */
    struct od_retry retry;
};

struct od_engine_stats {
    uint32_t alive, queued, armed, dialing, ringing, talking, clearing; /* calls now, by state */
    uint64_t claimed, invited, answered, ended;                         /* since create */
    uint64_t retried; /* attempts that ended but not their calls: these are not in `ended` */
    uint64_t late, odd, full; /* events about the dead; surprises; refused for want of room */
    uint64_t ended_by[OD_CAUSE_COUNT];
};

struct od_trunk_stats {
    uint32_t in_use, armed;
    uint64_t invites, answers, failures;
    uint64_t next_send_ns; /* earliest mono_ns of the next INVITE; 0: now */
};

/* OD_EINVAL: a limit out of its range; OD_ENOMEM. */
int od_engine_create(struct od_engine **out, const struct od_limits *limits,
                     const struct od_ports *ports, uint64_t seed);
void od_engine_destroy(struct od_engine *engine); /* NULL is fine */

/*
 * Configuration is set between turns, by the host. Setting a trunk or lane again replaces its
 * definition and keeps its counters and its rate's memory; calls under way keep what they have.
 * OD_EINVAL: index beyond the limits or a field out of range.
 */
int od_engine_set_trunk(struct od_engine *engine, uint16_t trunk, const struct od_trunk_def *def);
int od_engine_set_lane(struct od_engine *engine, uint32_t lane, const struct od_lane_def *def);

/* Copies the event; runs nothing. OD_EBUSY when the ring is full (counted). */
int od_engine_post(struct od_engine *engine, const struct od_event *event);

/* A turn. Returns the mono_ns of the next one that is due with no new event; OD_NEVER: none.
 * A value not after now.mono_ns means: the budget is used up, run again after polling I/O. */
uint64_t od_engine_run(struct od_engine *engine, struct od_now now);

/* True when events wait to be looked at. */
bool od_engine_pending(const struct od_engine *engine);

void od_engine_stats(const struct od_engine *engine, struct od_engine_stats *out);
int od_engine_trunk_stats(const struct od_engine *engine, uint16_t trunk,
                          struct od_trunk_stats *out);

/* The call that carries this uid, for orders that come by name; gen 0 when none is in memory. */
struct od_call_id od_engine_find(const struct od_engine *engine, const struct od_uid *uid);

/* The state's word ("ringing") of a call in memory, NULL when it is not. Static storage. */
const char *od_engine_state(const struct od_engine *engine, struct od_call_id call);

/* A hash over everything decided so far: equal seed and events, equal hash. */
uint64_t od_engine_hash(const struct od_engine *engine);

#endif
