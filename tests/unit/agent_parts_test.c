/*
 * Goal: the small parts around a stream agent do what they say: conduct's silence, first word and
 * last minute; the hand-over with its texts filled in and no secret; what a document promises of a
 * result; resampling that keeps a tone's level; room noise that is bounded and seamless. Method:
 * one case each, by hand.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/agent/conduct.h"
#include "engine/agent/handover.h"
#include "engine/agent/returns.h"
#include "engine/media/noise.h"
#include "engine/media/resample.h"
#include "outdial/err.h"

/* 20 ms of quiet or voice; the fact of it. */
static enum od_conduct_fact tick(struct od_conduct *c, bool callee, bool agent)
{
    uint8_t frame[OD_FRAME_BYTES];
    memset(frame, callee ? 0x10 : 0xff, sizeof frame);
    od_conduct_heard(c, frame);
    return od_conduct_step(c, agent);
}

/* Frames until a fact other than nothing; 0 when none comes in `most`. */
static unsigned until(struct od_conduct *c, enum od_conduct_fact want, unsigned most)
{
    for (unsigned i = 1; i <= most; i++) {
        enum od_conduct_fact fact = tick(c, false, false);
        if (fact == want)
            return i;
        assert_int_equal(fact, OD_CONDUCT_NOTHING);
    }
    return 0;
}

static void test_silence(void **state)
{
    (void)state;
    struct od_agent_features features = {
        .silence = true, .silence_reminders = 2, .silence_ms = 1000, .silence_ends = true};
    struct od_conduct c;
    od_conduct_init(&c, &features, 0);
    assert_int_equal(until(&c, OD_CONDUCT_REMIND, 100), 50);
    assert_int_equal(c.reminder, 1);
    assert_int_equal(until(&c, OD_CONDUCT_REMIND, 100), 50);
    assert_int_equal(until(&c, OD_CONDUCT_GIVE_UP, 100), 50);
    assert_int_equal(until(&c, OD_CONDUCT_REMIND, 500), 0); /* once */

    od_conduct_init(&c, &features, 0); /* either side speaking begins it anew */
    until(&c, OD_CONDUCT_REMIND, 100);
    tick(&c, true, false);
    tick(&c, true, false); /* a click is no voice */
    assert_int_equal(c.reminder, 1);
    tick(&c, true, false);
    assert_int_equal(c.reminder, 0);
    until(&c, OD_CONDUCT_REMIND, 100);
    tick(&c, false, true);
    assert_int_equal(c.reminder, 1); /* the agent's own reminder is no answer */
    assert_int_equal(until(&c, OD_CONDUCT_REMIND, 100), 50);
    od_conduct_key(&c);
    assert_int_equal(c.reminder, 0);

    features.silence_ends = false;
    features.silence_reminders = 0;
    od_conduct_init(&c, &features, 0);
    assert_int_equal(until(&c, OD_CONDUCT_GIVE_UP, 300), 0);
}

static void test_first_word_and_last_minute(void **state)
{
    (void)state;
    struct od_agent_features features = {.talk_first = true, .talk_first_delay_ms = 100};
    struct od_conduct c;
    od_conduct_init(&c, &features, 0);
    assert_false(od_conduct_may_speak(&c));
    assert_int_equal(until(&c, OD_CONDUCT_SPEAK, 20), 5);
    assert_true(od_conduct_may_speak(&c));
    assert_int_equal(until(&c, OD_CONDUCT_SPEAK, 20), 0);

    od_conduct_init(&c, &(struct od_agent_features){0}, 200);
    assert_true(od_conduct_may_speak(&c));
    assert_int_equal(until(&c, OD_CONDUCT_ENDS_SOON, 20000), (200 - 30) * 50);
    assert_int_equal(c.left_ms, OD_CONDUCT_WARN_MS);
    od_conduct_init(&c, &(struct od_agent_features){0}, 8); /* a short call: a quarter */
    assert_int_equal(until(&c, OD_CONDUCT_ENDS_SOON, 20000), 300);
    assert_int_equal(c.left_ms, 2000);
}

static void test_handover(void **state)
{
    (void)state;
    static const char doc[] =
        "{\"name\":\"a\",\"persona\":\"Calls {{name}}\",\"returns\":{\"ok\":\"boolean\"},"
        "\"additionalData\":{\"name\":\"nobody\",\"n\":5},\"config\":{\"llmConfig\":{\"prompt\":"
        "\"Hi "
        "{{name}}\",\"apiKey\":\"SECRET\"},\"mcpConnections\":[{\"name\":\"m\",\"authentication\":"
        "{\"apiKey\":\"SECRET\"},\"customHeaders\":{\"x\":\"SECRET\"}}],\"outboundSipConfig\":"
        "{\"password\":\"SECRET\"},\"tools\":[{\"name\":\"t\",\"webhook\":{\"url\":\"SECRET\"}}]},"
        "\"outdial\":{\"agent\":{\"kind\":\"stream\",\"url\":\"ws://SECRET@h/"
        "\",\"bearer\":\"SECRET\","
        "\"parameters\":{\"p\":\"{{name}}!\",\"to_number\":\"mine\"}}}}";
    struct od_agent_def *def;
    char *params, *details;
    assert_int_equal(od_agent_def_parse(doc, sizeof doc - 1, &def, NULL), 0);
    struct od_handover handover = {.def = def,
                                   .from = "+1",
                                   .to = "+2",
                                   .attempt = 2,
                                   .amd = "{\"mode\":\"off\",\"kind\":\"unknown\"}",
                                   .context = "{\"name\":\"Ann\",\"deep\":{\"x\":1},\"no\":null}",
                                   .context_bytes = 40,
                                   .extra = "{\"persona\":\"Other {{n}}\",\"webhook\":\"SECRET\"}",
                                   .extra_bytes = 43};
    handover.context_bytes = strlen(handover.context);
    handover.extra_bytes = strlen(handover.extra);
    assert_int_equal(od_handover_write(&handover, &params, &details), 0);
    assert_string_equal(params,
                        "{\"from_number\":\"+1\",\"to_number\":\"+2\",\"p\":\"Ann!\",\"name\":"
                        "\"Ann\",\"n\":\"5\",\"deep\":\"{\\\"x\\\":1}\"}");
    assert_null(strstr(details, "SECRET"));
    assert_non_null(strstr(details, "\"persona\":\"Other 5\""));
    assert_non_null(strstr(details, "\"llmConfig\":{\"prompt\":\"Hi Ann\"}"));
    assert_non_null(strstr(details, "\"tools\":[{\"name\":\"t\"}]"));
    assert_non_null(strstr(details, "\"attempt\":2"));
    free(params);
    free(details);
    handover.context = "[]";
    handover.context_bytes = 2;
    assert_int_equal(od_handover_write(&handover, &params, &details), OD_EINVAL);
    od_agent_def_destroy(def);
}

static bool fits(const char *returns, const char *result, const char *want)
{
    char why[100] = "";
    bool good = od_returns_ok(returns, strlen(returns), result, strlen(result), why, sizeof why);
    assert_string_equal(why, want);
    return good;
}

static void test_returns(void **state)
{
    (void)state;
    static const char promise[] =
        "{\"ok\":\"boolean\",\"when\":\"string\",\"n\":{\"type\":\"integer\"}}";
    assert_true(fits("", "{}", ""));
    assert_true(fits("{}", "", ""));
    assert_true(fits(promise, "{\"ok\":true,\"when\":\"x\",\"n\":5,\"more\":1}", ""));
    assert_true(fits(promise, "{\"ok\":null,\"when\":null,\"n\":null}", ""));
    assert_false(fits(promise, "{\"ok\":\"yes\",\"when\":\"x\",\"n\":5}", "ok: expected boolean"));
    assert_false(fits(promise, "{\"ok\":true,\"when\":\"x\",\"n\":5.5}", "n: expected integer"));
    assert_true(fits(promise, "{\"ok\":true}", ""));
    assert_false(fits(promise, "", "no result came"));
    assert_false(fits("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\"}}}",
                      "{\"a\":{}}", "a: expected array"));
    static const char schema[] = "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},"
                                 "\"b\":{\"type\":\"string\"}},\"required\":[\"b\"]}";
    assert_true(fits(schema, "{\"b\":\"x\"}", ""));
    assert_false(fits(schema, "{\"a\":\"x\"}", "b is missing"));
    assert_false(fits(schema, "{\"a\":1,\"b\":\"x\"}", "a: expected string"));
}

/* The level of a tone behind both ways, in dB against what went in. */
static double through(unsigned factor, double hz)
{
    static struct od_resample up, down;
    static int16_t in[1600], wide[1600 * OD_RESAMPLE_FACTOR_MAX], out[1601];
    double before = 0, after = 0;
    od_resample_init(&up, factor);
    od_resample_init(&down, factor);
    for (unsigned i = 0; i < 1600; i++)
        in[i] = (int16_t)lrint(10000 * sin(2 * 3.14159265358979 * hz * i / 8000));
    od_resample_up(&up, in, 1600, wide);
    size_t made = 0;
    for (unsigned at = 0; at < 1600 * factor;) { /* in pieces that cut anywhere */
        size_t piece = 1600 * factor - at < 333 ? 1600 * factor - at : 333;
        made += od_resample_down(&down, wide + at, piece, out + made);
        at += (unsigned)piece;
    }
    assert_int_equal(made, 1600);
    for (unsigned i = 200; i < 1600; i++) {
        before += (double)in[i] * in[i];
        after += (double)out[i] * out[i];
    }
    return 10 * log10(after / before);
}

static void test_resampling(void **state)
{
    (void)state;
    static const unsigned factors[] = {1, 2, 3, 6};
    for (unsigned i = 0; i < 4; i++) {
        assert_true(fabs(through(factors[i], 400)) < 0.5);
        assert_true(fabs(through(factors[i], 1700)) < 0.5);
        assert_true(fabs(through(factors[i], 3000)) < 3);
    }
}

static void test_noise(void **state)
{
    (void)state;
    static int16_t loop[OD_NOISE_SAMPLES], again[OD_NOISE_SAMPLES];
    uint8_t frame[OD_FRAME_BYTES];
    uint32_t at = OD_NOISE_SAMPLES - OD_FRAME_BYTES;
    od_noise_make(loop, 3);
    od_noise_make(again, 3);
    assert_memory_equal(loop, again, sizeof loop);
    int step = 0;
    for (unsigned i = 1; i < OD_NOISE_SAMPLES; i++)
        step = abs(loop[i] - loop[i - 1]) > step ? abs(loop[i] - loop[i - 1]) : step;
    assert_true(abs(loop[0] - loop[OD_NOISE_SAMPLES - 1]) <= 2 * step); /* no click at the seam */
    memset(frame, OD_ULAW_SILENCE, sizeof frame);
    od_noise_mix(frame, loop, 0, &at);
    for (unsigned i = 0; i < OD_FRAME_BYTES; i++)
        assert_int_equal(od_ulaw_decode(frame[i]), 0);
    assert_int_equal(at, 0);
    od_noise_mix(frame, loop, 1, &at);
    unsigned loud = 0;
    for (unsigned i = 0; i < OD_FRAME_BYTES; i++)
        loud += od_ulaw_decode(frame[i]) != 0;
    assert_true(loud > OD_FRAME_BYTES / 2);
    assert_int_equal(at, OD_FRAME_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silence),    cmocka_unit_test(test_first_word_and_last_minute),
        cmocka_unit_test(test_handover),   cmocka_unit_test(test_returns),
        cmocka_unit_test(test_resampling), cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
