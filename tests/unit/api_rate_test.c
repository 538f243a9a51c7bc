/*
 * Goal: no more requests a second get through than the limit says, over any length of time, and
 * all that it allows do; what the headers promise holds. Method: buckets driven by a clock of the
 * test's; then limits at the door, through the handler.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/api/rate.h"
#include "engine/base/rng.h"
#include "tests/unit/api_ask.h"

static const uint8_t table_key[16] = "rate test";

static void a_second_holds_the_limit_and_no_more(void **state)
{
    (void)state;
    static const uint32_t limits[] = {1, 3, 7, 100, 999, 50000};
    struct od_rng rng = {7};
    for (size_t l = 0; l < sizeof limits / sizeof *limits; l++) {
        struct od_rates *rates;
        struct od_rate_state rate;
        assert_int_equal(od_rates_create(&rates, table_key), 0);
        uint64_t now = 5 * OD_NS_PER_S, begun = now, taken = 0;
        for (uint32_t i = 0; i < limits[l]; i++) /* a full bucket: one second's worth at once */
            assert_true(od_rate_take(rates, "key", "a", 1, limits[l], now, &rate));
        assert_int_equal(rate.left, 0);
        assert_int_equal(rate.reset_s, 1);
        assert_false(od_rate_take(rates, "key", "a", 1, limits[l], now, &rate));
        assert_int_equal(rate.retry_s, 1);
        assert_true(od_rate_take(rates, "key", "b", 1, limits[l], now, &rate)); /* another's */
        assert_true(od_rate_take(rates, "address", "a", 1, limits[l], now, &rate));
        for (unsigned i = 0; i < 20000; i++) { /* hammered for long: what it fills with, no more */
            now += od_rng_below(&rng, OD_NS_PER_S / limits[l] + 1);
            bool good = od_rate_take(rates, "key", "a", 1, limits[l], now, &rate);
            taken += good;
            if (!good) {
                assert_int_equal(rate.left, 0);
                assert_true(rate.retry_s >= 1);
            }
        }
        uint64_t filled = (now - begun) / (OD_NS_PER_S / limits[l]);
        assert_true(taken <= filled + 1);
        if (limits[l] >= 100) /* a shallow bucket may be full for a moment, which is lost */
            assert_true(taken + 2 >= filled);
        od_rates_destroy(rates);
    }
}

static void many_strangers_fit(void **state)
{
    (void)state;
    struct od_rates *rates;
    struct od_rate_state rate;
    assert_int_equal(od_rates_create(&rates, table_key), 0);
    for (uint32_t i = 0; i < 100000; i++)
        assert_true(od_rate_take(rates, "address", &i, sizeof i, 1, OD_NS_PER_S, &rate));
    od_rate_fine(rates, "address", "x", 1, 10, 4, OD_NS_PER_S);
    assert_true(od_rate_take(rates, "address", "x", 1, 10, OD_NS_PER_S, &rate));
    assert_int_equal(rate.left, 5);
    od_rate_fine(rates, "address", "x", 1, 10, 1000000, OD_NS_PER_S);
    assert_false(od_rate_take(rates, "address", "x", 1, 10, OD_NS_PER_S, &rate));
    assert_int_equal(rate.reset_s, 1); /* a fine is never longer than the window */
    od_rates_destroy(rates);
}

static void headers_come_in_both_families(void **state)
{
    (void)state;
    char out[OD_RATE_HEADERS_MAX];
    od_rate_headers(&(struct od_rate_state){.name = "key", .per_s = 100, .left = 42, .reset_s = 1},
                    out);
    assert_string_equal(out,
                        "RateLimit-Policy: \"key\";q=100;w=1\r\nRateLimit: \"key\";r=42;t=1\r\n"
                        "X-RateLimit-Limit: 100\r\nX-RateLimit-Remaining: 42\r\n"
                        "X-RateLimit-Reset: 1\r\n");
    od_rate_headers(&(struct od_rate_state){0}, out);
    assert_string_equal(out, "");
}

/* ---- at the door ---- */

static int get(const char *path, const char *key)
{
    struct fake_exchange x;
    send_full(&x, (struct fake_request){.method = "GET", .path = path, .key = key});
    int status = x.status;
    if (status == 429) {
        assert_non_null(strstr(x.answer_headers, "Retry-After: 1\r\n"));
        assert_non_null(strstr(x.answer, "rate"));
    }
    if (x.status != 401 && strstr(path, "outdial"))
        assert_non_null(strstr(x.answer_headers, "RateLimit: \""));
    fake_close(&x);
    return status;
}

static void keys_have_their_rate(void **state)
{
    (void)state;
    char key[128];
    new_key("{}", key, 201);
    od_api_set_rates(world.api, 5, 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(get(V1 "/limits", key), 200);
    assert_int_equal(get(V1 "/limits", key), 429);
    assert_int_equal(get(V1 "/nothing", key), 429);
    assert_int_equal(get("/v1/calls/x", key), 429);
    assert_int_equal(get(V1 "/limits", NULL), 200); /* another key */
    assert_int_equal(get("/livez", ""), 200);
    world.now.mono_ns += OD_NS_PER_S;
    assert_int_equal(get(V1 "/limits", key), 200);
}

static void addresses_have_theirs(void **state)
{
    (void)state;
    od_api_set_rates(world.api, 0, 50);
    for (int i = 0; i < 50; i++)
        assert_int_equal(get(V1 "/limits", NULL), 200);
    assert_int_equal(get(V1 "/limits", NULL), 429);
    for (int i = 0; i < 5; i++)
        assert_int_equal(get("/readyz", ""), 200);
    world.now.mono_ns += OD_NS_PER_S;
    assert_int_equal(get(V1 "/limits", "sk_guessed_0000000000000"), 401); /* costs 20 more */
    assert_int_equal(get(V1 "/limits", "sk_guessed_0000000000001"), 401);
    for (int i = 0; i < 8; i++)
        assert_int_equal(get(V1 "/limits", NULL), 200);
    assert_int_equal(get(V1 "/limits", NULL), 429);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_holds_the_limit_and_no_more),
        cmocka_unit_test(many_strangers_fit),
        cmocka_unit_test(headers_come_in_both_families),
        cmocka_unit_test_setup_teardown(keys_have_their_rate, world_setup, world_teardown),
        cmocka_unit_test_setup_teardown(addresses_have_theirs, world_setup, world_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
