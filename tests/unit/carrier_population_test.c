/*
 * Goal: the population is a pure function of (seed, number, attempt), each trait follows its key of
 * the profile alone, and a wrong profile is refused by name. Method: draw a town of numbers and
 * count.
 */
#include "bench/carrier/number_book.h"
#include "bench/carrier/population.h"
#include "bench/carrier/rate_window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TOWN = 20000 };

static struct od_plan draw(const struct od_profile *p, int person, uint32_t attempt)
{
    char number[32];
    struct od_plan plan;
    snprintf(number, sizeof number, "+1555%07d", person);
    od_population_draw(p, number, attempt, &plan);
    return plan;
}

static void set(struct od_profile *p, const char *key, const char *value)
{
    char problem[OD_PROFILE_PROBLEM_BYTES] = "";
    if (od_profile_set(p, key, value, problem))
        fail_msg("%s", problem);
}

static void assert_refused(const char *key, const char *value, const char *named)
{
    struct od_profile p;
    char problem[OD_PROFILE_PROBLEM_BYTES] = "";
    od_profile_init(&p);
    struct od_profile before = p;
    assert_int_equal(od_profile_set(&p, key, value, problem), -1);
    assert_non_null(strstr(problem, named));
    assert_memory_equal(&p, &before, sizeof p);
}

static void same_inputs_same_person(void **state)
{
    (void)state;
    struct od_profile p, other;
    od_profile_init(&p);
    od_profile_init(&other);
    set(&other, "seed", "2");
    int attempts_differ = 0, seeds_differ = 0;
    for (int i = 0; i < 1000; i++) {
        struct od_plan a = draw(&p, i, 1), b = draw(&p, i, 1), c = draw(&p, i, 2),
                       d = draw(&other, i, 1);
        assert_memory_equal(&a, &b, sizeof a);
        attempts_differ += a.voice != c.voice;
        seeds_differ += a.voice != d.voice;
    }
    assert_int_equal(attempts_differ, 1000);
    assert_int_equal(seeds_differ, 1000);
}

static void one_key_moves_one_trait(void **state)
{
    (void)state;
    struct od_profile p, other;
    od_profile_init(&p);
    od_profile_init(&other);
    set(&other, "pdd_ms", "lognormal:900:1");
    for (int i = 0; i < 1000; i++) {
        struct od_plan a = draw(&p, i, 1), b = draw(&other, i, 1);
        b.pdd_ms = a.pdd_ms;
        assert_memory_equal(&a, &b, sizeof a);
    }
}

static void outcomes_follow_their_weights(void **state)
{
    (void)state;
    struct od_profile p;
    int count[OD_PLAN_KINDS] = {0};
    od_profile_init(&p);
    for (int i = 0; i < TOWN; i++)
        count[draw(&p, i, 1).kind]++;
    /* 60, 20, 10, 5, 5, 0 per cent; five standard deviations of 20,000 draws are under 1.8 % */
    const int expected[OD_PLAN_KINDS] = {12000, 4000, 2000, 1000, 1000, 0};
    for (int k = 0; k < OD_PLAN_KINDS; k++)
        assert_in_range(count[k] + 360, expected[k], expected[k] + 720);
    assert_int_equal(count[OD_PLAN_SILENT], 0);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void durations_follow_their_distributions(void **state)
{
    (void)state;
    struct od_profile p;
    static uint32_t ring[TOWN];
    double pdd_sum = 0;
    od_profile_init(&p);
    set(&p, "ring_ms", "lognormal:4000:0.5");
    set(&p, "pdd_ms", "exp:250");
    set(&p, "hangup_ms", "100-200");
    for (int i = 0; i < TOWN; i++) {
        struct od_plan plan = draw(&p, i, 1);
        ring[i] = plan.ring_ms;
        pdd_sum += plan.pdd_ms;
        assert_true(plan.hangs_up);
        assert_in_range(plan.hangup_ms, 100, 200);
    }
    qsort(ring, TOWN, sizeof *ring, compare);
    assert_in_range(ring[TOWN / 2], 3900, 4100);
    /* one sigma above the median of a lognormal is median * e^sigma */
    assert_in_range(ring[TOWN * 8413 / 10000], 6390, 6800);
    assert_in_range((uint64_t)(pdd_sum / TOWN), 240, 260);
    set(&p, "hangup_ms", "never");
    assert_false(draw(&p, 1, 1).hangs_up);
    set(&p, "ring_ms", "1234");
    assert_int_equal(draw(&p, 1, 1).ring_ms, 1234);
}

static void digits_follow_their_weights(void **state)
{
    (void)state;
    struct od_profile p;
    int ones = 0, none = 0;
    od_profile_init(&p);
    set(&p, "digits", "12#:3,none:1");
    for (int i = 0; i < TOWN; i++) {
        const char *digits = draw(&p, i, 1).digits;
        ones += strcmp(digits, "12#") == 0;
        none += *digits == 0;
    }
    assert_int_equal(ones + none, TOWN);
    assert_in_range(ones, 14600, 15400);
    assert_true(draw(&p, 1, 1).digits_after_turn);
    set(&p, "digit_delay_ms", "700");
    assert_false(draw(&p, 1, 1).digits_after_turn);
    assert_int_equal(draw(&p, 1, 1).digit_delay_ms, 700);
}

static void refuses_by_name(void **state)
{
    (void)state;
    assert_refused("anwser", "5", "did you mean 'answer'");
    assert_refused("zzzzzzzzzz", "5", "unknown key 'zzzzzzzzzz'");
    assert_refused("answer", "-1", "answer: expected a weight");
    assert_refused("answer", "nan", "answer: expected a weight");
    assert_refused("early_media", "1.5", "a probability");
    assert_refused("ring_ms", "9-3", "ring_ms: expected N, MIN-MAX");
    assert_refused("ring_ms", "lognormal:5", "found 'lognormal:5'");
    assert_refused("ring_ms", "never", "ring_ms: expected");
    assert_refused("ring_ms", "1e300", "ring_ms: expected");
    assert_refused("digits", "1:x", "digits: expected");
    assert_refused("digits", "E:1", "digits: expected");
    assert_refused("digits", "", "digits: expected");
    assert_refused("fail_codes", "200", "fail_codes: expected");
    assert_refused("cps_limit", "99999999999", "a whole number");
    assert_refused("talk", "sing", "talk: expected");
}

static void a_limit_drifts_by_its_times(void **state)
{
    struct od_profile p;
    (void)state;
    od_profile_init(&p);
    set(&p, "cps_limit", "20");
    assert_int_equal(od_profile_cps(&p, 1e6), 20);
    set(&p, "cps_drift", "20:35,40:20");
    assert_int_equal(od_profile_cps(&p, 0), 20);
    assert_int_equal(od_profile_cps(&p, 19.9), 20);
    assert_int_equal(od_profile_cps(&p, 20), 35);
    assert_int_equal(od_profile_cps(&p, 39.9), 35);
    assert_int_equal(od_profile_cps(&p, 1000), 20);
    set(&p, "cps_drift", "none");
    assert_int_equal(od_profile_cps(&p, 30), 20);
    assert_refused("cps_drift", "20", "cps_drift: expected");
    assert_refused("cps_drift", "20:0", "cps_drift: expected");
    assert_refused("cps_drift", "20:35,20:20", "cps_drift: expected");
    assert_refused("cps_drift", "", "cps_drift: expected");
}

static void a_prefix_is_broken_for_its_time(void **state)
{
    struct od_profile p;
    (void)state;
    od_profile_init(&p);
    assert_int_equal(od_profile_broken(&p, "+15561234", 0), 0);
    set(&p, "broken", "+1556:500:20");
    assert_int_equal(od_profile_broken(&p, "+15561234", 0), 500);
    assert_int_equal(od_profile_broken(&p, "+15561234", 19.9), 500);
    assert_int_equal(od_profile_broken(&p, "+15561234", 20), 0);
    assert_int_equal(od_profile_broken(&p, "+15551234", 0), 0);
    assert_int_equal(od_profile_broken(&p, "+155", 0), 0);
    set(&p, "broken", "+1556:480");
    assert_int_equal(od_profile_broken(&p, "+15561234", 1e6), 480);
    set(&p, "broken", "none");
    assert_int_equal(od_profile_broken(&p, "+15561234", 0), 0);
    assert_refused("broken", "+1556", "broken: expected");
    assert_refused("broken", "+1556:399", "broken: expected");
    assert_refused("broken", ":500", "broken: expected");
    assert_refused("broken", "+1556:500:x", "broken: expected");
}

static int read_file(const char *text, struct od_profile *p, char *problem)
{
    char path[] = "/tmp/carrier_profile_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    od_profile_init(p);
    int status = od_profile_read(p, path, problem);
    unlink(path);
    return status;
}

static void reads_files_and_names_lines(void **state)
{
    (void)state;
    struct od_profile p;
    char problem[OD_PROFILE_PROBLEM_BYTES] = "";
    assert_int_equal(read_file("# town\n---\nanswer: 90   # most\ndigits: \"#:1,none:1\" # hash\n"
                               "ring_ms: '10-20'\r\n\n  seed: 9\n",
                               &p, problem),
                     0);
    assert_int_equal(p.seed, 9);
    assert_string_equal(p.digits.entries[0].word, "#");
    assert_int_equal(read_file("answer: 90\nbussy: 1\n", &p, problem), -1);
    assert_non_null(strstr(problem, ":2: unknown key 'bussy', did you mean 'busy'?"));
    assert_int_equal(read_file("answer: 90\nanswer: 1\n", &p, problem), -1);
    assert_non_null(strstr(problem, ":2: answer: given twice"));
    assert_int_equal(read_file("answer 90\n", &p, problem), -1);
    assert_non_null(strstr(problem, ":1: expected 'key: value'"));
    assert_int_equal(od_profile_read(&p, "/nonexistent/town", problem), -1);
    od_profile_init(&p);
    assert_int_equal(od_profile_check(&p, problem), 0);
    p.answer = p.no_answer = p.busy = p.decline = p.fail = p.silent = 0;
    assert_int_equal(od_profile_check(&p, problem), -1);
}

static void book_remembers_up_to_its_limit(void **state)
{
    (void)state;
    struct od_number_book book;
    assert_int_equal(od_number_book_init(&book, 5000), 0);
    for (uint64_t i = 1; i <= 5000; i++) {
        struct od_number_entry *entry = od_number_book_get(&book, i * 0x10001);
        assert_non_null(entry);
        entry->attempts = (uint32_t)i;
    }
    for (uint64_t i = 1; i <= 5000; i++)
        assert_int_equal(od_number_book_get(&book, i * 0x10001)->attempts, i);
    assert_null(od_number_book_get(&book, 3));
    assert_int_equal(book.forgotten, 1);
    od_number_book_deinit(&book);
}

static void window_counts_half_open(void **state)
{
    (void)state;
    struct od_rate_window w;
    assert_int_equal(od_rate_window_init(&w, 8, 1000), 0);
    for (int64_t t = 0; t < 5000; t += 250)
        od_rate_window_add(&w, t);
    /* evenly spaced at the limit is four in any window, never five */
    assert_int_equal(w.most, 4);
    assert_int_equal(od_rate_window_count(&w, 5749), 1);
    assert_int_equal(od_rate_window_count(&w, 5750), 0);
    od_rate_window_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_inputs_same_person),
        cmocka_unit_test(one_key_moves_one_trait),
        cmocka_unit_test(outcomes_follow_their_weights),
        cmocka_unit_test(durations_follow_their_distributions),
        cmocka_unit_test(digits_follow_their_weights),
        cmocka_unit_test(refuses_by_name),
        cmocka_unit_test(a_limit_drifts_by_its_times),
        cmocka_unit_test(a_prefix_is_broken_for_its_time),
        cmocka_unit_test(reads_files_and_names_lines),
        cmocka_unit_test(book_remembers_up_to_its_limit),
        cmocka_unit_test(window_counts_half_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
