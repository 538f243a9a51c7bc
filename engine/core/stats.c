/* stats - what the engine can be asked between turns; nothing here changes anything. */
#include <string.h>

#include "engine/base/uid.h"
#include "engine/core/breakers.h"
#include "engine/core/call.h"
#include "engine/core/lane.h"
#include "engine/core/trunk.h"
#include "outdial/err.h"

void od_engine_stats(const struct od_engine *engine, struct od_engine_stats *out)
{
    const uint32_t *calls = engine->by_state;

    *out = (struct od_engine_stats){
        .alive = engine->calls.used,
        .queued = calls[OD_CALL_CREATED] + calls[OD_CALL_QUEUED] + calls[OD_CALL_DEFERRED] +
                  calls[OD_CALL_START_HOOK],
        .armed = calls[OD_CALL_ARMING] + calls[OD_CALL_ARMED],
        .dialing = calls[OD_CALL_DIALING],
        .ringing = calls[OD_CALL_RINGING] + calls[OD_CALL_CANCELLING],
        .talking = calls[OD_CALL_TALKING],
        .clearing = calls[OD_CALL_CLEARING],
        .claimed = engine->claimed,
        .invited = engine->invited,
        .answered = engine->answered,
        .ended = engine->ended,
        .retried = engine->retried,
        .bridged = engine->bridged,
        .late = engine->late,
        .odd = engine->odd,
        .full = engine->full,
    };
    for (int cause = 0; cause < OD_CAUSE_COUNT; cause++)
        out->ended_by[cause] = engine->ended_by[cause];
}

int od_engine_trunk_stats(const struct od_engine *engine, uint32_t index,
                          struct od_trunk_stats *out)
{
    const struct od_trunk *trunk;
    uint64_t when_ns;

    if (index >= engine->limits.trunks_max)
        return OD_EINVAL;
    trunk = &engine->trunks[index];
    when_ns = od_trunk_when(engine, trunk);
    if (when_ns == OD_NEVER) /* no slot is known: about then */
        when_ns = od_trunk_plan_ns(engine, trunk, 0);
    *out = (struct od_trunk_stats){
        .in_use = trunk->in_use,
        .armed = trunk->ready,
        .invites = trunk->invites,
        .answers = trunk->answers,
        .failures = trunk->failures,
        .refusals = trunk->adapt.refusals,
        .next_send_ns = when_ns > engine->now.mono_ns ? when_ns : 0,
        .health = trunk->health.state,
        .health_since_ns = trunk->health.since_ns,
        .held_until_ns = trunk->hold_until_ns > engine->now.mono_ns ? trunk->hold_until_ns : 0,
        .working_milli = trunk->adapt.working_milli,
        .rate_since_ns = trunk->adapt.cut_ns,
        .pings = trunk->health.pings,
        .pings_bad = trunk->health.pings_bad,
        .delay_ms = (uint32_t)(trunk->adapt.delay_ns / OD_NS_PER_MS),
    };
    od_breakers_trunk_stats(engine, trunk, out);
    memcpy(out->health_reason, trunk->health.reason, sizeof out->health_reason);
    memcpy(out->rate_reason, trunk->adapt.why, sizeof out->rate_reason);
    return 0;
}

int od_engine_lane_stats(const struct od_engine *engine, uint32_t index, struct od_lane_stats *out)
{
    const struct od_lane *lane;
    uint64_t when_ns;

    if (index >= engine->limits.lanes_max)
        return OD_EINVAL;
    lane = &engine->lanes[index];
    when_ns = od_lane_when(engine, lane);
    *out = (struct od_lane_stats){
        .in_use = lane->in_use,
        .queued = lane->queued,
        .ready = lane->ready,
        .max_calls = lane->def.max_calls,
        .next_send_ns = when_ns > engine->now.mono_ns ? when_ns : 0,
    };
    return 0;
}

struct od_call_id od_engine_find(const struct od_engine *engine, const struct od_uid *uid)
{
    struct od_call_id found = {0, 0};
    uint32_t place = 0, index;

    /* A call that is being given back may have its successor beside it. */
    while (od_index_find(&engine->calls_by_uid, od_call_uid_hash(engine, uid), &place, &index)) {
        const struct od_call *call = (const struct od_call *)(void *)engine->calls.items + index;
        if (!od_uid_equal(&call->uid, uid))
            continue;
        found = call->id;
        if (call->state != OD_CALL_WAITING)
            break;
    }
    return found;
}

const char *od_engine_state(const struct od_engine *engine, struct od_call_id id)
{
    const struct od_call *call = od_call_get(engine, id);

    return call ? od_call_state_name(call->state) : NULL;
}

uint64_t od_engine_hash(const struct od_engine *engine)
{
    return engine->hash;
}
