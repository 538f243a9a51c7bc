/*
 * call_orders - see call_orders.h.
 */
#include "engine/core/call_orders.h"

#include "engine/base/assert.h"
#include "engine/core/bridge.h"
#include "engine/core/call.h"
#include "engine/core/call_fsm.h"
#include "engine/core/ident.h"
#include "engine/core/lane.h"
#include "engine/core/rate.h"
#include "engine/core/retry.h"
#include "engine/core/trunk.h"

/* A challenged call waits on its trunk's list for its next turn to send. */
static void wait_turn(struct od_engine *engine, struct od_call *call)
{
    struct od_trunk *trunk = &engine->trunks[call->trunk];

    if (call->waits_turn)
        return;
    call->waits_turn = true;
    trunk->challenged_count++;
    trunk->rate->ready++;
    od_list_push(&trunk->challenged, &call->node);
    od_trunk_touch(engine, trunk, OD_TOUCH_SEND);
}

void od_call_leave_turn(struct od_call *call, struct od_trunk *trunk)
{
    if (!call->waits_turn)
        return;
    call->waits_turn = false;
    trunk->challenged_count--;
    trunk->rate->ready--;
    od_list_remove(&call->node);
}

/* The paces that wait for word of this INVITE. */
static void note_paces(struct od_call *call)
{
    for (uint32_t i = 0; i < OD_PACES_PER_LANE; i++) {
        struct od_rate *rate = i < call->lane->pace_count ? call->lane->paces[i].rate : NULL;
        call->paced[i] = (struct od_paced){rate, rate ? rate->invites : 0};
        if (rate)
            rate->unreported++;
    }
}

/* again: it was challenged; its phone may ring any moment, so no pace holds it back. */
static void charge(struct od_engine *engine, struct od_call *call, bool again)
{
    struct od_trunk *trunk = &engine->trunks[call->trunk];

    engine->invited++;
    od_trunk_charge(engine, trunk);
    od_lane_charge(engine, call->lane, again);
    call->charged_ns = engine->now.mono_ns;
    call->rate_invite = trunk->rate->invites;
    call->trunk_invite = trunk->invites;
    if (!call->unreported) {
        trunk->unreported++;
        trunk->rate->unreported++;
        note_paces(call);
    }
    call->unreported = true;
}

void od_call_reported(struct od_engine *engine, struct od_call *call)
{
    struct od_trunk *trunk = &engine->trunks[call->trunk];

    OD_ASSERT(trunk->unreported);
    call->unreported = false;
    trunk->unreported--;
    od_rate_reported(engine, trunk->rate);
    for (uint32_t i = 0; i < OD_PACES_PER_LANE && call->paced[i].rate; i++)
        od_rate_reported(engine, call->paced[i].rate);
}

void od_call_sent(struct od_engine *engine, const struct od_call *call, uint64_t sent_ns)
{
    struct od_late late = {.charged_ns = call->charged_ns, .sent_ns = sent_ns};
    struct od_trunk *trunk;

    if (!od_call_state_holds(call->state).leg || sent_ns <= call->charged_ns ||
        sent_ns > engine->now.mono_ns)
        return;
    trunk = &engine->trunks[call->trunk];
    od_rate_late(trunk->rate, call->charged_ns, sent_ns, call->rate_invite);
    late.since = trunk->invites - call->trunk_invite;
    od_limit_late(&trunk->work, &late);
    for (uint32_t i = 0; i < OD_PACES_PER_LANE && call->paced[i].rate; i++)
        od_rate_late(call->paced[i].rate, call->charged_ns, sent_ns, call->paced[i].invite);
}

void od_call_order_sip(struct od_engine *engine, struct od_call *call, unsigned actions)
{
    const struct od_sip_port *sip = &engine->ports.sip;

    if (actions & OD_ACT_INVITE) {
        struct od_invite invite = {.job = call->job,
                                   .trunk = call->trunk,
                                   .names = call->names,
                                   .to = call->to,
                                   .first = call->first};
        if (!call->first_ns)
            call->first_ns = engine->now.mono_ns;
        charge(engine, call, false);
        sip->invite(sip->ctx, call->id, &invite);
    }
    if (actions & OD_ACT_WAIT_TURN)
        wait_turn(engine, call);
    if (actions & OD_ACT_INVITE_AGAIN) {
        od_call_leave_turn(call, &engine->trunks[call->trunk]);
        charge(engine, call, true);
        sip->invite_again(sip->ctx, call->id);
    }
    if (actions & OD_ACT_PREPARE)
        engine->ports.talk.prepare(engine->ports.talk.ctx, call->id, call->job);
    if (actions & OD_ACT_ACK)
        sip->ack(sip->ctx, call->id);
    if (actions & OD_ACT_CANCEL)
        sip->cancel(sip->ctx, call->id);
    if (actions & OD_ACT_BYE)
        sip->bye(sip->ctx, call->id);
    if (actions & OD_ACT_DROP)
        sip->drop(sip->ctx, call->id);
}

void od_call_order_note(struct od_engine *engine, const struct od_call *call, unsigned actions)
{
    const struct od_store_port *store = &engine->ports.store;

    if ((actions & OD_ACT_NOTE) && !od_bridge_is_leg(call))
        store->progress(store->ctx, call->job, od_call_state_name(call->state),
                        engine->now.wall_ms);
}

void od_call_order_store(struct od_engine *engine, struct od_call *call, unsigned actions)
{
    const struct od_store_port *store = &engine->ports.store;

    if (actions & OD_ACT_INTENT)
        od_ident_make(engine->limits.ident_key, &call->uid, call->attempt, &call->names);
    if (od_bridge_is_leg(call)) {
        od_bridge_order_store(engine, call, actions);
        return;
    }
    if (actions & OD_ACT_INTENT) {
        store->intent(store->ctx, call->id, call->job, &call->names, call->trunk, call->attempt);
    }
    if (actions & OD_ACT_RELEASE)
        store->release(store->ctx, call->id, call->job, call->release_ms, call->release_why);
    if (actions & OD_ACT_FINISH) {
        call->outcome.trunk = call->trunk;
        call->outcome.ended_ms = engine->now.wall_ms;
        od_retry_decide(&call->lane->def.retry,
                        &(struct od_retry_facts){.attempt = call->attempt,
                                                 .tries = call->tries,
                                                 .deadline_ms = call->deadline_wall_ms,
                                                 .window = call->window},
                        &call->outcome);
        if (call->outcome.retry_ms) {
            engine->retried++;
        } else {
            engine->ended++;
            engine->ended_by[call->outcome.cause]++;
        }
        store->finish(store->ctx, call->job, &call->outcome);
    }
}

void od_call_order_talk(struct od_engine *engine, struct od_call *call, unsigned actions)
{
    const struct od_talk_port *talk = &engine->ports.talk;

    if (actions & OD_ACT_HOOK)
        talk->hook(talk->ctx, call->id, call->job);
    if (actions & OD_ACT_TALK_START)
        talk->start(talk->ctx, call->id, call->job);
    if (actions & OD_ACT_TALK_STOP)
        talk->stop(talk->ctx, call->id, call->job, call->outcome.cause);
}

void od_call_trace(struct od_engine *engine, const struct od_call *call, enum od_call_state from,
                   enum od_call_event event, bool odd)
{
    struct od_step_view view;

    if (!engine->ports.trace.step)
        return;
    view = (struct od_step_view){
        .call = call->id,
        .uid = call->uid,
        .attempt = call->attempt,
        .trunk = call->trunk,
        .from = od_call_state_name(from),
        .event = od_call_event_name(event),
        .to = od_call_state_name(call->state),
        .cause = call->outcome.cause,
        .odd = odd,
        .first = call->first,
    };
    engine->ports.trace.step(engine->ports.trace.ctx, engine->now, &view);
}
