/*
 * Goal: a breaker opens when a share of enough calls is beyond its rule and never before, lets
 * exactly its probes through, and closes or opens again by them. Method: the boundaries of each
 * share one call at a time, every fact in every state, and random streams against a count of all
 * calls that is kept by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/rng.h"
#include "engine/core/breaker.h"

#define S OD_NS_PER_S

static const struct od_breaker_rule plain = {
    .axis = OD_BREAKER_TRUNK,
    .calls_min = 10,
    .window_ms = 60000,
    .wait_ms = 30000,
    .wait_ms_max = 120000,
    .probes = 3,
};

static struct od_breaker breaker;
static uint64_t now_ns;

static struct od_breaker_rule rule_with(uint16_t answered_min, uint16_t short_max,
                                        uint16_t failed_max)
{
    struct od_breaker_rule rule = plain;

    rule.answered_min = answered_min;
    rule.short_max = short_max;
    rule.short_ms = 6000;
    rule.failed_max = failed_max;
    assert_true(od_breaker_rule_valid(&rule));
    return rule;
}

static void fresh(void)
{
    now_ns = 1000 * S;
    od_breaker_init(&breaker, now_ns);
}

static bool note(const struct od_breaker_rule *rule, enum od_breaker_fact fact)
{
    bool probe = breaker.state == OD_BREAKER_HALF_OPEN;

    if (probe) {
        assert_int_not_equal(od_breaker_free(&breaker, rule), 0);
        od_breaker_probe(&breaker);
    }
    return od_breaker_note(&breaker, rule, now_ns, fact, probe);
}

static void notes(const struct od_breaker_rule *rule, enum od_breaker_fact fact, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        note(rule, fact);
}

/* Lets time pass as the breaker asks for it. */
static void pass(const struct od_breaker_rule *rule, uint64_t ns)
{
    uint64_t end_ns = now_ns + ns;

    while (od_breaker_when(&breaker) <= end_ns) {
        if (od_breaker_when(&breaker) > now_ns)
            now_ns = od_breaker_when(&breaker);
        assert_true(od_breaker_time(&breaker, rule, now_ns));
    }
    now_ns = end_ns;
}

static void each_share_has_its_boundary(void **state)
{
    struct od_breaker_rule rule;

    (void)state;
    /* 5 of 10 is not more than half, 6 of 11 is */
    rule = rule_with(0, 0, 500);
    fresh();
    notes(&rule, OD_BREAKER_ANSWERED, 5);
    notes(&rule, OD_BREAKER_FAILED, 5);
    assert_int_equal(breaker.state, OD_BREAKER_CLOSED);
    assert_true(note(&rule, OD_BREAKER_FAILED));
    assert_int_equal(breaker.state, OD_BREAKER_OPEN);
    assert_string_equal(breaker.reason, "failed 54.5% of 11, at most 50.0%");

    /* 2 of 10 is as many as are wanted, 2 of 11 is not */
    rule = rule_with(200, 0, 0);
    fresh();
    notes(&rule, OD_BREAKER_ANSWERED, 2);
    notes(&rule, OD_BREAKER_REFUSED, 8);
    assert_int_equal(breaker.state, OD_BREAKER_CLOSED);
    assert_true(note(&rule, OD_BREAKER_REFUSED));
    assert_string_equal(breaker.reason, "answered 18.1% of 11, at least 20.0%");

    /* of 10 answered 4 short ones are as many as may be */
    rule = rule_with(0, 400, 0);
    fresh();
    notes(&rule, OD_BREAKER_ANSWERED, 10);
    notes(&rule, OD_BREAKER_REFUSED, 50); /* no part of it */
    for (int i = 0; i < 4; i++)
        assert_false(od_breaker_short(&breaker, &rule, now_ns + S, now_ns, false));
    assert_true(od_breaker_short(&breaker, &rule, now_ns + S, now_ns, false));
    assert_string_equal(breaker.reason, "short 50.0% of 10, at most 40.0%");
}

static void a_trunks_faults_are_not_held_against_people(void **state)
{
    static const uint8_t axes[] = {OD_BREAKER_TRUNK, OD_BREAKER_PREFIX, OD_BREAKER_CALLER,
                                   OD_BREAKER_CAMPAIGN};

    (void)state;
    for (size_t i = 0; i < sizeof axes; i++) {
        struct od_breaker_rule rule = rule_with(500, 0, 0);
        rule.axis = axes[i];
        rule.digits = 4;
        fresh();
        notes(&rule, OD_BREAKER_ANSWERED, 8);
        notes(&rule, OD_BREAKER_FAILED, 20);
        assert_int_equal(breaker.state, i < 2 ? OD_BREAKER_OPEN : OD_BREAKER_CLOSED);
        if (i < 2)
            continue;
        notes(&rule, OD_BREAKER_REFUSED, 9); /* 8 of 17 */
        assert_int_equal(breaker.state, OD_BREAKER_OPEN);
    }
}

static void below_the_sample_nothing_opens(void **state)
{
    struct od_breaker_rule rule = rule_with(500, 100, 100);

    (void)state;
    fresh();
    notes(&rule, OD_BREAKER_FAILED, 9);
    assert_int_equal(breaker.state, OD_BREAKER_CLOSED);
    pass(&rule, 61 * S); /* they leave the window */
    notes(&rule, OD_BREAKER_FAILED, 9);
    assert_int_equal(breaker.state, OD_BREAKER_CLOSED);
    assert_true(note(&rule, OD_BREAKER_FAILED));

    fresh(); /* nine short ones of nine, and hundreds that nobody answered */
    rule = rule_with(0, 100, 0);
    notes(&rule, OD_BREAKER_ANSWERED, 9);
    notes(&rule, OD_BREAKER_REFUSED, 500);
    for (int i = 0; i < 9; i++)
        assert_false(od_breaker_short(&breaker, &rule, now_ns, now_ns, false));
}

static void what_is_old_leaves_the_window_in_slices(void **state)
{
    struct od_breaker_rule rule = rule_with(0, 0, 500);

    (void)state;
    fresh();
    notes(&rule, OD_BREAKER_FAILED, 5);
    pass(&rule, 30 * S);
    notes(&rule, OD_BREAKER_ANSWERED, 4);
    assert_int_equal(od_breaker_tally(&breaker, &rule, now_ns).failed, 5);
    pass(&rule, 24 * S); /* 54 s: within 11/12 of the window for certain */
    assert_int_equal(od_breaker_tally(&breaker, &rule, now_ns).failed, 5);
    pass(&rule, 6 * S);
    assert_int_equal(od_breaker_tally(&breaker, &rule, now_ns).failed, 0);
    assert_int_equal(od_breaker_tally(&breaker, &rule, now_ns).answered, 4);
    pass(&rule, 30 * S);
    assert_int_equal(od_breaker_tally(&breaker, &rule, now_ns).calls, 0);
}

static void a_short_call_counts_where_its_answer_did(void **state)
{
    struct od_breaker_rule rule = rule_with(0, 400, 0);
    uint64_t answered_ns;

    (void)state;
    fresh();
    answered_ns = now_ns;
    notes(&rule, OD_BREAKER_ANSWERED, 1);
    pass(&rule, 61 * S);
    assert_false(od_breaker_short(&breaker, &rule, now_ns, answered_ns, false));
    assert_int_equal(od_breaker_tally(&breaker, &rule, now_ns).shorts, 0);
}

static void its_wait_grows_and_is_forgotten(void **state)
{
    struct od_breaker_rule rule = rule_with(0, 0, 500);
    static const unsigned waits_s[] = {30, 60, 120, 120};

    (void)state;
    fresh();
    notes(&rule, OD_BREAKER_FAILED, 10);
    for (size_t i = 0; i < sizeof waits_s / sizeof *waits_s; i++) {
        assert_int_equal(breaker.state, OD_BREAKER_OPEN);
        assert_int_equal(od_breaker_free(&breaker, &rule), 0);
        pass(&rule, waits_s[i] * S - 1);
        assert_int_equal(breaker.state, OD_BREAKER_OPEN);
        pass(&rule, 1);
        assert_int_equal(breaker.state, OD_BREAKER_HALF_OPEN);
        notes(&rule, OD_BREAKER_FAILED, 3);
    }
    pass(&rule, 120 * S);
    notes(&rule, OD_BREAKER_ANSWERED, 3);
    assert_int_equal(breaker.state, OD_BREAKER_CLOSED);
    assert_int_equal(od_breaker_free(&breaker, &rule), UINT32_MAX);
    pass(&rule, 59 * S); /* soon again */
    notes(&rule, OD_BREAKER_FAILED, 10);
    assert_int_equal(od_breaker_when(&breaker), now_ns + 120 * S);
    pass(&rule, 120 * S);
    notes(&rule, OD_BREAKER_ANSWERED, 3);
    pass(&rule, 60 * S); /* not so soon */
    notes(&rule, OD_BREAKER_FAILED, 10);
    assert_int_equal(od_breaker_when(&breaker), now_ns + 30 * S);
}

static void probes_decide_together(void **state)
{
    struct od_breaker_rule rule = rule_with(300, 0, 0);

    (void)state;
    fresh();
    notes(&rule, OD_BREAKER_REFUSED, 10);
    pass(&rule, 30 * S);
    for (uint32_t left = 3; left--;) { /* all at once */
        assert_int_equal(od_breaker_free(&breaker, &rule), left + 1);
        od_breaker_probe(&breaker);
    }
    assert_int_equal(od_breaker_free(&breaker, &rule), 0);
    od_breaker_note(&breaker, &rule, now_ns, OD_BREAKER_FAILED, false); /* sent before it opened */
    od_breaker_probe_void(&breaker); /* of one nothing will be known */
    assert_int_equal(od_breaker_free(&breaker, &rule), 1);
    od_breaker_probe(&breaker);
    assert_false(od_breaker_note(&breaker, &rule, now_ns, OD_BREAKER_REFUSED, true));
    assert_false(od_breaker_note(&breaker, &rule, now_ns, OD_BREAKER_REFUSED, true));
    assert_int_equal(od_breaker_free(&breaker, &rule), 0);
    assert_true(od_breaker_note(&breaker, &rule, now_ns, OD_BREAKER_ANSWERED, true));
    assert_int_equal(breaker.state, OD_BREAKER_CLOSED); /* 1 of 3 */
}

static void an_answered_probe_must_prove_long(void **state)
{
    struct od_breaker_rule rule = rule_with(0, 400, 0);
    uint64_t answered_ns;

    (void)state;
    for (int shorts = 0; shorts <= 2; shorts++) {
        fresh();
        notes(&rule, OD_BREAKER_ANSWERED, 10);
        for (int i = 0; i < 5; i++)
            od_breaker_short(&breaker, &rule, now_ns, now_ns, false);
        assert_int_equal(breaker.state, OD_BREAKER_OPEN);
        pass(&rule, 30 * S);
        answered_ns = now_ns;
        notes(&rule, OD_BREAKER_ANSWERED, 3);
        assert_int_equal(breaker.state, OD_BREAKER_HALF_OPEN); /* they all talk */
        assert_int_equal(od_breaker_when(&breaker), now_ns + 6 * S);
        for (int i = 0; i < shorts; i++)
            od_breaker_short(&breaker, &rule, now_ns + S, answered_ns, true);
        pass(&rule, 6 * S);
        /* 1 of 3 may be short, 2 of 3 may not */
        assert_int_equal(breaker.state, shorts < 2 ? OD_BREAKER_CLOSED : OD_BREAKER_OPEN);
    }
}

/* What each fact does in each state, probe or not. */
static void facts_in_each_state(void **state)
{
    struct od_breaker_rule rule = rule_with(0, 0, 500);
    static const uint8_t after[OD_BREAKER_STATE_COUNT][2][3] = {
        /* [state][probe][fact], of a breaker that the next failure trips, with one probe to come */
        [OD_BREAKER_CLOSED] = {{OD_BREAKER_CLOSED, OD_BREAKER_CLOSED, OD_BREAKER_OPEN},
                               {OD_BREAKER_CLOSED, OD_BREAKER_CLOSED, OD_BREAKER_OPEN}},
        [OD_BREAKER_HALF_OPEN] = {{OD_BREAKER_HALF_OPEN, OD_BREAKER_HALF_OPEN,
                                   OD_BREAKER_HALF_OPEN},
                                  {OD_BREAKER_CLOSED, OD_BREAKER_CLOSED, OD_BREAKER_OPEN}},
        [OD_BREAKER_OPEN] = {{OD_BREAKER_OPEN, OD_BREAKER_OPEN, OD_BREAKER_OPEN},
                             {OD_BREAKER_OPEN, OD_BREAKER_OPEN, OD_BREAKER_OPEN}},
    };

    (void)state;
    rule.probes = 1;
    for (unsigned from = 0; from < OD_BREAKER_STATE_COUNT; from++)
        for (unsigned probe = 0; probe < 2; probe++)
            for (unsigned fact = 0; fact < 3; fact++) {
                fresh();
                if (from == OD_BREAKER_CLOSED)
                    notes(&rule, OD_BREAKER_ANSWERED, 4);
                notes(&rule, OD_BREAKER_FAILED, from == OD_BREAKER_CLOSED ? 5 : 10);
                if (from == OD_BREAKER_HALF_OPEN) {
                    pass(&rule, 30 * S);
                    od_breaker_probe(&breaker);
                }
                assert_int_equal(breaker.state, from);
                od_breaker_note(&breaker, &rule, now_ns, fact, probe);
                assert_int_equal(breaker.state, after[from][probe][fact]);
            }
}

static void rules_out_of_range(void **state)
{
    struct od_breaker_rule good = rule_with(100, 100, 100), bad;

    (void)state;
#define BAD(change)                                                                                \
    bad = good;                                                                                    \
    bad.change;                                                                                    \
    assert_false(od_breaker_rule_valid(&bad))
    BAD(axis = OD_BREAKER_AXIS_COUNT);
    BAD(answered_min = 1001);
    BAD(short_max = 1001);
    BAD(failed_max = 1001);
    BAD(short_ms = 0);
    BAD(short_ms = 60001);
    BAD(calls_min = 0);
    BAD(calls_min = 1000001);
    BAD(window_ms = 999);
    BAD(window_ms = 86400001);
    BAD(wait_ms = 0);
    BAD(wait_ms_max = 29999);
    BAD(wait_ms_max = 86400001);
    BAD(probes = 0);
    BAD(probes = 1001);
    BAD(axis = OD_BREAKER_PREFIX); /* of no digits */
    bad.digits = OD_BREAKER_DIGITS_MAX + 1;
    assert_false(od_breaker_rule_valid(&bad));
    bad.digits = OD_BREAKER_DIGITS_MAX;
    assert_true(od_breaker_rule_valid(&bad));
    bad = good;
    bad.answered_min = bad.short_max = bad.failed_max = 0;
    assert_false(od_breaker_rule_valid(&bad));
}

/* ---- random streams ---- */

enum { STREAM = 4000 };

static struct {
    uint64_t at_ns[STREAM];
    uint8_t fact[STREAM];
    uint32_t count, from;
} all;

/* What the window holds at least and at most, counted one by one: the last 11/12 of it for certain.
 */
static void counted(const struct od_breaker_rule *rule, uint64_t span_ns,
                    struct od_breaker_tally *out)
{
    (void)rule;
    *out = (struct od_breaker_tally){0};
    for (uint32_t i = all.count; i-- > all.from;) {
        if (now_ns - all.at_ns[i] >= span_ns)
            break;
        out->calls++;
        out->answered += all.fact[i] == OD_BREAKER_ANSWERED;
        out->failed += all.fact[i] == OD_BREAKER_FAILED;
    }
}

static void random_streams(void **state)
{
    uint32_t ever = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct od_rng rng = {seed};
        struct od_breaker_rule rule = rule_with(0, 0, (uint16_t)(1 + od_rng_below(&rng, 900)));
        uint32_t bad = (uint32_t)od_rng_below(&rng, 1001), opened = 0, let = 0, out = 0;
        rule.calls_min = 1 + (uint32_t)od_rng_below(&rng, 60);
        rule.probes = (uint16_t)(1 + od_rng_below(&rng, 9));
        rule.window_ms = 1000 + (uint32_t)od_rng_below(&rng, 120000);
        rule.short_max = 0;
        fresh();
        all.count = all.from = 0;
        while (all.count < STREAM) {
            struct od_breaker_tally least, most;
            enum od_breaker_fact fact = od_rng_below(&rng, 1000) < bad ? OD_BREAKER_FAILED
                                        : od_rng_below(&rng, 2)        ? OD_BREAKER_ANSWERED
                                                                       : OD_BREAKER_REFUSED;
            bool changed;
            uint8_t was = breaker.state;
            if (od_rng_below(&rng, 200) == 0)
                bad = (uint32_t)od_rng_below(&rng, 1001);
            pass(&rule, od_rng_below(&rng, rule.window_ms / 10) * OD_NS_PER_MS);
            if (breaker.state != was) {
                assert_int_equal(was, OD_BREAKER_OPEN); /* time alone moves no other */
                let = out = 0;
            }
            if (breaker.state == OD_BREAKER_OPEN) {
                assert_int_equal(od_breaker_free(&breaker, &rule), 0);
                pass(&rule, 1 * S);
                if (breaker.state == OD_BREAKER_HALF_OPEN)
                    let = out = 0;
                all.count++; /* bounds the stream */
                all.at_ns[all.count - 1] = now_ns;
                all.fact[all.count - 1] = OD_BREAKER_REFUSED;
                all.from = all.count;
                continue;
            }
            if (breaker.state == OD_BREAKER_HALF_OPEN) {
                /* as many as are free, some of which come to nothing */
                while (od_breaker_free(&breaker, &rule)) {
                    od_breaker_probe(&breaker);
                    let++, out++;
                    assert_true(let <= rule.probes);
                }
                assert_int_equal(let, rule.probes);
                if (od_rng_below(&rng, 4) == 0) {
                    od_breaker_probe_void(&breaker);
                    let--, out--;
                    continue;
                }
            }
            all.at_ns[all.count] = now_ns;
            all.fact[all.count++] = (uint8_t)fact;
            was = breaker.state;
            changed = od_breaker_note(&breaker, &rule, now_ns, fact, was == OD_BREAKER_HALF_OPEN);
            if (was == OD_BREAKER_HALF_OPEN) {
                assert_int_equal(changed, --out == 0); /* the last of them decides, at once */
                if (changed)
                    all.from = all.count;
                continue;
            }
            counted(&rule,
                    rule.window_ms * OD_NS_PER_MS / OD_BREAKER_SLICES * (OD_BREAKER_SLICES - 1),
                    &least);
            counted(&rule, rule.window_ms * OD_NS_PER_MS, &most);
            if (changed) { /* never below the sample, never within the rule */
                assert_true(most.calls >= rule.calls_min);
                assert_true((uint64_t)most.failed * 1000 > (uint64_t)rule.failed_max * least.calls);
                opened++;
                all.from = all.count;
            } else { /* always beyond it */
                assert_false(least.calls >= rule.calls_min && most.calls == least.calls &&
                             (uint64_t)least.failed * 1000 >
                                 (uint64_t)rule.failed_max * least.calls);
            }
            assert_int_equal(breaker.state, changed ? OD_BREAKER_OPEN : OD_BREAKER_CLOSED);
        }
        ever += opened;
    }
    assert_true(ever > 1000); /* or nothing was seen */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_share_has_its_boundary),
        cmocka_unit_test(a_trunks_faults_are_not_held_against_people),
        cmocka_unit_test(below_the_sample_nothing_opens),
        cmocka_unit_test(what_is_old_leaves_the_window_in_slices),
        cmocka_unit_test(a_short_call_counts_where_its_answer_did),
        cmocka_unit_test(its_wait_grows_and_is_forgotten),
        cmocka_unit_test(probes_decide_together),
        cmocka_unit_test(an_answered_probe_must_prove_long),
        cmocka_unit_test(facts_in_each_state),
        cmocka_unit_test(rules_out_of_range),
        cmocka_unit_test(random_streams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
