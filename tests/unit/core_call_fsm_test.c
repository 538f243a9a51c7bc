/*
 * Goal: prove properties of the whole call table, not samples of it. Every property is checked over
 * every cell, so there is nothing here to keep up to date when a cell changes: either the property
 * still holds or the change is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/core/call_fsm.h"
#include "engine/core/outcome.h"

enum {
    SIP =
        OD_ACT_INVITE | OD_ACT_INVITE_AGAIN | OD_ACT_ACK | OD_ACT_CANCEL | OD_ACT_BYE | OD_ACT_DROP
};

/* Runs the body for every cell of a live state, with `from`, `event` and `step` set. */
#define EACH_CELL(from, event, step)                                                               \
    for (enum od_call_state from = OD_CALL_CREATED; from < OD_CALL_ENDED; from++)                  \
        for (enum od_call_event event = 0; event < OD_CALL_EVENT_COUNT; event++)                   \
            for (struct od_call_step step = od_call_fsm_step(from, event), *once = &step; once;    \
                 once = NULL)

static void where(enum od_call_state from, enum od_call_event event, bool holds)
{
    if (!holds)
        fail_msg("at %s, %s", od_call_state_name(from), od_call_event_name(event));
}

static bool holds_leg(enum od_call_state state)
{
    return od_call_state_holds(state).leg;
}

static void every_cell_is_written(void **state)
{
    (void)state;
    EACH_CELL(from, event, step)
    {
        where(from, event, step.next != OD_CALL_NONE && step.next < OD_CALL_STATE_COUNT);
        where(from, event, !(step.actions & ~OD_ACT_ALL));
    }
}

static void every_name_is_written(void **state)
{
    (void)state;
    for (enum od_call_state s = OD_CALL_NONE; s < OD_CALL_STATE_COUNT; s++)
        assert_non_null(od_call_state_name(s));
    for (enum od_call_event e = 0; e < OD_CALL_EVENT_COUNT; e++)
        assert_non_null(od_call_event_name(e));
    for (enum od_call_state s = OD_CALL_CREATED; s < OD_CALL_ENDED; s++)
        assert_non_null(od_call_state_timer(s));
    assert_null(od_call_state_timer(OD_CALL_ENDED));
    for (unsigned bit = 1; bit < OD_ACT_ALL; bit <<= 1)
        assert_non_null(od_call_action_name((enum od_call_action)bit));
}

/* Liveness: if the world goes silent, timers alone end every call within three of them. */
static void time_alone_ends_every_call(void **state)
{
    (void)state;
    for (enum od_call_state s = OD_CALL_CREATED; s < OD_CALL_STATE_COUNT; s++) {
        enum od_call_state at = s;
        for (int i = 0; i < 3; i++)
            at = od_call_fsm_step(at, OD_CALL_EV_TIMEOUT).next;
        assert_int_equal(at, OD_CALL_ENDED);
    }
}

/* A timer that fires and changes nothing would never fire again. */
static void every_timeout_leads_on(void **state)
{
    (void)state;
    for (enum od_call_state s = OD_CALL_CREATED; s < OD_CALL_ENDED; s++)
        assert_int_not_equal(od_call_fsm_step(s, OD_CALL_EV_TIMEOUT).next, s);
}

static void ended_is_final_and_silent(void **state)
{
    (void)state;
    for (enum od_call_event e = 0; e < OD_CALL_EVENT_COUNT; e++) {
        struct od_call_step step = od_call_fsm_step(OD_CALL_ENDED, e);
        assert_int_equal(step.next, OD_CALL_ENDED);
        assert_int_equal(step.actions, 0);
    }
}

/* Once an INVITE is out, each 2xx is acknowledged, whatever else we were doing. */
static void every_answer_is_acknowledged(void **state)
{
    (void)state;
    for (enum od_call_state s = OD_CALL_CREATED; s < OD_CALL_ENDED; s++)
        assert_int_equal(!!(od_call_fsm_step(s, OD_CALL_EV_ANSWER).actions & OD_ACT_ACK),
                         holds_leg(s));
    EACH_CELL(from, event, step)
    where(from, event, event == OD_CALL_EV_ANSWER || !(step.actions & OD_ACT_ACK));
}

/* A leg is given back on each edge into ENDED from a state that holds one, and when another try is
 * owed, and nowhere else; and it is taken by the INVITE alone. */
static void legs_are_taken_and_dropped_once(void **state)
{
    (void)state;
    EACH_CELL(from, event, step)
    {
        bool tried = step.next == OD_CALL_DEFERRED && event == OD_CALL_EV_FAULT;
        where(from, event,
              !!(step.actions & OD_ACT_DROP) ==
                  (holds_leg(from) && (step.next == OD_CALL_ENDED || tried)));
        where(from, event,
              !!(step.actions & OD_ACT_INVITE) == (!holds_leg(from) && holds_leg(step.next)));
        where(from, event,
              !holds_leg(from) || holds_leg(step.next) || step.next == OD_CALL_ENDED || tried);
    }
}

/* A challenge neither moves a call nor ends it: it waits for a turn, and the turn sends. Both only
 * while an INVITE is under way that nobody wants back. */
static void challenges_wait_for_a_turn(void **state)
{
    (void)state;
    EACH_CELL(from, event, step)
    {
        bool under_way = from == OD_CALL_DIALING || from == OD_CALL_RINGING;
        where(from, event,
              !!(step.actions & OD_ACT_WAIT_TURN) == (under_way && event == OD_CALL_EV_CHALLENGED));
        where(from, event,
              !!(step.actions & OD_ACT_INVITE_AGAIN) == (under_way && event == OD_CALL_EV_DIAL));
        if (step.actions & (OD_ACT_WAIT_TURN | OD_ACT_INVITE_AGAIN))
            where(from, event, step.next == from);
        where(from, event, event != OD_CALL_EV_CHALLENGED || step.next == from);
    }
}

/* The only way to an INVITE: DURABLE makes an ARMING call ARMED, DIAL makes an ARMED one dial. */
static void nothing_is_sent_before_durable(void **state)
{
    (void)state;
    EACH_CELL(from, event, step)
    {
        if (step.next == OD_CALL_ARMED && from != OD_CALL_ARMED)
            where(from, event, from == OD_CALL_ARMING && event == OD_CALL_EV_DURABLE);
        if (step.next == OD_CALL_ARMING && from != OD_CALL_ARMING)
            where(from, event, step.actions & OD_ACT_INTENT);
        if (holds_leg(step.next) && !holds_leg(from))
            where(from, event, from == OD_CALL_ARMED && event == OD_CALL_EV_DIAL);
        if (step.actions & SIP)
            where(from, event, holds_leg(from) || (step.actions & SIP) == OD_ACT_INVITE);
        if (step.actions & OD_ACT_INTENT)
            where(from, event, step.next == OD_CALL_ARMING && from != OD_CALL_ARMING);
    }
}

/* Each edge that lets go of the job gives it back exactly once; a job that may have been dialled
 * is never released. */
static void jobs_are_given_back_once(void **state)
{
    (void)state;
    EACH_CELL(from, event, step)
    {
        bool lets_go = od_call_state_holds(from).job && !od_call_state_holds(step.next).job;
        bool release = step.actions & OD_ACT_RELEASE, finish = step.actions & OD_ACT_FINISH;
        where(from, event, lets_go == (release || finish) && !(release && finish));
        where(from, event, !release || (!holds_leg(from) && step.next == OD_CALL_WAITING));
        where(from, event, !finish || step.next == OD_CALL_ENDED);
        where(from, event, od_call_state_holds(from).job || !od_call_state_holds(step.next).job);
    }
}

/* Slots are tied to states: taken when the call is armed, kept to the end or the return. What waits
 * for its start hook holds none. */
static void slots_are_held_from_the_queue_to_the_end(void **state)
{
    (void)state;
    EACH_CELL(from, event, step)
    {
        bool had = od_call_state_holds(from).slot, has = od_call_state_holds(step.next).slot;
        if (!had && has)
            where(from, event, from == OD_CALL_QUEUED && event == OD_CALL_EV_ARM);
        if (had && !has)
            where(from, event,
                  step.next == OD_CALL_WAITING || step.next == OD_CALL_ENDED ||
                      step.next == OD_CALL_DEFERRED ||
                      (from == OD_CALL_ARMED && step.next == OD_CALL_QUEUED));
        where(from, event, !holds_leg(from) || had);
    }
}

/* The agent is got ready with the INVITE, and let go on each edge out of the states that need it.
 */
static void agents_are_let_go_once(void **state)
{
    (void)state;
    EACH_CELL(from, event, step)
    {
        bool had = od_call_state_holds(from).talk, has = od_call_state_holds(step.next).talk;
        where(from, event, !!(step.actions & OD_ACT_PREPARE) == (!had && has));
        where(from, event, !!(step.actions & OD_ACT_TALK_STOP) == (had && !has));
        where(from, event,
              !!(step.actions & OD_ACT_TALK_START) ==
                  (from != OD_CALL_TALKING && step.next == OD_CALL_TALKING));
    }
}

/* A CANCEL only before the answer, a BYE only after it, and neither twice. */
static void cancel_before_bye_after_the_answer(void **state)
{
    (void)state;
    EACH_CELL(from, event, step)
    {
        if (step.actions & OD_ACT_CANCEL)
            where(from, event,
                  (from == OD_CALL_DIALING || from == OD_CALL_RINGING) &&
                      step.next == OD_CALL_CANCELLING);
        if (step.actions & OD_ACT_BYE)
            where(from, event,
                  (from == OD_CALL_TALKING || event == OD_CALL_EV_ANSWER) &&
                      step.next == OD_CALL_CLEARING);
        if (step.next == OD_CALL_CLEARING && from != OD_CALL_CLEARING)
            where(from, event, step.actions & OD_ACT_BYE);
        if (step.next == OD_CALL_CANCELLING && from != OD_CALL_CANCELLING)
            where(from, event, step.actions & OD_ACT_CANCEL);
    }
}

/* The user's wish, a deadline and a closed lane reach every call that was not dialled. */
static void undialled_calls_obey(void **state)
{
    (void)state;
    for (enum od_call_state s = OD_CALL_CREATED; s <= OD_CALL_ARMED; s++) {
        if (s == OD_CALL_WAITING)
            continue;
        assert_int_equal(od_call_fsm_step(s, OD_CALL_EV_STOP).next, OD_CALL_ENDED);
        assert_int_equal(od_call_fsm_step(s, OD_CALL_EV_CANCEL).next, OD_CALL_ENDED);
        assert_int_equal(od_call_fsm_step(s, OD_CALL_EV_EXPIRE).next, OD_CALL_ENDED);
        assert_int_equal(od_call_fsm_step(s, OD_CALL_EV_RECALL).next, OD_CALL_WAITING);
    }
    assert_int_equal(od_call_fsm_step(OD_CALL_TALKING, OD_CALL_EV_CANCEL).next, OD_CALL_TALKING);
    assert_int_equal(od_call_fsm_step(OD_CALL_TALKING, OD_CALL_EV_STOP).next, OD_CALL_CLEARING);
}

/* A surprise changes nothing but the count, unless it takes the call out of danger. */
static void surprises_stay(void **state)
{
    (void)state;
    EACH_CELL(from, event, step)
    if (step.actions & OD_ACT_SURPRISE)
        where(from, event,
              (step.next == from && step.actions == OD_ACT_SURPRISE) ||
                  step.next == OD_CALL_WAITING);
}

/* Another try follows a fault of the trunk alone, and never a phone that rang. */
static void only_faults_are_tried_again(void **state)
{
    (void)state;
    EACH_CELL(from, event, step)
    {
        if (step.next == OD_CALL_DEFERRED && from != OD_CALL_DEFERRED)
            where(from, event,
                  event == OD_CALL_EV_FAULT &&
                      (from == OD_CALL_DIALING || from == OD_CALL_CANCELLING));
        if (holds_leg(from) && !holds_leg(step.next))
            where(from, event, step.next == OD_CALL_ENDED || step.next == OD_CALL_DEFERRED);
        if (step.next == OD_CALL_QUEUED && from != OD_CALL_QUEUED)
            where(from, event,
                  from == OD_CALL_CREATED || from == OD_CALL_DEFERRED ||
                      (from == OD_CALL_START_HOOK && event == OD_CALL_EV_HOOK_OK) ||
                      (from == OD_CALL_ARMED && event == OD_CALL_EV_REROUTE));
    }
}

/* Whatever first turns a call towards its end has a cause and a verdict, for every SIP status. */
static void every_ending_has_a_cause(void **state)
{
    (void)state;
    EACH_CELL(from, event, step)
    {
        bool ends = step.next == OD_CALL_CANCELLING || step.next == OD_CALL_CLEARING ||
                    step.next == OD_CALL_ENDED;
        bool decided =
            from == OD_CALL_CANCELLING || from == OD_CALL_CLEARING || from == OD_CALL_WAITING;
        if (!ends || decided || step.next == from)
            continue;
        for (uint16_t status = 0; status < 1000; status++) {
            struct od_end_facts facts = {.status = status, .order = OD_CAUSE_CANCELED};
            struct od_end end = od_outcome_of(from, event, &facts);
            where(from, event,
                  end.cause != OD_CAUSE_NONE && end.verdict != OD_VERDICT_NONE && end.reason);
            if (event != OD_CALL_EV_REJECT)
                break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_is_written),
        cmocka_unit_test(every_name_is_written),
        cmocka_unit_test(time_alone_ends_every_call),
        cmocka_unit_test(every_timeout_leads_on),
        cmocka_unit_test(ended_is_final_and_silent),
        cmocka_unit_test(every_answer_is_acknowledged),
        cmocka_unit_test(legs_are_taken_and_dropped_once),
        cmocka_unit_test(challenges_wait_for_a_turn),
        cmocka_unit_test(nothing_is_sent_before_durable),
        cmocka_unit_test(jobs_are_given_back_once),
        cmocka_unit_test(slots_are_held_from_the_queue_to_the_end),
        cmocka_unit_test(agents_are_let_go_once),
        cmocka_unit_test(cancel_before_bye_after_the_answer),
        cmocka_unit_test(undialled_calls_obey),
        cmocka_unit_test(surprises_stay),
        cmocka_unit_test(only_faults_are_tried_again),
        cmocka_unit_test(every_ending_has_a_cause),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
