/* breaker - see breaker.h. */
#include "engine/core/breaker.h"

#include <string.h>

#include "engine/base/assert.h"
#include "engine/base/str.h"

enum { ALL = 1000, CALLS_MIN_MAX = 1000000, DAY_MS = 86400000, PROBES_MAX = 1000 };

bool od_breaker_rule_valid(const struct od_breaker_rule *rule)
{
    if (rule->axis >= OD_BREAKER_AXIS_COUNT || rule->answered_min > ALL || rule->short_max > ALL ||
        rule->failed_max > ALL || (!rule->answered_min && !rule->short_max && !rule->failed_max))
        return false;
    if (rule->axis == OD_BREAKER_PREFIX &&
        (rule->digits < 1 || rule->digits > OD_BREAKER_DIGITS_MAX))
        return false;
    if (rule->short_max && (!rule->short_ms || rule->short_ms > rule->window_ms))
        return false;
    return rule->calls_min >= 1 && rule->calls_min <= CALLS_MIN_MAX && rule->window_ms >= 1000 &&
           rule->window_ms <= DAY_MS && rule->wait_ms >= 1 && rule->wait_ms <= rule->wait_ms_max &&
           rule->wait_ms_max <= DAY_MS && rule->probes >= 1 && rule->probes <= PROBES_MAX;
}

void od_breaker_init(struct od_breaker *breaker, uint64_t now_ns)
{
    *breaker = (struct od_breaker){.state = OD_BREAKER_CLOSED, .since_ns = now_ns};
}

static void forget(struct od_breaker *breaker)
{
    memset(breaker->slices, 0, sizeof breaker->slices);
    breaker->sum = (struct od_breaker_tally){0};
    breaker->slice = 0;
    breaker->until_ns = breaker->proven_ns = 0;
    breaker->probes_out = 0;
}

/* ---- the window ---- */

static uint64_t slice_of(const struct od_breaker_rule *rule, uint64_t at_ns)
{
    return at_ns / (rule->window_ms * OD_NS_PER_MS / OD_BREAKER_SLICES);
}

static void subtract(struct od_breaker_tally *from, const struct od_breaker_tally *what)
{
    from->calls -= what->calls;
    from->answered -= what->answered;
    from->shorts -= what->shorts;
    from->failed -= what->failed;
}

/* What has left the window by now is out of the sum. */
static void slide(struct od_breaker *breaker, const struct od_breaker_rule *rule, uint64_t now_ns)
{
    uint64_t newest = slice_of(rule, now_ns);

    if (newest - breaker->slice >= OD_BREAKER_SLICES) {
        memset(breaker->slices, 0, sizeof breaker->slices);
        breaker->sum = (struct od_breaker_tally){0};
        breaker->slice = newest;
    }
    while (breaker->slice < newest) {
        struct od_breaker_tally *oldest = &breaker->slices[++breaker->slice % OD_BREAKER_SLICES];
        subtract(&breaker->sum, oldest);
        *oldest = (struct od_breaker_tally){0};
    }
}

struct od_breaker_tally od_breaker_tally(const struct od_breaker *breaker,
                                         const struct od_breaker_rule *rule, uint64_t now_ns)
{
    struct od_breaker copy = *breaker;

    if (breaker->state == OD_BREAKER_CLOSED)
        slide(&copy, rule, now_ns);
    return copy.sum;
}

/* ---- the verdict ---- */

static void add_share(struct od_buf *buf, uint32_t part, uint32_t of)
{
    uint64_t milli = (uint64_t)part * ALL / of;

    od_buf_u64(buf, milli / 10);
    od_buf_char(buf, '.');
    od_buf_u64(buf, milli % 10);
    od_buf_char(buf, '%');
}

static void say(char *why, const char *what, uint32_t part, uint32_t of, const char *bound,
                uint32_t milli)
{
    struct od_buf buf;

    od_buf_init(&buf, why, OD_REASON_MAX);
    od_buf_str(&buf, what);
    add_share(&buf, part, of);
    od_buf_str(&buf, " of ");
    od_buf_u64(&buf, of);
    od_buf_str(&buf, bound);
    add_share(&buf, milli, ALL);
}

/* True when a share of a large enough sample is beyond the rule; why says which. */
static bool beyond(const struct od_breaker_rule *rule, const struct od_breaker_tally *sum,
                   uint32_t least, char why[OD_REASON_MAX])
{
    bool person = rule->axis == OD_BREAKER_CALLER || rule->axis == OD_BREAKER_CAMPAIGN;
    uint32_t tried = person ? sum->calls - sum->failed : sum->calls;

    if (rule->failed_max && sum->calls >= least &&
        (uint64_t)sum->failed * ALL > (uint64_t)rule->failed_max * sum->calls) {
        say(why, "failed ", sum->failed, sum->calls, ", at most ", rule->failed_max);
        return true;
    }
    if (rule->answered_min && tried >= least &&
        (uint64_t)sum->answered * ALL < (uint64_t)rule->answered_min * tried) {
        say(why, "answered ", sum->answered, tried, ", at least ", rule->answered_min);
        return true;
    }
    if (rule->short_max && sum->answered >= least &&
        (uint64_t)sum->shorts * ALL > (uint64_t)rule->short_max * sum->answered) {
        say(why, "short ", sum->shorts, sum->answered, ", at most ", rule->short_max);
        return true;
    }
    return false;
}

static void trip(struct od_breaker *breaker, const struct od_breaker_rule *rule, uint64_t now_ns)
{
    uint64_t most_ns = rule->wait_ms_max * OD_NS_PER_MS;

    /* It held for a whole window: this is another trouble. */
    if (!breaker->wait_ns || (breaker->state == OD_BREAKER_CLOSED &&
                              now_ns - breaker->since_ns >= rule->window_ms * OD_NS_PER_MS))
        breaker->wait_ns = rule->wait_ms * OD_NS_PER_MS;
    if (breaker->wait_ns > most_ns)
        breaker->wait_ns = most_ns;
    forget(breaker);
    breaker->state = OD_BREAKER_OPEN;
    breaker->since_ns = now_ns;
    breaker->until_ns = now_ns + breaker->wait_ns;
    breaker->wait_ns = 2 * breaker->wait_ns;
}

static bool look(struct od_breaker *breaker, const struct od_breaker_rule *rule, uint64_t now_ns)
{
    if (!beyond(rule, &breaker->sum, rule->calls_min, breaker->reason))
        return false;
    trip(breaker, rule, now_ns);
    return true;
}

/* All probes are known. Of shares that none of them says anything about, nothing is held against
 * the breaker: closed it finds out. */
static void judge(struct od_breaker *breaker, const struct od_breaker_rule *rule, uint64_t now_ns)
{
    if (beyond(rule, &breaker->sum, 1, breaker->reason)) {
        trip(breaker, rule, now_ns);
        return;
    }
    forget(breaker);
    breaker->state = OD_BREAKER_CLOSED;
    breaker->since_ns = now_ns;
}

/* ---- what the owner asks and tells ---- */

uint32_t od_breaker_free(const struct od_breaker *breaker, const struct od_breaker_rule *rule)
{
    switch ((enum od_breaker_state)breaker->state) {
    case OD_BREAKER_OPEN:
        return 0;
    case OD_BREAKER_HALF_OPEN:
        return rule->probes - breaker->probes_out - breaker->sum.calls;
    default:
        return UINT32_MAX;
    }
}

void od_breaker_probe(struct od_breaker *breaker)
{
    breaker->probes_out += breaker->state == OD_BREAKER_HALF_OPEN;
}

void od_breaker_probe_void(struct od_breaker *breaker)
{
    if (breaker->state == OD_BREAKER_HALF_OPEN && breaker->probes_out)
        breaker->probes_out--;
}

static void count(struct od_breaker_tally *tally, enum od_breaker_fact fact)
{
    tally->calls++;
    tally->answered += fact == OD_BREAKER_ANSWERED;
    tally->failed += fact == OD_BREAKER_FAILED;
}

static bool note_probe(struct od_breaker *breaker, const struct od_breaker_rule *rule,
                       uint64_t now_ns, enum od_breaker_fact fact)
{
    if (!breaker->probes_out)
        return false;
    breaker->probes_out--;
    count(&breaker->sum, fact);
    /* With a rule about short calls the last answer must have had the time to prove short. */
    if (fact == OD_BREAKER_ANSWERED && rule->short_max)
        breaker->proven_ns = now_ns + rule->short_ms * OD_NS_PER_MS;
    if (breaker->sum.calls < rule->probes)
        return false;
    if (breaker->proven_ns > now_ns) {
        breaker->until_ns = breaker->proven_ns;
        return false;
    }
    judge(breaker, rule, now_ns);
    return true;
}

bool od_breaker_note(struct od_breaker *breaker, const struct od_breaker_rule *rule,
                     uint64_t now_ns, enum od_breaker_fact fact, bool probe)
{
    if (breaker->state == OD_BREAKER_HALF_OPEN)
        return probe && note_probe(breaker, rule, now_ns, fact);
    if (breaker->state != OD_BREAKER_CLOSED)
        return false; /* it was sent before */
    slide(breaker, rule, now_ns);
    count(&breaker->slices[breaker->slice % OD_BREAKER_SLICES], fact);
    count(&breaker->sum, fact);
    return look(breaker, rule, now_ns);
}

bool od_breaker_short(struct od_breaker *breaker, const struct od_breaker_rule *rule,
                      uint64_t now_ns, uint64_t answered_ns, bool probe)
{
    struct od_breaker_tally *slice;
    uint64_t of = slice_of(rule, answered_ns);

    if (breaker->state == OD_BREAKER_HALF_OPEN && probe) {
        breaker->sum.shorts += breaker->sum.shorts < breaker->sum.answered;
        return false;
    }
    if (breaker->state != OD_BREAKER_CLOSED || answered_ns < breaker->since_ns)
        return false;
    slide(breaker, rule, now_ns);
    slice = &breaker->slices[of % OD_BREAKER_SLICES];
    if (breaker->slice - of >= OD_BREAKER_SLICES || slice->shorts >= slice->answered)
        return false; /* its answer has left the window */
    slice->shorts++;
    breaker->sum.shorts++;
    return look(breaker, rule, now_ns);
}

bool od_breaker_time(struct od_breaker *breaker, const struct od_breaker_rule *rule,
                     uint64_t now_ns)
{
    if (now_ns < od_breaker_when(breaker))
        return false;
    if (breaker->state == OD_BREAKER_HALF_OPEN) {
        judge(breaker, rule, now_ns);
        return true;
    }
    OD_ASSERT(breaker->state == OD_BREAKER_OPEN);
    forget(breaker);
    breaker->state = OD_BREAKER_HALF_OPEN;
    breaker->since_ns = now_ns;
    return true;
}

void od_breaker_reset(struct od_breaker *breaker, uint64_t now_ns)
{
    forget(breaker);
    breaker->state = OD_BREAKER_CLOSED;
    breaker->since_ns = now_ns;
    breaker->wait_ns = 0;
}

uint64_t od_breaker_when(const struct od_breaker *breaker)
{
    return breaker->until_ns ? breaker->until_ns : OD_NEVER;
}
