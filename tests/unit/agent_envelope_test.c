/*
 * Goal: a message means the same whether its envelope was seen before or not. Method: sequences of
 * messages, in every format that has its audio in JSON, are read once with an envelope that is kept
 * from one to the next, and once each on its own; what comes of them is compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/agent/dialect.h"
#include "engine/base/rng.h"

enum { TOLD_MAX = 8, TEXT_MAX = 4096 };

struct told {
    unsigned count;
    char text[TOLD_MAX][TEXT_MAX];
};

static void on_command(void *ctx, const struct od_stream_command *c)
{
    struct told *told = ctx;
    assert_true(told->count < TOLD_MAX);
    snprintf(told->text[told->count++], TEXT_MAX, "%u %d [%.*s] %u %u (%.*s) {%.*s} %u",
             (unsigned)c->kind, (int)c->base64, (int)c->audio_bytes, c->audio ? c->audio : "",
             (unsigned)c->audio_rate, (unsigned)c->audio_codec, (int)c->text_bytes,
             c->text ? c->text : "", (int)c->json_bytes, c->json ? c->json : "", (unsigned)c->ms);
}

static void read_both(const struct od_dialect *dialect, struct od_envelope *envelope,
                      const char *text)
{
    static struct told kept, alone;
    kept.count = alone.count = 0;
    const uint8_t *at = (const uint8_t *)text;
    od_dialect_read(dialect, envelope, true, at, strlen(text), on_command, &kept);
    od_dialect_read(dialect, NULL, true, at, strlen(text), on_command, &alone);
    assert_int_equal(kept.count, alone.count);
    for (unsigned i = 0; i < kept.count; i++)
        assert_string_equal(kept.text[i], alone.text[i]);
}

static const struct od_dialect *find(const char *name)
{
    const struct od_dialect *dialect = od_dialect_find(name, strlen(name));
    assert_non_null(dialect);
    return dialect;
}

/* $: the payload. What follows a message of audio in its own envelope must not be taken for one. */
static const char *const messages[][12] = {
    {"twilio", "{\"event\":\"media\",\"streamSid\":\"MZ0123\",\"media\":{\"payload\":\"$\"}}",
     "{\"event\":\"media\",\"streamSid\":\"MZ0123\",\"media\":{\"payload\":\"\"}}",
     "{\"event\":\"media\",\"streamSid\":\"MZ0123\",\"media\":{\"payload\":\"$\\/\"}}",
     "{\"event\":\"media\",\"streamSid\":\"MZ0123\",\"media\":{\"payload\":\"$\",\"x\":\"$\"}}",
     "{\"event\":\"media\",\"media\":{\"payload\":\"$\"},\"event\":\"mark\"}",
     "{\"event\":\"mark\",\"media\":{\"payload\":\"$\"}}",
     "{\"event\":\"mark\",\"mark\":{\"name\":\"$\"}}", "{\"event\":\"clear\"}",
     "{\"event\":\"media\",\"payload\":\"$\",\"media\":{\"payload\":\"$\"}}",
     "{\"event\":\"media\",\"streamSid\":\"MZ0123\",\"media\":{\"payload\":\"$", NULL},
    {"plivo",
     "{\"event\":\"playAudio\",\"media\":{\"contentType\":\"audio/x-mulaw\",\"sampleRate\":8000,"
     "\"payload\":\"$\"}}",
     "{\"event\":\"playAudio\",\"media\":{\"contentType\":\"audio/x-l16\",\"sampleRate\":16000,"
     "\"payload\":\"$\"}}",
     "{\"event\":\"playAudio\",\"media\":{\"payload\":\"$\",\"contentType\":\"audio/x-l16;rate="
     "16000\"}}",
     "{\"event\":\"clearAudio\"}", NULL},
    {"jambonz",
     "{\"type\":\"playAudio\",\"data\":{\"audioContent\":\"$\",\"sampleRate\":8000,\"id\":\"a\"}}",
     "{\"type\":\"playAudio\",\"data\":{\"audioContent\":\"$\",\"queuePlay\":true}}",
     "{\"type\":\"playAudio\",\"data\":{\"audioContent\":\"$\",\"queuePlay\":false}}", NULL},
    {"telnyx", "{\"event\":\"media\",\"media\":{\"payload\":\"$\"}}", NULL},
    {"exotel", "{\"event\":\"media\",\"stream_sid\":\"x\",\"media\":{\"payload\":\"$\"}}", NULL},
};

static void fill(char out[TEXT_MAX], const char *message, const char *payload)
{
    size_t n = 0;
    for (; *message; message++)
        n += (size_t)(*message == '$' ? snprintf(out + n, TEXT_MAX - n, "%s", payload)
                                      : snprintf(out + n, TEXT_MAX - n, "%c", *message));
    assert_true(n < TEXT_MAX);
}

static void test_same_with_and_without(void **state)
{
    (void)state;
    char text[TEXT_MAX], payload[300];
    struct od_rng rng = {5};
    for (unsigned f = 0; f < sizeof messages / sizeof *messages; f++) {
        const struct od_dialect *dialect = find(messages[f][0]);
        struct od_envelope envelope = {0};
        unsigned kinds = 1;
        while (messages[f][kinds])
            kinds++;
        for (unsigned round = 0; round < 2000; round++) {
            unsigned chars = (unsigned)od_rng_below(&rng, sizeof payload);
            for (unsigned i = 0; i < chars; i++)
                payload[i] = "ABab01+/\"\\ "[od_rng_below(&rng, od_rng_below(&rng, 20) ? 8 : 11)];
            payload[chars] = 0;
            fill(text, messages[f][1 + od_rng_below(&rng, kinds - 1)], payload);
            read_both(dialect, &envelope, text);
        }
    }
}

/* The second message is not parsed: one that no parser would take for audio is proof. */
static void test_known_is_not_parsed(void **state)
{
    (void)state;
    static struct told told;
    char text[TEXT_MAX], payload[217];
    struct od_envelope envelope = {0};
    memset(payload, 'Y', sizeof payload - 1);
    payload[sizeof payload - 1] = 0;
    fill(text, messages[0][1], payload);
    read_both(find("twilio"), &envelope, text);
    assert_true(envelope.before > 0);
    text[60 + strlen(payload) / 2] = '\n'; /* JSON has it as an escape only */
    od_dialect_read(find("twilio"), &envelope, true, (const uint8_t *)text, strlen(text),
                    on_command, &told);
    assert_int_equal(told.count, 1);
    assert_non_null(strstr(told.text[0], "YYY"));
}

/* What is too long around the audio is read as any, and what was known stays. */
static void test_long_envelope(void **state)
{
    (void)state;
    char text[TEXT_MAX], payload[217], around[TEXT_MAX], rest[OD_ENVELOPE_BYTES + 1];
    struct od_envelope envelope = {0};
    memset(payload, 'Y', sizeof payload - 1);
    payload[sizeof payload - 1] = 0;
    memset(rest, 'r', sizeof rest - 1);
    rest[sizeof rest - 1] = 0;
    snprintf(around, sizeof around,
             "{\"event\":\"media\",\"x\":\"%s\",\"media\":{\"payload\":\"$\"}}", rest);
    fill(text, around, payload);
    read_both(find("twilio"), &envelope, text);
    assert_int_equal(envelope.before, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_with_and_without),
        cmocka_unit_test(test_known_is_not_parsed),
        cmocka_unit_test(test_long_envelope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
