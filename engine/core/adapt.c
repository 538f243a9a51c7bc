/* adapt - see adapt.h. Rates are in thousandths of a call per second. */
#include "engine/core/adapt.h"

#include <string.h>

#include "engine/base/str.h"

enum {
    MILLI_MIN = 200,      /* a call in five seconds: less tells nothing about the carrier */
    KEEP_PER_MILLE = 920, /* of what was accepted */
    DELAYS_MIN = 16,      /* before a usual delay is known */
    STRIKES = 2,          /* bare 503s within STRIKE_NS that mean "too fast" */
    CALLS_PER_ROUND = 40, /* between two refusals at the limit: 2.5 % of the INVITEs */
    USED_PER_MILLE =
        1080, /* a rate grows to so much of what was sent in the last second, no more */
};
#define SLICE_NS (OD_NS_PER_S / OD_ADAPT_PER_S)
#define STRIKE_NS (5 * OD_NS_PER_S)

/* A carrier counts over a second, so what follows a cut within one is still its echo. */
#define ECHO_NS OD_NS_PER_S

/*
 * Growth: rate = level * (1 + C * (t - K)^3), C = 4e-4 / s^3, K = cbrt((1 - KEEP) / C) = 5.85 s.
 * So a carrier at its limit is asked too much about every eight seconds, and one whose limit has
 * risen by three quarters is followed within 18 s.
 */
#define K_MS INT64_C(5850)
#define C_NUMERATOR INT64_C(4)
#define C_DENOMINATOR INT64_C(10000)
#define GROWN_NS_MAX (60 * OD_NS_PER_S)

#define SLOWER_NS (500 * OD_NS_PER_MS) /* and twice the usual: the delay has risen */
#define SLOWER_AGAIN_NS (5 * OD_NS_PER_S)

void od_adapt_set(struct od_adapt *adapt, bool on, uint32_t most_milli)
{
    adapt->on = on;
    adapt->most_milli = most_milli;
    if (!on || (most_milli && adapt->working_milli >= most_milli))
        adapt->working_milli = 0;
    if (!on)
        adapt->pause_until_ns = 0;
}

/* ---- the last seconds ---- */

static void turn_to(struct od_adapt *adapt, uint64_t now_ns)
{
    uint64_t slice = now_ns / SLICE_NS, steps = slice - adapt->slice;

    if (steps > OD_ADAPT_SLICES)
        steps = OD_ADAPT_SLICES;
    for (uint64_t i = 0; i < steps; i++) {
        size_t at = (size_t)((slice - i) % OD_ADAPT_SLICES);
        adapt->sent[at] = adapt->refused[at] = 0;
    }
    adapt->slice = slice;
}

/* In the second that ends with that slice. */
static uint32_t sum_of(const struct od_adapt *adapt, const uint16_t counts[OD_ADAPT_SLICES],
                       uint64_t slice)
{
    uint32_t sum = 0;

    for (uint64_t i = 0; i < OD_ADAPT_PER_S && adapt->slice - slice + i < OD_ADAPT_SLICES; i++)
        sum += counts[(slice - i) % OD_ADAPT_SLICES];
    return sum;
}

static uint32_t sent_milli(const struct od_adapt *adapt)
{
    /* One more: the oldest slice has left a moment early. */
    return (sum_of(adapt, adapt->sent, adapt->slice) + 1) * 1000;
}

/* In the second up to at_ns. A refusal speaks of the second before what it refuses was sent: heard
 * late, by a process that stood still meanwhile, it would seem that little was accepted. */
static uint32_t accepted_milli(const struct od_adapt *adapt, uint64_t at_ns)
{
    uint64_t slice = at_ns / SLICE_NS;
    uint32_t sent, refused;

    if (adapt->slice - slice > OD_ADAPT_SLICES - OD_ADAPT_PER_S)
        slice = adapt->slice; /* too long ago to know */
    sent = sum_of(adapt, adapt->sent, slice);
    refused = sum_of(adapt, adapt->refused, slice);
    /* And one: what was accepted in a second is told in whole calls. */
    return sent > refused ? (sent - refused + 1) * 1000 : 0;
}

/* ---- growth ---- */

/* Low rates need longer for as many calls: time is stretched for them. */
static uint64_t stretched(const struct od_adapt *adapt, uint64_t ns)
{
    uint64_t round_ms = CALLS_PER_ROUND * UINT64_C(1000000) / adapt->level_milli;

    return round_ms > (uint64_t)K_MS ? ns / round_ms * (uint64_t)K_MS : ns;
}

static uint32_t grown_milli(const struct od_adapt *adapt)
{
    int64_t t_ms = (int64_t)(stretched(adapt, adapt->grown_ns) / OD_NS_PER_MS) - K_MS;
    int64_t fine = t_ms * t_ms / 1000 * t_ms / 1000; /* in s^3 / 1000 */
    int64_t level = adapt->level_milli;
    int64_t milli = level + level * C_NUMERATOR * fine / 1000 / C_DENOMINATOR;

    return milli < MILLI_MIN ? MILLI_MIN : milli > UINT32_MAX ? UINT32_MAX : (uint32_t)milli;
}

static void grow(struct od_adapt *adapt)
{
    uint32_t milli = grown_milli(adapt);
    uint64_t shown_milli = (uint64_t)sent_milli(adapt) * USED_PER_MILLE / 1000;

    if (milli > shown_milli)
        milli = (uint32_t)shown_milli;
    if (milli <= adapt->working_milli)
        return;
    adapt->working_milli = milli;
    if (adapt->most_milli && milli >= adapt->most_milli)
        adapt->working_milli = 0;
}

static bool slower(const struct od_adapt *adapt)
{
    return adapt->delays >= DELAYS_MIN && adapt->delay_ns > 2 * adapt->usual_ns + SLOWER_NS;
}

void od_adapt_sent(struct od_adapt *adapt, uint64_t now_ns)
{
    uint64_t passed_ns = now_ns - adapt->last_ns, gap_ns;

    if (!adapt->on)
        return;
    turn_to(adapt, now_ns);
    if (adapt->sent[adapt->slice % OD_ADAPT_SLICES] < UINT16_MAX)
        adapt->sent[adapt->slice % OD_ADAPT_SLICES]++;
    adapt->last_ns = now_ns;
    if (!adapt->working_milli || slower(adapt))
        return;
    /* Only what is used shows that it is taken: a send is worth the time it has at this rate. */
    gap_ns = UINT64_C(1000) * OD_NS_PER_S / adapt->working_milli;
    adapt->grown_ns += passed_ns < gap_ns ? passed_ns : gap_ns;
    if (adapt->grown_ns > GROWN_NS_MAX)
        adapt->grown_ns = GROWN_NS_MAX;
    grow(adapt);
}

/* ---- cuts ---- */

static void put_rate(struct od_buf *buf, uint32_t milli)
{
    od_buf_u64(buf, milli / 1000);
    od_buf_char(buf, '.');
    od_buf_u64(buf, milli % 1000 / 100);
}

static void explain(struct od_adapt *adapt, const char *reason)
{
    struct od_buf buf;

    od_buf_init(&buf, adapt->why, sizeof adapt->why);
    put_rate(&buf, adapt->working_milli);
    od_buf_str(&buf, "/s: ");
    od_buf_str(&buf, reason);
}

static void cut(struct od_adapt *adapt, uint64_t now_ns, uint32_t level_milli, const char *reason)
{
    uint32_t was = adapt->working_milli ? adapt->working_milli : adapt->most_milli;
    uint64_t pause_ns = 0;

    if (was && level_milli > was)
        level_milli = was;
    if (level_milli < MILLI_MIN)
        level_milli = MILLI_MIN;
    adapt->level_milli = level_milli;
    adapt->working_milli = (uint32_t)((uint64_t)level_milli * KEEP_PER_MILLE / 1000);
    if (adapt->working_milli < MILLI_MIN)
        adapt->working_milli = MILLI_MIN;
    adapt->grown_ns = 0;
    adapt->cut_ns = now_ns;
    /* What was sent too fast fills the carrier's window for the rest of its second. */
    if (was > level_milli)
        pause_ns = ECHO_NS * (was - level_milli) / was;
    adapt->pause_until_ns = now_ns + pause_ns;
    explain(adapt, reason);
}

/* A bare 503 may be about this one call: only several are about the rate. */
static bool struck(struct od_adapt *adapt, uint64_t now_ns)
{
    if (now_ns - adapt->strike_ns > STRIKE_NS)
        adapt->strikes = 0;
    adapt->strike_ns = now_ns;
    return ++adapt->strikes >= STRIKES;
}

bool od_adapt_refused(struct od_adapt *adapt, uint64_t now_ns, uint64_t sent_ns, bool sure,
                      const char *reason)
{
    size_t at = (size_t)(sent_ns / SLICE_NS % OD_ADAPT_SLICES);

    adapt->refusals++;
    if (!adapt->on)
        return false;
    turn_to(adapt, now_ns);
    if (adapt->slice - sent_ns / SLICE_NS < OD_ADAPT_SLICES && adapt->refused[at] < UINT16_MAX)
        adapt->refused[at]++;
    if (!sure && !struck(adapt, now_ns))
        return false;
    if (adapt->cut_ns && sent_ns <= adapt->cut_ns)
        return false; /* it left before the cut */
    if (adapt->cut_ns && now_ns - adapt->cut_ns < ECHO_NS) {
        uint64_t pause_ns = 2 * (UINT64_C(1000) * OD_NS_PER_S / (adapt->working_milli + 1));
        if (pause_ns > ECHO_NS)
            pause_ns = ECHO_NS;
        if (adapt->working_milli && adapt->pause_until_ns < now_ns + pause_ns)
            adapt->pause_until_ns = now_ns + pause_ns;
        return false;
    }
    cut(adapt, now_ns, accepted_milli(adapt, sent_ns), reason);
    return true;
}

bool od_adapt_delay(struct od_adapt *adapt, uint64_t now_ns, uint64_t delay_ns)
{
    uint32_t level;

    if (!adapt->delays++)
        adapt->delay_ns = adapt->usual_ns = delay_ns;
    adapt->delay_ns = adapt->delay_ns - adapt->delay_ns / 8 + delay_ns / 8;
    adapt->usual_ns = adapt->usual_ns - adapt->usual_ns / 64 + delay_ns / 64;
    if (!adapt->on || !slower(adapt) || now_ns - adapt->cut_ns < SLOWER_AGAIN_NS)
        return false;
    turn_to(adapt, now_ns);
    level = accepted_milli(adapt, now_ns);
    if (level < 2000)
        return false; /* hardly anything is sent: the delay is not of our making */
    cut(adapt, now_ns, level, "phones ring later and later");
    adapt->pause_until_ns = now_ns;
    return true;
}
