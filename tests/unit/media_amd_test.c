/*
 * Goal: the answering machine detector's parts do what their headers say on signals that can be
 * written down exactly. Method: frames computed from a description (talk is a loud, syllable-like
 * buzz; tones are sinusoids) are played in and the verdicts compared. How well it does on speech is
 * tests/corpus/amd_corpus.c's to say.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/media/amd.h"

struct world {
    struct od_amd amd;
    uint32_t n; /* samples so far */
    uint64_t seed;
    struct od_amd_verdict got[16];
    unsigned count;
};

static void begin(struct world *w, bool answered)
{
    static const struct od_amd_config config = OD_AMD_CONFIG_DEFAULT;
    memset(w, 0, sizeof *w);
    w->seed = 1;
    od_amd_init(&w->amd, &config);
    if (answered)
        od_amd_answer(&w->amd);
}

static double noise(struct world *w)
{
    w->seed = w->seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (double)(int32_t)(w->seed >> 32) / 2147483648.0;
}

static void frames(struct world *w, unsigned ms, double hz1, double hz2, double loud, bool talk)
{
    uint8_t ulaw[OD_FRAME_BYTES];
    for (unsigned f = 0; f < ms / OD_FRAME_MS; f++) {
        for (unsigned i = 0; i < OD_FRAME_BYTES; i++, w->n++) {
            double t = w->n / 8000.0, x = 20.0 * noise(w);
            if (talk) /* syllables of 200 ms of a buzz with many harmonics */
                x += loud * noise(w) * (0.15 + 0.85 * fabs(sin(M_PI * t / 0.2)));
            if (hz1 > 0)
                x += loud * sin(2 * M_PI * hz1 * t);
            if (hz2 > 0)
                x += loud * sin(2 * M_PI * hz2 * t);
            ulaw[i] = od_ulaw_encode((int16_t)lrint(x));
        }
        struct od_amd_verdict verdict;
        if (od_amd_frame(&w->amd, ulaw, &verdict) && w->count < 16)
            w->got[w->count++] = verdict;
    }
}

static void quiet(struct world *w, unsigned ms)
{
    frames(w, ms, 0, 0, 0, false);
}

static void talk(struct world *w, unsigned ms)
{
    frames(w, ms, 0, 0, 8000, true);
}

static void tone(struct world *w, double hz, unsigned ms)
{
    frames(w, ms, hz, 0, 4000, false);
}

static void expect(const struct world *w, unsigned i, enum od_amd_kind kind)
{
    assert_true(i < w->count);
    assert_string_equal(od_amd_kind_name(w->got[i].kind), od_amd_kind_name(kind));
}

static void a_word_and_a_wait_is_a_person(void **ctx)
{
    struct world w;
    (void)ctx;
    begin(&w, true);
    quiet(&w, 400);
    talk(&w, 500);
    quiet(&w, 3000);
    assert_int_equal(w.count, 2);
    expect(&w, 0, OD_AMD_HUMAN);
    assert_false(w.got[0].settled);
    assert_true(w.got[0].at_ms > 1000 && w.got[0].at_ms < 1200);
    expect(&w, 1, OD_AMD_HUMAN);
    assert_true(w.got[1].settled);
    assert_true(w.got[1].at_ms > 1100 && w.got[1].at_ms < 1700);
    assert_true(w.got[0].confidence >= 80 && w.got[1].confidence >= 80);
    assert_string_equal(od_amd_answered_by(&w.amd), "human");
}

/* Told soon, and corrected when the talk goes on; a word inside a text, a pause inside a word and
 * what is too long for a person bring no such verdict; nor does anything when none is wanted. */
static void a_provisional_person_is_confirmed_or_corrected(void **ctx)
{
    static const struct {
        unsigned word, pause, wanted; /* ms, ms, percent */
        bool said;
    } rows[] = {{460, 200, 80, true},  {460, 120, 80, false}, {460, 200, 100, false},
                {460, 200, 99, false}, {460, 200, 50, true},  {1800, 200, 80, false}};
    (void)ctx;
    for (unsigned r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct od_amd_config config = OD_AMD_CONFIG_DEFAULT;
        struct world w;
        begin(&w, true);
        config.provisional = (uint8_t)rows[r].wanted;
        w.amd.config = config;
        quiet(&w, 300);
        talk(&w, rows[r].word);
        quiet(&w, rows[r].pause);
        assert_int_equal(w.count, rows[r].said);
        assert_string_equal(od_amd_answered_by(&w.amd), rows[r].said ? "human" : "");
        talk(&w, 4000);
        assert_int_equal(w.count, 1 + rows[r].said);
        expect(&w, rows[r].said, OD_AMD_MACHINE);
        assert_true(w.got[rows[r].said].settled);
        assert_string_equal(od_amd_answered_by(&w.amd), "machine");
    }
}

static void a_greeting_and_its_beep(void **ctx)
{
    struct world w;
    (void)ctx;
    begin(&w, true);
    quiet(&w, 300);
    talk(&w, 6000);
    quiet(&w, 600);
    tone(&w, 1000, 400);
    quiet(&w, 4000);
    assert_int_equal(w.count, 2);
    expect(&w, 0, OD_AMD_MACHINE);
    assert_true(w.got[0].at_ms < 2800);
    expect(&w, 1, OD_AMD_BEEP);
    assert_true(w.got[1].at_ms > 7300 && w.got[1].at_ms < 8000);
    assert_string_equal(od_amd_answered_by(&w.amd), "machine");
}

static void a_beep_corrects_a_person(void **ctx)
{
    struct world w;
    (void)ctx;
    begin(&w, true);
    talk(&w, 500);
    quiet(&w, 1000);
    talk(&w, 1200);
    quiet(&w, 400);
    tone(&w, 1400, 300);
    quiet(&w, 1000);
    expect(&w, 1, OD_AMD_HUMAN);
    expect(&w, 2, OD_AMD_BEEP);
    assert_string_equal(od_amd_answered_by(&w.amd), "machine");
}

static void a_double_beep_is_one(void **ctx)
{
    struct world w;
    (void)ctx;
    begin(&w, true);
    talk(&w, 4000);
    quiet(&w, 600);
    tone(&w, 900, 160);
    quiet(&w, 100);
    tone(&w, 900, 160);
    quiet(&w, 1000);
    assert_int_equal(w.count, 2);
    expect(&w, 1, OD_AMD_BEEP);
    assert_true(w.got[1].at_ms >= 5020);
}

static void tones_of_the_network_are_no_beep(void **ctx)
{
    static const struct {
        double hz1, hz2;
        unsigned on, off;
    } rows[] = {
        {425, 0, 1000, 4000}, {440, 480, 2000, 4000}, {425, 0, 480, 480}, {480, 620, 500, 500},
        {425, 0, 240, 240},   {450, 0, 340, 340},     {400, 0, 360, 360}, {400, 450, 400, 200},
        {1100, 0, 500, 3000}, {697, 1209, 100, 400},
    };
    (void)ctx;
    for (unsigned r = 0; r < sizeof rows / sizeof *rows; r++) {
        struct world w;
        begin(&w, true);
        talk(&w, 3500);
        quiet(&w, 500);
        for (unsigned i = 0; i < 6; i++) {
            frames(&w, rows[r].on, rows[r].hz1, rows[r].hz2, 3000, false);
            quiet(&w, rows[r].off);
        }
        unsigned beeps = 0;
        for (unsigned i = 0; i < w.count; i++)
            beeps += w.got[i].kind == OD_AMD_BEEP;
        /* A lone 1100 Hz tone after talk is a beep until it comes again; the rest never is. */
        assert_int_equal(beeps, rows[r].hz1 == 1100 ? 1 : 0);
    }
}

static void fax_and_information_tones(void **ctx)
{
    struct world w;
    (void)ctx;
    begin(&w, true);
    quiet(&w, 1000);
    tone(&w, 2100, 3000);
    assert_int_equal(w.count, 1);
    expect(&w, 0, OD_AMD_FAX);
    assert_true(w.got[0].at_ms < 2000);

    for (unsigned early = 0; early < 2; early++) {
        begin(&w, !early);
        quiet(&w, 200);
        tone(&w, 950, 340);
        tone(&w, 1400, 340);
        tone(&w, 1800, 340);
        quiet(&w, 300);
        expect(&w, 0, OD_AMD_ANNOUNCEMENT);
        assert_int_equal(w.got[0].early, early);
    }
}

static void early_speech_is_an_announcement_and_ringback_is_none(void **ctx)
{
    struct world w;
    (void)ctx;
    begin(&w, false);
    for (unsigned i = 0; i < 2; i++) {
        frames(&w, 2000, 440, 480, 3000, false);
        quiet(&w, 2000);
    }
    assert_int_equal(w.count, 0);
    od_amd_answer(&w.amd);
    quiet(&w, 300);
    talk(&w, 500);
    quiet(&w, 1500);
    assert_int_equal(w.count, 2);
    expect(&w, 1, OD_AMD_HUMAN);
    assert_false(w.got[1].early);

    begin(&w, false);
    quiet(&w, 200);
    talk(&w, 3000);
    expect(&w, 0, OD_AMD_ANNOUNCEMENT);
    assert_true(w.got[0].early);
}

static void a_question_without_a_beep_is_a_screening(void **ctx)
{
    struct world w;
    (void)ctx;
    begin(&w, true);
    quiet(&w, 300);
    talk(&w, 5000);
    quiet(&w, 4000);
    expect(&w, 0, OD_AMD_MACHINE);
    expect(&w, 1, OD_AMD_SCREENING);
    begin(&w, true);
    talk(&w, 12000);
    quiet(&w, 4000);
    expect(&w, 1, OD_AMD_GREETING_END);
}

static void nothing_heard_is_unknown_in_time(void **ctx)
{
    struct world w;
    (void)ctx;
    begin(&w, true);
    quiet(&w, 9000);
    assert_int_equal(w.count, 1);
    expect(&w, 0, OD_AMD_UNKNOWN);
    assert_int_equal(w.got[0].at_ms, 5000);
}

/* The record's runs give the same verdict again, and other costs another one. */
static void runs_can_be_judged_again(void **ctx)
{
    struct od_amd_config config = OD_AMD_CONFIG_DEFAULT;
    struct world w;
    (void)ctx;
    begin(&w, true);
    quiet(&w, 400);
    talk(&w, 6000);
    struct od_amd_verdict again = od_amd_rejudge(&config, w.amd.runs_ms, w.amd.run_count);
    assert_int_equal(again.kind, OD_AMD_MACHINE);
    assert_true(again.at_ms <= w.got[0].at_ms + 100 && again.at_ms + 100 >= w.got[0].at_ms);
    static const uint16_t office[] = {300, 1700, 1500};
    assert_int_equal(od_amd_rejudge(&config, office, 3).kind, OD_AMD_HUMAN);
    config.human_as_machine = 5;
    assert_int_equal(od_amd_rejudge(&config, office, 3).kind, OD_AMD_MACHINE);
}

static void the_record_is_bounded_json(void **ctx)
{
    struct world w;
    char text[OD_AMD_JSON_MAX];
    struct od_buf buf;
    (void)ctx;
    begin(&w, true);
    for (unsigned i = 0; i < 40; i++) {
        talk(&w, 140);
        quiet(&w, 260);
        tone(&w, 700 + i * 20, 160);
        quiet(&w, 60);
    }
    od_buf_init(&buf, text, sizeof text);
    od_amd_write(&w.amd, &buf);
    assert_false(buf.cut);
    assert_memory_equal(text, "{\"verdicts\":[", 13);
    assert_int_equal(text[buf.used - 1], '}');
}

static void any_bytes_are_endured(void **ctx)
{
    struct world w;
    uint8_t ulaw[OD_FRAME_BYTES];
    struct od_amd_verdict verdict;
    (void)ctx;
    begin(&w, false);
    for (unsigned f = 0; f < 20000; f++) {
        for (unsigned i = 0; i < OD_FRAME_BYTES; i++)
            ulaw[i] = (uint8_t)(f % 3 == 0   ? (unsigned)lrint(noise(&w) * 127) + 128u
                                : f % 3 == 1 ? f
                                             : i * f);
        if (f == 500)
            od_amd_answer(&w.amd);
        od_amd_frame(&w.amd, ulaw, &verdict);
    }
    assert_true(w.amd.frames > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_and_a_wait_is_a_person),
        cmocka_unit_test(a_provisional_person_is_confirmed_or_corrected),
        cmocka_unit_test(a_greeting_and_its_beep),
        cmocka_unit_test(a_beep_corrects_a_person),
        cmocka_unit_test(a_double_beep_is_one),
        cmocka_unit_test(tones_of_the_network_are_no_beep),
        cmocka_unit_test(fax_and_information_tones),
        cmocka_unit_test(early_speech_is_an_announcement_and_ringback_is_none),
        cmocka_unit_test(a_question_without_a_beep_is_a_screening),
        cmocka_unit_test(nothing_heard_is_unknown_in_time),
        cmocka_unit_test(runs_can_be_judged_again),
        cmocka_unit_test(the_record_is_bounded_json),
        cmocka_unit_test(any_bytes_are_endured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
