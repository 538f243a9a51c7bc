/* trunk - see trunk.h. */
#include "engine/core/trunk.h"

#include "engine/base/assert.h"
#include "engine/core/breakers.h"
#include "engine/core/lane.h"
#include "engine/core/rate.h"
#include "engine/core/verdict.h"
#include "outdial/err.h"

/* Room for what the mean and its spread don't say: a turn of the loop, a late wake-up. */
#define LEAD_MARGIN_NS (5 * OD_NS_PER_MS)
#define LEAD_NS_MAX (2 * OD_NS_PER_S)
/* Claimed ahead of the lead: what the store needs to answer, several times over. */
#define AHEAD_NS (300 * OD_NS_PER_MS)
#define HOOK_LEAD_NS_MAX (15 * OD_NS_PER_S)

static bool send_before(const struct od_heap_node *node_a, const struct od_heap_node *node_b)
{
    const struct od_path *a = OD_OWNER(node_a, struct od_path, send);
    const struct od_path *b = OD_OWNER(node_b, struct od_path, send);

    /* Priority had its say when they were armed, a moment ago; it would make those that age let in
     * wait here. */
    return a->send_order < b->send_order;
}

void od_trunk_init(struct od_engine *engine, uint32_t index)
{
    struct od_trunk *trunk = &engine->trunks[index];

    trunk->index = index;
    trunk->probes_free = UINT32_MAX;
    trunk->rate = &engine->rates[index];
    trunk->rate->trunks = 1;
    od_list_init(&trunk->rate_member);
    od_list_push(&trunk->rate->members, &trunk->rate_member);
    od_limit_init(&trunk->work, NULL); /* EVEN keeps no log */
    trunk->work.trail_ns = OD_ADAPT_TRAIL_NS;
    od_fair_init(&trunk->claim);
    od_fair_init(&trunk->claim_hook);
    od_fair_init(&trunk->arm);
    trunk->send = (struct od_heap){.before = send_before};
    od_list_init(&trunk->challenged);
    od_list_init(&trunk->send_work);
    od_list_init(&trunk->arm_work);
    od_list_init(&trunk->claim_work);
    trunk->send_timer.kind = OD_TIMER_TRUNK_SEND;
    trunk->arm_timer.kind = OD_TIMER_TRUNK_ARM;
    trunk->claim_timer.kind = OD_TIMER_TRUNK_CLAIM;
    trunk->health_timer.kind = OD_TIMER_TRUNK_HEALTH;
}

static bool def_valid(const struct od_trunk_def *def)
{
    bool ended = false;

    for (int i = 0; i < OD_SHAPES_MAX; i++) {
        if (!od_shape_valid(&def->shapes[i]))
            return false;
        if (ended && def->shapes[i].kind != OD_SHAPE_NONE)
            return false; /* a gap would hide a limit */
        ended = def->shapes[i].kind == OD_SHAPE_NONE;
    }
    for (int i = 0; i < OD_PREFIXES_MAX; i++)
        if (def->prefixes[i][OD_PREFIX_LEN_MAX - 1])
            return false;
    for (int i = 0; i < OD_VERDICTS_MAX && def->verdicts[i].from; i++)
        if (!od_verdict_rule_valid(&def->verdicts[i]))
            return false;
    return def->weight >= 1 && def->ring_ms_max <= 600000 && def->patience_ms <= 600000 &&
           def->setup_ms_max <= 600000 && (!def->ping_ms || def->ping_ms >= 1000);
}

/* ---- the rate ---- */

/* The slowest of the shapes in thousandths of a call per second; 0: none. */
static uint32_t slowest_milli(const struct od_rate *rate)
{
    uint64_t least = 0;

    for (uint32_t i = 0; i < rate->limit_count; i++) {
        const struct od_shape *shape = &rate->limits[i].shape;
        uint64_t milli = shape->count * UINT64_C(1000) * OD_NS_PER_S / shape->window_ns;
        if (!least || milli < least)
            least = milli ? milli : 1;
    }
    return least > UINT32_MAX ? UINT32_MAX : (uint32_t)least;
}

/* Moves the trunk to the rate it shares, or back to its own. */
static void join_rate(struct od_trunk *trunk, struct od_rate *rate)
{
    uint32_t ready = trunk->ready + trunk->challenged_count;

    if (trunk->rate == rate)
        return;
    trunk->rate->trunks--;
    trunk->rate->unreported -= trunk->unreported;
    trunk->rate->ready -= ready;
    rate->trunks++;
    rate->unreported += trunk->unreported;
    od_list_remove(&trunk->rate_member);
    od_list_push(&rate->members, &trunk->rate_member);
    rate->ready += ready;
    /* What one of them has sent counts for the other, too. */
    if (trunk->rate->sent && (!rate->sent || rate->last_send_ns < trunk->rate->last_send_ns)) {
        od_limits_charge(rate->limits, rate->limit_count, trunk->rate->last_send_ns);
        rate->last_send_ns = trunk->rate->last_send_ns;
        rate->sent = true;
    }
    trunk->rate = rate;
}

/* The limit follows the working rate: evenly, as the carrier's own shape is not known. */
static void follow(struct od_trunk *trunk)
{
    struct od_shape shape = {.kind = OD_SHAPE_NONE};
    uint32_t milli = trunk->adapt.working_milli;

    if (milli) {
        shape.kind = OD_SHAPE_EVEN;
        shape.count = (milli + 999999) / 1000000;
        shape.window_ns = shape.count * UINT64_C(1000) * OD_NS_PER_S / milli;
    }
    if (shape.kind != trunk->work.shape.kind || shape.window_ns != trunk->work.shape.window_ns)
        od_limit_set(&trunk->work, &shape);
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Calls of the other trunks that share the rate and will be sent by it. */
static uint32_t of_others(const struct od_trunk *trunk)
{
    return trunk->rate->ready - trunk->ready - trunk->challenged_count;
}

/* What the trunk has to say itself, beside its rate. */
static uint64_t own_ns(const struct od_engine *engine, const struct od_trunk *trunk, uint32_t ahead)
{
    uint64_t when_ns = later(trunk->hold_until_ns, trunk->adapt.pause_until_ns);

    if (trunk->work.shape.kind != OD_SHAPE_NONE)
        when_ns = later(when_ns, od_limit_when(&trunk->work, engine->now.mono_ns, ahead));
    return when_ns;
}

uint64_t od_trunk_when(const struct od_engine *engine, const struct od_trunk *trunk)
{
    return later(own_ns(engine, trunk, 0), od_rate_when(engine, trunk->rate));
}

uint64_t od_trunk_plan_ns(const struct od_engine *engine, const struct od_trunk *trunk,
                          uint32_t ahead)
{
    return later(own_ns(engine, trunk, ahead),
                 od_rate_plan(engine, trunk->rate, ahead + of_others(trunk)));
}

bool od_trunk_paced(const struct od_trunk *trunk)
{
    return trunk->rate->limit_count || trunk->work.shape.kind != OD_SHAPE_NONE;
}

uint32_t od_trunk_room(const struct od_engine *engine, const struct od_trunk *trunk,
                       uint64_t until_ns, uint32_t most)
{
    uint32_t others = of_others(trunk),
             room = od_rate_room(engine, trunk->rate, until_ns, most + others);

    room = room > others ? room - others : 0;
    if (trunk->work.shape.kind != OD_SHAPE_NONE)
        room = od_limit_room(&trunk->work, engine->now.mono_ns, until_ns, room);
    return room < most ? room : most;
}

/* ---- up or not ---- */

bool od_trunk_up(const struct od_engine *engine, const struct od_trunk *trunk)
{
    return trunk->set && trunk->def.usable && trunk->health.state != OD_HEALTH_DOWN &&
           trunk->hold_until_ns <= engine->now.mono_ns && trunk->breaker != OD_BREAKER_OPEN;
}

bool od_trunk_takes_one(const struct od_trunk *trunk)
{
    return trunk->health.state != OD_HEALTH_PROBING || trunk->ready + trunk->dialing == 0;
}

static void arm_health_timer(struct od_engine *engine, struct od_trunk *trunk)
{
    uint64_t when_ns = od_health_when(&trunk->health);

    if (trunk->hold_until_ns > engine->now.mono_ns && trunk->hold_until_ns < when_ns)
        when_ns = trunk->hold_until_ns;
    od_timers_set(&engine->timers, &trunk->health_timer, when_ns);
}

/* Something changed that may make the trunk take calls or not: routes are looked up anew, and
 * lanes with calls to dial wish again. A probing trunk that has its probe takes none: others go
 * round it as if it were down. */
void od_trunk_look(struct od_engine *engine, struct od_trunk *trunk)
{
    bool up = od_trunk_up(engine, trunk) && od_trunk_takes_one(trunk);

    arm_health_timer(engine, trunk);
    od_trunk_touch(engine, trunk, OD_TOUCH_ALL);
    if (up == trunk->up)
        return;
    trunk->up = up;
    engine->route_version++;
    for (struct od_list *node = od_list_first(&engine->busy); node;
         node = od_list_after(&engine->busy, node))
        od_lane_touch(engine, OD_OWNER(node, struct od_lane, busy));
}

void od_trunk_health_time(struct od_engine *engine, struct od_trunk *trunk)
{
    bool ping;

    od_health_time(&trunk->health, engine->now.mono_ns, &ping);
    if (ping && trunk->def.usable && engine->ports.sip.ping)
        engine->ports.sip.ping(engine->ports.sip.ctx, trunk->index);
    od_trunk_look(engine, trunk);
}

void od_trunk_pong(struct od_engine *engine, uint32_t index, uint16_t status)
{
    struct od_trunk *trunk;

    if (index >= engine->limits.trunks_max || !engine->trunks[index].set) {
        engine->odd++;
        return;
    }
    trunk = &engine->trunks[index];
    if (od_health_pong(&trunk->health, engine->now.mono_ns, status))
        od_trunk_look(engine, trunk);
}

void od_trunk_good(struct od_engine *engine, struct od_trunk *trunk)
{
    if (od_health_good(&trunk->health, engine->now.mono_ns))
        od_trunk_look(engine, trunk);
    else if (trunk->health.state == OD_HEALTH_PROBING)
        od_trunk_touch(engine, trunk, OD_TOUCH_ALL); /* for its next probe */
}

void od_trunk_rang(struct od_engine *engine, const struct od_call *call)
{
    struct od_trunk *trunk = &engine->trunks[call->trunk];
    uint64_t now_ns = engine->now.mono_ns;

    if (od_adapt_delay(&trunk->adapt, now_ns, now_ns - call->charged_ns)) {
        follow(trunk);
        od_trunk_touch(engine, trunk, OD_TOUCH_ALL);
    }
}

/* Longer than any carrier means it: a Retry-After can't take a trunk away for good. */
enum { RETRY_AFTER_S_MAX = 3600 };

void od_trunk_failed(struct od_engine *engine, const struct od_call *call, const struct od_end *end,
                     uint32_t retry_after_s)
{
    struct od_trunk *trunk = &engine->trunks[call->trunk];
    uint64_t now_ns = engine->now.mono_ns;
    bool rate = end->fault == OD_TRUNK_FAULT_LIMIT || end->fault == OD_TRUNK_FAULT_OVERLOAD;

    trunk->failures++;
    if (retry_after_s) {
        uint32_t wait_s = retry_after_s < RETRY_AFTER_S_MAX ? retry_after_s : RETRY_AFTER_S_MAX;
        uint64_t held_ns = trunk->hold_until_ns;
        trunk->hold_until_ns = later(trunk->hold_until_ns, now_ns + wait_s * OD_NS_PER_S);
        if (trunk->hold_until_ns > held_ns && engine->ports.rate.held)
            engine->ports.rate.held(engine->ports.rate.ctx, trunk->index, trunk->hold_until_ns);
    }
    if (rate)
        od_adapt_refused(&trunk->adapt, now_ns, call->charged_ns,
                         end->fault == OD_TRUNK_FAULT_LIMIT, end->reason);
    follow(trunk);
    /* Refused credentials are the host's to count: it knows when they were changed. A limit that
     * was told to us is a sign of life. */
    if (end->fault == OD_TRUNK_FAULT_DEAD || end->fault == OD_TRUNK_FAULT_ERROR ||
        end->fault == OD_TRUNK_FAULT_OVERLOAD)
        od_health_bad(&trunk->health, now_ns, end->fault == OD_TRUNK_FAULT_OVERLOAD, end->reason);
    od_trunk_look(engine, trunk);
}

void od_trunk_held(struct od_engine *engine, uint32_t index, uint64_t until_ns)
{
    uint64_t most_ns = engine->now.mono_ns + RETRY_AFTER_S_MAX * OD_NS_PER_S;
    struct od_trunk *trunk;

    if (index >= engine->limits.trunks_max || !engine->trunks[index].set) {
        engine->odd++;
        return;
    }
    trunk = &engine->trunks[index];
    if (until_ns > most_ns)
        until_ns = most_ns;
    if (until_ns <= trunk->hold_until_ns)
        return;
    trunk->hold_until_ns = until_ns;
    od_trunk_look(engine, trunk);
}

int od_engine_set_trunk(struct od_engine *engine, uint32_t index, const struct od_trunk_def *def)
{
    struct od_trunk *trunk;

    if (index >= engine->limits.trunks_max || def->rate_from > engine->limits.trunks_max ||
        !def_valid(def))
        return OD_EINVAL;
    trunk = &engine->trunks[index];
    trunk->def = *def;
    trunk->def.name[OD_NAME_MAX - 1] = '\0';
    trunk->def.caller[OD_CALLER_MAX - 1] = '\0';
    trunk->set = true;
    od_health_set(&trunk->health, def->bad_max, def->good_min, def->ping_ms * OD_NS_PER_MS,
                  engine->now.mono_ns);
    join_rate(trunk, def->rate_from ? &engine->rates[def->rate_from - 1] : &engine->rates[index]);
    if (trunk->rate == &engine->rates[index])
        od_rate_set(trunk->rate, def->shapes, OD_SHAPES_MAX);
    if (trunk->rate == &engine->rates[index])
        trunk->rate->inbound = def->inbound;
    if (trunk->rate->share && trunk->rate == &engine->rates[index])
        od_share_set(trunk->rate->share, def->shared ? OD_SHARE_DEALT : OD_SHARE_OFF, def->shapes,
                     trunk->rate->limit_count);
    else if (engine->shares) /* its own is nobody's */
        od_share_set(&engine->shares[index], OD_SHARE_OFF, NULL, 0);
    od_adapt_set(&trunk->adapt, def->adaptive, slowest_milli(trunk->rate));
    follow(trunk);
    engine->route_version++;
    engine->changed = true;
    od_trunk_look(engine, trunk);
    return 0;
}

void od_trunk_touch(struct od_engine *engine, struct od_trunk *trunk, unsigned what)
{
    if ((what & OD_TOUCH_SEND) && od_list_empty(&trunk->send_work))
        od_list_push(&engine->send_work, &trunk->send_work);
    if ((what & OD_TOUCH_ARM) && od_list_empty(&trunk->arm_work))
        od_list_push(&engine->arm_work, &trunk->arm_work);
    if ((what & OD_TOUCH_CLAIM) && od_list_empty(&trunk->claim_work))
        od_list_push(&engine->claim_work, &trunk->claim_work);
}

void od_trunk_charge(struct od_engine *engine, struct od_trunk *trunk)
{
    uint64_t now_ns = engine->now.mono_ns;

    od_rate_charge(engine, trunk->rate, true);
    od_limit_charge(&trunk->work, now_ns);
    od_adapt_sent(&trunk->adapt, now_ns);
    follow(trunk);
    trunk->invites++;
}

void od_trunk_inbound(struct od_engine *engine, uint32_t index)
{
    uint64_t now_ns = engine->now.mono_ns;
    struct od_rate *rate;
    bool counts = false;

    if (index >= engine->limits.trunks_max || !engine->trunks[index].set) {
        engine->odd++;
        return;
    }
    rate = engine->trunks[index].rate;
    for (uint32_t i = 0; i < rate->limit_count; i++) {
        if (!(rate->inbound & 1u << i))
            continue;
        od_limit_charge(&rate->limits[i], now_ns);
        counts = true;
    }
    if (counts && rate->share)
        od_share_skip(rate->share, now_ns);
}

void od_trunk_recharge(struct od_engine *engine, struct od_call *call, enum od_call_state next)
{
    struct od_trunk *trunk = call->charged;

    if (!trunk || (call->state != OD_CALL_START_HOOK && next == OD_CALL_QUEUED))
        return;
    if (call->state == OD_CALL_START_HOOK) {
        OD_ASSERT(trunk->hooking);
        trunk->hooking--;
    } else {
        OD_ASSERT(trunk->ahead && engine->ahead);
        trunk->ahead--;
        engine->ahead--;
    }
    if (next == OD_CALL_START_HOOK) {
        trunk->hooking++;
    } else if (next == OD_CALL_QUEUED) {
        trunk->ahead++;
        engine->ahead++;
    } else {
        call->charged = NULL;
    }
    od_trunk_touch(engine, trunk, OD_TOUCH_CLAIM);
}

uint32_t od_trunk_slots(const struct od_trunk *trunk)
{
    if (!trunk->def.max_calls)
        return UINT32_MAX;
    return trunk->in_use < trunk->def.max_calls ? trunk->def.max_calls - trunk->in_use : 0;
}

/* Mean and four spreads, as RFC 6298 (2.3) waits for an acknowledgement: a call that is durable a
 * little early waits in ARMED, one that is late costs its turn. */
static uint64_t lead_ns(const struct od_latency *latency, uint64_t most_ns)
{
    uint64_t lead = latency->mean_ns + 4 * latency->spread_ns + LEAD_MARGIN_NS;

    return lead < most_ns ? lead : most_ns;
}

uint64_t od_engine_lead_ns(const struct od_engine *engine, bool hook)
{
    return lead_ns(&engine->intent, LEAD_NS_MAX) +
           (hook ? lead_ns(&engine->hook, HOOK_LEAD_NS_MAX) : 0);
}

uint64_t od_engine_ahead_ns(const struct od_engine *engine, bool hook)
{
    return AHEAD_NS + od_engine_lead_ns(engine, hook);
}

uint64_t od_trunk_arm_ns(const struct od_engine *engine, const struct od_trunk *trunk)
{
    uint64_t send_ns = od_trunk_plan_ns(engine, trunk, trunk->challenged_count + trunk->ready);
    uint64_t lead = od_engine_lead_ns(engine, false);

    return send_ns > lead ? send_ns - lead : 0;
}

bool od_trunk_can_arm(const struct od_engine *engine, const struct od_trunk *trunk)
{
    return od_trunk_up(engine, trunk) && od_trunk_slots(trunk) && od_trunk_takes_one(trunk) &&
           trunk->probes_free &&
           od_trunk_arm_ns(engine, trunk) <= engine->now.mono_ns + engine->arm_early_ns;
}

void od_latency_add(struct od_latency *latency, uint64_t now_ns, uint64_t sample_ns)
{
    uint64_t off =
        sample_ns > latency->mean_ns ? sample_ns - latency->mean_ns : latency->mean_ns - sample_ns;

    if (latency->turn_ns == now_ns)
        return;
    latency->turn_ns = now_ns;
    /* RFC 6298 (2.3), beta = 1/4, alpha = 1/8. */
    latency->spread_ns = latency->spread_ns - latency->spread_ns / 4 + off / 4;
    latency->mean_ns = latency->mean_ns - latency->mean_ns / 8 + sample_ns / 8;
}
