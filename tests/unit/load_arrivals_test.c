/*
 * Goal: calls are due exactly when the plan says, at any shape of pace. Method: the times given are
 * compared with the pace's integral, counted independently.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bench/load/arrivals.h"

/* Every arrival must stand where the integral of the pace, summed in small steps, is k + 1/2. */
static uint64_t check_even(const struct od_arrivals_plan *plan)
{
    struct od_arrivals a;
    const double step = 1e-4;
    double at = 0, sum = 0, due;
    od_arrivals_init(&a, plan);
    for (; (due = od_arrivals_next(&a)) >= 0; od_arrivals_take(&a)) {
        for (; at + step <= due; at += step)
            sum += step * od_arrivals_pace(plan, at + step / 2);
        double units = sum + (due - at) * od_arrivals_pace(plan, due);
        assert_true(fabs(units - ((double)a.given + 0.5)) < 0.02);
        assert_true(due < plan->duration_s);
    }
    return a.given;
}

static void test_even(void **state)
{
    (void)state;
    assert_int_equal(check_even(&(struct od_arrivals_plan){.cps = 50, .duration_s = 4}), 200);
    assert_int_equal(check_even(&(struct od_arrivals_plan){.cps = 0.5, .duration_s = 10}), 5);
    assert_int_equal(
        check_even(&(struct od_arrivals_plan){.cps = 10, .duration_s = 100, .calls_max = 7}), 7);
}

static void test_ramps(void **state)
{
    (void)state;
    /* half of the ramp's 10 * 4, then 10 a second */
    assert_int_equal(
        check_even(&(struct od_arrivals_plan){.cps = 10, .ramp_s = 4, .duration_s = 10}), 80);
    /* 10, 20, 30, then 35 a second, two seconds each */
    assert_int_equal(check_even(&(struct od_arrivals_plan){
                         .cps = 35, .step_cps = 10, .step_s = 2, .duration_s = 8}),
                     190);
}

static void test_poisson(void **state)
{
    struct od_arrivals a, again;
    struct od_arrivals_plan plan = {.cps = 100, .duration_s = 400, .poisson = true, .seed = 7};
    double last = 0, squares = 0;
    (void)state;
    od_arrivals_init(&a, &plan);
    od_arrivals_init(&again, &plan);
    for (double due; (due = od_arrivals_next(&a)) >= 0; od_arrivals_take(&a)) {
        assert_true(due == od_arrivals_next(&again));
        od_arrivals_take(&again);
        assert_true(due >= last);
        squares += (due - last) * (due - last);
        last = due;
    }
    /* the mean gap is 1/100 s and the mean square of an exponential's gap twice its mean's square;
     * of 40,000 draws both are known to within 5 sigma */
    assert_true(fabs((double)a.given - 40000) < 5 * 200);
    double mean_square = squares / (double)a.given;
    assert_true(fabs(mean_square - 2e-4) < 0.1e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_even),
        cmocka_unit_test(test_ramps),
        cmocka_unit_test(test_poisson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
