/*
 * Goal: objectives mean what they say and mistakes in them are told; the search ends at the knee.
 * Method: tables of texts against a tally with known figures; platforms that break at every pace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bench/load/knee.h"
#include "bench/load/objective.h"

/* 1,000 calls: 990 answered after 100 ms (but ten after 1 s), 5 busy, 4 refused, 1 skipped. */
static void fill(struct od_load_tally *t)
{
    assert_true(od_load_tally_init(t));
    for (int i = 0; i < 990; i++) {
        od_load_tally_setup(t, i < 980 ? 100000 : 1000000);
        od_load_tally_end(t, OD_LOAD_ANSWERED);
    }
    for (int i = 0; i < 10; i++)
        od_load_tally_end(t, i < 5 ? OD_LOAD_BUSY : i < 9 ? OD_LOAD_REFUSED : OD_LOAD_SKIPPED);
    t->due = 1000;
    t->rtp_received = 999;
    t->rtp_lost = 1;
    od_load_tally_tick(t);
}

static void test_judgement(void **state)
{
    static const struct {
        const char *text;
        bool met;
    } cases[] = {
        {"failed<0.6%", true},     {"failed<0.5%", false},     {"failed<=0.5%", true},
        {"asr>98%", true},         {"asr>=99%", true},         {"asr>99%", false},
        {"loss<0.2%", true},       {"loss<0.1%", false},       {"setup_p50<104ms", true},
        {"setup_p50<99ms", false}, {"setup_p99.9>0.9s", true}, {"setup_max<=1000000us", true},
        {"setup_max<1s", false},   {"setup_mean<120ms", true}, {"setup_mean<105ms", false},
        {"bye_p99<1s", false}, /* nothing was measured */
    };
    struct od_load_tally t;
    (void)state;
    fill(&t);
    assert_int_equal(t.seconds[0].answered, 990);
    assert_int_equal(t.seconds[0].failed, 5);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct od_objectives list = {0};
        char problem[240] = "";
        if (!od_objectives_read(&list, cases[i].text, problem, sizeof problem))
            fail_msg("%s: %s", cases[i].text, problem);
        if (od_objectives_met(&list, &t) != cases[i].met)
            fail_msg("%s", cases[i].text);
    }
    struct od_objectives both = {0};
    char problem[240];
    assert_true(od_objectives_read(&both, "asr>98%,setup_p50<104ms", problem, sizeof problem));
    assert_int_equal(both.count, 2);
    assert_true(od_objectives_met(&both, &t));
    assert_true(od_objectives_read(&both, "asr>99%", problem, sizeof problem));
    assert_false(od_objectives_met(&both, &t));
    od_load_tally_deinit(&t);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "METRIC<VALUE"},           {"setup_p99", "expected <"},
        {"setpu_p99<1s", "setup, pdd"}, {"setup<1s", "_p50"},
        {"setup_p101<1s", "_p50"},      {"setup_px<1s", "_p50"},
        {"setup_p99<1", "us, ms or s"}, {"setup_p99<1min", "us, ms or s"},
        {"failed<0.1", "in %"},         {"failed<", "in %"},
        {"failed<1%,", "METRIC<VALUE"}, {"setup_p99<-1s", "us, ms or s"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct od_objectives list = {0};
        char problem[240] = "";
        assert_false(od_objectives_read(&list, cases[i].text, problem, sizeof problem));
        if (!strstr(problem, cases[i].says))
            fail_msg("'%s': %s", cases[i].text, problem);
    }
}

static void test_knee(void **state)
{
    (void)state;
    for (double knee = 0.2; knee < 3000; knee *= 1.37) {
        for (double first = 1; first < 3000; first *= 6) {
            struct od_knee k;
            int tries = 0;
            od_knee_init(&k, first, 2000);
            do {
                assert_true(k.cps > 0 && k.cps <= 2000);
                assert_true(++tries < 40);
            } while (od_knee_take(&k, k.cps <= knee));
            assert_true(k.held <= knee);
            if (knee >= 2000)
                assert_true(k.held == 2000 && k.missed == 0);
            else
                assert_true(k.missed > knee && k.missed - k.held <= 0.05 * k.missed + 0.2);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judgement),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_knee),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
