/*
 * sim_world - the whole simulated world: one engine on a virtual clock, a store, a carrier, agents
 * and an operator around it, all moved by one seed. Checks stand on both sides of every port; the
 * first violation is kept in clock.wrong.
 *
 * Lifetime: init, run, deinit by the test, on its stack.
 */
#ifndef TESTS_SIM_SIM_WORLD_H
#define TESTS_SIM_SIM_WORLD_H

#include <stdio.h>

#include "outdial/engine.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/sim_knobs.h"
#include "tests/sim/sim_store.h"

enum { SIM_LANES_MAX = 16, SIM_TRUNKS_MAX = 8, SIM_LEASE_MS = 10000 };
/* Each lane's own pace, then the rotors'. */
enum { SIM_ROTORS_MAX = 4, SIM_PACES_MAX = SIM_LANES_MAX + SIM_ROTORS_MAX };

enum { SIM_ATTEMPTS_MAX = 64 }; /* of a contact */

enum sim_death { SIM_ALIVE, SIM_UNREACHABLE, SIM_SILENT, SIM_REFUSING };

/* What left under one rate, and the rate it must keep. */
struct sim_rate {
    struct od_shape shapes[OD_SHAPES_MAX];
    uint64_t *sent_ns; /* since the shapes were set */
    uint32_t sent, size;
    uint64_t bucket_ns; /* BUCKET: theoretical arrival time of the next */
};

/* A cap that may have been lowered: the old one still covers calls that had their slot. */
struct sim_cap {
    uint32_t now, before; /* 0: none */
    uint64_t changed_ns;
    uint32_t used;
};

/* An attempt on a number, for the cap; voided when no phone can have rung. */
struct sim_attempt {
    uint32_t contact;
    int64_t intent_ms;
    bool void_;
};

enum sim_spoil { SIM_SPOIL_PREFIX, SIM_SPOIL_CALLER, SIM_SPOIL_LIST };

struct sim_breakers;
struct sim_leg; /* the carrier's view of a call */
struct sim_talk;

struct sim_world {
    uint64_t seed;
    struct sim_knobs knobs;
    struct sim_clock clock;
    struct od_rng rng;
    struct od_engine *engine;
    struct od_limits limits;
    struct sim_store *store;

    struct od_lane_def lanes[SIM_LANES_MAX];
    struct od_trunk_def trunks[SIM_TRUNKS_MAX];
    struct sim_cap lane_caps[SIM_LANES_MAX], trunk_caps[SIM_TRUNKS_MAX];
    struct sim_rate pace_rates[SIM_PACES_MAX], trunk_rates[SIM_TRUNKS_MAX];

    struct sim_leg *legs;   /* by call index */
    struct sim_talk *talks; /* by call index */
    uint32_t legs_live, talks_live;
    uint32_t seconds_live;        /* second legs the engine has told of and not ended */
    uint64_t seconds;             /* dialled */
    uint32_t unacked;             /* 2xx the engine was told of and has not acknowledged */
    uint64_t *dialled;            /* by contact: bit n: attempt n was dialled; no two alike */
    uint8_t *on_phone;            /* by contact: legs alive */
    uint8_t *spoken;              /* by contact: the callee's verdict is in: never dialled again */
    uint8_t *faults;              /* by contact: faults of trunks since it was claimed */
    struct od_job_id *job_of;     /* by contact: the job that was dialled last */
    int64_t *suppressed_ms;       /* by contact: since when nobody may dial its number; 0 */
    struct sim_attempt *attempts; /* in their order */
    uint32_t attempt_count;
    uint8_t dead[SIM_TRUNKS_MAX];            /* enum sim_death */
    uint64_t retry_after_ns[SIM_TRUNKS_MAX]; /* no INVITE before: said, and heard by the engine */
    uint64_t retry_heard_ns[SIM_TRUNKS_MAX];
    uint32_t legs_made;
    bool drained, drain_seen; /* posted; the engine has taken all its events since */

    struct sim_breakers *breakers; /* NULL: there are none */
    uint64_t spoilt_until_ns, breakers_opened, breakers_closed;

    uint64_t wake_ns;     /* when the host runs the engine next */
    int64_t turn_wall_ms; /* what the engine was told of the time */
    uint64_t pause_ns;    /* the process is to stand still for so long */
    uint64_t runs, orders, claims;
    uint64_t invites, answered, first_invite_ns, last_invite_ns;
    uint64_t hash;
    FILE *log; /* NULL: quiet */

    /* Lets a test stand between the engine and the world. May be NULL; changes the ports in place
     * before the engine is made. */
    void (*plant)(struct sim_world *world, struct od_ports *ports);
    void *plant_ctx;
};

struct sim_result {
    bool ok;
    char wrong[256];
    uint64_t hash, sim_ns, runs, invites, answered, ended;
    uint64_t first_invite_ns, last_invite_ns;
    uint64_t breakers_opened, breakers_closed;
    struct od_engine_stats stats;
};

/* Runs the world of this seed and these knobs to its end. log: NULL, or where every step goes. */
void sim_run(uint64_t seed, const struct sim_knobs *knobs,
             void (*plant)(struct sim_world *world, struct od_ports *ports), void *plant_ctx,
             FILE *log, struct sim_result *result);

/* ---- between the files of the world ---- */

/* An event for the engine. */
void sim_post(struct sim_world *world, const struct od_event *event);
void sim_post_kind(struct sim_world *world, enum od_event_kind kind, struct od_call_id call);

/* True in `knob` of 1000. */
bool sim_chance(struct sim_world *world, uint32_t knob);

/* low..high ms, in ns */
uint64_t sim_ms(struct sim_world *world, uint32_t low, uint32_t high);

/* An order of the engine, for the hash and the log. */
void sim_order(struct sim_world *world, const char *what, uint32_t index, uint64_t detail);

void sim_carrier_init(struct sim_world *world, struct od_sip_port *port);
void sim_carrier_deinit(struct sim_world *world);
/* True when the call is another's second leg; as of its INVITE. */
bool sim_carrier_second(const struct sim_world *world, struct od_call_id call);
/* After the engine has seen all events: nothing may be owed to a callee. */
void sim_carrier_check(struct sim_world *world);

void sim_breakers_init(struct sim_world *world, struct od_ports *ports);
void sim_breakers_start(struct sim_world *world); /* the engine is there */
void sim_breakers_deinit(struct sim_world *world);
/* An INVITE leaves, and nothing more is heard of it; known: the engine was told its end. */
void sim_breakers_invite(struct sim_world *world, uint32_t call, uint32_t lane, uint32_t trunk,
                         const char *to);
void sim_breakers_end(struct sim_world *world, uint32_t call, bool known);
/* Before and after the engine's turns, which end when it has heard of all that happened. */
void sim_breakers_turn(struct sim_world *world);
/* What is bad about such a call, as long as it is. */
bool sim_breakers_spoilt(const struct sim_world *world, uint32_t lane, uint32_t trunk,
                         const char *to, enum sim_spoil what);

void sim_talk_init(struct sim_world *world, struct od_talk_port *port);
void sim_talk_deinit(struct sim_world *world);
/* True while somebody talks on the call. */
bool sim_talk_on(const struct sim_world *world, struct od_call_id call);

/* Sets up lanes, trunks and contacts, and what the operator and the users will do. */
void sim_operator_init(struct sim_world *world);

void sim_rate_set(struct sim_rate *rate, const struct od_shape *shapes, uint32_t count);
void sim_rate_sent(struct sim_world *world, struct sim_rate *rate, bool resent, const char *whose,
                   uint32_t index);
void sim_rate_deinit(struct sim_rate *rate);
/* An INVITE of the lane: by all paces that it keeps. */
void sim_paces_sent(struct sim_world *world, uint32_t lane, bool resent);
void sim_cap_set(struct sim_world *world, struct sim_cap *cap, uint32_t now);
/* An INVITE to the contact: its number's cap must allow it. */
void sim_attempt_dialled(struct sim_world *world, uint32_t contact);
/* The job's last attempt was none on the person. */
void sim_attempt_void(struct sim_world *world, struct od_job_id job);
void sim_cap_take(struct sim_world *world, struct sim_cap *cap, const char *whose, uint32_t index);

#endif
