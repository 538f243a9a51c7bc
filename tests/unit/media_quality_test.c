/*
 * Goal: what is played for lost packets is near to what was lost and never clicks; the quality
 * estimate follows the E-model. Method: a buzz of a known pitch with every tenth frame lost is
 * compared with itself; scores are compared with values worked out by hand from ITU-T G.107.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/media/plc.h"
#include "engine/media/quality.h"

/* A voice-like sound of this pitch. */
static void buzz(uint8_t frame[OD_FRAME_BYTES], uint32_t at, double hz)
{
    for (uint32_t i = 0; i < OD_FRAME_BYTES; i++) {
        double t = (at + i) / 8000.0, x = 0;
        for (int k = 1; k <= 8; k++)
            x += 6000.0 / k * sin(2 * M_PI * hz * k * t + k);
        frame[i] = od_ulaw_encode((int16_t)lrint(x / 2));
    }
}

static void lost_speech_goes_on_without_a_click(void **ctx)
{
    static const double pitches[] = {85, 110, 147, 180, 210, 330};
    (void)ctx;
    for (unsigned p = 0; p < sizeof pitches / sizeof *pitches; p++) {
        struct od_plc plc;
        uint8_t frame[OD_FRAME_BYTES], should[OD_FRAME_BYTES];
        double error = 0, power = 0, jump = 0, step = 0;
        int16_t last = 0, last_should = 0;
        od_plc_init(&plc);
        for (uint32_t f = 0; f < 200; f++) {
            buzz(should, f * OD_FRAME_BYTES, pitches[p]);
            memcpy(frame, should, sizeof frame);
            bool lost = f % 10 == 9;
            if (lost)
                assert_true(od_plc_fill(&plc, frame));
            else
                assert_int_equal(od_plc_good(&plc, frame), f && f % 10 == 0);
            for (unsigned i = 0; i < OD_FRAME_BYTES; i++) {
                int16_t is = od_ulaw_decode(frame[i]), was = od_ulaw_decode(should[i]);
                if (lost) {
                    error += pow(is - was, 2);
                    power += pow(was, 2);
                }
                if (f > 3 && (i || f)) {
                    jump = fmax(jump, fabs((double)is - last));
                    step = fmax(step, fabs((double)was - last_should));
                }
                last = is;
                last_should = was;
            }
        }
        /* Silence would be 1.0; a repetition out of phase up to 2.0. The pitch is found to within a
         * sample, and it fades by a sixth at the frame's end. */
        assert_true(error / power < 0.35);
        assert_true(jump < step * 1.5);
    }
}

static void a_long_gap_becomes_silence(void **ctx)
{
    struct od_plc plc;
    uint8_t frame[OD_FRAME_BYTES];
    (void)ctx;
    od_plc_init(&plc);
    for (uint32_t f = 0; f < 5; f++) {
        buzz(frame, f * OD_FRAME_BYTES, 120);
        od_plc_good(&plc, frame);
    }
    for (uint32_t f = 0; f < 3; f++)
        assert_true(od_plc_fill(&plc, frame));
    assert_false(od_plc_fill(&plc, frame));
    for (unsigned i = 0; i < OD_FRAME_BYTES; i++)
        assert_int_equal(frame[i], OD_ULAW_SILENCE);
}

static void scores_follow_the_model(void **ctx)
{
    static const struct {
        struct od_quality_facts facts;
        uint32_t low, high;
    } rows[] = {
        {{OD_QUALITY_G711, 0, 0}, 441, 442},      /* R 93.2 */
        {{OD_QUALITY_G711, 0, 150}, 432, 434},    /* R 89.6 */
        {{OD_QUALITY_G711, 0, 400}, 301, 306},    /* R 59.1 */
        {{OD_QUALITY_G711, 200, 60}, 419, 424},   /* 2 %: Ie,eff 7.0 */
        {{OD_QUALITY_G711, 2000, 60}, 234, 262},  /* 20 %: Ie,eff 42.1 */
        {{OD_QUALITY_G711, 10000, 60}, 100, 130}, /* nothing comes */
    };
    (void)ctx;
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t mos = od_quality_mos_100(&rows[i].facts);
        assert_in_range(mos, rows[i].low, rows[i].high);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_speech_goes_on_without_a_click),
        cmocka_unit_test(a_long_gap_becomes_silence),
        cmocka_unit_test(scores_follow_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
