/* trunk - see trunk.h. */
#include "engine/core/trunk.h"

#include "engine/base/assert.h"
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

    if (a->lane->def.priority != b->lane->def.priority)
        return a->lane->def.priority > b->lane->def.priority;
    return a->send_order < b->send_order;
}

void od_trunk_init(struct od_engine *engine, uint16_t index)
{
    struct od_trunk *trunk = &engine->trunks[index];

    trunk->index = index;
    for (uint32_t i = 0; i < OD_SHAPES_MAX; i++)
        od_limit_init(&trunk->limits[i],
                      engine->trunk_logs + ((size_t)index * OD_SHAPES_MAX + i) * OD_LIMIT_LOG);
    od_fair_init(&trunk->claim);
    od_fair_init(&trunk->arm);
    od_fair_init(&trunk->arm_hook);
    trunk->send = (struct od_heap){.before = send_before};
    od_list_init(&trunk->challenged);
    od_list_init(&trunk->send_work);
    od_list_init(&trunk->arm_work);
    od_list_init(&trunk->claim_work);
    trunk->send_timer.kind = OD_TIMER_TRUNK_SEND;
    trunk->arm_timer.kind = OD_TIMER_TRUNK_ARM;
    trunk->claim_timer.kind = OD_TIMER_TRUNK_CLAIM;
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
    return def->weight >= 1 && def->ring_ms_max <= 600000;
}

int od_engine_set_trunk(struct od_engine *engine, uint16_t index, const struct od_trunk_def *def)
{
    struct od_trunk *trunk;

    if (index >= engine->limits.trunks_max || !def_valid(def))
        return OD_EINVAL;
    trunk = &engine->trunks[index];
    trunk->def = *def;
    trunk->def.name[OD_NAME_MAX - 1] = '\0';
    trunk->set = true;
    for (uint32_t i = 0; i < OD_SHAPES_MAX && def->shapes[i].kind != OD_SHAPE_NONE; i++) {
        if (i >= trunk->limit_count && trunk->invites)
            od_limit_charge(&trunk->limits[i], trunk->last_send_ns);
        od_limit_set(&trunk->limits[i], &def->shapes[i]);
        trunk->limit_count = i + 1;
    }
    while (trunk->limit_count && def->shapes[trunk->limit_count - 1].kind == OD_SHAPE_NONE)
        od_limit_set(&trunk->limits[--trunk->limit_count],
                     &(struct od_shape){.kind = OD_SHAPE_NONE});
    engine->route_version++;
    engine->changed = true;
    od_trunk_touch(engine, trunk, OD_TOUCH_ALL);
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
    od_limits_charge(trunk->limits, trunk->limit_count, engine->now.mono_ns);
    trunk->last_send_ns = engine->now.mono_ns;
    trunk->invites++;
}

void od_trunk_uncharge(struct od_engine *engine, struct od_call *call)
{
    struct od_trunk *trunk = call->charged;

    if (!trunk)
        return;
    OD_ASSERT(trunk->ahead && engine->ahead);
    trunk->ahead--;
    engine->ahead--;
    call->charged = NULL;
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

uint64_t od_trunk_arm_ns(const struct od_engine *engine, const struct od_trunk *trunk, bool hook)
{
    uint32_t spoken_for = trunk->challenged_count + trunk->ready + (hook ? trunk->hooking : 0);
    uint64_t send_ns =
        od_limits_when(trunk->limits, trunk->limit_count, engine->now.mono_ns, spoken_for);
    uint64_t lead = od_engine_lead_ns(engine, hook);

    return send_ns > lead ? send_ns - lead : 0;
}

bool od_trunk_can_arm(const struct od_engine *engine, const struct od_trunk *trunk, bool hook)
{
    return trunk->set && trunk->def.usable && od_trunk_slots(trunk) &&
           od_trunk_arm_ns(engine, trunk, hook) <= engine->now.mono_ns + engine->arm_early_ns;
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
