/* outcome - the table. The first row that fits decides, so the special stands above the general.
 * What a refusal means is a table of its own (verdict.c). */
#include "engine/core/outcome.h"

#include <stddef.h>

#include "engine/core/verdict.h"

#define BIT(cause) (1u << OD_CAUSE_##cause)

enum {
    ANY = OD_CALL_NONE, /* any state */

    /* Causes an order may choose before and after the answer; the row's own cause otherwise. */
    BEFORE = BIT(CANCELED) | BIT(DEADLINE),
    AFTER = BIT(CANCELED) | BIT(DEADLINE) | BIT(COMPLETED) | BIT(MACHINE) | BIT(AGENT_FAILED) |
            BIT(MEDIA_FAILED),
};

struct row {
    uint8_t state, event;
    uint8_t cause, verdict, fault;
    uint16_t order;     /* causes the order may choose instead */
    const char *reason; /* NULL: the facts' */
};

#define EV(event) OD_CALL_EV_##event
#define C(cause) OD_CAUSE_##cause
#define V(verdict) OD_VERDICT_##verdict
#define F(fault) OD_TRUNK_FAULT_##fault

// clang-format off
static const struct row rows[] = {
    /* before anything was sent */
    {ANY,                EV(REFUSE),       C(REFUSED),        V(OURS),   F(NONE), 0, "no trunk takes this number"},
    {ANY,                EV(EXPIRE),       C(DEADLINE),       V(USER),   F(NONE), 0, "deadline passed"},
    {OD_CALL_START_HOOK, EV(HOOK_NO),      C(REFUSED),        V(USER),   F(NONE), 0, NULL},
    {OD_CALL_START_HOOK, EV(TIMEOUT),      C(REFUSED),        V(OURS),   F(NONE), 0, "start hook timeout"},

    {ANY,                EV(EXHAUST),      C(TRUNK_FAILED),   V(TRUNK),  F(NONE), 0, NULL}, /* with the last trunk's reason */

    /* orders */
    {OD_CALL_TALKING,    EV(STOP),         C(COMPLETED),      V(USER),   F(NONE), AFTER, ""},
    {ANY,                EV(STOP),         C(CANCELED),       V(USER),   F(NONE), BEFORE, ""},
    {ANY,                EV(CANCEL),       C(CANCELED),       V(USER),   F(NONE), BEFORE, ""},

    /* the store's word */
    {ANY,                EV(LOST),         C(UNKNOWN),       V(OURS),   F(NONE), 0, "taken over by another worker"},

    /* time */
    {OD_CALL_DIALING,    EV(TIMEOUT),      C(TRUNK_FAILED),   V(TRUNK),  F(ERROR), 0, "setup timeout"},
    {OD_CALL_RINGING,    EV(TIMEOUT),      C(NO_ANSWER),      V(CALLEE), F(NONE), 0, "ring timeout"},
    {OD_CALL_TALKING,    EV(TIMEOUT),      C(COMPLETED),      V(CALLEE), F(NONE), 0, "longest talk reached"},

    /* the two ends of the talk */
    {OD_CALL_TALKING,    EV(PEER_BYE),     C(COMPLETED),      V(CALLEE), F(NONE), 0, ""},
    {OD_CALL_TALKING,    EV(AGENT_DONE),   C(COMPLETED),      V(CALLEE), F(NONE), 0, ""},
    {ANY,                EV(AGENT_FAILED), C(AGENT_FAILED),   V(OURS),   F(NONE), 0, NULL},
    {ANY,                EV(MEDIA_FAILED), C(MEDIA_FAILED),   V(OURS),   F(NONE), 0, NULL},
};
// clang-format on

static bool fits(const struct row *row, enum od_call_state from, enum od_call_event event)
{
    return row->event == event && (row->state == ANY || row->state == from);
}

static struct od_end refused(enum od_call_state from, const struct od_end_facts *facts)
{
    struct od_refusal refusal = {.status = facts->status,
                                 .rang = from != OD_CALL_DIALING,
                                 .local = facts->local,
                                 .retry_after_s = facts->retry_after_s,
                                 .reason = facts->reason};
    struct od_ruling ruling = od_verdict_of(facts->rules, &refusal);

    return (struct od_end){ruling.cause, ruling.verdict, ruling.fault,
                           facts->reason ? facts->reason : ""};
}

struct od_end od_outcome_of(enum od_call_state from, enum od_call_event event,
                            const struct od_end_facts *facts)
{
    if (event == EV(REJECT))
        return refused(from, facts);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct od_end end = {row->cause, row->verdict, row->fault, row->reason};
        if (!fits(row, from, event))
            continue;
        if (facts->order < OD_CAUSE_COUNT && (row->order >> facts->order & 1u))
            end.cause = facts->order;
        if (!end.reason)
            end.reason = facts->reason ? facts->reason : "";
        return end;
    }
    return (struct od_end){OD_CAUSE_NONE, OD_VERDICT_NONE, OD_TRUNK_FAULT_NONE, ""};
}
