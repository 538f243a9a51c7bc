/*
 * engine - a turn: events, timers, then the pacer's stages. Every event is either about a call, and
 * becomes a step of the table, or about a lane or the node, and changes a number here.
 */
#include "outdial/engine.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/rng.h"
#include "engine/base/uid.h"
#include "engine/core/breakers.h"
#include "engine/core/bridge.h"
#include "engine/core/call.h"
#include "engine/core/lane.h"
#include "engine/core/pacer.h"
#include "engine/core/path.h"
#include "engine/core/rate.h"
#include "engine/core/trunk.h"
#include "outdial/err.h"

/* A claim that was not answered: until the store says more, and at least so long. */
#define CLAIM_RETRY_NS (OD_NS_PER_S / 2)

/* A contact that came while an older claim of it is still in memory comes back after so long. */
enum { TWICE_WAIT_MS = 1000 };

/* Assumed until observed: a script, a disk write and a turn of the loop. */
#define INTENT_NS_FIRST (20 * OD_NS_PER_MS)
#define HOOK_NS_FIRST (300 * OD_NS_PER_MS)

/* ---- create and destroy ---- */

static bool limits_valid(const struct od_limits *limits)
{
    return limits->calls_max >= 1 && limits->calls_max <= 1000000 && limits->dialled_max >= 1 &&
           limits->dialled_max <= limits->calls_max && limits->lanes_max >= 1 &&
           limits->lanes_max <= 1000000 && limits->trunks_max >= 1 &&
           limits->trunks_max <= 1000000 && limits->paces_max <= 1000000 &&
           limits->breakers_max <= 1000000 && limits->events_max >= 1 &&
           !(limits->events_max & (limits->events_max - 1)) && limits->turn_budget >= 1 &&
           limits->tries_max <= OD_TRIES_MAX;
}

static bool ports_valid(const struct od_ports *ports)
{
    return ports->store.claim && ports->store.intent && ports->store.progress &&
           ports->store.release && ports->store.finish && ports->sip.invite &&
           ports->sip.invite_again && ports->sip.cancel && ports->sip.ack && ports->sip.bye &&
           ports->sip.drop && ports->talk.prepare && ports->talk.start && ports->talk.stop &&
           ports->talk.hook;
}

static int take_memory(struct od_engine *engine)
{
    const struct od_limits *limits = &engine->limits;
    uint32_t paths = limits->lanes_max * OD_TRUNKS_PER_LANE + limits->calls_max;
    uint32_t timers =
        limits->calls_max + limits->lanes_max + 5 * limits->trunks_max + limits->breakers_max;
    uint32_t rates = limits->trunks_max + limits->paces_max;

    engine->lanes = calloc(limits->lanes_max, sizeof *engine->lanes);
    engine->trunks = calloc(limits->trunks_max, sizeof *engine->trunks);
    engine->rates = calloc(rates, sizeof *engine->rates);
    engine->rate_logs =
        calloc((size_t)rates * OD_SHAPES_MAX * OD_LIMIT_LOG, sizeof *engine->rate_logs);
    if (engine->ports.rate.ask)
        engine->shares = calloc(rates, sizeof *engine->shares);
    if (!engine->lanes || !engine->trunks || !engine->rates || !engine->rate_logs ||
        (engine->ports.rate.ask && !engine->shares) ||
        od_ring_init(&engine->events, limits->events_max, sizeof(struct od_event)) ||
        od_timers_init(&engine->timers, timers + limits->paces_max) ||
        od_pool_init(&engine->calls, limits->calls_max, sizeof(struct od_call)) ||
        od_pool_init(&engine->paths, paths, sizeof(struct od_path)) ||
        od_pool_init(&engine->groups, 2 * paths, od_group_bytes()) ||
        od_index_init(&engine->calls_by_uid, limits->calls_max) ||
        od_index_init(&engine->groups_by_key, 2 * paths) || od_breakers_init(engine))
        return OD_ENOMEM;
    return 0;
}

static void init(struct od_engine *engine, uint64_t seed)
{
    struct od_list *lists[] = {&engine->touched,  &engine->recalled,  &engine->shut,
                               &engine->busy,     &engine->gone,      &engine->send_work,
                               &engine->arm_work, &engine->claim_work};
    struct od_rng rng = {seed};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        od_list_init(lists[i]);
    for (uint32_t i = 0; i < engine->limits.lanes_max; i++)
        od_lane_init(engine, i);
    for (uint32_t i = 0; i < engine->limits.trunks_max + engine->limits.paces_max; i++)
        od_rate_init(engine, i);
    for (uint32_t i = 0; i < engine->limits.trunks_max; i++)
        od_trunk_init(engine, i);
    engine->index_key[0] = od_rng_next(&rng) | 1;
    engine->index_key[1] = od_rng_next(&rng) | 1;
    engine->intent = (struct od_latency){INTENT_NS_FIRST, INTENT_NS_FIRST / 2, 0};
    engine->hook = (struct od_latency){HOOK_NS_FIRST, HOOK_NS_FIRST / 2, 0};
    engine->hash = seed;
}

int od_engine_create(struct od_engine **out, const struct od_limits *limits,
                     const struct od_ports *ports, uint64_t seed)
{
    struct od_engine *engine;

    *out = NULL;
    if (!limits_valid(limits) || !ports_valid(ports))
        return OD_EINVAL;
    engine = calloc(1, sizeof *engine);
    if (!engine)
        return OD_ENOMEM;
    engine->limits = *limits;
    engine->ports = *ports;
    engine->lease_until_ns = OD_NEVER;
    if (take_memory(engine)) {
        od_engine_destroy(engine);
        return OD_ENOMEM;
    }
    init(engine, seed);
    *out = engine;
    return 0;
}

int od_engine_change(struct od_engine *engine, const struct od_limits *limits)
{
    struct od_limits next = engine->limits;

    next.dialled_max = limits->dialled_max;
    next.tries_max = limits->tries_max;
    next.tries_ms_max = limits->tries_ms_max;
    if (!limits_valid(&next))
        return OD_EINVAL;
    engine->limits = next;
    engine->changed = true;
    return 0;
}

void od_engine_destroy(struct od_engine *engine)
{
    if (!engine)
        return;
    od_ring_deinit(&engine->events);
    od_timers_deinit(&engine->timers);
    od_pool_deinit(&engine->calls);
    od_pool_deinit(&engine->paths);
    od_pool_deinit(&engine->groups);
    od_index_deinit(&engine->calls_by_uid);
    od_index_deinit(&engine->groups_by_key);
    od_breakers_deinit(engine);
    free(engine->lanes);
    free(engine->trunks);
    free(engine->rates);
    free(engine->shares);
    free(engine->rate_logs);
    free(engine);
}

/* ---- events ---- */

int od_engine_post(struct od_engine *engine, const struct od_event *event)
{
    struct od_event *room = od_ring_room(&engine->events);

    if (!room) {
        engine->full++;
        return OD_EBUSY;
    }
    *room = *event;
    od_ring_push(&engine->events);
    return 0;
}

bool od_engine_pending(const struct od_engine *engine)
{
    return od_ring_count(&engine->events) || engine->changed;
}

/* A lane the store speaks of; NULL, counted, when there is no such place. */
static struct od_lane *lane_of(struct od_engine *engine, uint32_t index)
{
    if (index < engine->limits.lanes_max)
        return &engine->lanes[index];
    engine->odd++;
    return NULL;
}

static void on_lane_ready(struct od_engine *engine, const struct od_event *event)
{
    struct od_lane *lane = lane_of(engine, event->u.lane.lane);

    if (!lane)
        return;
    lane->waiting = event->u.lane.waiting;
    od_lane_touch(engine, lane);
}

/* One call of the claim under way has come: its reserved place is free for it. Returns the trunk
 * that counts it as ahead, NULL when nobody asked for it. */
static struct od_trunk *claim_take(struct od_engine *engine, struct od_lane *lane)
{
    if (!lane->asked)
        return NULL;
    lane->asked--;
    engine->reserved--;
    return lane->claim_trunk;
}

static void uncharge(struct od_engine *engine, struct od_trunk *trunk, uint32_t count)
{
    if (!trunk || !count)
        return;
    trunk->ahead -= count;
    engine->ahead -= count;
    od_trunk_touch(engine, trunk, OD_TOUCH_CLAIM);
}

/* Its start hook is asked at once: it was claimed as long before its turn as that may take. */
static void admit_one(struct od_engine *engine, struct od_call *call)
{
    od_call_do(engine, call, OD_CALL_EV_ADMIT, NULL);
    od_call_ask_hook(engine, call);
}

static void admit(struct od_engine *engine, struct od_call *call)
{
    int64_t until_ms;
    const char *shut = od_call_shut(engine, call, &until_ms);

    if (od_call_expired(engine, call))
        od_call_do(engine, call, OD_CALL_EV_EXPIRE, NULL);
    else if (engine->draining || !call->lane->set || !call->lane->def.open)
        od_call_give_back(engine, call, OD_CALL_EV_RECALL,
                          engine->draining ? "draining" : "paused");
    else if (shut)
        od_call_give_back_until(engine, call, OD_CALL_EV_RECALL, shut, until_ms);
    else if (od_lane_refuses(engine, call))
        od_call_do(engine, call, OD_CALL_EV_REFUSE, NULL);
    else if (!od_lane_reaches(engine, call) && call->shut)
        od_call_give_back_until(engine, call, OD_CALL_EV_RECALL, "breaker",
                                od_breakers_until(engine, call));
    else if (!od_lane_reaches(engine, call))
        od_call_put_off(engine, call, OD_CALL_EV_RECALL, "trunk");
    else
        admit_one(engine, call);
}

/* True while a call of that uid may still be dialled or is. The store can hand a contact over again
 * only when it has it back, or when another claim of ours was lost to it: the older call will hear
 * of that by NOT_DURABLE or its timer. One that is given back already doesn't count. */
static bool in_memory(const struct od_engine *engine, const struct od_uid *uid)
{
    const struct od_call *call = od_call_get(engine, od_engine_find(engine, uid));

    return call && call->state != OD_CALL_WAITING;
}

static void on_job(struct od_engine *engine, const struct od_event *event)
{
    static const struct od_call_id nobody = {0, 0};
    const struct od_store_port *store = &engine->ports.store;
    struct od_lane *lane = lane_of(engine, event->u.job.lane);
    struct od_trunk *charged = lane ? claim_take(engine, lane) : NULL;
    bool twice = in_memory(engine, &event->u.job.uid);
    struct od_call *call = lane && !twice ? od_call_create(engine, event) : NULL;
    const char *why;

    if (call) {
        call->charged = charged;
        admit(engine, call);
        return;
    }
    engine->odd += twice;
    uncharge(engine, charged, 1);
    why = !lane ? "lane" : twice ? "twice" : "full";
    store->release(store->ctx, nobody, event->u.job.job,
                   twice ? engine->now.wall_ms + TWICE_WAIT_MS : 0, why);
}

static void on_claim_done(struct od_engine *engine, const struct od_event *event)
{
    struct od_lane *lane = lane_of(engine, event->u.claim.lane);

    if (!lane)
        return;
    if (!lane->claiming) {
        engine->odd++;
        return;
    }
    lane->claiming = false;
    uncharge(engine, lane->claim_trunk, lane->asked);
    engine->reserved -= lane->asked;
    lane->asked = 0;
    if (event->u.claim.failed)
        lane->claim_after_ns = engine->now.mono_ns + CLAIM_RETRY_NS;
    else
        lane->waiting = event->u.claim.waiting;
    od_lane_touch(engine, lane);
}

/* The table's word for an event about a call; OD_CALL_EVENT_COUNT when it is not about one. */
static enum od_call_event step_of(const struct od_event *event)
{
    switch ((enum od_event_kind)event->kind) {
    case OD_EV_DURABLE:
        return OD_CALL_EV_DURABLE;
    case OD_EV_NOT_DURABLE:
        return OD_CALL_EV_NOT_DURABLE;
    case OD_EV_RELEASED:
        return OD_CALL_EV_RELEASED;
    case OD_EV_LOST:
        return OD_CALL_EV_LOST;
    case OD_EV_SENT:
        return OD_CALL_EV_SENT;
    case OD_EV_TRYING:
        return OD_CALL_EV_TRYING;
    case OD_EV_CHALLENGED:
        return OD_CALL_EV_CHALLENGED;
    case OD_EV_PROGRESS:
        return OD_CALL_EV_PROGRESS;
    case OD_EV_ANSWER:
        return OD_CALL_EV_ANSWER;
    case OD_EV_REJECT:
        return OD_CALL_EV_REJECT;
    case OD_EV_PEER_BYE:
        return OD_CALL_EV_PEER_BYE;
    case OD_EV_CLEARED:
        return OD_CALL_EV_CLEARED;
    case OD_EV_AGENT_DONE:
        return OD_CALL_EV_AGENT_DONE;
    case OD_EV_AGENT_FAILED:
        return OD_CALL_EV_AGENT_FAILED;
    case OD_EV_MEDIA_FAILED:
        return OD_CALL_EV_MEDIA_FAILED;
    case OD_EV_HOOK_DONE:
        return event->u.hook.accept ? OD_CALL_EV_HOOK_OK : OD_CALL_EV_HOOK_NO;
    case OD_EV_STOP:
        return event->u.stop.before_answer_only ? OD_CALL_EV_CANCEL : OD_CALL_EV_STOP;
    default:
        return OD_CALL_EVENT_COUNT;
    }
}

/* What of an event the outcome may need. The event is the ring's copy: its text is cut to fit. */
static struct od_end_facts facts_of(struct od_event *event)
{
    struct od_end_facts facts = {0};

    switch ((enum od_event_kind)event->kind) {
    case OD_EV_REJECT:
        event->u.sip.reason[OD_REASON_MAX - 1] = '\0';
        facts.status = event->u.sip.status;
        facts.local = event->u.sip.local;
        facts.moved = event->u.sip.moved;
        facts.retry_after_s = event->u.sip.retry_after_s;
        facts.reason = event->u.sip.reason;
        break;
    case OD_EV_AGENT_FAILED:
    case OD_EV_MEDIA_FAILED:
        event->u.fail.reason[OD_REASON_MAX - 1] = '\0';
        facts.reason = event->u.fail.reason;
        break;
    case OD_EV_HOOK_DONE:
        event->u.hook.reason[OD_REASON_MAX - 1] = '\0';
        facts.reason = event->u.hook.reason;
        break;
    case OD_EV_STOP:
        facts.order = event->u.stop.cause;
        break;
    default:
        break;
    }
    return facts;
}

static void observe(struct od_engine *engine, const struct od_call *call, enum od_call_event step)
{
    uint64_t took_ns = engine->now.mono_ns - call->since_ns;

    if (call->state == OD_CALL_ARMING && step == OD_CALL_EV_DURABLE)
        od_latency_add(&engine->intent, engine->now.mono_ns, took_ns);
    if (call->state == OD_CALL_START_HOOK && step == OD_CALL_EV_HOOK_OK)
        od_latency_add(&engine->hook, engine->now.mono_ns, took_ns);
}

static void on_call(struct od_engine *engine, struct od_event *event)
{
    enum od_call_event step = step_of(event);
    struct od_call *call = od_call_get(engine, event->call);
    struct od_end_facts facts;

    if (step == OD_CALL_EVENT_COUNT) {
        engine->odd++;
        return;
    }
    if (!call) {
        engine->late++;
        return;
    }
    facts = facts_of(event);
    observe(engine, call, step);
    if (step == OD_CALL_EV_SENT)
        od_call_sent(engine, call, event->u.sent.mono_ns);
    if (step == OD_CALL_EV_RELEASED && call->state == OD_CALL_WAITING) {
        call->lane->waiting++;
        od_lane_touch(engine, call->lane);
    }
    if (step == OD_CALL_EV_NOT_DURABLE || step == OD_CALL_EV_LOST)
        od_call_give_back(engine, call, step, "not_ours");
    else if (step == OD_CALL_EV_REJECT)
        od_call_refused(engine, call, &facts);
    else
        od_call_do(engine, call, step, &facts);
}

static void take_event(struct od_engine *engine, struct od_event *event)
{
    od_engine_fold(engine, event->kind);
    switch ((enum od_event_kind)event->kind) {
    case OD_EV_STORE_UP:
        engine->store_up = true;
        break;
    case OD_EV_STORE_DOWN:
        engine->store_up = false;
        od_rates_void(engine);
        break;
    case OD_EV_LEASE:
        engine->lease_until_ns = event->u.lease.until_ns;
        break;
    case OD_EV_GRANT:
        od_rate_grant(engine, &event->u.grant);
        break;
    case OD_EV_LANE_READY:
        on_lane_ready(engine, event);
        break;
    case OD_EV_JOB:
        on_job(engine, event);
        break;
    case OD_EV_CLAIM_DONE:
        on_claim_done(engine, event);
        break;
    case OD_EV_BRIDGE:
        od_bridge_begin(engine, event);
        break;
    case OD_EV_PONG:
        od_trunk_pong(engine, event->u.pong.trunk, event->u.pong.status);
        break;
    case OD_EV_INBOUND:
        od_trunk_inbound(engine, event->u.inbound.trunk);
        break;
    case OD_EV_HELD:
        od_trunk_held(engine, event->u.held.trunk, event->u.held.until_ns);
        break;
    case OD_EV_DRAIN:
        engine->draining = true;
        break;
    default:
        on_call(engine, event);
        break;
    }
}

/* ---- the turn ---- */

static void take_timer(struct od_engine *engine, struct od_timer *timer)
{
    struct od_trunk *trunk;

    switch ((enum od_timer_kind)timer->kind) {
    case OD_TIMER_CALL:
        od_call_time(engine, OD_OWNER(timer, struct od_call, timer));
        break;
    case OD_TIMER_LANE:
        od_lane_touch(engine, OD_OWNER(timer, struct od_lane, timer));
        break;
    case OD_TIMER_TRUNK_SEND:
        trunk = OD_OWNER(timer, struct od_trunk, send_timer);
        od_trunk_touch(engine, trunk, OD_TOUCH_SEND);
        break;
    case OD_TIMER_TRUNK_ARM:
        trunk = OD_OWNER(timer, struct od_trunk, arm_timer);
        od_trunk_touch(engine, trunk, OD_TOUCH_ARM);
        break;
    case OD_TIMER_TRUNK_CLAIM:
        trunk = OD_OWNER(timer, struct od_trunk, claim_timer);
        od_trunk_touch(engine, trunk, OD_TOUCH_CLAIM);
        break;
    case OD_TIMER_TRUNK_HEALTH:
        od_trunk_health_time(engine, OD_OWNER(timer, struct od_trunk, health_timer));
        break;
    case OD_TIMER_RATE_ASK:
        od_rate_ask_more(engine, OD_OWNER(timer, struct od_rate, ask_timer));
        break;
    case OD_TIMER_BREAKER:
        od_breakers_time(engine, timer);
        break;
    }
}

static void take_events(struct od_engine *engine, uint32_t budget)
{
    struct od_event *event;

    while (budget-- && (event = od_ring_first(&engine->events))) {
        take_event(engine, event);
        od_ring_pop(&engine->events);
    }
}

static void take_timers(struct od_engine *engine, uint32_t budget)
{
    struct od_timer *timer;

    while (budget-- && (timer = od_timers_fire(&engine->timers, engine->now.mono_ns)))
        take_timer(engine, timer);
}

static void pace(struct od_engine *engine)
{
    static void (*const stages[])(struct od_engine *, uint32_t *) = {od_pacer_recall, od_pacer_send,
                                                                     od_pacer_arm, od_pacer_claim};

    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        uint32_t budget = engine->limits.turn_budget;
        od_pacer_review(engine);
        stages[i](engine, &budget);
    }
    od_pacer_review(engine);
}

uint64_t od_engine_run(struct od_engine *engine, struct od_now now)
{
    engine->now = now;
    engine->changed = false;
    take_events(engine, engine->limits.turn_budget);
    take_timers(engine, engine->limits.turn_budget);
    pace(engine);
    if (od_ring_count(&engine->events) || od_pacer_pending(engine))
        return now.mono_ns;
    return od_timers_next(&engine->timers);
}
