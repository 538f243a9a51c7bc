/* verdict - the table. The first row that fits decides, so the special stands above the general. */
#include "engine/core/verdict.h"

#include <string.h>

enum when { ANY, SILENT /* nobody rang */, LOCAL, WITH_RETRY_AFTER };

struct row {
    uint16_t from, to;
    uint8_t when;
    const char *const *words; /* the reason phrase holds one of them; NULL: whatever it says */
    uint8_t cause, verdict, fault;
};

/* How carriers say "too fast" or "too many at once" where the status alone doesn't. In lower case.
 */
static const char *const limit_words[] = {
    "rate",     /* "Rate Exceeded", Vonage */
    "limit",    /* "Trunk CPS limit exceeded", Twilio; "channel limit exceeded D1", Telnyx;
                   "Trunk concurrent call limit exceeded", jambonz */
    "exceed",   /* "Call attempts exceeded" */
    "capacity", /* "Insufficient capacity" */
    "cps",      "too many", "throttl", "concurren", NULL,
};
/* 480 is most often the person's phone: only what nobody would say of a phone. */
static const char *const plain_limit_words[] = {
    "cps",      "rate limit", "limit exceed", "call limit", "channel limit",
    "too many", "throttl",    "overload",     NULL,
};

#define C(cause) OD_CAUSE_##cause
#define V(verdict) OD_VERDICT_##verdict
#define F(fault) OD_TRUNK_FAULT_##fault

// clang-format off
static const struct row rows[] = {
    /* by RFC 3261 section 21, where nothing else is said */
    {0,   0,          ANY,              NULL,              C(TRUNK_FAILED),   V(TRUNK),  F(DEAD)},
    {100, UINT16_MAX, LOCAL,            NULL,              C(TRUNK_FAILED),   V(TRUNK),  F(DEAD)}, /* unreachable, Timer B */
    {300, 399,        ANY,              NULL,              C(REJECTED),       V(OURS),   F(NONE)}, /* never followed */
    {401, 401,        ANY,              NULL,              C(TRUNK_FAILED),   V(TRUNK),  F(CREDENTIALS)},
    {403, 403,        ANY,              limit_words,       C(TRUNK_FAILED),   V(TRUNK),  F(LIMIT)},
    {404, 404,        ANY,              NULL,              C(INVALID_NUMBER), V(CALLEE), F(NONE)},
    {407, 407,        ANY,              NULL,              C(TRUNK_FAILED),   V(TRUNK),  F(CREDENTIALS)},
    {408, 408,        SILENT,           NULL,              C(TRUNK_FAILED),   V(TRUNK),  F(ERROR)}, /* nobody rang */
    {408, 408,        ANY,              NULL,              C(NO_ANSWER),      V(CALLEE), F(NONE)},
    {410, 410,        ANY,              NULL,              C(INVALID_NUMBER), V(CALLEE), F(NONE)},
    {415, 415,        ANY,              NULL,              C(MEDIA_FAILED),   V(OURS),   F(NONE)},
    {429, 429,        ANY,              NULL,              C(TRUNK_FAILED),   V(TRUNK),  F(LIMIT)},
    {480, 480,        ANY,              plain_limit_words, C(TRUNK_FAILED),   V(TRUNK),  F(LIMIT)},
    {480, 480,        ANY,              NULL,              C(NO_ANSWER),      V(CALLEE), F(NONE)},
    {484, 484,        ANY,              NULL,              C(INVALID_NUMBER), V(CALLEE), F(NONE)},
    {486, 486,        ANY,              NULL,              C(BUSY),           V(CALLEE), F(NONE)},
    {487, 487,        ANY,              NULL,              C(REJECTED),       V(CALLEE), F(NONE)}, /* not our CANCEL */
    {488, 488,        ANY,              NULL,              C(MEDIA_FAILED),   V(OURS),   F(NONE)},
    {400, 499,        ANY,              NULL,              C(REJECTED),       V(OURS),   F(NONE)},
    {500, 599,        ANY,              limit_words,       C(TRUNK_FAILED),   V(TRUNK),  F(LIMIT)},
    {503, 503,        WITH_RETRY_AFTER, NULL,              C(TRUNK_FAILED),   V(TRUNK),  F(LIMIT)}, /* RFC 3261 21.5.4: overload */
    {503, 503,        ANY,              NULL,              C(TRUNK_FAILED),   V(TRUNK),  F(OVERLOAD)},
    {500, 599,        ANY,              NULL,              C(TRUNK_FAILED),   V(TRUNK),  F(ERROR)},
    {600, 600,        ANY,              NULL,              C(BUSY),           V(CALLEE), F(NONE)},
    {603, 603,        ANY,              NULL,              C(DECLINED),       V(CALLEE), F(NONE)},
    {604, 604,        ANY,              NULL,              C(INVALID_NUMBER), V(CALLEE), F(NONE)},
    {606, 606,        ANY,              NULL,              C(MEDIA_FAILED),   V(OURS),   F(NONE)},
    {607, 607,        ANY,              NULL,              C(DECLINED),       V(CALLEE), F(NONE)}, /* RFC 8197 */
    {600, 699,        ANY,              NULL,              C(REJECTED),       V(CALLEE), F(NONE)},
    {0,   UINT16_MAX, ANY,              NULL,              C(TRUNK_FAILED),   V(TRUNK),  F(ERROR)}, /* no such status */
};
// clang-format on

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool holds(const char *text, const char *word)
{
    for (; *text; text++) {
        size_t i = 0;
        while (word[i] && lower(text[i]) == lower(word[i]))
            i++;
        if (!word[i])
            return true;
    }
    return false;
}

static bool holds_one_of(const char *text, const char *const *words)
{
    for (; text && *words; words++)
        if (holds(text, *words))
            return true;
    return false;
}

static bool fits(const struct row *row, const struct od_refusal *refusal)
{
    if (refusal->status < row->from || refusal->status > row->to)
        return false;
    if ((row->when == SILENT && refusal->rang) || (row->when == LOCAL && !refusal->local) ||
        (row->when == WITH_RETRY_AFTER && !refusal->retry_after_s))
        return false;
    return !row->words || holds_one_of(refusal->reason, row->words);
}

/* What a rule may say in two words: the rest follows from the verdict. */
static struct od_ruling ruling_of(const struct od_verdict_rule *rule,
                                  const struct od_refusal *refusal)
{
    struct od_ruling ruling = {rule->cause, rule->verdict, rule->fault};

    if (rule->verdict == V(TRUNK)) {
        ruling.cause = C(TRUNK_FAILED);
    } else if (!ruling.cause) {
        struct od_ruling usual = od_verdict_of(NULL, refusal);
        ruling.cause = usual.verdict == rule->verdict ? usual.cause : C(REJECTED);
    }
    return ruling;
}

struct od_ruling od_verdict_of(const struct od_verdict_rule *rules,
                               const struct od_refusal *refusal)
{
    size_t i = 0;

    for (size_t k = 0; rules && !refusal->local && k < OD_VERDICTS_MAX && rules[k].from; k++)
        if (refusal->status >= rules[k].from && refusal->status <= rules[k].to &&
            (!rules[k].text[0] || (refusal->reason && holds(refusal->reason, rules[k].text))))
            return ruling_of(&rules[k], refusal);
    while (!fits(&rows[i], refusal)) /* the last row takes everything */
        i++;
    return (struct od_ruling){rows[i].cause, rows[i].verdict, rows[i].fault};
}

bool od_verdict_rule_valid(const struct od_verdict_rule *rule)
{
    bool trunk = rule->verdict == V(TRUNK);

    if (rule->from < 300 || rule->to > 699 || rule->from > rule->to ||
        rule->text[OD_VERDICT_TEXT_MAX - 1] || rule->cause >= OD_CAUSE_COUNT)
        return false;
    if (!trunk && rule->verdict != V(CALLEE) && rule->verdict != V(OURS))
        return false;
    return trunk ? rule->fault > F(NONE) && rule->fault < OD_TRUNK_FAULT_COUNT
                 : rule->fault == F(NONE);
}
