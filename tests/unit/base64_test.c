/*
 * Goal: base64 is RFC 4648's in both directions, whatever the length and the place in memory, and
 * nothing that is not of the alphabet gets through. Method: the RFC's own vectors; every length
 * against a slow coder of its own, in blocks of exactly that size; every wrong byte at every place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/base64.h"
#include "engine/base/rng.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Bit by bit. */
static size_t slowly(char *out, const uint8_t *data, size_t bytes)
{
    size_t n = 0;
    for (size_t bit = 0; bit < bytes * 8; bit += 6) {
        unsigned value = 0;
        for (size_t i = bit; i < bit + 6; i++)
            value = value << 1 | (i < bytes * 8 ? data[i / 8] >> (7 - i % 8) & 1u : 0);
        out[n++] = alphabet[value];
    }
    while (n % 4)
        out[n++] = '=';
    return n;
}

static void test_vectors(void **state)
{
    (void)state;
    static const char *const vectors[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const char *plain = vectors[i][0], *coded = vectors[i][1];
        char text[16];
        uint8_t back[16];
        size_t n = od_base64_encode(text, (const uint8_t *)plain, strlen(plain));
        assert_int_equal(n, strlen(coded));
        assert_memory_equal(text, coded, n);
        assert_int_equal(od_base64_decode(back, coded, n), strlen(plain));
        assert_memory_equal(back, plain, strlen(plain));
    }
}

static void test_every_length(void **state)
{
    (void)state;
    struct od_rng rng = {9};
    for (size_t bytes = 1; bytes < 400; bytes++) {
        size_t chars = OD_BASE64_CHARS(bytes);
        uint8_t *data = malloc(bytes), *back = malloc(chars / 4 * 3 + 2);
        char *text = malloc(chars), *expected = malloc(chars);
        for (size_t i = 0; i < bytes; i++)
            data[i] = (uint8_t)od_rng_below(&rng, 256);
        assert_int_equal(slowly(expected, data, bytes), chars);
        assert_int_equal(od_base64_encode(text, data, bytes), chars);
        assert_memory_equal(text, expected, chars);
        size_t padding = (3 - bytes % 3) % 3;
        for (size_t left = chars - padding; left <= chars; left += padding ? padding : 1) {
            memset(back, 0, bytes);
            assert_int_equal(od_base64_decode(back, text, left), bytes);
            assert_memory_equal(back, data, bytes);
        }
        free(data);
        free(back);
        free(text);
        free(expected);
    }
}

static void test_every_wrong_byte(void **state)
{
    (void)state;
    uint8_t out[32];
    for (size_t chars = 1; chars <= 20; chars++) {
        for (size_t at = 0; at < chars; at++) {
            for (int byte = 0; byte < 256; byte++) {
                char text[20];
                bool padding = byte == '=' && chars % 4 == 0 && at == chars - 1;
                memset(text, 'A', sizeof text);
                text[at] = (char)byte;
                bool good = (byte && strchr(alphabet, byte)) || padding;
                assert_int_equal(od_base64_decode(out, text, chars) != SIZE_MAX,
                                 good && chars % 4 != 1);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_every_wrong_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
