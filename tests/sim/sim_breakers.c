/*
 * sim_breakers - what the engine's breakers promise, seen from the carrier: none opens before it
 * has seen enough calls, no INVITE leaves while one holds it, and of a half open one no more than
 * its probes. The states are the engine's own word; what is counted is counted here.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/uid.h"
#include "tests/sim/sim_world.h"

enum { KEYS_MAX = 512, ENDS_MAX = 64, CALLS_MIN = 4, PROBES = 2, DIGITS = 3 };

/* As the engine is told, one rule an axis. */
static const struct od_breaker_rule rules[OD_BREAKER_AXIS_COUNT] = {
    [OD_BREAKER_TRUNK] = {.axis = OD_BREAKER_TRUNK,
                          .failed_max = 600,
                          .short_max = 900,
                          .short_ms = 2000,
                          .calls_min = CALLS_MIN,
                          .window_ms = 60000,
                          .wait_ms = 5000,
                          .wait_ms_max = 20000,
                          .probes = PROBES},
    [OD_BREAKER_PREFIX] = {.axis = OD_BREAKER_PREFIX,
                           .digits = DIGITS,
                           .failed_max = 500,
                           .calls_min = CALLS_MIN,
                           .window_ms = 60000,
                           .wait_ms = 5000,
                           .wait_ms_max = 40000,
                           .probes = PROBES},
    [OD_BREAKER_CALLER] = {.axis = OD_BREAKER_CALLER,
                           .answered_min = 200,
                           .calls_min = CALLS_MIN,
                           .window_ms = 60000,
                           .wait_ms = 5000,
                           .wait_ms_max = 20000,
                           .probes = PROBES},
    [OD_BREAKER_CAMPAIGN] = {.axis = OD_BREAKER_CAMPAIGN,
                             .answered_min = 100,
                             .short_max = 950,
                             .short_ms = 1000,
                             .calls_min = CALLS_MIN,
                             .window_ms = 60000,
                             .wait_ms = 5000,
                             .wait_ms_max = 20000,
                             .probes = PROBES},
};

struct key {
    uint8_t axis;
    uint32_t trunk, campaign;
    char name[OD_CALLER_MAX];
    uint8_t state;              /* enum od_breaker_state, as told */
    uint32_t let, void_, out;   /* INVITEs since it is half open; those that came to nothing; up */
    uint32_t epoch;             /* of that */
    uint64_t ends_ns[ENDS_MAX]; /* as of when the engine heard of them */
    uint32_t ends;              /* INVITEs whose end may be known */
};

/* An INVITE under way. */
struct leg {
    bool on;
    uint16_t keys[OD_BREAKER_AXIS_COUNT];  /* 1 + place; 0: no rule */
    uint32_t probe[OD_BREAKER_AXIS_COUNT]; /* the epoch; 0: none */
};

struct sim_breakers {
    struct key keys[KEYS_MAX];
    uint32_t count;
    struct leg *legs;   /* by call index */
    uint64_t **unheard; /* ends that the engine has not had a turn to hear of */
    uint32_t unheard_count;
};

static bool has(const struct sim_world *world, unsigned axis)
{
    return world->knobs.breakers >> axis & 1;
}

static struct key *key_of(struct sim_breakers *all, unsigned axis, uint32_t trunk,
                          uint32_t campaign, const char *name)
{
    struct key *key = all->keys;

    for (; key < all->keys + all->count; key++)
        if (key->axis == axis && key->trunk == trunk && key->campaign == campaign &&
            strcmp(key->name, name) == 0)
            return key;
    OD_ASSERT(all->count < KEYS_MAX);
    *key = (struct key){.axis = (uint8_t)axis, .trunk = trunk, .campaign = campaign};
    memcpy(key->name, name, strlen(name) + 1);
    all->count++;
    return key;
}

static struct key *key_of_call(struct sim_world *world, unsigned axis, uint32_t lane,
                               uint32_t trunk, const char *to)
{
    const struct od_lane_def *def = &world->lanes[lane];
    const char *caller = world->trunks[trunk].caller;
    char prefix[DIGITS + 2];

    switch ((enum od_breaker_axis)axis) {
    case OD_BREAKER_TRUNK:
        return key_of(world->breakers, axis, trunk, 0, "");
    case OD_BREAKER_PREFIX:
        memcpy(prefix, to, DIGITS + 1);
        prefix[DIGITS + 1] = '\0';
        return key_of(world->breakers, axis, trunk, 0, prefix);
    case OD_BREAKER_CALLER:
        return key_of(world->breakers, axis, OD_NO_TRUNK, 0, *caller ? caller : def->caller);
    default:
        if (od_uid_none(&def->campaign))
            return NULL;
        return key_of(world->breakers, axis, OD_NO_TRUNK, def->campaign.b[0], "");
    }
}

/* Nothing takes a call away from its probe before it is known what became of it. */
static bool strict(const struct sim_knobs *knobs)
{
    return !knobs->user_stop && !knobs->agent_fault && !knobs->media_fault && !knobs->takeover &&
           !knobs->outage && !knobs->pause && !knobs->hostile && !knobs->drain && !knobs->deadline;
}

static void check_held(struct sim_world *world, struct leg *leg, struct key *key)
{
    if (key->state == OD_BREAKER_OPEN)
        sim_wrong(&world->clock, "an INVITE though the breaker of %s %s is open",
                  od_breaker_axis_name((enum od_breaker_axis)key->axis), key->name);
    if (key->state != OD_BREAKER_HALF_OPEN)
        return;
    leg->probe[key->axis] = key->epoch;
    key->let++;
    key->out++;
    if (key->out > PROBES || (strict(&world->knobs) && key->let > PROBES + key->void_))
        sim_wrong(&world->clock, "%u INVITEs, %u up, though the breaker of %s %s lets %u through",
                  key->let, key->out, od_breaker_axis_name((enum od_breaker_axis)key->axis),
                  key->name, PROBES);
}

void sim_breakers_invite(struct sim_world *world, uint32_t call, uint32_t lane, uint32_t trunk,
                         const char *to)
{
    struct leg *leg;

    if (!world->breakers)
        return;
    leg = &world->breakers->legs[call];
    *leg = (struct leg){.on = true};
    for (unsigned axis = 0; axis < OD_BREAKER_AXIS_COUNT; axis++) {
        struct key *key = has(world, axis) ? key_of_call(world, axis, lane, trunk, to) : NULL;
        if (!key)
            continue;
        leg->keys[axis] = (uint16_t)(key - world->breakers->keys + 1);
        check_held(world, leg, key);
    }
}

/* The engine counts an end when it hears of it, which may be long after when it stood still. */
static void note_end(struct sim_breakers *all, struct key *key, uint64_t now_ns)
{
    uint64_t *end_ns = &key->ends_ns[key->ends++ % ENDS_MAX];

    *end_ns = now_ns;
    all->unheard[all->unheard_count++] = end_ns;
}

void sim_breakers_turn(struct sim_world *world)
{
    struct sim_breakers *all = world->breakers;

    while (all && all->unheard_count)
        *all->unheard[--all->unheard_count] = world->clock.now_ns;
}

void sim_breakers_end(struct sim_world *world, uint32_t call, bool known)
{
    struct leg *leg = world->breakers ? &world->breakers->legs[call] : NULL;

    for (unsigned axis = 0; leg && leg->on && axis < OD_BREAKER_AXIS_COUNT; axis++) {
        struct key *key = leg->keys[axis] ? &world->breakers->keys[leg->keys[axis] - 1] : NULL;
        if (!key)
            continue;
        note_end(world->breakers, key, world->clock.now_ns);
        if (key->state != OD_BREAKER_HALF_OPEN || leg->probe[axis] != key->epoch)
            continue;
        key->out--;
        key->void_ += !known;
    }
    if (leg)
        leg->on = false;
}

/* Enough of them within the window; what the engine makes of each is its own. */
static void check_sample(struct sim_world *world, const struct key *key)
{
    uint64_t window_ns = rules[key->axis].window_ms * OD_NS_PER_MS;
    uint32_t seen = 0;

    for (uint32_t i = 0; i < key->ends && i < ENDS_MAX; i++)
        seen += world->clock.now_ns - key->ends_ns[i] <= window_ns;
    /* Those it has given up itself are known to the carrier a moment later. */
    for (uint32_t i = 0; i < world->limits.calls_max; i++) {
        const struct leg *leg = &world->breakers->legs[i];
        seen += leg->on && leg->keys[key->axis] == key - world->breakers->keys + 1;
    }
    if (seen < CALLS_MIN)
        sim_wrong(&world->clock, "the breaker of %s %s opened after %u calls",
                  od_breaker_axis_name((enum od_breaker_axis)key->axis), key->name, seen);
}

static void port_breaker(void *ctx, struct od_now now, const struct od_breaker_view *view)
{
    struct sim_world *world = ctx;
    struct key *key =
        key_of(world->breakers, view->axis, view->trunk, view->campaign.b[0], view->name);

    (void)now;
    sim_order(world, "breaker", view->axis, view->state);
    if (view->state == OD_BREAKER_OPEN && key->state == OD_BREAKER_CLOSED)
        check_sample(world, key);
    if (view->state == key->state)
        sim_wrong(&world->clock, "a breaker moved to where it was");
    key->state = view->state;
    key->let = key->void_ = key->out = 0;
    key->epoch++;
    world->breakers_opened += view->state == OD_BREAKER_OPEN;
    world->breakers_closed += view->state == OD_BREAKER_CLOSED;
}

bool sim_breakers_spoilt(const struct sim_world *world, uint32_t lane, uint32_t trunk,
                         const char *to, enum sim_spoil what)
{
    if (!(world->knobs.spoil >> what & 1) || world->clock.now_ns >= world->spoilt_until_ns)
        return false;
    switch (what) {
    case SIM_SPOIL_PREFIX: /* on one trunk */
        return trunk == 0 && to[1] == '4';
    case SIM_SPOIL_CALLER:
        return strcmp(world->lanes[lane].caller, "+19990") == 0 && !world->trunks[trunk].caller[0];
    default:
        return world->lanes[lane].campaign.b[0] == 1;
    }
}

void sim_breakers_init(struct sim_world *world, struct od_ports *ports)
{
    if (!world->knobs.breakers)
        return;
    world->breakers = calloc(1, sizeof *world->breakers);
    OD_ASSERT(world->breakers);
    world->breakers->legs = calloc(world->limits.calls_max, sizeof *world->breakers->legs);
    world->breakers->unheard = calloc((size_t)world->limits.calls_max * OD_BREAKER_AXIS_COUNT,
                                      sizeof *world->breakers->unheard);
    OD_ASSERT(world->breakers->legs && world->breakers->unheard);
    world->limits.breakers_max = KEYS_MAX;
    world->spoilt_until_ns = world->clock.now_ns + world->knobs.spoil_ms * OD_NS_PER_MS;
    ports->trace.ctx = world;
    ports->trace.breaker = port_breaker;
}

void sim_breakers_start(struct sim_world *world)
{
    struct od_breaker_rule set[OD_BREAKER_AXIS_COUNT];
    uint32_t count = 0;
    int err;

    for (unsigned axis = 0; axis < OD_BREAKER_AXIS_COUNT; axis++)
        if (has(world, axis))
            set[count++] = rules[axis];
    err = od_engine_set_breakers(world->engine, set, count);
    OD_ASSERT(err == 0);
}

void sim_breakers_deinit(struct sim_world *world)
{
    if (world->breakers) {
        free(world->breakers->legs);
        free(world->breakers->unheard);
    }
    free(world->breakers);
}
