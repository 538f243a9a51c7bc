/* pacer - see pacer.h. Each stage takes trunks off its list and serves one until it is blocked: by
 * time (its timer brings it back), by its own slots or wishes (a touch brings it back), or by the
 * node (it stays on the list until the node has room). */
#include "engine/core/pacer.h"

#include <string.h>

#include "engine/base/assert.h"
#include "engine/core/breakers.h"
#include "engine/core/call.h"
#include "engine/core/lane.h"
#include "engine/core/path.h"
#include "engine/core/rate.h"
#include "engine/core/trunk.h"

enum { AHEAD_UNPACED = 512 }; /* calls claimed ahead for a trunk without a rate: saturation */

/* Who is to be armed so soon is armed along with who is due: at 1,000 calls/s that is one turn in
 * eight, and the intents share a write. Short against the lead, so a crash leaves few more calls
 * with an intent and no INVITE. */
#define ARM_TOGETHER_NS (8 * OD_NS_PER_MS)

void od_pacer_review(struct od_engine *engine)
{
    struct od_list *node;

    while ((node = od_list_first(&engine->touched)))
        od_lane_review(engine, OD_OWNER(node, struct od_lane, touched));
}

/* ---- recall ---- */

static const char *recall_word(const struct od_engine *engine, const struct od_call *call)
{
    if (engine->draining)
        return "draining";
    if (!call->lane->def.open)
        return "paused";
    if (!od_lane_in_hours(call->lane, engine->now.wall_ms))
        return "schedule";
    return call->lane->broken ? "breaker" : "route";
}

static void recall(struct od_engine *engine, struct od_call *call)
{
    const char *why = recall_word(engine, call);
    int64_t until_ms = strcmp(why, "breaker") == 0 ? od_breakers_until(engine, call) : 0;

    od_call_give_back_until(engine, call, OD_CALL_EV_RECALL, why, until_ms);
}

/* A breaker keeps it from all its ways. */
static void give_back_held(struct od_engine *engine, struct od_call *call)
{
    od_call_give_back_until(engine, call, OD_CALL_EV_RECALL, "breaker",
                            od_breakers_until(engine, call));
}

void od_pacer_recall(struct od_engine *engine, uint32_t *budget)
{
    struct od_list *node;

    while (*budget && (node = od_list_first(&engine->gone))) {
        struct od_path *path = OD_OWNER(node, struct od_path, gone);
        struct od_call *call = od_path_call(path);
        if (!call) {
            od_path_destroy(engine, path);
            continue;
        }
        --*budget;
        recall(engine, call);
    }
    while (*budget && (node = od_list_first(&engine->shut))) {
        struct od_call *call = od_lane_shut(engine, OD_OWNER(node, struct od_lane, shut));
        if (!call) {
            od_list_remove(node);
            continue;
        }
        --*budget;
        give_back_held(engine, call);
    }
    while (*budget &&
           (node = od_list_first(engine->draining ? &engine->busy : &engine->recalled))) {
        struct od_lane *lane = engine->draining ? OD_OWNER(node, struct od_lane, busy)
                                                : OD_OWNER(node, struct od_lane, recalled);
        struct od_call *call = od_lane_undialled(lane);
        if (!call) {
            od_list_remove(node);
            continue;
        }
        --*budget;
        recall(engine, call);
    }
}

/* A trunk that was served leaves its list, or goes to the end of it: what served it left nothing
 * to do, or ran out of budget or of the node's room. */
static void done(struct od_list *work, struct od_list *node, bool again)
{
    od_list_remove(node);
    if (again)
        od_list_push(work, node);
}

/* ---- send ---- */

/* What the trunk's next turn is for: a challenged call, whose phone may ring any moment now, goes
 * before an armed one, and goes also when the trunk or the node takes no new ones. NULL: nothing.
 */
static struct od_call *next_to_send(const struct od_engine *engine, const struct od_trunk *trunk)
{
    struct od_list *node = od_list_first(&trunk->challenged);

    if (!node) {
        if (!trunk->send.top || !od_trunk_up(engine, trunk) || engine->draining)
            return NULL;
        if (trunk->health.state == OD_HEALTH_PROBING && trunk->dialing)
            return NULL;
        node = od_list_first(&OD_OWNER(trunk->send.top, struct od_path, send)->armed);
    }
    return OD_OWNER(node, struct od_call, node);
}

/* A rate is kept from when INVITEs really left: until that is heard of those of an earlier turn,
 * the trunk's next one waits. The facts that tell of it are already under way. */
static bool awaits_report(const struct od_engine *engine, const struct od_trunk *trunk)
{
    return od_trunk_paced(trunk) && od_rate_awaits(engine, trunk->rate);
}

/* A trunk that takes no calls now gives those that were armed for it to others. */
static void reroute(struct od_engine *engine, struct od_trunk *trunk, uint32_t *budget)
{
    while (*budget && trunk->send.top && !od_trunk_up(engine, trunk) && !engine->draining) {
        struct od_path *path = OD_OWNER(trunk->send.top, struct od_path, send);
        --*budget;
        od_call_do(engine, OD_OWNER(od_list_first(&path->armed), struct od_call, node),
                   OD_CALL_EV_REROUTE, NULL);
        od_pacer_review(engine);
    }
}

/* The last look at the clock before a phone may ring. What was challenged has rung already. */
static void send_one(struct od_engine *engine, struct od_call *call)
{
    bool armed = call->state == OD_CALL_ARMED;
    int64_t until_ms;
    const char *shut = armed ? od_call_shut(engine, call, &until_ms) : NULL;

    if (armed && od_call_expired(engine, call))
        od_call_do(engine, call, OD_CALL_EV_EXPIRE, NULL);
    else if (shut)
        od_call_give_back_until(engine, call, OD_CALL_EV_RECALL, shut, until_ms);
    else if (armed && !od_breakers_bound(engine, call))
        od_call_do(engine, call, OD_CALL_EV_REROUTE, NULL);
    else
        od_call_do(engine, call, OD_CALL_EV_DIAL, NULL);
}

/* Serving a trunk: true when it must be served again in this or the next turn. *wake_ns: when by
 * itself, OD_NEVER: when something changes. */
static bool send_from(struct od_engine *engine, struct od_trunk *trunk, uint32_t *budget,
                      uint64_t *wake_ns)
{
    uint64_t now_ns = engine->now.mono_ns;

    for (;;) {
        struct od_call *call;
        uint64_t when_ns;

        od_pacer_review(engine);
        reroute(engine, trunk, budget);
        call = next_to_send(engine, trunk);
        if (!call)
            return trunk->send.top && !od_trunk_up(engine, trunk) && !engine->draining;
        if (awaits_report(engine, trunk))
            return false;
        when_ns = od_trunk_when(engine, trunk);
        if (when_ns > now_ns) {
            *wake_ns = when_ns;
            od_rate_hurry(engine, trunk->rate);
            return false;
        }
        if (!*budget)
            return true;
        --*budget;
        send_one(engine, call);
        if (trunk->rate->trunks > 1)
            return true; /* those it shares its rate with come before its next */
    }
}

/* A process that was stopped for a while wakes up here: nothing leaves until the store has said
 * that what we hold is still ours, or posted LOST for what isn't. */
static bool may_send(const struct od_engine *engine)
{
    return engine->now.mono_ns < engine->lease_until_ns;
}

void od_pacer_send(struct od_engine *engine, uint32_t *budget)
{
    struct od_list *node;

    while (*budget && may_send(engine) && (node = od_list_first(&engine->send_work))) {
        struct od_trunk *trunk = OD_OWNER(node, struct od_trunk, send_work);
        uint64_t wake_ns = OD_NEVER;
        bool again = send_from(engine, trunk, budget, &wake_ns);

        done(&engine->send_work, node, again);
        od_timers_set(&engine->timers, &trunk->send_timer, wake_ns);
    }
}

/* ---- arm ---- */

static bool node_can_arm(const struct od_engine *engine)
{
    return engine->store_up && !engine->draining && engine->dialled < engine->limits.dialled_max;
}

/* The next wish on the trunk, when one more may take a slot now; else *wake_ns says when. */
static struct od_fair_item *next_to_arm(const struct od_engine *engine,
                                        const struct od_trunk *trunk, uint64_t *wake_ns)
{
    struct od_fair_item *wish = od_fair_first(&trunk->arm);
    uint64_t at_ns = wish ? od_trunk_arm_ns(engine, trunk) : 0;

    *wake_ns = OD_NEVER;
    if (at_ns <= engine->now.mono_ns + engine->arm_early_ns)
        return wish;
    *wake_ns = at_ns;
    return NULL;
}

static void arm_one(struct od_engine *engine, struct od_path *path)
{
    struct od_lane *lane = path->lane;
    struct od_call *call = od_lane_pick(engine, lane, path);
    const char *shut;
    int64_t until_ms;

    if (!call) {
        /* The calls in front want other trunks. A change of the queue brings the wish back. */
        od_fair_set(&path->arm, false);
        return;
    }
    if (od_lane_refuses(engine, call)) {
        od_call_do(engine, call, OD_CALL_EV_REFUSE, NULL);
        return;
    }
    if (od_call_expired(engine, call)) {
        od_call_do(engine, call, OD_CALL_EV_EXPIRE, NULL);
        return;
    }
    shut = od_call_shut(engine, call, &until_ms);
    if (shut) {
        od_call_give_back_until(engine, call, OD_CALL_EV_RECALL, shut, until_ms);
        return;
    }
    if (call->shut && !od_lane_reaches(engine, call)) {
        give_back_held(engine, call);
        return;
    }
    if (od_call_ask_hook(engine, call))
        return; /* its lane has a start hook since a moment ago */
    path = od_lane_choose(engine, lane, call);
    OD_ASSERT(path); /* the one we came from has room */
    od_fair_served(&path->arm);
    od_call_take_slot(engine, call, path);
}

static bool arm_on(struct od_engine *engine, struct od_trunk *trunk, uint32_t *budget,
                   uint64_t *wake_ns)
{
    for (;;) {
        struct od_fair_item *item;

        od_pacer_review(engine);
        *wake_ns = OD_NEVER;
        if (!od_trunk_up(engine, trunk) || !od_trunk_slots(trunk) || !od_trunk_takes_one(trunk) ||
            !trunk->probes_free)
            return false;
        item = next_to_arm(engine, trunk, wake_ns);
        if (!item)
            return false;
        if (!*budget || !node_can_arm(engine))
            return true;
        --*budget;
        arm_one(engine, OD_OWNER(item, struct od_path, arm));
        engine->arm_early_ns = ARM_TOGETHER_NS;
    }
}

void od_pacer_arm(struct od_engine *engine, uint32_t *budget)
{
    struct od_list *node;

    while (*budget && node_can_arm(engine) && (node = od_list_first(&engine->arm_work))) {
        struct od_trunk *trunk = OD_OWNER(node, struct od_trunk, arm_work);
        uint64_t wake_ns = OD_NEVER;
        bool again = arm_on(engine, trunk, budget, &wake_ns);

        engine->arm_early_ns = 0;
        done(&engine->arm_work, node, again);
        od_timers_set(&engine->timers, &trunk->arm_timer, wake_ns);
    }
}

/* ---- claim ---- */

/* Places on this node for calls that are only claimed. */
static uint32_t node_room(const struct od_engine *engine)
{
    uint32_t places = engine->calls.count - engine->calls.used;
    uint32_t slots = engine->limits.dialled_max > engine->dialled /* it may have been lowered */
                         ? engine->limits.dialled_max - engine->dialled
                         : 0;

    places -= engine->reserved < places ? engine->reserved : places;
    slots -= engine->ahead < slots ? engine->ahead : slots;
    return places < slots ? places : slots;
}

static bool node_can_claim(const struct od_engine *engine)
{
    return engine->store_up && !engine->draining && node_room(engine);
}

/* How many more calls the trunk wants claimed: its rate's need for the next moments, never more
 * than its free slots. Those whose start hook is asked hold no slot, so they keep only their like
 * from being claimed: others may be dialled meanwhile. If it is none because it is too early,
 * *wake_ns says when not. */
static uint32_t trunk_claimable(const struct od_engine *engine, const struct od_trunk *trunk,
                                bool hook, uint64_t *wake_ns)
{
    uint32_t spoken_for = trunk->challenged_count + trunk->ready, slots = od_trunk_slots(trunk);
    uint32_t hooking = hook ? trunk->hooking : 0, room = AHEAD_UNPACED, wanted;
    uint64_t now_ns = engine->now.mono_ns, ahead_ns = od_engine_ahead_ns(engine, hook);

    *wake_ns = OD_NEVER;
    if (!trunk->probes_free)
        return 0;
    if (trunk->probes_free < room)
        room = trunk->probes_free;
    if (trunk->health.state == OD_HEALTH_PROBING) {
        room = 1; /* a few too many would only wait */
    } else if (od_trunk_paced(trunk)) {
        uint32_t paced =
            od_trunk_room(engine, trunk, now_ns + ahead_ns, spoken_for + AHEAD_UNPACED);
        paced -= spoken_for < paced ? spoken_for : paced;
        room = paced < room ? paced : room;
    }
    wanted = room < slots ? room : slots;
    if (trunk->ahead + hooking >= wanted) {
        /* With nothing queued and slots free it is the rate alone that says no. */
        uint64_t at_ns = od_trunk_plan_ns(engine, trunk, spoken_for + hooking) - ahead_ns;
        if (!trunk->ahead && slots > hooking && (!hooking || at_ns > now_ns))
            *wake_ns = at_ns;
        return 0;
    }
    wanted -= hooking;
    /* While half of what is wanted is there, wait: what arms or is answered comes back here, and
     * claims stay few and large. */
    if (trunk->ahead && trunk->ahead >= wanted - trunk->ahead)
        return 0;
    return wanted - trunk->ahead;
}

/* The next wish on the trunk that may claim now, and how many. NULL: *wake_ns says when one may. */
static struct od_fair_item *next_to_claim(const struct od_engine *engine,
                                          const struct od_trunk *trunk, uint32_t *wanted,
                                          uint64_t *wake_ns)
{
    struct od_fair_item *wishes[2] = {od_fair_first(&trunk->claim),
                                      od_fair_first(&trunk->claim_hook)};
    uint32_t many[2] = {0, 0};
    int best;

    *wake_ns = OD_NEVER;
    for (int hook = 0; hook <= 1; hook++) {
        uint64_t at_ns = OD_NEVER;
        if (wishes[hook])
            many[hook] = trunk_claimable(engine, trunk, hook, &at_ns);
        if (!many[hook])
            wishes[hook] = NULL;
        if (at_ns < *wake_ns)
            *wake_ns = at_ns;
    }
    if (!wishes[0] || !wishes[1])
        best = !wishes[0];
    else if (wishes[0]->priority != wishes[1]->priority)
        best = wishes[1]->priority > wishes[0]->priority;
    else
        best = od_fair_turn(wishes[1]) < od_fair_turn(wishes[0]);
    *wanted = many[best];
    return wishes[best];
}

static void claim_one(struct od_engine *engine, struct od_trunk *trunk, struct od_path *path,
                      uint32_t wanted)
{
    struct od_lane *lane = path->lane;
    uint32_t share = wanted / path->claim.group->fair->groups,
             count = od_lane_claimable(engine, lane);
    uint32_t room = node_room(engine);

    if (share < 1)
        share = 1;
    count = count < share ? count : share;
    count = count < room ? count : room;
    OD_ASSERT(!lane->claiming);
    if (!count) {
        /* The lead has shrunk since the lane wished: its pace allows that claim later. */
        od_lane_touch(engine, lane);
        return;
    }
    od_fair_served(&path->claim);
    od_rate_hurry(engine, trunk->rate);
    lane->claiming = true;
    lane->asked = count;
    lane->claim_trunk = trunk;
    trunk->ahead += count;
    engine->ahead += count;
    engine->reserved += count;
    od_lane_touch(engine, lane);
    od_engine_fold(engine, (uint64_t)lane->index << 32 | count);
    engine->ports.store.claim(engine->ports.store.ctx, lane->index, count);
}

static bool claim_for(struct od_engine *engine, struct od_trunk *trunk, uint32_t *budget,
                      uint64_t *wake_ns)
{
    for (;;) {
        struct od_fair_item *item;
        uint32_t wanted;

        od_pacer_review(engine);
        *wake_ns = OD_NEVER;
        if (!od_trunk_up(engine, trunk))
            return false;
        item = next_to_claim(engine, trunk, &wanted, wake_ns);
        if (!item)
            return false;
        if (!*budget || !node_can_claim(engine))
            return true;
        --*budget;
        claim_one(engine, trunk, OD_OWNER(item, struct od_path, claim), wanted);
    }
}

void od_pacer_claim(struct od_engine *engine, uint32_t *budget)
{
    struct od_list *node;

    while (*budget && node_can_claim(engine) && (node = od_list_first(&engine->claim_work))) {
        struct od_trunk *trunk = OD_OWNER(node, struct od_trunk, claim_work);
        uint64_t wake_ns = OD_NEVER;
        bool again = claim_for(engine, trunk, budget, &wake_ns);

        done(&engine->claim_work, node, again);
        od_timers_set(&engine->timers, &trunk->claim_timer, wake_ns);
    }
}

bool od_pacer_pending(const struct od_engine *engine)
{
    return !od_list_empty(&engine->touched) || !od_list_empty(&engine->gone) ||
           !od_list_empty(&engine->shut) ||
           !od_list_empty(engine->draining ? &engine->busy : &engine->recalled) ||
           (!od_list_empty(&engine->send_work) && may_send(engine)) ||
           (!od_list_empty(&engine->arm_work) && node_can_arm(engine)) ||
           (!od_list_empty(&engine->claim_work) && node_can_claim(engine));
}
