/* lane - see lane.h. Every wish is set in one place, od_lane_review(), from the lane's numbers
 * alone: whoever changes a number touches the lane and need not know what follows from it. */
#include "engine/core/lane.h"

#include <string.h>

#include "engine/base/assert.h"
#include "engine/core/breakers.h"
#include "engine/core/bridge.h"
#include "engine/core/hours.h"
#include "engine/core/path.h"
#include "engine/core/rate.h"
#include "engine/core/route.h"
#include "engine/core/trunk.h"
#include "outdial/err.h"

enum {
    LOOK_PAST = 16,     /* queued calls looked at for one that fits a trunk */
    CLAIM_MAX = 1024,   /* calls in one claim */
    TURN_SCALE = 65536, /* one turn of a trunk of weight 1 */
};

/* The wall clock may be set: a lane's hours are looked at again at least so often. */
#define CLOCK_LOOK_NS (60 * OD_NS_PER_S)

void od_lane_init(struct od_engine *engine, uint32_t index)
{
    struct od_lane *lane = &engine->lanes[index];

    lane->index = index;
    lane->probes_free = UINT32_MAX;
    od_list_init(&lane->queue);
    od_list_init(&lane->deferred);
    od_list_init(&lane->hooks);
    od_list_init(&lane->touched);
    od_list_init(&lane->recalled);
    od_list_init(&lane->shut);
    od_list_init(&lane->busy);
    lane->timer.kind = OD_TIMER_LANE;
    for (uint32_t i = 0; i < OD_PACES_PER_LANE; i++) {
        lane->paces[i].lane = lane;
        od_list_init(&lane->paces[i].node);
    }
}

void od_lane_touch(struct od_engine *engine, struct od_lane *lane)
{
    if (od_list_empty(&lane->touched))
        od_list_push(&engine->touched, &lane->touched);
}

bool od_lane_open(const struct od_engine *engine, const struct od_lane *lane)
{
    return lane->set && lane->def.open && !engine->draining && !lane->broken &&
           od_lane_in_hours(lane, engine->now.wall_ms);
}

bool od_lane_in_hours(const struct od_lane *lane, int64_t wall_ms)
{
    const struct od_window *window = &lane->def.window;

    return od_window_open(window, wall_ms) || (window->next_ms && wall_ms >= window->next_ms);
}

void od_lane_charge(struct od_engine *engine, struct od_lane *lane, bool again)
{
    for (uint32_t i = 0; i < lane->pace_count; i++) {
        od_rate_charge(engine, lane->paces[i].rate, !again);
        od_rate_touch(engine, lane->paces[i].rate, OD_TOUCH_ALL);
    }
    od_lane_touch(engine, lane);
}

void od_lane_ready(struct od_engine *engine, struct od_lane *lane, int more)
{
    lane->ready += (uint32_t)more;
    for (uint32_t i = 0; i < lane->pace_count; i++) {
        lane->paces[i].rate->ready += (uint32_t)more;
        od_rate_touch(engine, lane->paces[i].rate, OD_TOUCH_ALL);
    }
}

bool od_lane_works(const struct od_lane *lane)
{
    return lane->waiting || lane->queued || lane->hooking || lane->ready || lane->deferred_count;
}

/* ---- its paces ---- */

uint64_t od_lane_when(const struct od_engine *engine, const struct od_lane *lane)
{
    uint64_t when_ns = 0;

    for (uint32_t i = 0; i < lane->pace_count; i++) {
        uint64_t at_ns = od_rate_when(engine, lane->paces[i].rate);
        when_ns = at_ns > when_ns ? at_ns : when_ns;
    }
    return when_ns;
}

/* The time of the one after those that the paces have ready and `ahead` more: a plan. */
static uint64_t plan_ns(const struct od_engine *engine, const struct od_lane *lane, uint32_t ahead)
{
    uint64_t when_ns = 0;

    for (uint32_t i = 0; i < lane->pace_count; i++) {
        const struct od_rate *rate = lane->paces[i].rate;
        uint64_t at_ns = od_rate_plan(engine, rate, rate->ready + ahead);
        when_ns = at_ns > when_ns ? at_ns : when_ns;
    }
    return when_ns;
}

/* How many of `most` more its paces leave room for up to then, with what it has queued. What their
 * other lanes have queued doesn't count: it may wait for trunks that are down. */
static uint32_t pace_room(const struct od_engine *engine, const struct od_lane *lane,
                          uint64_t until_ns, uint32_t most)
{
    for (uint32_t i = 0; i < lane->pace_count; i++) {
        const struct od_rate *rate = lane->paces[i].rate;
        uint32_t ahead = rate->ready + lane->queued + lane->hooking,
                 room = od_rate_room(engine, rate, until_ns, ahead + most);
        most = room > ahead ? (room - ahead < most ? room - ahead : most) : 0;
    }
    return most;
}

static bool awaits_report(const struct od_engine *engine, const struct od_lane *lane)
{
    for (uint32_t i = 0; i < lane->pace_count; i++)
        if (od_rate_awaits(engine, lane->paces[i].rate))
            return true;
    return false;
}

/* Of paces that processes share a later one is asked for only when those before it are there: so no
 * two processes hold one each that the other needs. */
static bool has_before(const struct od_engine *engine, const struct od_lane *lane,
                       const struct od_rate *pace)
{
    for (uint32_t i = 0; i < lane->pace_count && lane->paces[i].rate != pace; i++)
        if (od_rate_when(engine, lane->paces[i].rate) == OD_NEVER)
            return false;
    return true;
}

static bool node_has_room(const struct od_engine *engine)
{
    return engine->store_up && engine->dialled < engine->limits.dialled_max;
}

static bool has_way(const struct od_engine *engine, const struct od_lane *lane)
{
    for (uint32_t i = 0; i < lane->path_count; i++)
        if (od_trunk_up(engine, lane->paths[i]->trunk))
            return true;
    return false;
}

uint32_t od_lane_calls(const struct od_engine *engine, const struct od_lane *lane,
                       const struct od_rate *pace, uint32_t most)
{
    uint32_t more = lane->queued + lane->deferred_count;

    if (!od_lane_open(engine, lane) || !has_way(engine, lane) || !has_before(engine, lane, pace))
        return 0;
    if (!node_has_room(engine))
        return lane->ready;
    if (lane->waiting || lane->claiming)
        more = most;
    return lane->ready + more < most ? lane->ready + more : most;
}

/* Those that processes share are asked for, when there is something to dial. */
static void ask_for_paces(struct od_engine *engine, struct od_lane *lane)
{
    for (uint32_t i = 0; i < lane->pace_count; i++) {
        struct od_rate *rate = lane->paces[i].rate;
        if (od_lane_calls(engine, lane, rate, 1))
            od_rate_want(engine, rate);
    }
}

uint32_t od_lane_claimable(const struct od_engine *engine, const struct od_lane *lane)
{
    uint32_t most = lane->waiting < CLAIM_MAX ? lane->waiting : CLAIM_MAX;
    uint32_t taken = lane->in_use + lane->queued + lane->hooking + lane->deferred_count;

    if (lane->def.max_calls) {
        uint32_t left = lane->def.max_calls > taken ? lane->def.max_calls - taken : 0;
        if (left < most)
            most = left;
    }
    if (lane->probes_free != UINT32_MAX) {
        uint32_t before = lane->queued + lane->hooking + lane->deferred_count;
        uint32_t left = lane->probes_free > before ? lane->probes_free - before : 0;
        most = left < most ? left : most;
    }
    if (!most || !lane->pace_count)
        return most;
    return pace_room(engine, lane, engine->now.mono_ns + od_engine_ahead_ns(engine, lane->def.hook),
                     most);
}

/* Remembers the earliest of several times. */
static void sooner(uint64_t *wake_ns, uint64_t at_ns)
{
    if (at_ns < *wake_ns)
        *wake_ns = at_ns;
}

/* Its cap is reached: of what is queued, only second legs may go on. */
static bool full(const struct od_lane *lane)
{
    return lane->def.max_calls && lane->in_use >= lane->def.max_calls;
}

static bool wants_claim(const struct od_engine *engine, const struct od_lane *lane,
                        uint64_t *wake_ns)
{
    uint64_t now_ns = engine->now.mono_ns, send_ns, ahead_ns;

    if (!lane->waiting || lane->claiming)
        return false;
    if (lane->claim_after_ns > now_ns) {
        sooner(wake_ns, lane->claim_after_ns);
        return false;
    }
    if (od_lane_claimable(engine, lane))
        return true;
    if (lane->probes_free <= lane->queued + lane->hooking + lane->deferred_count)
        return false; /* what becomes of a probe brings it back */
    if (!lane->def.max_calls ||
        lane->in_use + lane->queued + lane->hooking + lane->deferred_count < lane->def.max_calls) {
        /* Held by its pace alone, which time opens. */
        send_ns = plan_ns(engine, lane, lane->queued + lane->hooking);
        ahead_ns = od_engine_ahead_ns(engine, lane->def.hook);
        if (send_ns != OD_NEVER)
            sooner(wake_ns, send_ns > ahead_ns ? send_ns - ahead_ns : now_ns);
    }
    return false;
}

static bool wants_arm(const struct od_engine *engine, const struct od_lane *lane, uint64_t *wake_ns)
{
    uint64_t send_ns, lead_ns;

    if (!lane->queued || (full(lane) && !lane->legs_queued))
        return false;
    send_ns = plan_ns(engine, lane, 0);
    lead_ns = od_engine_lead_ns(engine, false);
    if (send_ns <= engine->now.mono_ns + lead_ns)
        return true;
    if (send_ns != OD_NEVER)
        sooner(wake_ns, send_ns - lead_ns);
    return false;
}

static bool may_send(const struct od_engine *engine, const struct od_lane *lane, uint64_t *wake_ns)
{
    uint64_t send_ns = od_lane_when(engine, lane);

    if (awaits_report(engine, lane))
        return false;
    if (send_ns <= engine->now.mono_ns)
        return true;
    if (lane->ready && send_ns != OD_NEVER)
        sooner(wake_ns, send_ns);
    return false;
}

/* A lane opens and closes by itself as its hours say: it is looked at again when they change. */
static void watch_hours(const struct od_engine *engine, const struct od_lane *lane,
                        uint64_t *wake_ns)
{
    const struct od_window *window = &lane->def.window;
    const int64_t edges[] = {window->open_ms, window->close_ms, window->next_ms};

    for (unsigned i = 0; i < 3 && lane->set && lane->def.open; i++) {
        int64_t left_ms = edges[i] - engine->now.wall_ms;
        if (left_ms <= 0)
            continue;
        sooner(wake_ns, engine->now.mono_ns + ((uint64_t)left_ms < CLOCK_LOOK_NS / OD_NS_PER_MS
                                                   ? (uint64_t)left_ms * OD_NS_PER_MS
                                                   : CLOCK_LOOK_NS));
        return;
    }
}

void od_lane_review(struct od_engine *engine, struct od_lane *lane)
{
    uint64_t wake_ns = OD_NEVER;
    bool open, claim, arm, send;

    od_list_remove(&lane->touched);
    watch_hours(engine, lane, &wake_ns);
    open = od_lane_open(engine, lane);
    if (open)
        od_list_remove(&lane->recalled);
    if (open && lane->pace_count)
        ask_for_paces(engine, lane);
    claim = open && wants_claim(engine, lane, &wake_ns);
    arm = open && wants_arm(engine, lane, &wake_ns);
    send = open && may_send(engine, lane, &wake_ns);
    for (uint32_t i = 0; i < lane->path_count; i++)
        od_path_wish(engine, lane->paths[i], claim, arm, send);

    if (lane->queued || lane->hooking || lane->ready || lane->deferred_count) {
        if (od_list_empty(&lane->busy))
            od_list_push(&engine->busy, &lane->busy);
        if (!open && od_list_empty(&lane->recalled))
            od_list_push(&engine->recalled, &lane->recalled);
    } else {
        od_list_remove(&lane->busy);
    }
    od_timers_set(&engine->timers, &lane->timer, wake_ns);
}

static bool was_tried(const struct od_call *call, uint32_t trunk)
{
    uint32_t tries = call->misses < OD_TRIES_MAX ? call->misses : OD_TRIES_MAX;

    for (uint32_t i = 0; i < tries; i++)
        if (call->tried[i] == trunk)
            return true;
    return false;
}

/* How well a path serves a call beside its prefix: trunks that are up and new to it come first,
 * then any that are up, then those that may come back. One that is finding out whether it is back
 * by a call already, or that a breaker keeps the call from, is of the last. */
enum { ANY_TRUNK, UP, UP_AND_NEW };

void od_lane_route(struct od_engine *engine, struct od_call *call)
{
    const struct od_lane *lane = call->lane;
    unsigned best = 0, best_class = 0;

    if (call->route_version == engine->route_version)
        return;
    call->route_version = engine->route_version;
    call->route = call->shut = 0;
    for (uint32_t i = 0; i < lane->path_count; i++) {
        const struct od_trunk *trunk = lane->paths[i]->trunk;
        unsigned match = od_route_match(&trunk->def, call->to), class = ANY_TRUNK;
        if (match && !od_breakers_let(engine, call, trunk))
            call->shut |= (uint8_t)(1u << i);
        else if (od_trunk_up(engine, trunk) && od_trunk_takes_one(trunk))
            class = was_tried(call, trunk->index) ? UP : UP_AND_NEW;
        if (!match ||
            (call->route && (class < best_class || (class == best_class && match < best))))
            continue;
        if (class > best_class || match > best)
            call->route = 0;
        best_class = class;
        best = match;
        call->route |= (uint8_t)(1u << i);
    }
}

bool od_lane_refuses(struct od_engine *engine, struct od_call *call)
{
    od_lane_route(engine, call);
    return !call->route && call->lane->path_count;
}

bool od_lane_reaches(struct od_engine *engine, struct od_call *call)
{
    const struct od_lane *lane = call->lane;

    od_lane_route(engine, call);
    for (uint32_t i = 0; i < lane->path_count; i++) {
        const struct od_trunk *trunk = lane->paths[i]->trunk;
        if ((call->route & ~call->shut & 1u << i) && (!trunk->set || od_trunk_up(engine, trunk)))
            return true;
    }
    return !lane->path_count;
}

bool od_lane_fresh(struct od_engine *engine, struct od_call *call)
{
    const struct od_lane *lane = call->lane;

    od_lane_route(engine, call);
    for (uint32_t i = 0; i < lane->path_count; i++)
        if ((call->route & ~call->shut & 1u << i) && od_trunk_up(engine, lane->paths[i]->trunk) &&
            od_trunk_takes_one(lane->paths[i]->trunk) &&
            !was_tried(call, lane->paths[i]->trunk->index))
            return true;
    return false;
}

static unsigned path_number(const struct od_lane *lane, const struct od_path *path)
{
    unsigned i = 0;

    while (lane->paths[i] != path)
        i++;
    return i;
}

struct od_call *od_lane_pick(struct od_engine *engine, struct od_lane *lane,
                             const struct od_path *path)
{
    unsigned bit = 1u << path_number(lane, path);
    struct od_list *node = od_list_first(&lane->queue);

    for (int i = 0; node && i < LOOK_PAST; i++, node = od_list_after(&lane->queue, node)) {
        struct od_call *call = OD_OWNER(node, struct od_call, node);
        if (full(lane) && !od_bridge_is_leg(call))
            continue;
        od_lane_route(engine, call);
        if (call->route & ~call->shut & bit || !call->route ||
            (call->shut && !od_lane_reaches(engine, call)))
            return call;
    }
    return NULL;
}

struct od_path *od_lane_choose(struct od_engine *engine, struct od_lane *lane,
                               const struct od_call *call)
{
    struct od_path *best = NULL;

    for (uint32_t i = 0; i < lane->path_count; i++) {
        struct od_path *path = lane->paths[i];
        const struct od_trunk_def *def = &path->trunk->def;
        if (!(call->route & ~call->shut & 1u << i) || !od_trunk_can_arm(engine, path->trunk))
            continue;
        if (path->turn < lane->turn)
            path->turn = lane->turn; /* turns not taken are not saved up */
        if (!best || def->priority < best->trunk->def.priority ||
            (def->priority == best->trunk->def.priority && path->turn < best->turn))
            best = path;
    }
    if (best) {
        lane->turn = best->turn;
        best->turn += TURN_SCALE / (uint64_t)best->trunk->def.weight + 1;
    }
    return best;
}

struct od_call *od_lane_shut(struct od_engine *engine, const struct od_lane *lane)
{
    for (struct od_list *node = od_list_first(&lane->queue); node;
         node = od_list_after(&lane->queue, node)) {
        struct od_call *call = OD_OWNER(node, struct od_call, node);
        od_lane_route(engine, call);
        if (call->shut && !od_lane_reaches(engine, call))
            return call;
    }
    return NULL;
}

struct od_call *od_lane_undialled(const struct od_lane *lane)
{
    struct od_list *node = od_list_first(&lane->queue);

    if (!node)
        node = od_list_first(&lane->deferred);
    if (!node)
        node = od_list_first(&lane->hooks);
    for (uint32_t i = 0; !node && i < lane->path_count; i++) {
        struct od_call *call = od_path_call(lane->paths[i]);
        if (call)
            return call;
    }
    return node ? OD_OWNER(node, struct od_call, node) : NULL;
}

static bool def_valid(const struct od_engine *engine, const struct od_lane_def *def)
{
    for (int i = 0; i < OD_TRUNKS_PER_LANE && def->trunks[i] != OD_NO_TRUNK; i++) {
        if (def->trunks[i] >= engine->limits.trunks_max)
            return false;
        for (int j = 0; j < i; j++)
            if (def->trunks[j] == def->trunks[i])
                return false;
    }
    for (int i = 0; i < OD_PACES_PER_LANE && def->paces[i]; i++)
        if (def->paces[i] > engine->limits.paces_max || (i && def->paces[i] == def->paces[i - 1]))
            return false;
    return def->ring_ms >= 1000 && def->ring_ms <= 600000 && def->talk_ms_max >= 1000;
}

static bool same_trunks(const struct od_lane_def *a, const struct od_lane_def *b)
{
    for (int i = 0; i < OD_TRUNKS_PER_LANE; i++) {
        if (a->trunks[i] != b->trunks[i])
            return false;
        if (a->trunks[i] == OD_NO_TRUNK)
            break;
    }
    return true;
}

static bool on(const struct od_lane_def *def, const struct od_path *path)
{
    for (int i = 0; i < OD_TRUNKS_PER_LANE && def->trunks[i] != OD_NO_TRUNK; i++)
        if (def->trunks[i] == path->trunk->index)
            return true;
    return false;
}

/* Gives the lane the paths its definition names; those it keeps keep their calls and turns. */
static void set_paths(struct od_engine *engine, struct od_lane *lane, const struct od_lane_def *def)
{
    struct od_path *old[OD_TRUNKS_PER_LANE];
    uint32_t old_count = lane->path_count;

    memcpy(old, lane->paths, sizeof old);
    lane->path_count = 0;
    for (int i = 0; i < OD_TRUNKS_PER_LANE && def->trunks[i] != OD_NO_TRUNK; i++) {
        struct od_path *path = NULL;
        for (uint32_t j = 0; j < old_count && !path; j++)
            if (old[j]->trunk->index == def->trunks[i])
                path = old[j];
        if (!path)
            path = od_path_create(engine, lane, &engine->trunks[def->trunks[i]]);
        lane->paths[lane->path_count++] = path;
    }
    for (uint32_t j = 0; j < old_count; j++) {
        if (on(def, old[j]))
            continue;
        if (od_path_call(old[j]))
            od_list_push(&engine->gone, &old[j]->gone);
        else
            od_path_destroy(engine, old[j]);
    }
    engine->route_version++;
}

/* What it holds ready counts for the paces that it keeps now. */
static void set_paces(struct od_engine *engine, struct od_lane *lane)
{
    for (uint32_t i = 0; i < lane->pace_count; i++) {
        od_list_remove(&lane->paces[i].node);
        lane->paces[i].rate->ready -= lane->ready;
    }
    lane->pace_count = 0;
    for (uint32_t i = 0; i < OD_PACES_PER_LANE && lane->def.paces[i]; i++) {
        struct od_pace_member *member = &lane->paces[lane->pace_count++];
        member->rate = &engine->rates[engine->limits.trunks_max + lane->def.paces[i] - 1];
        member->rate->ready += lane->ready;
        od_list_push(&member->rate->members, &member->node);
    }
}

int od_engine_set_lane(struct od_engine *engine, uint32_t index, const struct od_lane_def *def)
{
    struct od_lane *lane;
    bool regroup, repath;

    if (index >= engine->limits.lanes_max || !def_valid(engine, def))
        return OD_EINVAL;
    lane = &engine->lanes[index];
    repath = !lane->set || !same_trunks(&lane->def, def);
    regroup = repath || lane->def.priority != def->priority || lane->def.rotor != def->rotor ||
              lane->def.hook != def->hook;
    for (uint32_t i = 0; regroup && i < lane->path_count; i++)
        od_path_leave(engine, lane->paths[i]);
    lane->def = *def;
    lane->def.caller[OD_CALLER_MAX - 1] = '\0';
    lane->set = true;
    if (index >= engine->lanes_set)
        engine->lanes_set = index + 1;
    set_paces(engine, lane);
    if (repath)
        set_paths(engine, lane, def);
    for (uint32_t i = 0; regroup && i < lane->path_count; i++)
        od_path_join(engine, lane->paths[i]);
    od_breakers_lane(engine, lane);
    od_lane_touch(engine, lane);
    engine->changed = true;
    return 0;
}
