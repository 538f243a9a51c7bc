/*
 * Goal: on a byte stream of MessagePack arrays every message is found whole, whatever pieces it
 * comes in, and what is no message, too long or too deep is refused as soon as that can be known.
 * Method: seeded random arrays, compared with the reader that skips a value; and bytes by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/agent/mpack.h"
#include "proto/ws/raw_cut.h"

enum { STREAM_MAX = 1 << 20, MESSAGES = 400 };

static uint64_t seed = 1;

static uint32_t below(uint32_t limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % limit;
}

static size_t put(uint8_t *out, uint8_t first, uint64_t number, unsigned bytes)
{
    out[0] = first;
    for (unsigned i = 0; i < bytes; i++)
        out[1 + i] = (uint8_t)(number >> 8 * (bytes - 1 - i));
    return 1 + bytes;
}

/* Random bytes that are the body of a value. */
static size_t put_body(uint8_t *out, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)below(256);
    return bytes;
}

/* A value of any kind and of any way to write it; an array when it is a message. */
static size_t put_value(uint8_t *out, unsigned depth, bool array)
{
    static const uint8_t widths[] = {1, 2, 4};
    unsigned way = below(3), values = below(depth > 4 ? 1 : 5);
    uint32_t bytes = below(10) ? below(40) : below(700);
    size_t n = 0;
    uint8_t first = (uint8_t)below(256);
    if (array || (first & 0xf0) == 0x90 || first == 0xdc || first == 0xdd) {
        n = way == 0   ? put(out, (uint8_t)(0x90 | values), 0, 0)
            : way == 1 ? put(out, 0xdc, values, 2)
                       : put(out, 0xdd, values, 4);
        for (unsigned i = 0; i < values; i++)
            n += put_value(out + n, depth + 1, false);
    } else if ((first & 0xf0) == 0x80 || first == 0xde || first == 0xdf) {
        n = way == 0   ? put(out, (uint8_t)(0x80 | values), 0, 0)
            : way == 1 ? put(out, 0xde, values, 2)
                       : put(out, 0xdf, values, 4);
        for (unsigned i = 0; i < 2 * values; i++)
            n += put_value(out + n, depth + 1, false);
    } else if (first >= 0xa0 && first < 0xc0) {
        n = put(out, first, 0, 0);
        n += put_body(out + n, first & 0x1f);
    } else if (first >= 0xc4 && first <= 0xc9) { /* bin, ext */
        unsigned ext = first >= 0xc7;
        bytes = way == 0 ? bytes & 0xff : bytes;
        n = put(out, (uint8_t)((ext ? 0xc7 : 0xc4) + way), bytes, widths[way]);
        n += put_body(out + n, bytes + ext);
    } else if (first >= 0xd9 && first <= 0xdb) { /* str */
        bytes = way == 0 ? bytes & 0xff : bytes;
        n = put(out, (uint8_t)(0xd9 + way), bytes, widths[way]);
        n += put_body(out + n, bytes);
    } else if (first >= 0xca && first <= 0xd3) { /* numbers */
        static const uint8_t lengths[] = {4, 8, 1, 2, 4, 8, 1, 2, 4, 8};
        n = put(out, first, 0, 0);
        n += put_body(out + n, lengths[first - 0xca]);
    } else if (first >= 0xd4 && first <= 0xd8) { /* fixext */
        n = put(out, first, 0, 0);
        n += put_body(out + n, (1u << (first - 0xd4)) + 1);
    } else {
        out[n++] = first == 0xc1 ? 0xc0 : first;
    }
    return n;
}

static uint8_t stream[STREAM_MAX];

static void test_any_pieces(void **state)
{
    (void)state;
    size_t ends[MESSAGES], bytes = 0;
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct od_mpack mpack = {stream + bytes, stream + STREAM_MAX};
        bytes += put_value(stream + bytes, 0, true);
        assert_true(bytes < STREAM_MAX / 2);
        assert_true(od_mpack_skip(&mpack)); /* the other reader is of the same opinion */
        assert_ptr_equal(mpack.at, stream + bytes);
        ends[i] = bytes;
    }
    static const uint32_t pieces[] = {1, 2, 7, 100, 16384, STREAM_MAX};
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        struct od_raw_cut cut;
        unsigned found = 0;
        od_raw_cut_init(&cut, STREAM_MAX);
        for (size_t at = 0; at < bytes;) {
            size_t piece = 1 + below(pieces[p]), used = 0;
            piece = piece < bytes - at ? piece : bytes - at;
            while (used < piece) {
                enum od_raw_step step;
                used += od_raw_cut_step(&cut, stream + at + used, piece - used, &step);
                assert_int_not_equal(step, OD_RAW_BAD);
                if (step == OD_RAW_MESSAGE) {
                    assert_true(found < MESSAGES);
                    assert_int_equal(at + used, ends[found++]);
                    assert_int_equal(cut.used, 0);
                } else {
                    assert_int_equal(used, piece);
                }
            }
            at += piece;
        }
        assert_int_equal(found, MESSAGES);
    }
}

/* Feeds byte by byte; how many it took to refuse them, 0: they were not refused. */
static size_t refused_after(const uint8_t *at, size_t bytes, uint32_t bytes_max,
                            struct od_raw_cut *cut)
{
    od_raw_cut_init(cut, bytes_max);
    for (size_t i = 0; i < bytes; i++) {
        enum od_raw_step step;
        assert_int_equal(od_raw_cut_step(cut, at + i, 1, &step), 1);
        if (step == OD_RAW_BAD)
            return i + 1;
    }
    return 0;
}

static void test_garbage(void **state)
{
    (void)state;
    struct od_raw_cut cut;
    for (unsigned first = 0; first < 256; first++) {
        uint8_t byte = (uint8_t)first;
        bool array = (first >= 0x90 && first <= 0x9f) || first == 0xdc || first == 0xdd;
        assert_int_equal(refused_after(&byte, 1, 1000, &cut), array ? 0 : 1);
        assert_false(cut.too_big);
    }
    assert_int_equal(refused_after((const uint8_t *)"HTTP/1.1 400", 12, 1000, &cut), 1);
    assert_non_null(strstr(cut.why, "an array was expected"));
    assert_int_equal(refused_after((const uint8_t *)"\x92\x01\xc1", 3, 1000, &cut), 3);
    assert_int_equal(refused_after((const uint8_t *)"\x91\x01\x01", 3, 1000, &cut), 3);
}

/* A length that can't be had is refused with its last byte, before anything of it has come. */
static void test_lengths(void **state)
{
    (void)state;
    static const struct {
        const char *at;
        size_t bytes, refused;
    } rows[] = {
        {"\x91\xc6\x00\x00\x03\xe3", 6, 6}, /* 995 bytes in a message of 1,000: six are used */
        {"\x91\xc6\x00\x00\x03\xe2", 6, 0},
        {"\x91\xc6\xff\xff\xff\xff", 6, 6},
        {"\x91\xdb\xff\xff\xff\xff", 6, 6},
        {"\x91\xc9\xff\xff\xff\xff", 6, 6},
        {"\x91\xc5\xff\xff", 4, 4},
        {"\xdd\xff\xff\xff\xff", 5, 5},
        {"\x91\xdd\xff\xff\xff\xff", 6, 6},
        {"\x91\xdf\xff\xff\xff\xff", 6, 6},
        {"\xdc\x03\xe6", 3, 3},
        {"\xdc\x03\xe5", 3, 0},
        {"\x91\xde\x01\xf5", 4, 4},
        {"\x91\xc7\xff", 3, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct od_raw_cut cut;
        size_t refused = refused_after((const uint8_t *)rows[i].at, rows[i].bytes, 1000, &cut);
        if (refused != rows[i].refused)
            fail_msg("row %zu: refused after %zu", i, refused);
        assert_int_equal(cut.too_big, refused != 0);
    }
}

static void test_depth(void **state)
{
    (void)state;
    uint8_t deep[OD_RAW_DEPTH_MAX + 2];
    struct od_raw_cut cut;
    memset(deep, 0x91, sizeof deep);
    assert_int_equal(refused_after(deep, sizeof deep, 1000, &cut), OD_RAW_DEPTH_MAX + 1);
    assert_non_null(strstr(cut.why, "nested"));
    deep[OD_RAW_DEPTH_MAX] = 0xc0; /* as deep as may be */
    assert_int_equal(refused_after(deep, OD_RAW_DEPTH_MAX + 1, 1000, &cut), 0);
    assert_int_equal(cut.used, 0);
    deep[OD_RAW_DEPTH_MAX] = 0x90; /* nothing in it: no depth more */
    assert_int_equal(refused_after(deep, OD_RAW_DEPTH_MAX + 1, 1000, &cut), 0);
    assert_int_equal(cut.used, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_pieces),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
