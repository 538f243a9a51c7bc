/*
 * Goal: who waits for a phone to be answered hears that it rings, as it rings there. Method: what
 * each country's numbers give is cut into sound and pause, and the power at each frequency that any
 * of them has is measured in the sound.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/media/ringback.h"

/* The part of the frame's power that stands at the frequency: 0 to 1. */
static double share(const uint8_t ulaw[OD_FRAME_BYTES], double hz)
{
    double re = 0, im = 0, all = 0;
    for (int i = 0; i < OD_FRAME_BYTES; i++) {
        double x = od_ulaw_decode(ulaw[i]), w = 2 * M_PI * hz * i / 8000;
        re += x * cos(w);
        im += x * sin(w);
        all += x * x;
    }
    return all > 0 ? (re * re + im * im) * 2 / (all * OD_FRAME_BYTES) : 0;
}

static bool is_silent(const uint8_t ulaw[OD_FRAME_BYTES])
{
    return !od_ulaw_reaches(ulaw, OD_FRAME_BYTES, 1);
}

static const struct {
    const char *number;
    int hz[2];      /* 0: one tone alone */
    unsigned ms[4]; /* two rounds of sound and pause */
} rings[] = {
    {"+15550001111", {440, 480}, {2000, 4000, 2000, 4000}},
    {"5550001111", {440, 480}, {2000, 4000, 2000, 4000}},
    {"+442071234567", {400, 450}, {400, 200, 400, 2000}},
    {"+4930123456", {425, 0}, {1000, 4000, 1000, 4000}},
    {"+33123456789", {440, 0}, {1500, 3500, 1500, 3500}},
    {"+81312345678", {400, 0}, {1000, 2000, 1000, 2000}},
    {"+61212345678", {400, 425}, {400, 200, 400, 2000}},
};

static void test_cadence_and_pitch(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof rings / sizeof *rings; r++) {
        struct od_ringback ringback;
        uint8_t ulaw[OD_FRAME_BYTES];
        double at_pitch = 0, beside = 0;
        unsigned sounded = 0;
        od_ringback_begin(&ringback, rings[r].number);
        for (unsigned round = 0; round < 3; round++) {
            for (unsigned part = 0; part < 4; part++) {
                for (unsigned ms = 0; ms < rings[r].ms[part]; ms += OD_FRAME_MS) {
                    od_ringback_frame(&ringback, ulaw);
                    if (is_silent(ulaw) != (part % 2 == 1))
                        fail_msg("%s: part %u at %u ms", rings[r].number, part, ms);
                    at_pitch += share(ulaw, rings[r].hz[0]);
                    at_pitch += rings[r].hz[1] ? share(ulaw, rings[r].hz[1]) : 0;
                    beside += share(ulaw, rings[r].hz[0] + 150);
                    sounded += part % 2 == 0;
                }
            }
        }
        if (at_pitch < 0.5 * sounded || beside > 0.3 * sounded)
            fail_msg("%s: %.2f at its pitch, %.2f beside", rings[r].number, at_pitch / sounded,
                     beside / sounded);
    }
}

static void test_two_tones_beat(void **state)
{
    (void)state;
    struct od_ringback ringback;
    uint8_t ulaw[OD_FRAME_BYTES];
    int quiet = 0, loud = 0;
    od_ringback_begin(&ringback, "+15550001111");
    for (unsigned i = 0; i < 100; i++) { /* 40 times a second */
        od_ringback_frame(&ringback, ulaw);
        for (unsigned k = 0; k < OD_FRAME_BYTES; k += 20) {
            quiet += !od_ulaw_reaches(ulaw + k, 20, 0x40);
            loud += od_ulaw_reaches(ulaw + k, 20, 0x50);
        }
    }
    assert_in_range(quiet, 80, 240);
    assert_in_range(loud, 200, 500);
}

static void test_nothing_before_it_begins(void **state)
{
    (void)state;
    struct od_ringback ringback = {0};
    uint8_t ulaw[OD_FRAME_BYTES];
    od_ringback_frame(&ringback, ulaw);
    assert_true(is_silent(ulaw));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cadence_and_pitch),
        cmocka_unit_test(test_two_tones_beat),
        cmocka_unit_test(test_nothing_before_it_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
