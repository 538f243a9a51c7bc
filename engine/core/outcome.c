/* outcome - the table. The first row that fits decides, so the special stands above the general. */
#include "engine/core/outcome.h"

#include <stddef.h>

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
    uint16_t from, to; /* SIP status of REJECT; 0, 0 otherwise */
    bool rate;         /* only when the reason phrase speaks of a limit */
    uint8_t cause, verdict;
    uint16_t order;     /* causes the order may choose instead */
    const char *reason; /* NULL: the facts' */
};

#define EV(event) OD_CALL_EV_##event
#define C(cause) OD_CAUSE_##cause
#define V(verdict) OD_VERDICT_##verdict

// clang-format off
static const struct row rows[] = {
    /* before anything was sent */
    {ANY,                EV(REFUSE),       0,   0,   false, C(REFUSED),        V(OURS),   0, "no trunk takes this number"},
    {ANY,                EV(EXPIRE),       0,   0,   false, C(DEADLINE),       V(USER),   0, "deadline passed"},
    {OD_CALL_START_HOOK, EV(HOOK_NO),      0,   0,   false, C(REFUSED),        V(USER),   0, NULL},
    {OD_CALL_START_HOOK, EV(TIMEOUT),      0,   0,   false, C(REFUSED),        V(OURS),   0, "start hook timeout"},

    /* orders */
    {OD_CALL_TALKING,    EV(STOP),         0,   0,   false, C(COMPLETED),      V(USER),   AFTER, ""},
    {ANY,                EV(STOP),         0,   0,   false, C(CANCELED),       V(USER),   BEFORE, ""},
    {ANY,                EV(CANCEL),       0,   0,   false, C(CANCELED),       V(USER),   BEFORE, ""},

    /* the store's word */
    {ANY,                EV(LOST),         0,   0,   false, C(UNKNOWN),        V(OURS),   0, "taken over by another worker"},

    /* time */
    {OD_CALL_DIALING,    EV(TIMEOUT),      0,   0,   false, C(TRUNK_FAILED),   V(TRUNK),  0, "setup timeout"},
    {OD_CALL_RINGING,    EV(TIMEOUT),      0,   0,   false, C(NO_ANSWER),      V(CALLEE), 0, "ring timeout"},
    {OD_CALL_TALKING,    EV(TIMEOUT),      0,   0,   false, C(COMPLETED),      V(CALLEE), 0, "longest talk reached"},

    /* the two ends of the talk */
    {OD_CALL_TALKING,    EV(PEER_BYE),     0,   0,   false, C(COMPLETED),      V(CALLEE), 0, ""},
    {OD_CALL_TALKING,    EV(AGENT_DONE),   0,   0,   false, C(COMPLETED),      V(CALLEE), 0, ""},
    {ANY,                EV(AGENT_FAILED), 0,   0,   false, C(AGENT_FAILED),   V(OURS),   0, NULL},
    {ANY,                EV(MEDIA_FAILED), 0,   0,   false, C(MEDIA_FAILED),   V(OURS),   0, NULL},

    /* refusals, by RFC 3261 section 21 */
    {ANY,                EV(REJECT),       0,   0,   false, C(TRUNK_FAILED),   V(TRUNK),  0, NULL},
    {ANY,                EV(REJECT),       300, 399, false, C(REJECTED),       V(OURS),   0, NULL}, /* never followed */
    {ANY,                EV(REJECT),       403, 403, true,  C(TRUNK_FAILED),   V(TRUNK),  0, NULL},
    {ANY,                EV(REJECT),       404, 404, false, C(INVALID_NUMBER), V(CALLEE), 0, NULL},
    {OD_CALL_DIALING,    EV(REJECT),       408, 408, false, C(TRUNK_FAILED),   V(TRUNK),  0, NULL}, /* nobody rang */
    {ANY,                EV(REJECT),       408, 408, false, C(NO_ANSWER),      V(CALLEE), 0, NULL},
    {ANY,                EV(REJECT),       410, 410, false, C(INVALID_NUMBER), V(CALLEE), 0, NULL},
    {ANY,                EV(REJECT),       415, 415, false, C(MEDIA_FAILED),   V(OURS),   0, NULL},
    {ANY,                EV(REJECT),       429, 429, false, C(TRUNK_FAILED),   V(TRUNK),  0, NULL},
    {ANY,                EV(REJECT),       480, 480, false, C(NO_ANSWER),      V(CALLEE), 0, NULL},
    {ANY,                EV(REJECT),       484, 484, false, C(INVALID_NUMBER), V(CALLEE), 0, NULL},
    {ANY,                EV(REJECT),       486, 486, false, C(BUSY),           V(CALLEE), 0, NULL},
    {ANY,                EV(REJECT),       487, 487, false, C(REJECTED),       V(CALLEE), 0, NULL}, /* not our CANCEL */
    {ANY,                EV(REJECT),       488, 488, false, C(MEDIA_FAILED),   V(OURS),   0, NULL},
    {ANY,                EV(REJECT),       400, 499, false, C(REJECTED),       V(OURS),   0, NULL},
    {ANY,                EV(REJECT),       500, 599, false, C(TRUNK_FAILED),   V(TRUNK),  0, NULL},
    {ANY,                EV(REJECT),       600, 600, false, C(BUSY),           V(CALLEE), 0, NULL},
    {ANY,                EV(REJECT),       603, 603, false, C(DECLINED),       V(CALLEE), 0, NULL},
    {ANY,                EV(REJECT),       604, 604, false, C(INVALID_NUMBER), V(CALLEE), 0, NULL},
    {ANY,                EV(REJECT),       606, 606, false, C(MEDIA_FAILED),   V(OURS),   0, NULL},
    {ANY,                EV(REJECT),       607, 607, false, C(DECLINED),       V(CALLEE), 0, NULL}, /* RFC 8197 */
    {ANY,                EV(REJECT),       600, 699, false, C(REJECTED),       V(CALLEE), 0, NULL},
    {ANY,                EV(REJECT),       0,   UINT16_MAX, false, C(TRUNK_FAILED), V(TRUNK), 0, NULL}, /* no such status */
};
// clang-format on

/* Carriers that limit by 403 say so in the phrase, each in its own words. */
static const char *const rate_words[] = {"rate", "limit", "exceed", "capacity", "cps", "too many"};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool holds(const char *text, const char *word)
{
    for (; *text; text++) {
        size_t i = 0;
        while (word[i] && lower(text[i]) == word[i])
            i++;
        if (!word[i])
            return true;
    }
    return false;
}

static bool speaks_of_a_limit(const char *reason)
{
    for (size_t i = 0; reason && i < sizeof rate_words / sizeof *rate_words; i++)
        if (holds(reason, rate_words[i]))
            return true;
    return false;
}

static bool fits(const struct row *row, enum od_call_state from, enum od_call_event event,
                 const struct od_end_facts *facts)
{
    if (row->event != event || (row->state != ANY && row->state != from))
        return false;
    if (event == EV(REJECT) && (facts->status < row->from || facts->status > row->to))
        return false;
    return !row->rate || speaks_of_a_limit(facts->reason);
}

struct od_end od_outcome_of(enum od_call_state from, enum od_call_event event,
                            const struct od_end_facts *facts)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct od_end end = {row->cause, row->verdict, row->reason};
        if (!fits(row, from, event, facts))
            continue;
        if (facts->order < OD_CAUSE_COUNT && (row->order >> facts->order & 1u))
            end.cause = facts->order;
        if (!end.reason)
            end.reason = facts->reason ? facts->reason : "";
        return end;
    }
    return (struct od_end){OD_CAUSE_NONE, OD_VERDICT_NONE, ""};
}
