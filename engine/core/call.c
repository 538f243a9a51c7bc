/*
 * call - see call.h. Reading order: od_call_do() at the end, then what it uses, upwards. What a
 * call holds is taken and given back by comparing the two states' od_call_holds, never by edge.
 */
#include "engine/core/call.h"

#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/str.h"
#include "engine/core/breakers.h"
#include "engine/core/bridge.h"
#include "engine/core/call_clock.h"
#include "engine/core/call_orders.h"
#include "engine/core/hours.h"
#include "engine/core/lane.h"
#include "engine/core/trunk.h"

/* A trunk that was at fault and has no stand-in is tried again after so long, then twice that. */
#define RETRY_NS OD_NS_PER_S
/* When all trunks for a number are down, its call comes back from the store after so long. */
enum { PUT_OFF_MS = 5000 };

uint64_t od_call_uid_hash(const struct od_engine *engine, const struct od_uid *uid)
{
    uint64_t low, high;

    /* Uids are made on our side: a seeded mix spreads them well enough. */
    memcpy(&low, uid->b, 8);
    memcpy(&high, uid->b + 8, 8);
    low = (low ^ engine->index_key[0]) * UINT64_C(0x9e3779b97f4a7c15);
    low = (low ^ (low >> 32) ^ high ^ engine->index_key[1]) * UINT64_C(0xbf58476d1ce4e5b9);
    return low ^ (low >> 31);
}

struct od_call *od_call_get(const struct od_engine *engine, struct od_call_id id)
{
    return od_pool_at(&engine->calls, id.index, id.gen);
}

bool od_call_expired(const struct od_engine *engine, const struct od_call *call)
{
    return call->deadline_wall_ms && call->deadline_wall_ms <= engine->now.wall_ms;
}

/* When hours never open again as far as one looks, they are looked at again after so long. */
#define NEVER_MS (24 * INT64_C(3600000))

const char *od_call_shut(const struct od_engine *engine, const struct od_call *call,
                         int64_t *until_ms)
{
    const struct od_window *window = &call->window;
    int64_t wall_ms = engine->now.wall_ms;

    *until_ms = 0;
    if (od_bridge_is_leg(call))
        return NULL; /* its call is up: whoever it is handed to is expected to be there */
    if (!od_lane_in_hours(call->lane, wall_ms))
        return "schedule"; /* the lane itself waits for its time */
    if (od_window_open(window, wall_ms))
        return NULL;
    if (window->open_ms == INT64_MAX)
        *until_ms = wall_ms + NEVER_MS;
    else if (wall_ms < window->open_ms)
        *until_ms = window->open_ms;
    else if (wall_ms < window->next_ms)
        *until_ms = window->next_ms;
    return "hours";
}

static void slot_take(struct od_engine *engine, struct od_call *call)
{
    engine->dialled++;
    call->lane->in_use += !od_bridge_is_leg(call); /* the cap is on people called */
    engine->trunks[call->trunk].in_use++;
}

static void slot_put(struct od_engine *engine, struct od_call *call)
{
    struct od_trunk *trunk = &engine->trunks[call->trunk];

    od_breakers_unbind(engine, call);
    engine->dialled--;
    call->lane->in_use -= !od_bridge_is_leg(call);
    trunk->in_use--;
    od_lane_touch(engine, call->lane);
    od_trunk_touch(engine, trunk, OD_TOUCH_ARM | OD_TOUCH_CLAIM);
}

/* Takes the call off the list of the state it leaves. */
static void leave(struct od_engine *engine, struct od_call *call)
{
    struct od_trunk *trunk = call->trunk == OD_NO_TRUNK ? NULL : &engine->trunks[call->trunk];

    engine->by_state[call->state]--;
    od_list_remove(&call->node);
    switch ((enum od_call_state)call->state) {
    case OD_CALL_QUEUED:
        call->lane->queued--;
        call->lane->legs_queued -= od_bridge_is_leg(call);
        break;
    case OD_CALL_DEFERRED:
        call->lane->deferred_count--;
        break;
    case OD_CALL_START_HOOK:
        call->lane->hooking--;
        break;
    case OD_CALL_ARMING:
    case OD_CALL_ARMED:
        trunk->ready--;
        trunk->rate->ready--;
        od_lane_ready(engine, call->lane, -1);
        break;
    case OD_CALL_DIALING:
        trunk->dialing--;
        od_call_leave_turn(call, trunk);
        if (trunk->health.state == OD_HEALTH_PROBING)
            od_trunk_touch(engine, trunk, OD_TOUCH_ALL);
        return;
    default:
        od_call_leave_turn(call, trunk);
        return;
    }
    od_lane_touch(engine, call->lane);
    if (trunk)
        od_trunk_touch(engine, trunk, OD_TOUCH_ARM | OD_TOUCH_CLAIM);
}

/* Puts the call on the list of the state it enters. */
static void enter(struct od_engine *engine, struct od_call *call)
{
    engine->by_state[call->state]++;
    switch ((enum od_call_state)call->state) {
    case OD_CALL_QUEUED:
        call->lane->queued++;
        call->lane->legs_queued += od_bridge_is_leg(call);
        /* Who was under way already goes before those that were not. Those that a start hook has
         * accepted come in the order of that: who is still to be asked is not in the queue. */
        if (od_bridge_is_leg(call) || call->first_ns || call->trunk != OD_NO_TRUNK)
            od_list_push_front(&call->lane->queue, &call->node);
        else
            od_list_push(&call->lane->queue, &call->node);
        break;
    case OD_CALL_DEFERRED:
        call->lane->deferred_count++;
        od_list_push(&call->lane->deferred, &call->node);
        break;
    case OD_CALL_START_HOOK:
        call->lane->hooking++;
        od_list_push(&call->lane->hooks, &call->node);
        break;
    case OD_CALL_ARMING:
        engine->trunks[call->trunk].ready++;
        engine->trunks[call->trunk].rate->ready++;
        od_lane_ready(engine, call->lane, 1);
        od_list_push(&call->path->arming, &call->node);
        break;
    case OD_CALL_ARMED:
        engine->trunks[call->trunk].ready++;
        engine->trunks[call->trunk].rate->ready++;
        od_lane_ready(engine, call->lane, 1);
        call->arm_order = engine->arm_orders++;
        od_list_push(&call->path->armed, &call->node);
        break;
    case OD_CALL_DIALING:
        engine->trunks[call->trunk].dialing++;
        return;
    default:
        return;
    }
    od_lane_touch(engine, call->lane);
}

static void change_state(struct od_engine *engine, struct od_call *call, enum od_call_state next)
{
    struct od_call_holds had = od_call_state_holds(call->state);
    struct od_call_holds has = od_call_state_holds(next);

    if (call->state == OD_CALL_TALKING)
        od_breakers_talked(engine, call);
    leave(engine, call);
    od_trunk_recharge(engine, call, next);
    if (had.slot && !has.slot)
        slot_put(engine, call);
    call->state = (uint8_t)next;
    if (!had.slot && has.slot)
        slot_take(engine, call);
    enter(engine, call);
    if (call->trunk != OD_NO_TRUNK && engine->trunks[call->trunk].health.state == OD_HEALTH_PROBING)
        od_trunk_look(engine, &engine->trunks[call->trunk]); /* its probe may have begun or ended */
    if (next == OD_CALL_DIALING)
        call->heard = false;
    call->since_ns = engine->now.mono_ns;
    if (next == OD_CALL_ENDED) {
        od_timers_stop(&engine->timers, &call->timer);
        return;
    }
    od_call_clock_start(engine, call);
}

/* The trunk has answered this INVITE: it is not silent, and has as long as any to get it through.
 */
static void hear(struct od_engine *engine, struct od_call *call)
{
    if (call->heard)
        return;
    call->heard = true;
    if (call->state != OD_CALL_DIALING)
        return;
    od_call_clock_heard(engine, call);
}

/* The facts that are not states. */
static void note_facts(struct od_engine *engine, struct od_call *call, enum od_call_event event,
                       const struct od_end_facts *facts)
{
    struct od_outcome *outcome = &call->outcome;
    int64_t wall_ms = engine->now.wall_ms;

    if (event == OD_CALL_EV_HOOK_OK && call->state == OD_CALL_START_HOOK)
        call->hooked = true;
    if (!od_call_state_holds(call->state).leg)
        return;
    if (event == OD_CALL_EV_TRYING || event == OD_CALL_EV_CHALLENGED)
        hear(engine, call);
    if ((event == OD_CALL_EV_PROGRESS || event == OD_CALL_EV_ANSWER) &&
        call->state == OD_CALL_DIALING) {
        od_trunk_rang(engine, call);
        od_trunk_good(engine, &engine->trunks[call->trunk]);
    }
    if ((event == OD_CALL_EV_SENT || event == OD_CALL_EV_PROGRESS || event == OD_CALL_EV_ANSWER) &&
        !outcome->dialed_ms)
        outcome->dialed_ms = wall_ms;
    if (event == OD_CALL_EV_PROGRESS && !outcome->ringing_ms && !outcome->answered_ms)
        outcome->ringing_ms = wall_ms;
    if (event == OD_CALL_EV_ANSWER && !outcome->answered_ms) {
        outcome->answered_ms = wall_ms;
        outcome->sip_status = 200;
        engine->answered++;
        od_breakers_answered(engine, call);
        engine->trunks[call->trunk].answers++;
    }
    if ((event == OD_CALL_EV_REJECT || event == OD_CALL_EV_FAULT) && !outcome->answered_ms && facts)
        outcome->sip_status = facts->status;
}

/* The first step towards the end settles what the end means. */
static void decide(struct od_engine *engine, struct od_call *call, enum od_call_event event,
                   const struct od_end_facts *facts)
{
    static const struct od_end_facts none = {0};
    struct od_end end = od_outcome_of(call->state, event, facts ? facts : &none);

    OD_ASSERT(end.cause != OD_CAUSE_NONE);
    call->decided = true;
    call->outcome.cause = end.cause;
    call->outcome.verdict = end.verdict;
    od_str_copy(call->outcome.reason, sizeof call->outcome.reason, end.reason, strlen(end.reason));
    if (event == OD_CALL_EV_TIMEOUT && call->state != OD_CALL_TALKING &&
        od_call_state_holds(call->state).leg)
        od_breakers_refused(engine, call, &end);
    if (event == OD_CALL_EV_TIMEOUT && end.verdict == OD_VERDICT_TRUNK) {
        call->outcome.faults++;
        od_trunk_failed(engine, call, &end, 0);
    }
}

/* ---- whose fault a refusal is ---- */

/* Another try, of another trunk or later, is owed to the person when nobody rang: it was the
 * trunk's fault, and no attempt on them. Bounded, so that no contact goes round for ever. */
static bool another_try(const struct od_engine *engine, const struct od_call *call)
{
    return call->misses < engine->limits.tries_max &&
           engine->now.mono_ns < od_call_tries_end_ns(engine, call);
}

/* moved: the trunk is as good as one that was not tried. */
static void note_try(struct od_call *call, bool moved)
{
    if (call->misses < OD_TRIES_MAX)
        call->tried[call->misses] = moved ? OD_NO_TRUNK : call->trunk;
    call->misses++;
    call->route_version = 0; /* routes go round what was tried */
}

/* At once when another trunk is up that was not tried yet; else after a while, twice as long each
 * time, within the tries' time. */
static uint64_t retry_ns(struct od_engine *engine, struct od_call *call)
{
    uint64_t now_ns = engine->now.mono_ns, end_ns = od_call_tries_end_ns(engine, call);
    uint64_t at_ns = now_ns + (RETRY_NS << (call->misses - 1));

    if (od_lane_fresh(engine, call))
        return now_ns;
    return at_ns < end_ns ? at_ns : end_ns;
}

void od_call_refused(struct od_engine *engine, struct od_call *call, struct od_end_facts *facts)
{
    bool cancelled = call->state == OD_CALL_CANCELLING && call->decided;
    struct od_end end;

    if (call->state != OD_CALL_DIALING && call->state != OD_CALL_RINGING && !cancelled) {
        od_call_do(engine, call, OD_CALL_EV_REJECT, facts);
        return;
    }
    facts->rules = engine->trunks[call->trunk].def.verdicts;
    end = od_outcome_of(call->state, OD_CALL_EV_REJECT, facts);
    facts->moved &= !cancelled && end.verdict == OD_VERDICT_TRUNK;
    if (!cancelled && !facts->moved)
        od_breakers_refused(engine, call, &end);
    if (facts->moved) {
        call->outcome.faults++;
    } else if (!cancelled && end.verdict == OD_VERDICT_TRUNK) {
        call->outcome.faults++;
        od_trunk_failed(engine, call, &end, facts->retry_after_s);
    } else if (!cancelled) {
        od_trunk_good(engine, &engine->trunks[call->trunk]);
    } else {
        end.verdict = call->outcome.verdict; /* of the setup timeout, or of who stopped it */
        end.reason = call->outcome.reason;
    }
    if (end.verdict != OD_VERDICT_TRUNK || call->state == OD_CALL_RINGING) {
        od_call_do(engine, call, OD_CALL_EV_REJECT, facts);
        return;
    }
    note_try(call, facts->moved);
    if (!another_try(engine, call)) {
        od_call_do(engine, call, OD_CALL_EV_REJECT, facts);
        return;
    }
    call->decided = false;
    call->outcome.cause = OD_CAUSE_NONE;
    if (end.reason != call->outcome.reason)
        od_str_copy(call->outcome.reason, sizeof call->outcome.reason, end.reason,
                    strlen(end.reason));
    call->retry_ns = retry_ns(engine, call);
    od_call_do(engine, call, OD_CALL_EV_FAULT, facts);
}

/* In CREATED, with nothing but its place and its timer. */
static struct od_call *create(struct od_engine *engine, struct od_lane *lane, const char *to)
{
    struct od_call_id id;
    struct od_call *call = od_pool_get(&engine->calls, &id.index, &id.gen);

    if (!call) {
        engine->full++;
        return NULL;
    }
    *call = (struct od_call){
        .id = id,
        .state = OD_CALL_CREATED,
        .trunk = OD_NO_TRUNK,
        .timer = {.kind = OD_TIMER_CALL},
        .since_ns = engine->now.mono_ns,
        .lane = lane,
    };
    od_list_init(&call->node);
    od_str_copy(call->to, sizeof call->to, to, strnlen(to, sizeof call->to));
    engine->by_state[OD_CALL_CREATED]++;
    return call;
}

struct od_call *od_call_create_leg(struct od_engine *engine, struct od_call *first,
                                   const struct od_event *bridge)
{
    struct od_call *call = create(engine, first->lane, bridge->u.bridge.to);

    if (!call)
        return NULL;
    call->first = first->id;
    call->job = first->job;
    call->uid = first->uid;
    call->attempt = od_bridge_attempt(++first->legs);
    call->hooked = true; /* its call's was asked */
    call->ring_ms = bridge->u.bridge.ring_ms;
    call->talk_ms_max = bridge->u.bridge.talk_ms_max;
    od_call_clock_start(engine, call);
    first->second = call->id;
    engine->bridged++;
    return call;
}

struct od_call *od_call_create(struct od_engine *engine, const struct od_event *job)
{
    struct od_call *call = create(engine, &engine->lanes[job->u.job.lane], job->u.job.to);

    if (!call)
        return NULL;
    call->job = job->u.job.job;
    call->uid = job->u.job.uid;
    call->attempt = job->u.job.attempt;
    call->deadline_wall_ms = job->u.job.deadline_wall_ms;
    call->window = job->u.job.window;
    od_str_copy(call->caller, sizeof call->caller, job->u.job.caller,
                strnlen(job->u.job.caller, sizeof call->caller - 1));
    call->tries = job->u.job.tries;
    od_call_clock_start(engine, call);
    engine->claimed++;
    od_index_add(&engine->calls_by_uid, od_call_uid_hash(engine, &call->uid), call->id.index);
    return call;
}

static void destroy(struct od_engine *engine, struct od_call *call)
{
    engine->by_state[OD_CALL_ENDED]--;
    if (!od_bridge_is_leg(call))
        od_index_remove(&engine->calls_by_uid, od_call_uid_hash(engine, &call->uid),
                        call->id.index);
    od_pool_put(&engine->calls, call);
}

static bool ending(enum od_call_state state)
{
    return state == OD_CALL_CANCELLING || state == OD_CALL_CLEARING || state == OD_CALL_ENDED;
}

void od_call_do(struct od_engine *engine, struct od_call *call, enum od_call_event event,
                const struct od_end_facts *facts)
{
    enum od_call_state from = call->state;
    struct od_call_step step = od_call_fsm_step(from, event);
    bool odd, moves;

    /* A second leg can't go back to the store: its call is up and waits for it. */
    if (od_bridge_is_leg(call) && step.actions & OD_ACT_RELEASE) {
        event = OD_CALL_EV_CANCEL;
        step = od_call_fsm_step(from, event);
    }
    odd = step.actions & OD_ACT_SURPRISE;
    moves = step.next != from;
    if (call->unreported)
        od_call_reported(engine, call);
    od_engine_fold(engine, engine->now.mono_ns);
    od_engine_fold(engine, (uint64_t)call->id.index << 32 | (uint64_t)event << 16 |
                               (uint64_t)from << 8 | step.next);
    engine->odd += odd;
    note_facts(engine, call, event, facts);
    if (moves && (event == OD_CALL_EV_FAULT || event == OD_CALL_EV_REROUTE))
        call->attempt++; /* the names of the last one are used up */
    if (moves && ending(step.next) && !call->decided && od_call_state_holds(from).job)
        decide(engine, call, event, facts);
    if (moves)
        change_state(engine, call, step.next);
    if (moves || odd)
        od_call_trace(engine, call, from, event, odd);
    od_call_order_note(engine, call, step.actions);
    od_call_order_sip(engine, call, step.actions);
    od_call_order_talk(engine, call, step.actions);
    if (moves)
        od_bridge_moved(engine, call, from); /* the other leg's BYE leaves before the end is told */
    od_call_order_store(engine, call, step.actions);
    if (moves && step.next == OD_CALL_ENDED)
        destroy(engine, call);
}

void od_call_give_back_until(struct od_engine *engine, struct od_call *call,
                             enum od_call_event event, const char *why, int64_t not_before_ms)
{
    call->release_why = why;
    call->release_ms = not_before_ms;
    od_call_do(engine, call, event, NULL);
}

void od_call_give_back(struct od_engine *engine, struct od_call *call, enum od_call_event event,
                       const char *why)
{
    od_call_give_back_until(engine, call, event, why, 0);
}

void od_call_put_off(struct od_engine *engine, struct od_call *call, enum od_call_event event,
                     const char *why)
{
    od_call_give_back_until(engine, call, event, why, engine->now.wall_ms + PUT_OFF_MS);
}

void od_call_take_slot(struct od_engine *engine, struct od_call *call, struct od_path *path)
{
    call->path = path;
    call->trunk = path->trunk->index;
    od_breakers_bind(engine, call);
    od_call_do(engine, call, OD_CALL_EV_ARM, NULL);
}

bool od_call_ask_hook(struct od_engine *engine, struct od_call *call)
{
    if (call->state != OD_CALL_QUEUED || !call->lane->def.hook || call->hooked)
        return false;
    od_call_do(engine, call, OD_CALL_EV_HOOK, NULL);
    return true;
}
