/*
 * call_clock - see call_clock.h.
 */
#include "engine/core/call_clock.h"

#include <string.h>

#include "engine/core/bridge.h"
#include "engine/core/call.h"

// clang-format off
/* How long a state may last, by its timer's name (call_fsm). */
static const uint32_t state_ms[OD_CALL_STATE_COUNT] = {
    [OD_CALL_CREATED] = 5000,
    [OD_CALL_WAITING] = 15000,
    [OD_CALL_QUEUED] = 60000,
    [OD_CALL_DEFERRED] = 1000,    /* at most: RETRY_NS and the tries' own time */
    [OD_CALL_START_HOOK] = 65000, /* a start webhook may take a minute at most */
    [OD_CALL_ARMING] = 15000,
    [OD_CALL_ARMED] = 10000,
    [OD_CALL_DIALING] = 40000,    /* RFC 3261 Timer B is 32 s: the stack's own word comes first */
    [OD_CALL_RINGING] = 45000,    /* at most: the lane's and the trunk's rule */
    [OD_CALL_CANCELLING] = 33000, /* 64*T1 = 32 s for the CANCEL, and a second */
    [OD_CALL_TALKING] = 3600000,  /* the lane's rules */
    [OD_CALL_CLEARING] = 33000,   /* Timer F, likewise */
};
// clang-format on

/* Why a job goes back, by the state it was in when its time was up. */
static const char *const slow_words[OD_CALL_STATE_COUNT] = {
    [OD_CALL_CREATED] = "busy",
    [OD_CALL_QUEUED] = "queue",
    [OD_CALL_ARMING] = "store",
    [OD_CALL_ARMED] = "rate",
};

/* Cancelled for the trunk's sake: its patience covers the CANCEL, too. */
static bool gives_up(const struct od_engine *engine, const struct od_call *call)
{
    return call->decided && call->outcome.verdict == OD_VERDICT_TRUNK &&
           engine->trunks[call->trunk].def.patience_ms;
}

static uint64_t state_ns(const struct od_engine *engine, const struct od_call *call)
{
    uint64_t ms = state_ms[call->state];

    if (call->state == OD_CALL_DEFERRED)
        return call->retry_ns - engine->now.mono_ns;
    if (call->state == OD_CALL_DIALING) {
        uint32_t patience_ms = engine->trunks[call->trunk].def.patience_ms;
        if (engine->trunks[call->trunk].def.setup_ms_max)
            ms = engine->trunks[call->trunk].def.setup_ms_max;
        if (patience_ms && !call->heard && patience_ms < ms)
            ms = patience_ms;
    } else if (call->state == OD_CALL_CANCELLING && gives_up(engine, call)) {
        ms = engine->trunks[call->trunk].def.patience_ms;
    } else if (call->state == OD_CALL_RINGING) {
        uint32_t trunk_ms = engine->trunks[call->trunk].def.ring_ms_max;
        ms = od_bridge_is_leg(call) ? call->ring_ms : call->lane->def.ring_ms;
        if (trunk_ms && trunk_ms < ms)
            ms = trunk_ms;
    } else if (call->state == OD_CALL_TALKING) {
        ms = od_bridge_is_leg(call) ? call->talk_ms_max : call->lane->def.talk_ms_max;
    } else if (call->state < OD_CALL_DIALING && od_bridge_is_leg(call) && call->ring_ms < ms) {
        ms = call->ring_ms; /* somebody holds the line */
    }
    return ms * OD_NS_PER_MS;
}

/* The timer runs to the end of the state, or to the deadline of a call not yet dialled: the one
 * timer of the state serves both, and od_call_time() tells them apart. */
static void start_timer(struct od_engine *engine, struct od_call *call)
{
    uint64_t at_ns = call->until_ns;

    if (call->deadline_wall_ms && call->state < OD_CALL_DIALING && call->state != OD_CALL_WAITING) {
        int64_t left_ms = call->deadline_wall_ms - engine->now.wall_ms;
        uint64_t left_ns = left_ms > 0 ? (uint64_t)left_ms * OD_NS_PER_MS : 0;
        if (left_ns < at_ns - engine->now.mono_ns)
            at_ns = engine->now.mono_ns + left_ns;
    }
    od_timers_stop(&engine->timers, &call->timer);
    call->timer.queue = call->state; /* timers of one state mostly run equally long */
    od_timers_start(&engine->timers, &call->timer, at_ns);
}

_Static_assert((int)OD_CALL_ENDED <= (int)OD_TIMER_QUEUES, "a queue for each state");

void od_call_clock_start(struct od_engine *engine, struct od_call *call)
{
    call->until_ns = engine->now.mono_ns + state_ns(engine, call);
    if (call->misses && call->state == OD_CALL_QUEUED &&
        od_call_tries_end_ns(engine, call) < call->until_ns)
        call->until_ns = od_call_tries_end_ns(engine, call);
    start_timer(engine, call);
}

void od_call_clock_heard(struct od_engine *engine, struct od_call *call)
{
    call->until_ns = call->since_ns + state_ns(engine, call);
    start_timer(engine, call);
}

void od_call_extend(struct od_engine *engine, struct od_call *call, uint64_t until_ns)
{
    if (call->until_ns >= until_ns)
        return;
    call->until_ns = until_ns;
    start_timer(engine, call);
}

uint64_t od_call_tries_end_ns(const struct od_engine *engine, const struct od_call *call)
{
    return call->first_ns + engine->limits.tries_ms_max * OD_NS_PER_MS;
}

static void exhaust(struct od_engine *engine, struct od_call *call)
{
    char reason[OD_REASON_MAX];
    struct od_end_facts facts = {.reason = reason};

    memcpy(reason, call->outcome.reason, sizeof reason);
    od_call_do(engine, call, OD_CALL_EV_EXHAUST, &facts);
}

static void wait_a_moment(struct od_engine *engine, struct od_call *call)
{
    call->until_ns = engine->now.mono_ns + OD_NS_PER_MS;
    start_timer(engine, call);
}

/* Not even a 100 within the trunk's patience, or a CANCEL for its sake unanswered so long. */
static bool silent(const struct od_engine *engine, const struct od_call *call)
{
    if (call->state == OD_CALL_CANCELLING)
        return gives_up(engine, call);
    return call->state == OD_CALL_DIALING && !call->heard &&
           engine->trunks[call->trunk].def.patience_ms;
}

void od_call_time(struct od_engine *engine, struct od_call *call)
{
    struct od_end_facts silence = {.local = true, .reason = "the trunk does not answer"};

    if (call->state < OD_CALL_DIALING && call->state != OD_CALL_WAITING &&
        od_call_expired(engine, call))
        od_call_do(engine, call, OD_CALL_EV_EXPIRE, NULL);
    else if (engine->now.mono_ns < call->until_ns)
        start_timer(engine, call); /* the wall clock was set back meanwhile */
    else if (call->misses && engine->now.mono_ns >= od_call_tries_end_ns(engine, call) &&
             (call->state == OD_CALL_QUEUED || call->state == OD_CALL_DEFERRED))
        exhaust(engine, call);
    else if (silent(engine, call) && od_ring_count(&engine->events))
        wait_a_moment(engine, call); /* what was heard may stand in the queue */
    else if (silent(engine, call))
        od_call_refused(engine, call, &silence);
    else
        od_call_give_back(engine, call, OD_CALL_EV_TIMEOUT, slow_words[call->state]);
}
