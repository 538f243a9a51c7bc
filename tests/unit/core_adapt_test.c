/*
 * Goal: a working rate finds a carrier's hidden limit and follows it. Method: the rate's limit
 * against a carrier that counts a rolling second and refuses what is above its limit, which drifts;
 * how much was refused and where the rate stands are looked at over virtual minutes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/rng.h"
#include "engine/core/adapt.h"
#include "engine/core/limit.h"

enum { LOG = 4096, CONFIGURED = 100 };

static struct carrier {
    uint64_t now_ns, rtt_ns;
    uint64_t late_ns;  /* our process wakes up to so much after its turn; 0: at it */
    uint64_t stall_ns; /* and stands still for up to so long, before one send in fifty */
    struct od_rng rng;
    uint64_t taken_ns[LOG];
    uint32_t taken;
    bool sure; /* says why */
    uint32_t invites, refused;
    struct {
        uint64_t sent_ns, at_ns;
        bool refused;
    } answers[LOG];
    uint32_t first, last;
} c;

static bool takes(uint32_t limit)
{
    uint32_t n = 0;

    for (uint32_t i = c.taken; i-- && c.taken - i <= LOG && n < limit;)
        if (c.now_ns - c.taken_ns[i % LOG] < OD_NS_PER_S)
            n++;
        else
            break;
    if (n >= limit)
        return false;
    c.taken_ns[c.taken++ % LOG] = c.now_ns;
    return true;
}

static struct od_shape shape_of(const struct od_adapt *adapt)
{
    uint32_t milli = adapt->working_milli ? adapt->working_milli : CONFIGURED * 1000;

    return (struct od_shape){OD_SHAPE_EVEN, 1, 0, UINT64_C(1000) * OD_NS_PER_S / milli};
}

/* Sends as fast as may be for so long. */
static void go_on(struct od_adapt *adapt, struct od_limit *rate, uint32_t limit, uint64_t for_ns)
{
    uint64_t end_ns = c.now_ns + for_ns;

    c.invites = c.refused = 0;
    while (c.now_ns < end_ns) {
        struct od_shape shape = shape_of(adapt);
        uint64_t when_ns;
        od_limit_set(rate, &shape);
        when_ns = od_limit_when(rate, c.now_ns, 0);
        if (when_ns < adapt->pause_until_ns)
            when_ns = adapt->pause_until_ns;
        if (c.first != c.last && c.answers[c.first % LOG].at_ns <= when_ns) {
            bool refused = c.answers[c.first % LOG].refused;
            uint64_t sent_ns = c.answers[c.first % LOG].sent_ns;
            if (c.answers[c.first % LOG].at_ns > c.now_ns)
                c.now_ns = c.answers[c.first % LOG].at_ns;
            c.first++;
            if (refused)
                od_adapt_refused(adapt, c.now_ns, sent_ns, c.sure, "CPS limit exceeded");
            continue;
        }
        if (when_ns > c.now_ns)
            c.now_ns = when_ns;
        if (c.late_ns)
            c.now_ns += od_rng_below(&c.rng, c.late_ns);
        if (c.stall_ns && od_rng_below(&c.rng, 50) == 0)
            c.now_ns += od_rng_below(&c.rng, c.stall_ns);
        od_limit_charge(rate, c.now_ns);
        od_adapt_sent(adapt, c.now_ns);
        c.answers[c.last % LOG].sent_ns = c.now_ns;
        c.answers[c.last % LOG].at_ns = c.now_ns + c.rtt_ns;
        c.answers[c.last % LOG].refused = !takes(limit);
        c.invites++;
        c.refused += c.answers[c.last++ % LOG].refused;
    }
}

/* The working rate is near the carrier's limit, and so is what the carrier takes. */
static void expect_near(const struct od_adapt *adapt, uint32_t limit, const char *when)
{
    double taken = (c.invites - c.refused) / 10.0;
    double is = adapt->working_milli ? adapt->working_milli / 1000.0 : CONFIGURED;

    print_message("%s: limit %u, rate %.2f, taken %.2f, refused %u of %u\n", when, limit, is, taken,
                  c.refused, c.invites);
    if (is < 0.85 * limit || is > 1.15 * limit || taken < 0.85 * limit)
        fail_msg("%s: the rate is %.2f, %.2f are taken, the limit %u", when, is, taken, limit);
}

struct course {
    uint64_t rtt_ns, late_ns;
    bool sure;
    uint32_t low, high;
};

static void follow_stalling(const struct course *course, uint64_t stall_ns)
{
    struct od_adapt adapt = {0};
    struct od_limit rate;
    uint32_t invites = 0, refused = 0;
    const uint32_t limits[] = {course->low, course->high, course->low};

    memset(&c, 0, sizeof c);
    c.now_ns = 1000 * OD_NS_PER_S;
    c.rtt_ns = course->rtt_ns;
    c.late_ns = course->late_ns;
    c.stall_ns = stall_ns;
    c.rng.state = 1;
    c.sure = course->sure;
    od_limit_init(&rate, NULL);
    rate.trail_ns = OD_ADAPT_TRAIL_NS;
    od_adapt_set(&adapt, true, CONFIGURED * 1000);
    for (int i = 0; i < 3; i++) {
        if (i == 0) /* it has ten seconds to be found */
            go_on(&adapt, &rate, limits[i], 10 * OD_NS_PER_S);
        go_on(&adapt, &rate, limits[i], (i ? 20 : 10) * OD_NS_PER_S);
        invites += c.invites;
        refused += c.refused;
        for (int k = 0; k < 11; k++) { /* it stays there */
            go_on(&adapt, &rate, limits[i], 10 * OD_NS_PER_S);
            expect_near(&adapt, limits[i], k ? "later" : "after 20 s");
            invites += c.invites;
            refused += c.refused;
        }
    }
    if (refused * 100 >= invites * 3)
        fail_msg("%u of %u INVITEs were refused", refused, invites);
}

static void follow(const struct course *course)
{
    follow_stalling(course, 0);
}

static void a_hidden_limit_is_found_and_followed(void **state)
{
    (void)state;
    follow(&(struct course){1 * OD_NS_PER_MS, 0, true, 20, 35});
    follow(&(struct course){50 * OD_NS_PER_MS, 0, true, 20, 35});
    follow(&(struct course){200 * OD_NS_PER_MS, 0, true, 20, 35});
    follow(&(struct course){50 * OD_NS_PER_MS, 0, true, 50, 80});
    follow(&(struct course){50 * OD_NS_PER_MS, 0, true, 5, 8});
}

static void one_that_does_not_say_why_too(void **state)
{
    (void)state;
    follow(&(struct course){50 * OD_NS_PER_MS, 0, false, 20, 35});
}

static void also_by_a_process_that_wakes_late(void **state)
{
    (void)state;
    follow(&(struct course){1 * OD_NS_PER_MS, 4 * OD_NS_PER_MS, true, 20, 35});
    follow(&(struct course){50 * OD_NS_PER_MS, 12 * OD_NS_PER_MS, true, 20, 35});
    follow(&(struct course){50 * OD_NS_PER_MS, 30 * OD_NS_PER_MS, true, 5, 8});
    follow_stalling(&(struct course){5 * OD_NS_PER_MS, 4 * OD_NS_PER_MS, true, 20, 35},
                    150 * OD_NS_PER_MS);
    follow_stalling(&(struct course){50 * OD_NS_PER_MS, 4 * OD_NS_PER_MS, true, 20, 35},
                    150 * OD_NS_PER_MS);
}

/* By a process that stood still while the answer waited for it. */
static void a_refusal_that_is_heard_late_lowers_no_more(void **state)
{
    (void)state;
    for (uint64_t late_ms = 0; late_ms <= 1500; late_ms += 100) {
        struct od_adapt adapt = {0};
        uint64_t now_ns = 1000 * OD_NS_PER_S;
        od_adapt_set(&adapt, true, CONFIGURED * 1000);
        for (int i = 0; i < 60; i++)
            od_adapt_sent(&adapt, now_ns += OD_NS_PER_S / 20);
        assert_true(od_adapt_refused(&adapt, now_ns + late_ms * OD_NS_PER_MS, now_ns, true, ""));
        assert_in_range(adapt.working_milli, 19 * 920, 21 * 920);
    }
}

/* ---- only what is sent shows what is taken ---- */

/* Sends one each gap_ns for a while. Whenever the rate grows, to no more than 1.08 times of what
 * was sent in the second before. */
static void send_for(struct od_adapt *adapt, uint64_t gap_ns, uint64_t jitter_ns, uint64_t for_ns)
{
    uint64_t end_ns = c.now_ns + for_ns;

    while (c.now_ns < end_ns) {
        uint32_t was = adapt->working_milli, sent = 0;
        c.now_ns += gap_ns + (jitter_ns ? od_rng_below(&c.rng, jitter_ns) : 0);
        od_adapt_sent(adapt, c.now_ns);
        c.taken_ns[c.taken++ % LOG] = c.now_ns;
        for (uint32_t i = c.taken; i-- && c.taken - i <= LOG;) {
            if (c.now_ns - c.taken_ns[i % LOG] >= OD_NS_PER_S)
                break;
            sent++;
        }
        if (was && (adapt->working_milli ? adapt->working_milli : CONFIGURED * 1000) > was)
            assert_true(adapt->working_milli <= (sent + 1) * 1080);
    }
}

/* A working rate of 0.92 times as many a second. */
static void lower_to(struct od_adapt *adapt, uint32_t taken)
{
    memset(&c, 0, sizeof c);
    memset(adapt, 0, sizeof *adapt);
    c.now_ns = 1000 * OD_NS_PER_S;
    od_adapt_set(adapt, true, CONFIGURED * 1000);
    send_for(adapt, OD_NS_PER_S / taken, 0, 2 * OD_NS_PER_S);
    c.now_ns += OD_NS_PER_MS;
    od_adapt_sent(adapt, c.now_ns);
    c.taken_ns[c.taken++ % LOG] = c.now_ns;
    assert_true(od_adapt_refused(adapt, c.now_ns, c.now_ns, true, "CPS limit exceeded"));
    assert_in_range(adapt->working_milli, (taken - 1) * 920, (taken + 1) * 920);
}

static void a_rate_that_is_not_used_does_not_grow(void **state)
{
    struct od_adapt adapt;

    (void)state;
    lower_to(&adapt, 20);
    send_for(&adapt, OD_NS_PER_S / 5, 0, 600 * OD_NS_PER_S);
    assert_in_range(adapt.working_milli, 17000, 20000);
    send_for(&adapt, OD_NS_PER_S / 15, 0, 600 * OD_NS_PER_S);
    assert_in_range(adapt.working_milli, 17000, 20000);
    /* With what is sent it grows. */
    send_for(&adapt, OD_NS_PER_S / 30, 0, 600 * OD_NS_PER_S);
    assert_in_range(adapt.working_milli, 33000, 35000);
}

static void it_grows_by_what_is_sent(void **state)
{
    struct od_adapt half, whole;
    uint64_t gap_ns = UINT64_C(1000) * OD_NS_PER_S / 18400;

    (void)state;
    lower_to(&whole, 20);
    send_for(&whole, gap_ns, 0, 3 * OD_NS_PER_S);
    lower_to(&half, 20);
    send_for(&half, 2 * gap_ns, 0, 6 * OD_NS_PER_S);
    assert_true(whole.grown_ns > half.grown_ns - OD_NS_PER_S / 5);
    assert_true(whole.grown_ns < half.grown_ns + OD_NS_PER_S / 5);
}

static void it_never_outgrows_what_is_sent(void **state)
{
    struct od_adapt adapt;

    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        lower_to(&adapt, 20);
        c.rng.state = seed;
        for (int i = 0; i < 20; i++)
            send_for(&adapt, OD_NS_PER_MS + od_rng_below(&c.rng, OD_NS_PER_S / 10),
                     od_rng_below(&c.rng, 2) * od_rng_below(&c.rng, OD_NS_PER_S),
                     od_rng_below(&c.rng, 5 * OD_NS_PER_S));
    }
}

static void no_limit_no_change(void **state)
{
    struct od_adapt adapt = {0};
    struct od_limit rate;

    (void)state;
    memset(&c, 0, sizeof c);
    c.now_ns = 1000 * OD_NS_PER_S;
    od_limit_init(&rate, NULL);
    rate.trail_ns = OD_ADAPT_TRAIL_NS;
    od_adapt_set(&adapt, true, CONFIGURED * 1000);
    go_on(&adapt, &rate, 1000, 60 * OD_NS_PER_S);
    assert_int_equal(adapt.working_milli, 0);
    assert_int_equal(adapt.cut_ns, 0);
    /* One bare 503 is about one call. */
    od_adapt_refused(&adapt, c.now_ns, c.now_ns, false, "");
    assert_int_equal(adapt.working_milli, 0);
    /* The configured rate comes back when the limit is gone. */
    od_adapt_refused(&adapt, c.now_ns, c.now_ns, true, "CPS limit exceeded");
    assert_int_not_equal(adapt.working_milli, 0);
    assert_non_null(strstr(adapt.why, "/s: CPS limit exceeded"));
    go_on(&adapt, &rate, 1000, 60 * OD_NS_PER_S);
    assert_int_equal(adapt.working_milli, 0);
}

static void switched_off_it_holds_nothing_back(void **state)
{
    struct od_adapt adapt = {0};

    (void)state;
    od_adapt_set(&adapt, false, CONFIGURED * 1000);
    for (uint64_t i = 1; i < 100; i++) {
        od_adapt_sent(&adapt, i * OD_NS_PER_MS);
        assert_false(od_adapt_refused(&adapt, i * OD_NS_PER_MS, i * OD_NS_PER_MS, true, ""));
    }
    assert_int_equal(adapt.working_milli, 0);
    assert_int_equal(adapt.refusals, 99);
}

static void phones_that_ring_late_are_an_early_sign(void **state)
{
    struct od_adapt adapt = {0};
    uint64_t now_ns = 1000 * OD_NS_PER_S;
    bool cut = false;

    (void)state;
    od_adapt_set(&adapt, true, CONFIGURED * 1000);
    for (int i = 0; i < 600; i++) {
        now_ns += 20 * OD_NS_PER_MS;
        od_adapt_sent(&adapt, now_ns);
        assert_false(od_adapt_delay(&adapt, now_ns, 800 * OD_NS_PER_MS));
    }
    for (int i = 0; i < 50; i++) {
        now_ns += 20 * OD_NS_PER_MS;
        od_adapt_sent(&adapt, now_ns);
        cut |= od_adapt_delay(&adapt, now_ns, 6000 * OD_NS_PER_MS);
    }
    assert_true(cut);
    assert_in_range(adapt.working_milli, 40000, 50000); /* of 50 a second */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hidden_limit_is_found_and_followed),
        cmocka_unit_test(one_that_does_not_say_why_too),
        cmocka_unit_test(also_by_a_process_that_wakes_late),
        cmocka_unit_test(a_refusal_that_is_heard_late_lowers_no_more),
        cmocka_unit_test(a_rate_that_is_not_used_does_not_grow),
        cmocka_unit_test(it_grows_by_what_is_sent),
        cmocka_unit_test(it_never_outgrows_what_is_sent),
        cmocka_unit_test(no_limit_no_change),
        cmocka_unit_test(switched_off_it_holds_nothing_back),
        cmocka_unit_test(phones_that_ring_late_are_an_early_sign),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
