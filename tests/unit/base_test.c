/*
 * Goal: the small helpers keep their word at the edges. Method: tables, published vectors, and
 * round trips over seeded random values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/hist.h"
#include "engine/base/rng.h"
#include "engine/base/siphash.h"
#include "engine/base/str.h"
#include "engine/base/turn_share.h"
#include "engine/base/uid.h"
#include "outdial/cause.h"
#include "outdial/err.h"
#include "outdial/repo.h"

/* Appendix A of the SipHash paper: key 00..0f, message 00..0e. And the empty message's value. */
static void siphash_gives_the_papers_vectors(void **state)
{
    (void)state;
    uint8_t key[16], message[15];
    for (unsigned i = 0; i < 16; i++)
        key[i] = (uint8_t)i;
    for (unsigned i = 0; i < 15; i++)
        message[i] = (uint8_t)i;
    assert_true(od_siphash(key, message, 15) == UINT64_C(0xa129ca6149be45e5));
    assert_true(od_siphash(key, message, 0) == UINT64_C(0x726fdb47dd0e0e31));
}

static void uid_text_round_trips_and_refuses_the_rest(void **state)
{
    (void)state;
    struct od_rng rng = {7};
    char text[OD_UID_TEXT], again[OD_UID_TEXT];
    for (int i = 0; i < 1000; i++) {
        uint8_t random[10];
        for (unsigned k = 0; k < sizeof random; k++)
            random[k] = (uint8_t)od_rng_next(&rng);
        struct od_uid uid = od_uid_make(1700000000000 + i, random), back;
        od_uid_text(&uid, text);
        assert_int_equal(text[14], '7');
        assert_non_null(strchr("89ab", text[19]));
        assert_true(od_uid_parse(text, 36, &back));
        assert_true(od_uid_equal(&uid, &back));
        if (i)
            assert_true(strcmp(again, text) < 0); /* later sorts after */
        memcpy(again, text, sizeof again);
    }
    struct od_uid out;
    static const char *const bad[] = {
        "", "0190163d-8694-739b-aea5-966c26f8ad9", "0190163d-8694-739b-aea5-966c26f8ad9g",
        "0190163d08694-739b-aea5-966c26f8ad91", "0190163d-8694-739b-aea5-966c26f8ad911"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(od_uid_parse(bad[i], strlen(bad[i]), &out));
}

static void numbers_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    uint64_t n;
    assert_true(od_str_u64("0", 1, 10, &n) && n == 0);
    assert_true(od_str_u64("18446744073709551615", 20, UINT64_MAX, &n) && n == UINT64_MAX);
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(od_str_u64(bad[i], strlen(bad[i]), UINT64_MAX, &n));
    assert_false(od_str_u64("11", 2, 10, &n));
}

static void buffers_cut_and_say_so(void **state)
{
    (void)state;
    char memory[8];
    struct od_buf buf;
    od_buf_init(&buf, memory, sizeof memory);
    od_buf_str(&buf, "abc");
    od_buf_u64(&buf, 1234);
    assert_string_equal(memory, "abc1234");
    assert_false(buf.cut);
    od_buf_char(&buf, 'x');
    assert_true(buf.cut);
    assert_string_equal(memory, "abc1234");
    od_buf_init(&buf, memory, sizeof memory);
    od_buf_some(&buf, "abcdef", 2);
    od_buf_some(&buf, "g", 9);
    assert_string_equal(memory, "abg");
    for (unsigned i = 0; i < 4; i++)
        od_buf_char(&buf, 'h');
    assert_false(buf.cut);
    assert_string_equal(memory, "abghhhh");
    od_buf_some(&buf, "i", 1);
    assert_true(buf.cut);
    od_buf_init(&buf, NULL, 0);
    od_buf_char(&buf, 'x');
    assert_true(buf.cut);
    assert_false(od_str_copy(memory, sizeof memory, "12345678", 8));
    assert_string_equal(memory, "1234567");
}

/* A part begins when it first asks in a turn; the share when the first of all does. */
static void a_turns_share_ends(void **state)
{
    (void)state;
    struct od_turn_share share = {.all_ns = 100, .each_ns = 30};
    struct od_turn_part a = {0}, b = {0}, c = {0};
    assert_true(od_turn_may(&share, &a, 1000));
    assert_true(od_turn_may(&share, &a, 1029));
    assert_false(od_turn_may(&share, &a, 1030));
    assert_true(od_turn_may(&share, &b, 1050));
    assert_true(od_turn_may(&share, &b, 1079));
    assert_false(od_turn_may(&share, &c, 1100)); /* the others have had it all */
    assert_false(od_turn_may(&share, &c, 1500)); /* a turn ends by its being told so */
    od_turn_next(&share);
    assert_int_equal(share.turn, 1);
    assert_true(od_turn_may(&share, &c, 1500));
    assert_true(od_turn_may(&share, &a, 1550));
    assert_false(od_turn_may(&share, &c, 1550));
}

static void utf8_is_strict(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } rows[] = {
        {"", true},
        {"plain", true},
        {"gr\xc3\xbc\xc3\x9f", true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x93\x9e", true},
        {"\xc0\x80", false},
        {"\xed\xa0\x80", false},
        {"\xf4\x90\x80\x80", false},
        {"\xe2\x82", false},
        {"\x80", false},
        {"\xe0\x9f\xbf", false},
        {"\xf0\x8f\xbf\xbf", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        /* Wherever it lies in words of eight bytes. */
        for (int before = 0; before < 17; before++) {
            char text[64];
            int n = snprintf(text, sizeof text, "%.*s%s%.*s", before, "0123456789abcdefg",
                             rows[i].text, 16 - before, "0123456789abcdefg");
            assert_int_equal(od_str_utf8(text, (size_t)n), rows[i].good);
            size_t whole = od_str_utf8_prefix(text, (size_t)n);
            assert_true(od_str_utf8(text, whole));
            assert_int_equal(whole == (size_t)n, rows[i].good);
        }
    }
}

static void the_nearest_word_is_a_likely_one(void **state)
{
    (void)state;
    static const char *const words[] = {"listen", "advertise", "user_agent", "cps_limit", NULL};
    assert_string_equal(od_str_nearest("lisen", words), "listen");
    assert_string_equal(od_str_nearest("cps_limt", words), "cps_limit");
    assert_null(od_str_nearest("zebra", words));
    assert_int_equal(od_str_distance("kitten", "sitting"), 3);
}

static void numbers_are_masked_in_logs(void **state)
{
    (void)state;
    char out[32];
    od_str_mask_number(out, sizeof out, "+15551234500");
    assert_string_equal(out, "+1555*****00");
    od_str_mask_number(out, sizeof out, "12345");
    assert_string_equal(out, "*****");
}

static void quantiles_are_within_a_step(void **state)
{
    (void)state;
    static struct od_hist hist;
    for (uint64_t v = 1; v <= 100000; v++)
        od_hist_add(&hist, v);
    for (unsigned percent = 1; percent <= 100; percent++) {
        double exact = percent * 1000.0;
        double got = (double)od_hist_quantile(&hist, percent / 100.0);
        assert_true(got >= exact * 0.999 && got <= exact * 1.04);
    }
    assert_true(od_hist_quantile(&hist, 1.0) == 100000);
    od_hist_add(&hist, 0);
    od_hist_add(&hist, UINT64_MAX);
    assert_true(od_hist_quantile(&hist, 0) == 1 || od_hist_quantile(&hist, 0) == 0);
}

static void every_word_is_written(void **state)
{
    (void)state;
    for (unsigned cause = 0; cause < OD_CAUSE_COUNT; cause++)
        assert_int_equal(od_cause_from_name(od_cause_name((enum od_cause)cause)), cause);
    assert_int_equal(od_cause_from_name("nonsense"), OD_CAUSE_COUNT);
    for (unsigned phase = 0; phase < OD_PHASE_COUNT; phase++)
        assert_non_null(od_phase_name((enum od_call_phase)phase));
    for (int err = OD_ETOOBIG; err <= 0; err++)
        assert_string_not_equal(od_err_text(err), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_gives_the_papers_vectors),
        cmocka_unit_test(uid_text_round_trips_and_refuses_the_rest),
        cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
        cmocka_unit_test(buffers_cut_and_say_so),
        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(a_turns_share_ends),
        cmocka_unit_test(the_nearest_word_is_a_likely_one),
        cmocka_unit_test(numbers_are_masked_in_logs),
        cmocka_unit_test(quantiles_are_within_a_step),
        cmocka_unit_test(every_word_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
