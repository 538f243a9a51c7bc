/*
 * Goal: the G.711 functions are the recommendation's. Method: every one of the 65,536 samples and
 * the 256 codes is compared with the arithmetic of ITU-T G.191's reference, written out here as
 * loops, and with properties that hold whatever the implementation (sign, order, half a step of
 * error).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/media/g711.h"
#include "engine/media/level.h"

static uint8_t reference_ulaw(int pcm)
{
    int magnitude = (pcm < 0 ? ~pcm : pcm) / 4 + 33;
    if (magnitude > 0x1fff)
        magnitude = 0x1fff;
    int segment = 1;
    for (int i = magnitude / 64; i; i /= 2)
        segment++;
    int low = 15 - magnitude / (1 << segment) % 16;
    return (uint8_t)((8 - segment) * 16 + low + (pcm >= 0 ? 128 : 0));
}

static uint8_t reference_alaw(int pcm)
{
    int magnitude = (pcm < 0 ? ~pcm : pcm) / 16;
    if (magnitude > 15) {
        int exponent = 1;
        while (magnitude > 31) {
            magnitude /= 2;
            exponent++;
        }
        magnitude = magnitude - 16 + exponent * 16;
    }
    return (uint8_t)((magnitude + (pcm >= 0 ? 128 : 0)) ^ 0x55);
}

static int reference_ulaw_value(int code)
{
    int inverted = 255 - code;
    int exponent = inverted / 16 % 8, mantissa = inverted % 16;
    int size = ((mantissa * 2 + 33) << exponent) - 33;
    return (code < 128 ? -size : size) * 4;
}

static int reference_alaw_value(int code)
{
    int toggled = code ^ 0x55;
    int exponent = toggled / 16 % 8, mantissa = toggled % 16;
    int size = exponent ? (mantissa * 2 + 33) << (exponent - 1) : mantissa * 2 + 1;
    return (code < 128 ? -size : size) * 8;
}

static void test_encoding_is_the_recommendations(void **state)
{
    (void)state;
    for (int pcm = -32768; pcm <= 32767; pcm++) {
        assert_int_equal(od_ulaw_encode((int16_t)pcm), reference_ulaw(pcm));
        assert_int_equal(od_alaw_encode((int16_t)pcm), reference_alaw(pcm));
    }
}

static void test_decoding_is_the_recommendations(void **state)
{
    (void)state;
    for (int code = 0; code < 256; code++) {
        assert_int_equal(od_ulaw_decode((uint8_t)code), reference_ulaw_value(code));
        assert_int_equal(od_alaw_decode((uint8_t)code), reference_alaw_value(code));
    }
}

static void test_a_code_survives_the_round_trip(void **state)
{
    (void)state;
    for (int code = 0; code < 256; code++) {
        /* mu-law has two zeros: 0x7f is -0 and comes back as +0 */
        int expected = code == 0x7f ? 0xff : code;
        assert_int_equal(od_ulaw_encode(od_ulaw_decode((uint8_t)code)), expected);
        assert_int_equal(od_alaw_encode(od_alaw_decode((uint8_t)code)), code);
    }
}

static void test_error_is_within_half_a_step(void **state)
{
    (void)state;
    int last_u = -40000, last_a = -40000;
    for (int pcm = -32768; pcm <= 32767; pcm++) {
        int u = od_ulaw_decode(od_ulaw_encode((int16_t)pcm));
        int a = od_alaw_decode(od_alaw_encode((int16_t)pcm));
        assert_true(u >= last_u && a >= last_a); /* never out of order */
        last_u = u;
        last_a = a;
        if (abs(pcm) > 32000)
            continue; /* mu-law clips at 32,635 */
        int size = abs(pcm) + 132, step = 8;
        while (step * 32 <= size)
            step *= 2;
        assert_true(abs(u - pcm) <= step / 2 + 4);
        assert_true(abs(a - pcm) <= (abs(pcm) / 32 > 8 ? abs(pcm) / 32 + 8 : 16));
    }
}

static void test_laws_turn_into_each_other(void **state)
{
    (void)state;
    for (int code = 0; code < 256; code++) {
        uint8_t in = (uint8_t)code, out;
        od_ulaw_to_alaw(&out, &in, 1);
        assert_int_equal(out, od_alaw_encode(od_ulaw_decode(in)));
        od_alaw_to_ulaw(&out, &in, 1);
        assert_int_equal(out, od_ulaw_encode(od_alaw_decode(in)));
    }
    uint8_t silence = OD_ULAW_SILENCE;
    od_ulaw_to_alaw(&silence, &silence, 1);
    assert_int_equal(silence, OD_ALAW_SILENCE);
}

static void test_level_is_in_decibels_below_overload(void **state)
{
    (void)state;
    uint8_t frame[OD_FRAME_BYTES];
    memset(frame, OD_ULAW_SILENCE, sizeof frame);
    assert_int_equal(od_level_dbov(frame, sizeof frame), 127);
    assert_int_equal(od_level_dbov(frame, 0), 127);
    /* a square wave of half the range is 6 dB down, of an eighth 18, of 1/64 36 */
    static const struct {
        int16_t size;
        int db;
    } cases[] = {{16384, 6}, {4096, 18}, {512, 36}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t s = 0; s < sizeof frame; s++)
            frame[s] = od_ulaw_encode(s % 2 ? cases[i].size : (int16_t)-cases[i].size);
        assert_in_range(od_level_dbov(frame, sizeof frame), cases[i].db - 1, cases[i].db + 1);
    }
}

/* Every code at every place, against the magnitude of what it stands for. */
static void test_magnitude_is_found_wherever_it_is(void **state)
{
    (void)state;
    uint8_t frame[21];
    for (unsigned magnitude = 1; magnitude < 128; magnitude++) {
        int16_t least = od_ulaw_decode((uint8_t)~magnitude);
        for (unsigned code = 0; code < 256; code++) {
            int pcm = od_ulaw_decode((uint8_t)code);
            memset(frame, OD_ULAW_SILENCE, sizeof frame);
            frame[code % sizeof frame] = (uint8_t)code;
            assert_int_equal(od_ulaw_reaches(frame, sizeof frame, (uint8_t)magnitude),
                             abs(pcm) >= abs(least));
        }
    }
    assert_false(od_ulaw_reaches(frame, 0, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoding_is_the_recommendations),
        cmocka_unit_test(test_decoding_is_the_recommendations),
        cmocka_unit_test(test_a_code_survives_the_round_trip),
        cmocka_unit_test(test_error_is_within_half_a_step),
        cmocka_unit_test(test_laws_turn_into_each_other),
        cmocka_unit_test(test_level_is_in_decibels_below_overload),
        cmocka_unit_test(test_magnitude_is_found_wherever_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
