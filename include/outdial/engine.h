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
    uint32_t trunks_max;   /* 1..1,000,000 */
    uint32_t events_max;   /* power of two; posting beyond it is refused */
    uint32_t turn_budget;  /* events and timers per turn before run() asks to be called again */
    uint8_t tries_max;     /* INVITEs owed to a contact whose trunks are at fault; 0: one */
    uint32_t tries_ms_max; /* and no more so long after the first */
    uint8_t ident_key[16]; /* key of the SIP names' hash */
    uint32_t breakers_max; /* kept at once, 0..1,000,000: beyond it the idlest closed one goes */
    uint32_t paces_max;    /* 0..1,000,000 */
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
enum { OD_VERDICTS_MAX = 8, OD_VERDICT_TEXT_MAX = 32 };

/* Of what kind a trunk's fault is: what its health and its rate make of it. */
enum od_trunk_fault {
    OD_TRUNK_FAULT_NONE,
    OD_TRUNK_FAULT_DEAD,        /* unreachable, or silent */
    OD_TRUNK_FAULT_ERROR,       /* it broke over this call: a 5xx */
    OD_TRUNK_FAULT_OVERLOAD,    /* a bare 503: too fast for it, or out of order; time tells */
    OD_TRUNK_FAULT_LIMIT,       /* it says that a limit of it was passed */
    OD_TRUNK_FAULT_CREDENTIALS, /* it wants others than ours */
    OD_TRUNK_FAULT_COUNT,
};

/* A carrier's own dialect, before the usual table: what a refusal with this status, whose reason
 * phrase holds `text` in any case ("": whatever it says), means. */
struct od_verdict_rule {
    uint16_t from, to; /* SIP status, 300..699; from 0 ends a list */
    char text[OD_VERDICT_TEXT_MAX];
    uint8_t verdict; /* enum od_verdict: TRUNK, CALLEE or OURS */
    uint8_t cause;   /* enum od_cause of a call that ends so; NONE: the status's usual one */
    uint8_t fault;   /* enum od_trunk_fault; other than NONE with TRUNK, and only then */
};

struct od_trunk_def {
    char name[OD_NAME_MAX];
    struct od_shape shapes[OD_SHAPES_MAX]; /* kind NONE ends the list; none at all: no rate limit */
    uint32_t max_calls;                    /* 0: no cap of its own */
    uint16_t priority, weight;             /* lower priority first; weight 1.. within one */
    uint32_t ring_ms_max;                  /* no-answer time from the first 18x; 0: the lane's */
    char prefixes[OD_PREFIXES_MAX][OD_PREFIX_LEN_MAX]; /* "+44"; first empty ends; none: all */
    bool usable;                                       /* resolved and not paused */
    /* Silence so long after an INVITE, not even a 100: the trunk's fault. 0: as long as a call may
     * take to ring. */
    uint32_t patience_ms;
    uint32_t setup_ms_max; /* from the INVITE to the first 18x; 0: 40 s */
    uint32_t ping_ms;      /* an OPTIONS so often; 0: none */
    uint16_t bad_max;      /* so many faults or unanswered pings in a row: down; 0: never */
    uint16_t good_min;     /* so many good answers in a row bring it back; 0: one */
    bool adaptive;         /* refusals lower its working rate */
    uint8_t inbound;       /* bit i: shape i counts INVITEs that come from the trunk, too */
    bool shared;           /* other processes use its rate, too: od_rate_port is asked for it */
    uint32_t rate_from; /* 1 + index of the trunk whose shapes rule and whose rate it shares; 0: own
                         */
    struct od_verdict_rule verdicts[OD_VERDICTS_MAX];
    char caller[OD_CALLER_MAX]; /* the number its calls show, whatever they ask for; "": theirs */
};

/* ---- breakers ---- */

/* Whose calls a breaker looks at, and what stands still while it is open. */
enum od_breaker_axis {
    OD_BREAKER_TRUNK,    /* a trunk: it counts as down */
    OD_BREAKER_PREFIX,   /* numbers with one beginning on one trunk: other trunks take them */
    OD_BREAKER_CALLER,   /* what callees are shown as the caller's number, on any trunk */
    OD_BREAKER_CAMPAIGN, /* a campaign's list: it is held */
    OD_BREAKER_AXIS_COUNT,
};

enum od_breaker_state {
    OD_BREAKER_CLOSED,    /* calls go, and are counted */
    OD_BREAKER_HALF_OPEN, /* a few probes find out */
    OD_BREAKER_OPEN,      /* none go */
    OD_BREAKER_STATE_COUNT,
};

enum { OD_BREAKERS_MAX = 8, OD_BREAKER_DIGITS_MAX = 11 };

/*
 * A rule: each trunk, prefix, number or campaign has a breaker by it. Shares are in thousandths; 0:
 * not asked. Of the INVITEs of the last window_ms whose end is known,
 *
 *   answered_min  at least so many are answered (the answer-seizure ratio). A trunk's faults count
 *                 against its trunk and prefix, not against a number or a list.
 *   short_max     at most so many of the answered calls last less than short_ms
 *   failed_max    at most so many end by the trunk's fault; refusals for rate count in neither
 *
 * and none of it is asked before calls_min of what it is a share of are known. A breaker that opens
 * stays so for wait_ms, twice as long each time it opens again soon, up to wait_ms_max; then
 * `probes` calls are let through, and when all of them are known they decide.
 */
struct od_breaker_rule {
    uint8_t axis;    /* enum od_breaker_axis */
    uint16_t digits; /* PREFIX: a number's first so many digits, 1..OD_BREAKER_DIGITS_MAX */
    uint16_t answered_min, short_max, failed_max; /* 0..1000; at least one is not 0 */
    uint32_t short_ms;                            /* 1.. with short_max */
    uint32_t calls_min;                           /* 1..1,000,000 */
    uint32_t window_ms;                           /* 1,000..86,400,000 */
    uint32_t wait_ms, wait_ms_max;                /* 1..wait_ms_max, up to 86,400,000 */
    uint16_t probes;                              /* 1..1000 */
};

/* A breaker as it is now. */
struct od_breaker_view {
    uint8_t rule;                /* place among the rules */
    uint8_t state;               /* enum od_breaker_state */
    uint8_t axis;                /* enum od_breaker_axis */
    uint32_t trunk;              /* TRUNK and PREFIX; OD_NO_TRUNK: of no one trunk */
    uint32_t lane;               /* whose call made it */
    struct od_uid campaign;      /* CAMPAIGN */
    char name[OD_CALLER_MAX];    /* PREFIX: its digits; CALLER: the number */
    char reason[OD_REASON_MAX];  /* why it opened last: "failed 80.0% of 25, at most 50.0%" */
    uint64_t since_ns, until_ns; /* of the state; until is 0 but for OPEN */
    uint32_t calls, answered, shorts, failed; /* in the window; HALF_OPEN: of the probes */
    uint32_t probes_out;                      /* under way */
};

/* The rate of whoever has lanes, a campaign or an agent, over all of these. */
struct od_pace_def {
    struct od_shape
        shapes[OD_SHAPES_MAX]; /* kind NONE ends the list; none at all: it holds nobody */
    bool shared;               /* other processes keep it, too: od_rate_port is asked for it */
};
enum { OD_PACES_PER_LANE = 2 };

/* A lane: what waits in the store under one rule: one agent, one campaign or none, one priority. */
struct od_lane_def {
    int32_t priority; /* higher first */
    uint32_t rotor;   /* lanes of one rotor share a turn among equals (org, agent) */
    uint32_t trunks[OD_TRUNKS_PER_LANE]; /* OD_NO_TRUNK ends the list */
    /* 1 + a pace that holds it, 0 ends the list. With several that processes share, in the order in
     * which they are to be had. */
    uint32_t paces[OD_PACES_PER_LANE];
    uint32_t max_calls;      /* the campaign's or agent's cap; 0: none */
    uint32_t ring_ms;        /* no-answer time from the first 18x, 1,000..600,000 */
    uint32_t talk_ms_max;    /* longest talk, from the 2xx */
    bool hook;               /* a start hook runs before dialing */
    bool open;               /* false: paused or disabled: claim nothing */
    struct od_window window; /* its hours: outside of them it is closed, and opens by itself */
    struct od_retry retry;
    struct od_uid campaign;     /* whose calls these are; all zero: of none */
    char caller[OD_CALLER_MAX]; /* the number its calls show that name none; "": none */
};

struct od_engine_stats {
    uint32_t alive, queued, armed, dialing, ringing, talking, clearing; /* calls now, by state */
    uint64_t claimed, invited, answered, ended;                         /* since create */
    uint64_t retried; /* attempts that ended but not their calls: these are not in `ended` */
    uint64_t bridged; /* second legs made: these are in neither */
    uint64_t late, odd, full; /* events about the dead; surprises; refused for want of room */
    uint64_t ended_by[OD_CAUSE_COUNT];
};

enum od_health_state {
    OD_HEALTH_UP,
    OD_HEALTH_PROBING, /* one call at a time finds out */
    OD_HEALTH_DOWN,
};

struct od_trunk_stats {
    uint32_t in_use, armed;
    uint64_t invites, answers, failures;
    uint64_t refusals;     /* for rate or capacity */
    uint64_t next_send_ns; /* earliest mono_ns of the next INVITE; 0: now */
    uint8_t health;        /* enum od_health_state */
    char health_reason[OD_REASON_MAX];
    uint64_t health_since_ns;
    uint64_t held_until_ns; /* it said Retry-After, or its window drains; 0: not held */
    /* Thousandths of a call per second that adaptation allows; 0: all that is configured. */
    uint32_t working_milli;
    char rate_reason[OD_REASON_MAX]; /* why; "" when it was never lowered */
    uint64_t rate_since_ns;          /* lowered last */
    uint64_t pings, pings_bad;
    uint32_t delay_ms;                  /* smoothed post-dial delay; 0: not known */
    uint8_t breaker;                    /* enum od_breaker_state: the worst of its own */
    char breaker_reason[OD_REASON_MAX]; /* why that opened last; "": it is closed */
    uint64_t breaker_until_ns;          /* OPEN: its end; 0 */
};

/* OD_EINVAL: a limit out of its range; OD_ENOMEM. */
int od_engine_create(struct od_engine **out, const struct od_limits *limits,
                     const struct od_ports *ports, uint64_t seed);
void od_engine_destroy(struct od_engine *engine); /* NULL is fine */

/*
 * Configuration is set between turns, by the host. Setting a trunk, lane or pace again replaces its
 * definition and keeps its counters and its rate's memory; calls under way keep what they have.
 * OD_EINVAL: index beyond the limits or a field out of range.
 */
int od_engine_set_trunk(struct od_engine *engine, uint32_t trunk, const struct od_trunk_def *def);
int od_engine_set_lane(struct od_engine *engine, uint32_t lane, const struct od_lane_def *def);
int od_engine_set_pace(struct od_engine *engine, uint32_t pace, const struct od_pace_def *def);

/* Of `limits`: dialled_max, tries_max and tries_ms_max, from now on; calls that are up beyond a
 * lower dialled_max stay up. OD_EINVAL: out of range, and nothing has changed. */
int od_engine_change(struct od_engine *engine, const struct od_limits *limits);

/* The rules of all breakers; what was known by other rules is forgotten. OD_EINVAL: more than
 * OD_BREAKERS_MAX, a field out of range, or breakers_max is 0 and count is not. */
int od_engine_set_breakers(struct od_engine *engine, const struct od_breaker_rule *rules,
                           uint32_t count);

/* Copies the event; runs nothing. OD_EBUSY when the ring is full (counted). */
int od_engine_post(struct od_engine *engine, const struct od_event *event);

/* A turn. Returns the mono_ns of the next one that is due with no new event; OD_NEVER: none.
 * A value not after now.mono_ns means: the budget is used up, run again after polling I/O. */
uint64_t od_engine_run(struct od_engine *engine, struct od_now now);

/* True when events wait to be looked at. */
bool od_engine_pending(const struct od_engine *engine);

void od_engine_stats(const struct od_engine *engine, struct od_engine_stats *out);
int od_engine_trunk_stats(const struct od_engine *engine, uint32_t trunk,
                          struct od_trunk_stats *out);

/* A trunk's health as a word: "up", "probing", "down". Never NULL. */
const char *od_health_name(enum od_health_state state);

struct od_lane_stats {
    uint32_t in_use, queued, ready; /* calls now; in_use counts ready and dialled ones */
    uint32_t max_calls;             /* 0: none */
    uint64_t next_send_ns; /* earliest mono_ns by its paces; 0: now; OD_NEVER: another process has
                              one of them */
};
int od_engine_lane_stats(const struct od_engine *engine, uint32_t lane, struct od_lane_stats *out);

/* Breakers that are not closed, those that tripped last first: fills at most max, returns how many
 * there are. */
size_t od_engine_breakers(const struct od_engine *engine, struct od_breaker_view *out, size_t max);

/* Closes that breaker, and all it knew is forgotten: what went wrong was mended. OD_ENOENT: it is
 * not open any more. */
int od_engine_reset_breaker(struct od_engine *engine, const struct od_breaker_view *breaker);

struct od_breaker_stats {
    uint32_t kept;                                               /* breakers that are known of */
    uint32_t now[OD_BREAKER_AXIS_COUNT][OD_BREAKER_STATE_COUNT]; /* OPEN and HALF_OPEN only */
    uint64_t opened[OD_BREAKER_AXIS_COUNT];                      /* since create */
    uint64_t forgotten; /* closed ones that made room for others */
    uint64_t full;      /* calls not counted: no room, and none was closed */
};
void od_engine_breaker_stats(const struct od_engine *engine, struct od_breaker_stats *out);

/* The breakers that hold such a call back now: those of its lane, and with a trunk those on the way
 * through that. caller "": the lane's. Fills at most max, returns how many there are. */
size_t od_engine_breakers_of(const struct od_engine *engine, uint32_t lane, uint32_t trunk,
                             const char *to, const char *caller, struct od_breaker_view *out,
                             size_t max);

/* "trunk", "trunk_prefix", "caller", "campaign"; "closed", "half_open", "open". Never NULL. */
const char *od_breaker_axis_name(enum od_breaker_axis axis);
const char *od_breaker_state_name(enum od_breaker_state state);

/* The call that carries this uid, for orders that come by name; gen 0 when none is in memory. */
struct od_call_id od_engine_find(const struct od_engine *engine, const struct od_uid *uid);

/* The state's word ("ringing") of a call in memory, NULL when it is not. Static storage. */
const char *od_engine_state(const struct od_engine *engine, struct od_call_id call);

/* A hash over everything decided so far: equal seed and events, equal hash. */
uint64_t od_engine_hash(const struct od_engine *engine);

#endif
