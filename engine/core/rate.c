/* rate - see rate.h. */
#include "engine/core/rate.h"

#include "engine/base/assert.h"
#include "engine/core/lane.h"
#include "engine/core/trunk.h"
#include "outdial/err.h"

enum { PLENTY = OD_SHARE_SLOTS };
/* A claim under way hides that more waits. */
#define PLENTY_NS (300 * OD_NS_PER_MS)

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* A trunk's rate has its members' trunks, a pace has lanes. */
static bool is_pace(const struct od_engine *engine, const struct od_rate *rate)
{
    return rate->number >= engine->limits.trunks_max;
}

static struct od_trunk *trunk_of(struct od_list *node)
{
    return OD_OWNER(node, struct od_trunk, rate_member);
}

static struct od_lane *lane_of(struct od_list *node)
{
    return OD_OWNER(node, struct od_pace_member, node)->lane;
}

void od_rate_init(struct od_engine *engine, uint32_t number)
{
    struct od_rate *rate = &engine->rates[number];

    rate->number = number;
    rate->share = engine->shares ? &engine->shares[number] : NULL;
    rate->ask_timer.kind = OD_TIMER_RATE_ASK;
    od_list_init(&rate->members);
    for (uint32_t i = 0; i < OD_SHAPES_MAX; i++)
        od_limit_init(&rate->limits[i],
                      engine->rate_logs + ((size_t)number * OD_SHAPES_MAX + i) * OD_LIMIT_LOG);
}

void od_rate_set(struct od_rate *rate, const struct od_shape *shapes, uint32_t count)
{
    uint32_t used = 0;

    for (; used < count && shapes[used].kind != OD_SHAPE_NONE; used++) {
        if (used >= rate->limit_count && rate->sent)
            od_limit_charge(&rate->limits[used], rate->last_send_ns);
        od_limit_set(&rate->limits[used], &shapes[used]);
    }
    for (uint32_t i = used; i < rate->limit_count; i++)
        od_limit_set(&rate->limits[i], &(struct od_shape){.kind = OD_SHAPE_NONE});
    rate->limit_count = used;
}

/* Slots that are shared with other processes stand for the limits. */
static bool by_slots(const struct od_rate *rate, uint64_t now_ns)
{
    return rate->share && rate->share->on && !od_share_sole(rate->share, now_ns);
}

uint64_t od_rate_when(const struct od_engine *engine, const struct od_rate *rate)
{
    uint64_t now_ns = engine->now.mono_ns;

    if (by_slots(rate, now_ns))
        return od_share_when(rate->share, now_ns);
    return od_limits_when(rate->limits, rate->limit_count, now_ns, 0);
}

uint64_t od_rate_plan(const struct od_engine *engine, const struct od_rate *rate, uint32_t ahead)
{
    uint64_t now_ns = engine->now.mono_ns;

    if (by_slots(rate, now_ns))
        return od_share_plan(rate->share, now_ns, ahead);
    return od_limits_when(rate->limits, rate->limit_count, now_ns, ahead);
}

uint32_t od_rate_room(const struct od_engine *engine, const struct od_rate *rate, uint64_t until_ns,
                      uint32_t most)
{
    uint64_t now_ns = engine->now.mono_ns;

    if (by_slots(rate, now_ns))
        return od_share_room(rate->share, now_ns, until_ns, most);
    if (!rate->limit_count)
        return most;
    return od_limits_room(rate->limits, rate->limit_count, now_ns, until_ns, most);
}

/* ---- what leaves ---- */

void od_rate_charge(struct od_engine *engine, struct od_rate *rate, bool in_turn)
{
    uint64_t now_ns = engine->now.mono_ns;

    if (rate->share && in_turn)
        od_share_use(rate->share, now_ns);
    else if (rate->share)
        od_share_skip(rate->share, now_ns);
    od_limits_charge(rate->limits, rate->limit_count, now_ns);
    rate->last_send_ns = rate->charged_ns = now_ns;
    rate->sent = true;
    rate->invites++;
}

void od_rate_late(struct od_rate *rate, uint64_t charged_ns, uint64_t sent_ns, uint64_t invite)
{
    struct od_late late = {
        .charged_ns = charged_ns, .sent_ns = sent_ns, .since = rate->invites - invite};

    od_limits_late(rate->limits, rate->limit_count, &late);
    if (rate->share)
        od_share_late(rate->share, charged_ns, sent_ns);
    rate->last_send_ns = later(rate->last_send_ns, sent_ns);
}

bool od_rate_awaits(const struct od_engine *engine, const struct od_rate *rate)
{
    return rate->unreported && rate->charged_ns != engine->now.mono_ns;
}

void od_rate_reported(struct od_engine *engine, struct od_rate *rate)
{
    OD_ASSERT(rate->unreported);
    if (--rate->unreported == 0)
        od_rate_touch(engine, rate, OD_TOUCH_SEND);
}

void od_rate_touch(struct od_engine *engine, struct od_rate *rate, unsigned what)
{
    for (struct od_list *node = od_list_first(&rate->members); node;
         node = od_list_after(&rate->members, node)) {
        if (!is_pace(engine, rate))
            od_trunk_touch(engine, trunk_of(node), what);
        else if (od_lane_works(lane_of(node)))
            od_lane_touch(engine, lane_of(node));
    }
}

/* ---- shared with other processes ---- */

/* Calls of the trunk that could be sent within moments, as far as slots and lanes go. */
static uint32_t calls_of_trunk(struct od_engine *engine, struct od_rate *rate,
                               const struct od_trunk *trunk)
{
    uint64_t now_ns = engine->now.mono_ns;
    uint32_t slots = od_trunk_slots(trunk), more = trunk->ahead;

    if (!od_trunk_up(engine, trunk))
        return trunk->challenged_count;
    if ((od_fair_first(&trunk->claim) || od_fair_first(&trunk->claim_hook)) && engine->store_up &&
        slots)
        rate->plenty_ns = now_ns;
    if (rate->plenty_ns && now_ns - rate->plenty_ns < PLENTY_NS)
        more = PLENTY;
    else if (!more && od_fair_first(&trunk->arm))
        more = 1;
    return trunk->challenged_count + trunk->ready + (more < slots ? more : slots);
}

static uint32_t calls_to_send(struct od_engine *engine, struct od_rate *rate)
{
    uint32_t calls = 0;

    for (struct od_list *node = od_list_first(&rate->members); node && !engine->draining;
         node = od_list_after(&rate->members, node)) {
        calls += is_pace(engine, rate) ? od_lane_calls(engine, lane_of(node), rate, PLENTY)
                                       : calls_of_trunk(engine, rate, trunk_of(node));
        if (calls >= PLENTY)
            return PLENTY;
    }
    return calls;
}

static void set_ask_timer(struct od_engine *engine, struct od_rate *rate, uint32_t calls)
{
    uint64_t when_ns = od_share_ask_when(rate->share, engine->now.mono_ns, calls);

    od_timers_set(&engine->timers, &rate->ask_timer, later(when_ns, engine->now.mono_ns));
}

void od_rate_hurry(struct od_engine *engine, struct od_rate *rate)
{
    if (!by_slots(rate, engine->now.mono_ns) ||
        od_share_when(rate->share, engine->now.mono_ns) != OD_NEVER)
        return;
    od_share_hurry(rate->share);
    set_ask_timer(engine, rate, 1);
}

void od_rate_want(struct od_engine *engine, struct od_rate *rate)
{
    if (!rate->share || !rate->share->on)
        return;
    od_rate_hurry(engine, rate);
    if (!od_timer_running(&rate->ask_timer))
        set_ask_timer(engine, rate, 1);
}

void od_rate_ask_more(struct od_engine *engine, struct od_rate *rate)
{
    uint32_t calls = calls_to_send(engine, rate);
    struct od_rate_ask ask;

    if (od_share_ask_when(rate->share, engine->now.mono_ns, calls) <= engine->now.mono_ns) {
        od_share_ask(rate->share, engine->now.mono_ns, calls, &ask);
        od_engine_fold(engine, ask.want);
        engine->ports.rate.ask(engine->ports.rate.ctx, rate->number, &ask);
    }
    set_ask_timer(engine, rate, calls);
}

void od_rate_grant(struct od_engine *engine, const struct od_grant *grant)
{
    struct od_rate *rate;

    if (!engine->shares || grant->rate >= engine->limits.trunks_max + engine->limits.paces_max) {
        engine->odd++;
        return;
    }
    rate = &engine->rates[grant->rate];
    od_share_grant(rate->share, engine->now.mono_ns, grant);
    od_rate_touch(engine, rate, OD_TOUCH_ALL);
    set_ask_timer(engine, rate, calls_to_send(engine, rate));
}

/* Slots nearer than this meet those of a trunk's rate nearly always: a slot may be used for 25 ms
 * from its moment on, and each of a few processes has every third or fourth. */
#define DEALT_INTERVAL_NS_MAX (5 * OD_NS_PER_MS)

static enum od_share_kind kind_of(const struct od_pace_def *def)
{
    uint64_t longest_ns = 0;

    for (uint32_t i = 0; i < OD_SHAPES_MAX && def->shapes[i].kind != OD_SHAPE_NONE; i++)
        longest_ns = later(longest_ns, def->shapes[i].window_ns / def->shapes[i].count);
    if (!def->shared)
        return OD_SHARE_OFF;
    return longest_ns <= DEALT_INTERVAL_NS_MAX ? OD_SHARE_DEALT : OD_SHARE_WHOLE;
}

int od_engine_set_pace(struct od_engine *engine, uint32_t pace, const struct od_pace_def *def)
{
    struct od_rate *rate;

    if (pace >= engine->limits.paces_max)
        return OD_EINVAL;
    for (uint32_t i = 0; i < OD_SHAPES_MAX; i++)
        if (!od_shape_valid(&def->shapes[i]))
            return OD_EINVAL;
    rate = &engine->rates[engine->limits.trunks_max + pace];
    od_rate_set(rate, def->shapes, OD_SHAPES_MAX);
    if (rate->share)
        od_share_set(rate->share, kind_of(def), def->shapes, rate->limit_count);
    od_rate_touch(engine, rate, OD_TOUCH_ALL);
    engine->changed = true;
    return 0;
}

void od_rates_void(struct od_engine *engine)
{
    uint32_t count = engine->limits.trunks_max + engine->limits.paces_max;

    for (uint32_t i = 0; engine->shares && i < count; i++)
        if (engine->shares[i].on) /* the others' memory was never touched */
            od_share_void(&engine->shares[i]);
}
