/* breakers - see breakers.h. */
#include "engine/core/breakers.h"

#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "engine/core/bridge.h"
#include "engine/core/lane.h"
#include "engine/core/route.h"
#include "engine/core/trunk.h"
#include "outdial/err.h"

/* A call that is held while others find out comes back after half a wait, within these: soon enough
 * to be there when the breaker closes, seldom enough for a long list. */
enum { AGAIN_MS_MIN = 5000, AGAIN_MS_MAX = 30000 };

/* Whose breaker, by which rule. */
struct key {
    uint8_t rule;
    uint32_t trunk; /* OD_NO_TRUNK: of no one trunk */
    struct od_uid campaign;
    char name[OD_CALLER_MAX];
};

_Static_assert(sizeof(struct key) % sizeof(uint64_t) == 0, "hashed by words");

struct od_breaker_place {
    struct od_breaker breaker;
    struct key key;
    uint64_t hash;
    uint32_t index, gen;
    uint32_t lane;
    struct od_list idle;    /* on the list of those that may go, unless it is open */
    struct od_list tripped; /* on the list of those that are not closed */
    struct od_timer timer;
};

/* What a call's breakers depend on. */
struct who {
    const struct od_lane *lane;
    const char *to, *caller;
};

/* ---- keys ---- */

static struct who who_of(const struct od_call *call)
{
    return (struct who){call->lane, call->to, call->caller};
}

static void take_prefix(char out[OD_CALLER_MAX], const char *to, unsigned digits)
{
    const char *number = od_route_number(to);
    size_t plus = *number == '+', end = plus;

    while (end < plus + digits && number[end] >= '0' && number[end] <= '9')
        end++;
    if (end > plus)
        od_str_copy(out, OD_CALLER_MAX, number, end);
}

/* False: the rule is not about such a call. trunk NULL: only rules that ask for none. */
static bool key_of(const struct od_engine *engine, uint32_t rule, const struct who *who,
                   const struct od_trunk *trunk, struct key *key)
{
    const struct od_breaker_rule *def = &engine->breakers.rules[rule];
    const char *caller = trunk && trunk->def.caller[0] ? trunk->def.caller : who->caller;

    memset(key, 0, sizeof *key); /* compared and hashed as bytes */
    key->rule = (uint8_t)rule;
    key->trunk = OD_NO_TRUNK;
    switch ((enum od_breaker_axis)def->axis) {
    case OD_BREAKER_TRUNK:
        key->trunk = trunk ? trunk->index : OD_NO_TRUNK;
        return trunk;
    case OD_BREAKER_PREFIX:
        key->trunk = trunk ? trunk->index : OD_NO_TRUNK;
        take_prefix(key->name, who->to, def->digits);
        return trunk && key->name[0];
    case OD_BREAKER_CALLER:
        if (!*caller)
            caller = who->lane->def.caller;
        od_str_copy(key->name, sizeof key->name, caller, strnlen(caller, OD_CALLER_MAX));
        return key->name[0];
    case OD_BREAKER_CAMPAIGN:
        key->campaign = who->lane->def.campaign;
        return !od_uid_none(&key->campaign);
    default:
        return false;
    }
}

/* Mixed with the engine's secret: callees' and callers' numbers are a stranger's choice. */
static uint64_t hash_of(const struct od_engine *engine, const struct key *key)
{
    uint64_t words[sizeof *key / sizeof(uint64_t)], hash = engine->index_key[0];

    memcpy(words, key, sizeof words);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    hash = (hash ^ hash >> 32 ^ engine->index_key[1]) * UINT64_C(0xbf58476d1ce4e5b9);
    return hash ^ hash >> 31;
}

static struct od_breaker_place *place_at(const struct od_engine *engine, uint32_t index)
{
    return (struct od_breaker_place *)(void *)engine->breakers.places.items + index;
}

static struct od_breaker_place *find_hashed(const struct od_engine *engine, const struct key *key,
                                            uint64_t hash)
{
    uint32_t cell = 0, index;

    while (od_index_find(&engine->breakers.by_key, hash, &cell, &index))
        if (memcmp(&place_at(engine, index)->key, key, sizeof *key) == 0)
            return place_at(engine, index);
    return NULL;
}

static struct od_breaker_place *find(const struct od_engine *engine, const struct key *key)
{
    return find_hashed(engine, key, hash_of(engine, key));
}

static const struct od_breaker_rule *rule_of(const struct od_engine *engine,
                                             const struct od_breaker_place *place)
{
    return &engine->breakers.rules[place->key.rule];
}

static uint32_t free_of(const struct od_engine *engine, const struct od_breaker_place *place)
{
    return place ? od_breaker_free(&place->breaker, rule_of(engine, place)) : UINT32_MAX;
}

/* ---- what follows from a breaker ---- */

void od_breakers_trunk(struct od_engine *engine, struct od_trunk *trunk)
{
    struct who nobody = {NULL, "", ""};

    trunk->probes_free = UINT32_MAX;
    trunk->breaker = OD_BREAKER_CLOSED;
    for (uint32_t i = 0; i < engine->breakers.rule_count; i++) {
        struct od_breaker_place *place;
        struct key key;
        if (engine->breakers.rules[i].axis != OD_BREAKER_TRUNK ||
            !key_of(engine, i, &nobody, trunk, &key))
            continue;
        place = find(engine, &key);
        if (free_of(engine, place) < trunk->probes_free)
            trunk->probes_free = free_of(engine, place);
        if (place && place->breaker.state > trunk->breaker)
            trunk->breaker = place->breaker.state;
    }
}

void od_breakers_trunk_stats(const struct od_engine *engine, const struct od_trunk *trunk,
                             struct od_trunk_stats *out)
{
    struct who nobody = {NULL, "", ""};

    out->breaker = trunk->breaker;
    for (uint32_t i = 0; i < engine->breakers.rule_count && trunk->breaker; i++) {
        const struct od_breaker_place *place;
        struct key key;
        if (engine->breakers.rules[i].axis != OD_BREAKER_TRUNK ||
            !key_of(engine, i, &nobody, trunk, &key))
            continue;
        place = find(engine, &key);
        if (!place || place->breaker.state != trunk->breaker)
            continue;
        memcpy(out->breaker_reason, place->breaker.reason, sizeof out->breaker_reason);
        if (trunk->breaker == OD_BREAKER_OPEN)
            out->breaker_until_ns = od_breaker_when(&place->breaker);
        return;
    }
}

/* Calls of a campaign that name no number of their own all show the lane's, unless a trunk has one
 * of its own: then its breaker is as good as the campaign's. Whose are not a campaign's may name
 * any. */
static bool shows_own(const struct od_lane *lane)
{
    if (od_uid_none(&lane->def.campaign))
        return false;
    for (uint32_t i = 0; i < lane->path_count; i++)
        if (lane->paths[i]->trunk->def.caller[0])
            return false;
    return true;
}

void od_breakers_lane(struct od_engine *engine, struct od_lane *lane)
{
    struct who who = {lane, "", ""};

    lane->probes_free = UINT32_MAX;
    lane->broken = false;
    for (uint32_t i = 0; i < engine->breakers.rule_count; i++) {
        unsigned axis = engine->breakers.rules[i].axis;
        struct od_breaker_place *place;
        struct key key;
        if ((axis != OD_BREAKER_CAMPAIGN && (axis != OD_BREAKER_CALLER || !shows_own(lane))) ||
            !key_of(engine, i, &who, NULL, &key))
            continue;
        place = find(engine, &key);
        if (free_of(engine, place) < lane->probes_free)
            lane->probes_free = free_of(engine, place);
        lane->broken |= place && place->breaker.state == OD_BREAKER_OPEN;
    }
}

static void follow_lanes(struct od_engine *engine)
{
    for (uint32_t i = 0; i < engine->lanes_set; i++) {
        struct od_lane *lane = &engine->lanes[i];
        uint32_t before = lane->probes_free;
        if (!lane->set)
            continue;
        od_breakers_lane(engine, lane);
        if (lane->probes_free != before)
            od_lane_touch(engine, lane);
    }
}

/* Routes are looked up anew, and whoever may go now or not any more is looked at. */
static void follow(struct od_engine *engine, const struct od_breaker_place *place)
{
    unsigned axis = rule_of(engine, place)->axis;

    engine->route_version++;
    if (axis == OD_BREAKER_TRUNK) {
        od_breakers_trunk(engine, &engine->trunks[place->key.trunk]);
        od_trunk_look(engine, &engine->trunks[place->key.trunk]);
    } else if (axis != OD_BREAKER_PREFIX) {
        follow_lanes(engine);
    }
    for (struct od_list *node = od_list_first(&engine->busy); node;
         node = od_list_after(&engine->busy, node)) {
        struct od_lane *lane = OD_OWNER(node, struct od_lane, busy);
        od_lane_touch(engine, lane);
        if (od_list_empty(&lane->shut))
            od_list_push(&engine->shut, &lane->shut);
    }
}

static void view_of(const struct od_engine *engine, const struct od_breaker_place *place,
                    struct od_breaker_view *out)
{
    const struct od_breaker_rule *rule = rule_of(engine, place);
    struct od_breaker_tally tally = od_breaker_tally(&place->breaker, rule, engine->now.mono_ns);

    *out = (struct od_breaker_view){
        .rule = place->key.rule,
        .state = place->breaker.state,
        .axis = rule->axis,
        .trunk = place->key.trunk,
        .lane = place->lane,
        .campaign = place->key.campaign,
        .since_ns = place->breaker.since_ns,
        .until_ns = place->breaker.state == OD_BREAKER_OPEN ? od_breaker_when(&place->breaker) : 0,
        .calls = tally.calls,
        .answered = tally.answered,
        .shorts = tally.shorts,
        .failed = tally.failed,
        .probes_out = place->breaker.probes_out,
    };
    memcpy(out->name, place->key.name, sizeof out->name);
    memcpy(out->reason, place->breaker.reason, sizeof out->reason);
}

/* One that is open can't go: it would be forgotten that it is. */
static void relist(struct od_engine *engine, struct od_breaker_place *place)
{
    od_list_remove(&place->idle);
    if (place->breaker.state != OD_BREAKER_OPEN)
        od_list_push(&engine->breakers.idle, &place->idle);
}

/* The breaker has another state. */
static void moved(struct od_engine *engine, struct od_breaker_place *place)
{
    const struct od_trace_port *trace = &engine->ports.trace;
    struct od_breakers *all = &engine->breakers;
    struct od_breaker_view view;

    od_engine_fold(engine, place->hash ^ place->breaker.state);
    od_timers_set(&engine->timers, &place->timer, od_breaker_when(&place->breaker));
    od_list_remove(&place->tripped);
    if (place->breaker.state != OD_BREAKER_CLOSED)
        od_list_push_front(&all->tripped, &place->tripped);
    all->opened[rule_of(engine, place)->axis] += place->breaker.state == OD_BREAKER_OPEN;
    relist(engine, place);
    follow(engine, place);
    if (!trace->breaker)
        return;
    view_of(engine, place, &view);
    trace->breaker(trace->ctx, engine->now, &view);
}

void od_breakers_time(struct od_engine *engine, struct od_timer *timer)
{
    struct od_breaker_place *place = OD_OWNER(timer, struct od_breaker_place, timer);

    if (od_breaker_time(&place->breaker, rule_of(engine, place), engine->now.mono_ns))
        moved(engine, place);
    else
        od_timers_set(&engine->timers, timer, od_breaker_when(&place->breaker));
}

/* ---- places ---- */

static void drop(struct od_engine *engine, struct od_breaker_place *place)
{
    bool held = place->breaker.state != OD_BREAKER_CLOSED;

    od_timers_stop(&engine->timers, &place->timer);
    od_list_remove(&place->idle);
    od_list_remove(&place->tripped);
    od_index_remove(&engine->breakers.by_key, place->hash, place->index);
    if (held)
        follow(engine, place); /* it can't be found any more: what it held is free */
    od_pool_put(&engine->breakers.places, place);
}

/* The place of a key, made when there is none; NULL: no room. */
static struct od_breaker_place *place_of(struct od_engine *engine, const struct key *key,
                                         uint32_t lane)
{
    uint64_t hash = hash_of(engine, key);
    struct od_breaker_place *place = find_hashed(engine, key, hash);
    struct od_breakers *all = &engine->breakers;
    uint32_t index, gen;

    if (place) {
        relist(engine, place);
        return place;
    }
    if (all->places.used == all->places.count) {
        struct od_list *idlest = od_list_first(&all->idle);
        if (!idlest) {
            all->full++;
            return NULL;
        }
        all->forgotten++;
        drop(engine, OD_OWNER(idlest, struct od_breaker_place, idle));
    }
    place = od_pool_get(&all->places, &index, &gen);
    *place = (struct od_breaker_place){.key = *key,
                                       .hash = hash,
                                       .index = index,
                                       .gen = gen,
                                       .lane = lane,
                                       .timer = {.kind = OD_TIMER_BREAKER}};
    memcpy(&place->key, key, sizeof *key);
    od_breaker_init(&place->breaker, engine->now.mono_ns);
    od_list_init(&place->idle);
    od_list_init(&place->tripped);
    od_index_add(&all->by_key, hash, index);
    relist(engine, place);
    return place;
}

/* ---- calls ---- */

bool od_breakers_let(const struct od_engine *engine, const struct od_call *call,
                     const struct od_trunk *trunk)
{
    struct who who = who_of(call);

    if (!od_breakers_on(engine) || od_bridge_is_leg(call))
        return true;
    if (!trunk->probes_free || !call->lane->probes_free)
        return false;
    for (uint32_t i = 0; i < engine->breakers.rule_count; i++) {
        unsigned axis = engine->breakers.rules[i].axis;
        struct key key;
        if (axis != OD_BREAKER_TRUNK && axis != OD_BREAKER_CAMPAIGN &&
            key_of(engine, i, &who, trunk, &key) && !free_of(engine, find(engine, &key)))
            return false;
    }
    return true;
}

/* When a breaker that lets nobody through may let the next one. */
static int64_t again_ms(const struct od_engine *engine, const struct od_breaker_place *place)
{
    uint32_t ms = rule_of(engine, place)->wait_ms / 2;
    uint64_t when_ns = od_breaker_when(&place->breaker);

    if (place->breaker.state == OD_BREAKER_OPEN && when_ns > engine->now.mono_ns)
        return engine->now.wall_ms +
               (int64_t)((when_ns - engine->now.mono_ns + OD_NS_PER_MS - 1) / OD_NS_PER_MS);
    ms = ms < AGAIN_MS_MIN ? AGAIN_MS_MIN : ms > AGAIN_MS_MAX ? AGAIN_MS_MAX : ms;
    return engine->now.wall_ms + ms;
}

int64_t od_breakers_until(const struct od_engine *engine, const struct od_call *call)
{
    struct who who = who_of(call);
    int64_t first_ms = INT64_MAX;

    for (uint32_t p = 0; p < call->lane->path_count; p++) {
        const struct od_trunk *trunk = call->lane->paths[p]->trunk;
        int64_t path_ms = 0;
        for (uint32_t i = 0; i < engine->breakers.rule_count; i++) {
            struct od_breaker_place *place;
            struct key key;
            if (!key_of(engine, i, &who, trunk, &key))
                continue;
            place = find(engine, &key);
            if (place && !free_of(engine, place) && again_ms(engine, place) > path_ms)
                path_ms = again_ms(engine, place);
        }
        if (path_ms && path_ms < first_ms)
            first_ms = path_ms;
    }
    return first_ms == INT64_MAX ? engine->now.wall_ms + AGAIN_MS_MIN : first_ms;
}

static struct od_breaker_place *bound_to(const struct od_engine *engine, const struct od_call *call,
                                         uint32_t rule)
{
    return od_pool_at(&engine->breakers.places, call->breakers[rule].index,
                      call->breakers[rule].gen);
}

void od_breakers_bind(struct od_engine *engine, struct od_call *call)
{
    const struct od_trunk *trunk = &engine->trunks[call->trunk];
    struct who who = who_of(call);

    if (!od_breakers_on(engine) || od_bridge_is_leg(call))
        return;
    OD_ASSERT(!call->breaker_bits && !call->probe_bits);
    for (uint32_t i = 0; i < engine->breakers.rule_count; i++) {
        struct od_breaker_place *place;
        struct key key;
        if (!key_of(engine, i, &who, trunk, &key))
            continue;
        place = place_of(engine, &key, call->lane->index);
        if (!place)
            continue;
        call->breakers[i] = (struct od_breaker_ref){place->index, place->gen};
        call->breaker_bits |= (uint8_t)(1u << i);
        if (place->breaker.state != OD_BREAKER_HALF_OPEN || !free_of(engine, place))
            continue;
        call->probe_bits |= (uint8_t)(1u << i);
        od_breaker_probe(&place->breaker);
        follow(engine, place);
    }
}

bool od_breakers_bound(const struct od_engine *engine, const struct od_call *call)
{
    for (uint32_t i = 0; i < engine->breakers.rule_count && call->breaker_bits; i++) {
        const struct od_breaker_place *place =
            call->breaker_bits & 1u << i ? bound_to(engine, call, i) : NULL;
        if (place && place->breaker.state != OD_BREAKER_CLOSED && !(call->probe_bits & 1u << i))
            return false;
    }
    return true;
}

static void note(struct od_engine *engine, struct od_call *call, enum od_breaker_fact fact)
{
    uint8_t bits = call->breaker_bits;

    for (uint32_t i = 0; i < engine->breakers.rule_count && bits; i++) {
        struct od_breaker_place *place = bits & 1u << i ? bound_to(engine, call, i) : NULL;
        bool probe = call->probe_bits & 1u << i;
        if (!place)
            continue;
        if (od_breaker_note(&place->breaker, rule_of(engine, place), engine->now.mono_ns, fact,
                            probe))
            moved(engine, place);
        else if (probe)
            od_timers_set(&engine->timers, &place->timer, od_breaker_when(&place->breaker));
    }
}

void od_breakers_answered(struct od_engine *engine, struct od_call *call)
{
    note(engine, call, OD_BREAKER_ANSWERED);
    call->breakers_told = true; /* it stays bound: its talk may be short */
    call->answered_ns = engine->now.mono_ns;
}

static void forget(struct od_call *call)
{
    call->breaker_bits = call->probe_bits = 0;
    call->breakers_told = false;
}

void od_breakers_refused(struct od_engine *engine, struct od_call *call, const struct od_end *end)
{
    if (!call->breaker_bits || end->fault == OD_TRUNK_FAULT_LIMIT)
        return; /* a limit that was told to us is a sign of life: the rate follows it */
    if (end->verdict == OD_VERDICT_TRUNK)
        note(engine, call, OD_BREAKER_FAILED);
    else if (end->verdict == OD_VERDICT_CALLEE || end->verdict == OD_VERDICT_OURS)
        note(engine, call, OD_BREAKER_REFUSED);
    else
        return;
    forget(call);
}

void od_breakers_talked(struct od_engine *engine, struct od_call *call)
{
    uint64_t now_ns = engine->now.mono_ns, talk_ns = now_ns - call->answered_ns;
    bool whole =
        call->outcome.cause == OD_CAUSE_COMPLETED || call->outcome.cause == OD_CAUSE_MACHINE;

    for (uint32_t i = 0; i < engine->breakers.rule_count && call->breakers_told && whole; i++) {
        struct od_breaker_place *place =
            call->breaker_bits & 1u << i ? bound_to(engine, call, i) : NULL;
        const struct od_breaker_rule *rule = place ? rule_of(engine, place) : NULL;
        if (rule && rule->short_max && talk_ns < rule->short_ms * OD_NS_PER_MS &&
            od_breaker_short(&place->breaker, rule, now_ns, call->answered_ns,
                             call->probe_bits & 1u << i))
            moved(engine, place);
    }
}

void od_breakers_unbind(struct od_engine *engine, struct od_call *call)
{
    uint8_t probes = call->breakers_told ? 0 : call->probe_bits;

    forget(call);
    for (uint32_t i = 0; i < engine->breakers.rule_count && probes; i++) {
        struct od_breaker_place *place = probes & 1u << i ? bound_to(engine, call, i) : NULL;
        if (!place)
            continue;
        od_breaker_probe_void(&place->breaker);
        follow(engine, place);
    }
}

/* ---- the whole ---- */

int od_breakers_init(struct od_engine *engine)
{
    struct od_breakers *all = &engine->breakers;
    uint32_t most = engine->limits.breakers_max;

    od_list_init(&all->idle);
    od_list_init(&all->tripped);
    if (most && (od_pool_init(&all->places, most, sizeof(struct od_breaker_place)) ||
                 od_index_init(&all->by_key, most)))
        return OD_ENOMEM;
    return 0;
}

void od_breakers_deinit(struct od_engine *engine)
{
    od_pool_deinit(&engine->breakers.places);
    od_index_deinit(&engine->breakers.by_key);
}

/* Places of open breakers are on no list but that of the tripped. */
static void drop_all(struct od_engine *engine)
{
    struct od_breakers *all = &engine->breakers;
    struct od_list *node;

    while ((node = od_list_first(&all->tripped)))
        drop(engine, OD_OWNER(node, struct od_breaker_place, tripped));
    while ((node = od_list_first(&all->idle)))
        drop(engine, OD_OWNER(node, struct od_breaker_place, idle));
}

int od_engine_set_breakers(struct od_engine *engine, const struct od_breaker_rule *rules,
                           uint32_t count)
{
    struct od_breakers *all = &engine->breakers;

    if (count > OD_BREAKERS_MAX || (count && !engine->limits.breakers_max))
        return OD_EINVAL;
    for (uint32_t i = 0; i < count; i++)
        if (!od_breaker_rule_valid(&rules[i]))
            return OD_EINVAL;
    drop_all(engine); /* what calls are bound to is not alive any more */
    for (uint32_t i = 0; i < count; i++)
        all->rules[i] = rules[i];
    all->rule_count = count;
    engine->changed = true;
    return 0;
}

/* ---- what can be asked ---- */

size_t od_engine_breakers(const struct od_engine *engine, struct od_breaker_view *out, size_t max)
{
    size_t count = 0;

    for (struct od_list *node = od_list_first(&engine->breakers.tripped); node;
         node = od_list_after(&engine->breakers.tripped, node), count++)
        if (count < max)
            view_of(engine, OD_OWNER(node, struct od_breaker_place, tripped), &out[count]);
    return count;
}

int od_engine_reset_breaker(struct od_engine *engine, const struct od_breaker_view *breaker)
{
    struct od_breaker_place *place;
    struct key key;

    memset(&key, 0, sizeof key); /* as key_of() makes it */
    key.rule = breaker->rule;
    key.trunk = breaker->trunk;
    key.campaign = breaker->campaign;
    od_str_copy(key.name, sizeof key.name, breaker->name, strnlen(breaker->name, OD_CALLER_MAX));
    place = breaker->rule < engine->breakers.rule_count ? find(engine, &key) : NULL;
    if (!place || place->breaker.state == OD_BREAKER_CLOSED)
        return OD_ENOENT;
    od_breaker_reset(&place->breaker, engine->now.mono_ns);
    moved(engine, place);
    engine->changed = true;
    return 0;
}

void od_engine_breaker_stats(const struct od_engine *engine, struct od_breaker_stats *out)
{
    const struct od_breakers *all = &engine->breakers;

    *out = (struct od_breaker_stats){
        .kept = all->places.used, .forgotten = all->forgotten, .full = all->full};
    memcpy(out->opened, all->opened, sizeof out->opened);
    for (struct od_list *node = od_list_first(&all->tripped); node;
         node = od_list_after(&all->tripped, node)) {
        const struct od_breaker_place *place = OD_OWNER(node, struct od_breaker_place, tripped);
        out->now[rule_of(engine, place)->axis][place->breaker.state]++;
    }
}

size_t od_engine_breakers_of(const struct od_engine *engine, uint32_t lane, uint32_t trunk,
                             const char *to, const char *caller, struct od_breaker_view *out,
                             size_t max)
{
    const struct od_trunk *way = trunk < engine->limits.trunks_max ? &engine->trunks[trunk] : NULL;
    size_t count = 0;

    for (uint32_t i = 0; lane < engine->limits.lanes_max && i < engine->breakers.rule_count; i++) {
        struct who who = {&engine->lanes[lane], to, caller};
        struct od_breaker_place *place;
        struct key key;
        if (!key_of(engine, i, &who, way, &key))
            continue;
        place = find(engine, &key);
        if (!place || free_of(engine, place))
            continue;
        if (count < max)
            view_of(engine, place, &out[count]);
        count++;
    }
    return count;
}
