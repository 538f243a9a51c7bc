/*
 * Goal: messages of a stream are told apart by their Content-Length however they arrive, and what
 * is none is found out. Method: a table; then random messages in random pieces; then random bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bench/load/frame.h"
#include "engine/base/rng.h"

#define HEAD "SIP/2.0 200 OK\r\n"

static void the_table(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bytes, skip;
    } rows[] = {
        {"", 0, 0},
        {"\r\n\r\n", 0, 4},
        {HEAD, 0, 0},
        {HEAD "\r\n", sizeof HEAD - 1 + 2, 0},
        {HEAD "Content-Length: 0\r\n\r\n", sizeof HEAD - 1 + 21, 0},
        {"\r\n\r\n" HEAD "l: 2\r\n\r\nhi", sizeof HEAD - 1 + 10, 4},
        {HEAD "l: 2\r\n\r\nh", 0, 0},
        {HEAD "l: 2\r\n\r\nhi and more", sizeof HEAD - 1 + 10, 0},
        {HEAD "CONTENT-length \t: \t2 \r\n\r\nhi", sizeof HEAD - 1 + 27, 0},
        {HEAD "Xl: 9\r\nContent-Lengths: 9\r\n\r\n", sizeof HEAD - 1 + 29, 0},
        {HEAD "Content-Length: -1\r\n\r\n", OD_LOAD_NO_FRAME, 0},
        {HEAD "Content-Length: two\r\n\r\n", OD_LOAD_NO_FRAME, 0},
        {HEAD "Content-Length:\r\n\r\n", OD_LOAD_NO_FRAME, 0},
        {HEAD "Content-Length: 65537\r\n\r\n", OD_LOAD_NO_FRAME, 0},
        {HEAD "Content-Length: 99999999999999999999\r\n\r\n", OD_LOAD_NO_FRAME, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t skip = 99;
        print_message("row %zu\n", i);
        assert_int_equal(od_load_frame(rows[i].text, strlen(rows[i].text), &skip), rows[i].bytes);
        assert_int_equal(skip, rows[i].skip);
    }
}

static void a_head_without_end(void **state)
{
    (void)state;
    size_t skip;
    char *text = test_malloc(OD_LOAD_MESSAGE_MAX + 1);
    memset(text, 'a', OD_LOAD_MESSAGE_MAX + 1);
    assert_int_equal(od_load_frame(text, OD_LOAD_MESSAGE_MAX, &skip), 0);
    assert_int_equal(od_load_frame(text, OD_LOAD_MESSAGE_MAX + 1, &skip), OD_LOAD_NO_FRAME);
    test_free(text);
}

/* As a receiver does it: what is not whole stays, the rest comes behind it. */
static void in_any_pieces(void **state)
{
    (void)state;
    struct od_rng rng = {5};
    static char all[1 << 16];
    for (int round = 0; round < 500; round++) {
        size_t bytes = 0, ends[40], count = 1 + od_rng_below(&rng, 40), seen = 0, at = 0;
        for (size_t i = 0; i < count; i++) {
            size_t body = od_rng_below(&rng, 300);
            bytes += (size_t)sprintf(all + bytes, "%sINVITE sip:%zu SIP/2.0\r\n%s: %zu\r\n\r\n",
                                     od_rng_below(&rng, 4) ? "" : "\r\n\r\n", i,
                                     od_rng_below(&rng, 2) ? "l" : "Content-Length", body);
            for (size_t k = 0; k < body; k++)
                all[bytes++] = "\r\nContent-Length: 1\r\n\r\n"[k % 23];
            ends[i] = bytes;
        }
        for (size_t have = 0; have < bytes;) {
            have += 1 + od_rng_below(&rng, 400);
            have = have < bytes ? have : bytes;
            for (size_t skip, got; (got = od_load_frame(all + at, have - at, &skip)) != 0;) {
                assert_int_not_equal(got, OD_LOAD_NO_FRAME);
                at += skip + got;
                assert_int_equal(at, ends[seen++]);
            }
        }
        assert_int_equal(seen, count);
    }
}

static void any_bytes(void **state)
{
    (void)state;
    struct od_rng rng = {6};
    for (int round = 0; round < 20000; round++) {
        size_t bytes = od_rng_below(&rng, 60), skip;
        char *text = test_malloc(bytes + 1); /* of its exact size, for the sanitizers */
        for (size_t i = 0; i < bytes; i++)
            text[i] = "\r\n:lL 0123-\t"[od_rng_below(&rng, 12)];
        size_t got = od_load_frame(text, bytes, &skip);
        assert_true(got == OD_LOAD_NO_FRAME || skip + got <= bytes);
        test_free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table),
        cmocka_unit_test(a_head_without_end),
        cmocka_unit_test(in_any_pieces),
        cmocka_unit_test(any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
