/* bridge - see bridge.h. */
#include "engine/core/bridge.h"

#include <string.h>

#include "engine/base/str.h"
#include "engine/core/call.h"
#include "engine/core/lane.h"

/* The talk of the first leg may last as long as that of the second, and so much longer: whoever
 * ends it says so first. */
#define GRACE_NS (10 * OD_NS_PER_S)

static void refuse(struct od_engine *engine, struct od_call_id call, const char *why)
{
    struct od_outcome outcome = {
        .cause = OD_CAUSE_REFUSED, .verdict = OD_VERDICT_OURS, .trunk = OD_NO_TRUNK};
    const struct od_talk_port *talk = &engine->ports.talk;

    od_str_copy(outcome.reason, sizeof outcome.reason, why, strlen(why));
    if (talk->bridge)
        talk->bridge(talk->ctx, call, (struct od_call_id){0, 0}, &outcome);
}

/* Why there can be none now; NULL: there can. */
static const char *unable(const struct od_engine *engine, const struct od_call *call,
                          const struct od_event *event)
{
    if (!engine->ports.store.leg || !engine->ports.talk.bridge)
        return "calls have one leg here";
    if (event->u.bridge.ring_ms < 1000 || event->u.bridge.talk_ms_max < 1000 ||
        !event->u.bridge.to[0])
        return "whom, and for how long, is not said";
    if (od_bridge_is_leg(call) || call->state != OD_CALL_TALKING)
        return "nobody is on the line";
    if (call->second.gen)
        return "one is under way";
    if (call->legs == OD_BRIDGE_LEGS_MAX)
        return "too many on one call";
    if (engine->draining)
        return "draining";
    return od_lane_open(engine, call->lane) ? NULL : "paused";
}

void od_bridge_begin(struct od_engine *engine, const struct od_event *event)
{
    struct od_call *call = od_call_get(engine, event->call), *leg;
    const struct od_talk_port *talk = &engine->ports.talk;
    const char *why;

    if (!call) {
        engine->late++;
        return;
    }
    why = unable(engine, call, event);
    leg = why ? NULL : od_call_create_leg(engine, call, event);
    if (!leg) {
        refuse(engine, call->id, why ? why : "no room");
        return;
    }
    talk->bridge(talk->ctx, call->id, leg->id, NULL);
    if (od_lane_refuses(engine, leg))
        od_call_do(engine, leg, OD_CALL_EV_REFUSE, NULL);
    else if (!od_lane_reaches(engine, leg))
        od_call_give_back(engine, leg, OD_CALL_EV_RECALL, "trunk");
    else
        od_call_do(engine, leg, OD_CALL_EV_ADMIT, NULL);
}

static void over(struct od_engine *engine, struct od_call *leg)
{
    struct od_call *call = od_call_get(engine, leg->first);
    const struct od_talk_port *talk = &engine->ports.talk;

    leg->outcome.trunk = leg->trunk;
    leg->outcome.ended_ms = engine->now.wall_ms;
    if (leg->release_why && leg->outcome.cause == OD_CAUSE_CANCELED)
        od_str_copy(leg->outcome.reason, sizeof leg->outcome.reason, leg->release_why,
                    strlen(leg->release_why));
    if (call)
        call->second = (struct od_call_id){0, 0};
    talk->bridge(talk->ctx, leg->first, leg->id, &leg->outcome);
}

void od_bridge_order_store(struct od_engine *engine, struct od_call *leg, unsigned actions)
{
    const struct od_store_port *store = &engine->ports.store;
    struct od_invite invite = {
        .job = leg->job, .trunk = leg->trunk, .names = leg->names, .to = leg->to};

    if (actions & (OD_ACT_INTENT | OD_ACT_NOTE))
        store->leg(store->ctx, leg->id, &invite, actions & OD_ACT_NOTE);
    if (actions & OD_ACT_FINISH)
        over(engine, leg);
}

void od_bridge_moved(struct od_engine *engine, struct od_call *call, enum od_call_state from)
{
    struct od_call *other;

    if (od_bridge_is_leg(call)) {
        other = call->state == OD_CALL_TALKING ? od_call_get(engine, call->first) : NULL;
        if (other && other->state == OD_CALL_TALKING)
            od_call_extend(engine, other, call->until_ns + GRACE_NS);
    } else if (from == OD_CALL_TALKING && call->second.gen) {
        other = od_call_get(engine, call->second);
        if (other)
            od_call_do(engine, other, OD_CALL_EV_STOP, NULL);
    }
}
