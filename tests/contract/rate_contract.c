/* rate_contract - see the header. */
#include "tests/contract/rate_contract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    MS = 1000,
    INTERVAL_US = 20 * MS,
    PAUSE_US = 1025 * MS,
    ROUND_US = 100 * MS,
    ALL_MAX = 4096
};
/* A process that wants nothing for so long has no part in what is given away; one that isn't seen
 * for so long isn't there. (share.lua: FRESH, ALIVE.) */
enum { FRESH_US = 700 * MS, ALIVE_US = 1600 * MS, AHEAD_US = 400 * MS, SOLE_US = 1000 * MS };

struct slot {
    uint64_t at_us, slack_us;
    int process;
};

static struct {
    struct rate_world *world;
    struct slot all[ALL_MAX];
    uint32_t count;
    struct rate_answer answer;
} r;

static int setup(void **state)
{
    memset(&r, 0, sizeof r);
    r.world = *state = rate_world_make();
    return r.world ? 0 : -1;
}

static int teardown(void **state)
{
    rate_world_end(*state);
    return 0;
}

static uint64_t now_us(void)
{
    return r.world->now_us(r.world->ctx);
}

static void pass(uint64_t us)
{
    r.world->pass(r.world->ctx, us);
}

/* What the process hears is kept with what was heard before. */
static const struct rate_answer *ask_at(int process, uint32_t want, enum od_rate_sole sole,
                                        uint64_t interval_us)
{
    struct od_rate_ask ask = {.want = want,
                              .interval_ns = interval_us * 1000,
                              .late_ns = UINT64_C(200) * MS * 1000,
                              .pause_ns = UINT64_C(1000) * PAUSE_US,
                              .sole = (uint8_t)sole};
    r.world->ask(r.world->ctx, process, &ask, &r.answer);
    for (uint32_t i = 0; i < r.answer.count; i++) {
        assert_true(r.count < ALL_MAX);
        assert_true(!i || r.answer.slots[i] > r.answer.slots[i - 1]);
        r.all[r.count++] = (struct slot){r.answer.slots[i], r.answer.slack_us, process};
    }
    return &r.answer;
}

static const struct rate_answer *ask(int process, uint32_t want, enum od_rate_sole sole)
{
    return ask_at(process, want, sole, INTERVAL_US);
}

static int by_time(const void *a, const void *b)
{
    const struct slot *x = a, *y = b;
    return x->at_us < y->at_us ? -1 : x->at_us > y->at_us;
}

/* Whoever has them. */
static void expect_apart(uint64_t interval_us)
{
    qsort(r.all, r.count, sizeof *r.all, by_time);
    for (uint32_t i = 1; i < r.count; i++) {
        uint64_t slack_us = r.all[i].slack_us + r.all[i - 1].slack_us;
        if (r.all[i].at_us - r.all[i - 1].at_us + slack_us < interval_us)
            fail_msg("slots of %d and %d are %llu us apart (known to %llu)", r.all[i - 1].process,
                     r.all[i].process, (unsigned long long)(r.all[i].at_us - r.all[i - 1].at_us),
                     (unsigned long long)slack_us);
    }
}

static uint32_t of(int process, uint64_t from_us)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < r.count; i++)
        n += r.all[i].process == process && r.all[i].at_us >= from_us;
    return n;
}

/* Each wants so many, in turn, for so many rounds. */
static void rounds(int count, const uint32_t want[RATE_PROCESSES])
{
    for (int i = 0; i < count; i++) {
        for (int p = 0; p < RATE_PROCESSES; p++)
            if (want[p] != UINT32_MAX)
                ask(p, want[p], false);
        pass(ROUND_US);
    }
}

static void slots_are_apart_and_shared(void **state)
{
    (void)state;
    rounds(15, (const uint32_t[]){20, 20, 20});
    expect_apart(INTERVAL_US);
    assert_true(r.count > 20);
    for (int p = 0; p < RATE_PROCESSES; p++) /* in turn: nobody is far behind */
        assert_true(of(p, 0) * 2 * RATE_PROCESSES > r.count);
}

static void nothing_is_given_that_is_not_wanted(void **state)
{
    (void)state;
    rounds(5, (const uint32_t[]){0, 0, 0});
    assert_int_equal(r.count, 0);
    rounds(15, (const uint32_t[]){1, 20, 0});
    expect_apart(INTERVAL_US);
    assert_int_equal(of(2, 0), 0);
    assert_true(of(0, 0) >= 1 && of(0, 0) <= 15); /* one each time it asked, at most */
    assert_true(of(1, 0) > of(0, 0));
}

static void one_alone_has_all_of_it(void **state)
{
    uint64_t asked_us = now_us();
    const struct rate_answer *answer = ask(0, 20, true);
    uint64_t until_us = answer->sole_us, slack_us = answer->slack_us;

    (void)state;
    assert_int_equal(answer->count, 0);
    assert_true(until_us > asked_us && until_us <= now_us() + SOLE_US);
    /* Another gets nothing before that is over and its pause, nor does the first get more. */
    for (int i = 0; i < 30 && !of(1, 0); i++) {
        ask(1, 5, true);
        assert_int_equal(r.answer.sole_us, 0);
        assert_true(ask(0, 5, true)->sole_us <= until_us + slack_us);
        pass(ROUND_US);
    }
    assert_true(of(1, 0));
    for (uint32_t i = 0; i < r.count; i++)
        assert_true(r.all[i].at_us + r.all[i].slack_us >= until_us + PAUSE_US - MS);
    expect_apart(INTERVAL_US);
}

static void nobody_is_alone_beside_others(void **state)
{
    (void)state;
    ask(1, 5, false);
    assert_int_equal(ask(0, 5, true)->sole_us, 0);
    pass(ROUND_US);
    ask(1, 0, true); /* it wants nothing, and is there */
    assert_int_equal(ask(0, 5, true)->sole_us, 0);
    /* Gone it is when it was not seen for a while, and its slots are long past. */
    pass(ALIVE_US + AHEAD_US + PAUSE_US + ROUND_US);
    assert_true(ask(0, 5, true)->sole_us > now_us());
}

static void the_dead_have_no_part(void **state)
{
    uint64_t died_us;

    (void)state;
    rounds(5, (const uint32_t[]){20, 20, 20});
    died_us = now_us();
    rounds(25, (const uint32_t[]){20, 20, UINT32_MAX});
    expect_apart(INTERVAL_US);
    assert_int_equal(of(2, died_us + FRESH_US + AHEAD_US), 0);
    assert_true(of(0, died_us + FRESH_US + AHEAD_US) && of(1, died_us + FRESH_US + AHEAD_US));
}

static void a_whole_rate_goes_from_one_to_another(void **state)
{
    uint64_t until_us, slack_us;

    (void)state;
    assert_int_equal(ask(1, 0, OD_RATE_SOLE_ALWAYS)->sole_us, 0); /* it wants nothing */
    until_us = ask(0, 5, OD_RATE_SOLE_ALWAYS)->sole_us;
    assert_true(until_us > now_us());
    assert_int_equal(ask(1, 5, OD_RATE_SOLE_ALWAYS)->sole_us, 0);
    pass(SOLE_US / 2);
    until_us = ask(0, 5, OD_RATE_SOLE_ALWAYS)->sole_us; /* whose it is keeps it */
    slack_us = r.answer.slack_us;
    assert_true(until_us > now_us());
    assert_int_equal(ask(0, 0, OD_RATE_SOLE_ALWAYS)->sole_us > 0, 1);
    pass(SOLE_US);
    assert_int_equal(ask(1, 5, OD_RATE_SOLE_ALWAYS)->sole_us, 0); /* its pause */
    pass(PAUSE_US);
    assert_true(ask(1, 5, OD_RATE_SOLE_ALWAYS)->sole_us > until_us + PAUSE_US - slack_us);
    assert_int_equal(ask(0, 5, OD_RATE_SOLE_ALWAYS)->sole_us, 0);
    assert_int_equal(r.count, 0); /* no slots at all */
}

static void slots_come_before_a_whole_rate(void **state)
{
    (void)state;
    ask(1, 0, OD_RATE_SOLE_NEVER);
    ask(0, 5, OD_RATE_SOLE_NEVER);
    assert_true(r.count > 0);
    assert_int_equal(ask(1, 5, OD_RATE_SOLE_ALWAYS)->sole_us, 0); /* they are not over */
    pass(AHEAD_US + INTERVAL_US);
    assert_true(ask(1, 5, OD_RATE_SOLE_ALWAYS)->sole_us > now_us());
}

static void a_raised_rate_needs_no_old_interval(void **state)
{
    uint64_t raised_us;

    (void)state;
    ask_at(1, 0, false, 2000 * MS);
    for (int i = 0; i < 3; i++) {
        ask_at(0, 1, false, 2000 * MS);
        pass(ROUND_US);
    }
    assert_int_equal(r.count, 1); /* the next is two seconds behind it */
    raised_us = now_us();
    for (int i = 0; i < 50 && r.count == 1; i++)
        ask(0, 5, false);
    assert_true(r.count > 1);
    assert_true(r.all[1].at_us < raised_us + AHEAD_US + INTERVAL_US + ROUND_US ||
                now_us() > raised_us + ROUND_US); /* a machine that stood still proves nothing */
    expect_apart(INTERVAL_US);
}

int rate_contract_run(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(slots_are_apart_and_shared, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_given_that_is_not_wanted, setup, teardown),
        cmocka_unit_test_setup_teardown(one_alone_has_all_of_it, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_is_alone_beside_others, setup, teardown),
        cmocka_unit_test_setup_teardown(the_dead_have_no_part, setup, teardown),
        cmocka_unit_test_setup_teardown(a_whole_rate_goes_from_one_to_another, setup, teardown),
        cmocka_unit_test_setup_teardown(slots_come_before_a_whole_rate, setup, teardown),
        cmocka_unit_test_setup_teardown(a_raised_rate_needs_no_old_interval, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
