/*
 * Goal: a call is told to an outside agent as its format says, to the letter, and what the agent
 * says is done: the requirement list for Twilio's format line by line, and each other format's
 * words in both directions. Method: the stream with its messages kept, driven by hand, 20 ms at a
 * time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <yyjson.h>

#include "engine/agent/audio_in.h"
#include "engine/agent/mpack.h"
#include "engine/agent/stream.h"
#include "engine/base/base64.h"
#include "outdial/err.h"

enum { SAID_MAX = 10000, TEXT_MAX = 8192 };

struct said {
    bool text;
    size_t bytes;
    char *at;
};

struct world {
    struct od_chunk_pool pool;
    struct od_stream *stream;
    struct said said[SAID_MAX];
    unsigned count;
    size_t queued;
    unsigned done, orders, odds;
    uint8_t order;
    char order_text[200], order_json[400], odd[200];
};

static void on_send(void *ctx, bool text, const char *at, size_t bytes)
{
    struct world *w = ctx;
    assert_true(w->count < SAID_MAX);
    struct said *said = &w->said[w->count++];
    *said = (struct said){text, bytes, malloc(bytes + 1)};
    memcpy(said->at, at, bytes);
    said->at[bytes] = 0;
}

static size_t on_queued(void *ctx)
{
    return ((struct world *)ctx)->queued;
}

static void on_done(void *ctx)
{
    ((struct world *)ctx)->done++;
}

static void on_order(void *ctx, const struct od_stream_command *command)
{
    struct world *w = ctx;
    w->orders++;
    w->order = command->kind;
    snprintf(w->order_text, sizeof w->order_text, "%.*s", (int)command->text_bytes, command->text);
    snprintf(w->order_json, sizeof w->order_json, "%.*s", (int)command->json_bytes,
             command->json ? command->json : "");
}

static void on_odd(void *ctx, const char *what)
{
    struct world *w = ctx;
    w->odds++;
    snprintf(w->odd, sizeof w->odd, "%s", what);
}

static const struct od_uid call = {{0x01, 0xa2, 0x28, 0x23, 0x26, 0x80, 0x7d, 0xb8, 0xaf, 0xd9,
                                    0xcc, 0xd2, 0xdf, 0x2b, 0xdf, 0xd2}};

static const struct od_uid campaign = {{0x02, 0xa2, 0x28, 0x23, 0x26, 0x80, 0x7d, 0xb8, 0xaf, 0xd9,
                                        0xcc, 0xd2, 0xdf, 0x2b, 0xdf, 0xd2}};

static struct world *begin(const char *format, uint32_t rate)
{
    struct world *w = calloc(1, sizeof *w);
    const struct od_dialect *dialect = od_dialect_find(format, strlen(format));
    assert_non_null(dialect);
    od_chunk_pool_init(&w->pool, 64 << 20);
    assert_int_equal(
        od_stream_create(&w->stream,
                         &(struct od_stream_setup){
                             .dialect = dialect,
                             .rate = rate ? rate : od_dialect_rate(dialect),
                             .buffer_s = 60,
                             .pool = &w->pool,
                             .call = call,
                             .attempt = 3,
                             .campaign = campaign,
                             .amd = "{\"mode\":\"async\",\"kind\":\"unknown\"}",
                             .org = "acme",
                             .from = "+15550009999",
                             .to = "+15550001111",
                             .params = "{\"from_number\":\"+15550009999\",\"name\":\"An\\\"n\"}",
                             .details = "{\"call_id\":\"x\"}",
                             .port = {w, on_send, on_queued, on_done, on_order, on_odd}}),
        0);
    return w;
}

static void forget(struct world *w)
{
    for (unsigned i = 0; i < w->count; i++)
        free(w->said[i].at);
    w->count = 0;
}

static void end(struct world *w)
{
    od_stream_destroy(w->stream);
    forget(w);
    assert_int_equal(w->pool.used_count, 0);
    od_chunk_pool_deinit(&w->pool);
    free(w);
}

/* Returns the parts it was taken in. */
static unsigned say_bytes(struct world *w, bool text, const void *at, size_t bytes)
{
    uint8_t *copy = malloc(bytes + 1); /* gone when it is done with */
    unsigned parts = 1;
    memcpy(copy, at, bytes);
    for (bool over = od_stream_message(w->stream, text, copy, bytes); !over; parts++)
        over = od_stream_go_on(w->stream);
    free(copy);
    assert_in_range(parts, 1, 1 + bytes / OD_AUDIO_PART_BYTES);
    return parts;
}

static void say(struct world *w, const char *text)
{
    say_bytes(w, true, text, strlen(text));
}

static void say_audio(struct world *w, const uint8_t *ulaw, size_t bytes)
{
    size_t size = OD_BASE64_CHARS(bytes) + 128;
    char *text = malloc(size);
    int n =
        snprintf(text, size, "{\"event\":\"media\",\"streamSid\":\"x\",\"media\":{\"payload\":\"");
    n += (int)od_base64_encode(text + n, ulaw, bytes);
    snprintf(text + n, size - (size_t)n, "\"}}");
    say(w, text);
    free(text);
}

/* 20 ms both ways: the callee says `code`; what it hears goes to frame (may be NULL). */
static size_t tick(struct world *w, uint8_t code, uint8_t frame[OD_FRAME_BYTES])
{
    uint8_t heard[OD_FRAME_BYTES], own[OD_FRAME_BYTES];
    memset(heard, code, sizeof heard);
    od_stream_heard(w->stream, heard);
    size_t n = od_stream_frame(w->stream, frame ? frame : own);
    od_stream_after(w->stream);
    return n;
}

static const char *last(const struct world *w)
{
    assert_true(w->count > 0);
    return w->said[w->count - 1].at;
}

#define STREAM "MZ01a1282326807db8afd9ccd2df2bdfd2"
#define CALL "CA01a2282326807db8afd9ccd2df2bdfd2"

static void test_twilio_opening(void **state)
{
    (void)state;
    struct world *w = begin("twilio", 0);
    char account[OD_SID_TEXT], want[1024];
    tick(w, 0x11, NULL); /* the phone rings: nothing is told before connected, nor before start */
    assert_int_equal(w->count, 0);
    od_stream_opened(w->stream);
    assert_int_equal(w->count, 1);
    assert_string_equal(last(w),
                        "{\"event\":\"connected\",\"protocol\":\"Call\",\"version\":\"1.0.0\"}");
    tick(w, 0x11, NULL);
    od_stream_digit(w->stream, '1');
    assert_int_equal(w->count, 1);
    od_stream_start(w->stream);
    assert_int_equal(w->count, 2);
    od_sid_account("acme", account);
    snprintf(want, sizeof want,
             "{\"event\":\"start\",\"sequenceNumber\":\"1\",\"streamSid\":\"" STREAM
             "\",\"start\":{"
             "\"accountSid\":\"%s\",\"streamSid\":\"" STREAM "\",\"callSid\":\"" CALL
             "\",\"tracks\":[\"inbound\"],\"mediaFormat\":{\"encoding\":\"audio/x-mulaw\","
             "\"sampleRate\":8000,\"channels\":1},\"customParameters\":{\"from_number\":"
             "\"+15550009999\",\"name\":\"An\\\"n\"},\"outdial\":{\"call_id\":\"x\"}}}",
             account);
    assert_string_equal(last(w), want);
    assert_memory_equal(account, "AC", 2);
    assert_int_equal(strspn(account + 2, "0123456789abcdef"), 32);
    /* answered before the bot is there: the same two, in the same order */
    struct world *late = begin("twilio", 0);
    od_stream_start(late->stream);
    tick(late, 0x11, NULL);
    assert_int_equal(late->count, 0);
    od_stream_opened(late->stream);
    assert_int_equal(late->count, 2);
    assert_non_null(strstr(late->said[0].at, "connected"));
    assert_non_null(strstr(late->said[1].at, "\"start\""));
    end(late);
    end(w);
}

static struct world *begin_talk(const char *format, uint32_t rate)
{
    struct world *w = begin(format, rate);
    od_stream_opened(w->stream);
    od_stream_start(w->stream);
    forget(w);
    return w;
}

static void test_twilio_media(void **state)
{
    (void)state;
    struct world *w = begin_talk("twilio", 0);
    char audio[OD_BASE64_CHARS(160) + 1] = {0}, want[1024];
    uint8_t frame[160];
    for (unsigned i = 0; i < 100; i++)
        tick(w, (uint8_t)(i == 50 ? 0xff : 0x20), NULL);
    assert_int_equal(w->count, 100);
    for (unsigned i = 0; i < 100; i++) {
        memset(frame, i == 50 ? 0xff : 0x20, sizeof frame);
        od_base64_encode(audio, frame, sizeof frame);
        snprintf(want, sizeof want,
                 "{\"event\":\"media\",\"sequenceNumber\":\"%u\",\"streamSid\":\"" STREAM
                 "\",\"media\":{\"track\":\"inbound\",\"chunk\":\"%u\",\"timestamp\":\"%u\","
                 "\"payload\":\"%s\"}}",
                 i + 2, i + 1, i * 20, audio);
        assert_true(w->said[i].text);
        assert_string_equal(w->said[i].at, want);
    }
    od_stream_digit(w->stream, '#');
    assert_string_equal(last(w),
                        "{\"event\":\"dtmf\",\"sequenceNumber\":\"102\",\"streamSid\":\"" STREAM
                        "\",\"dtmf\":{\"track\":\"inbound_track\",\"digit\":\"#\"}}");
    od_stream_stop(w->stream, "completed", 200);
    assert_non_null(strstr(last(w), "{\"event\":\"stop\",\"sequenceNumber\":\"103\""));
    assert_non_null(strstr(last(w), "\"stop\":{\"accountSid\":\"AC"));
    unsigned count = w->count;
    tick(w, 0x20, NULL); /* nothing after stop */
    od_stream_digit(w->stream, '1');
    od_stream_stop(w->stream, "completed", 200);
    assert_int_equal(w->count, count);
    end(w);
}

static void mark(struct world *w, const char *name)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"event\":\"mark\",\"streamSid\":\"x\",\"mark\":{\"name\":\"%s\"}}", name);
    say(w, text);
}

/* Counts messages that hold both words. */
static unsigned told(const struct world *w, const char *one, const char *other)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->count; i++)
        n += strstr(w->said[i].at, one) && strstr(w->said[i].at, other);
    return n;
}

static void test_twilio_marks(void **state)
{
    (void)state;
    struct world *w = begin_talk("twilio", 0);
    static uint8_t speech[8000 * 2];
    uint8_t frame[OD_FRAME_BYTES];
    mark(w, "empty"); /* nothing is buffered: at once */
    assert_int_equal(told(w, "\"mark\"", "\"empty\""), 1);
    memset(speech, 0x33, sizeof speech);
    say_audio(w, speech, 1601); /* any size: ten frames and a sample */
    mark(w, "first");
    say_audio(w, speech, 159 + 1600);
    mark(w, "second");
    mark(w, "second");
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(tick(w, 0xff, frame), 160);
    assert_int_equal(told(w, "\"mark\"", "\"first\""), 0);
    assert_int_equal(tick(w, 0xff, frame), 160); /* the eleventh holds its last sample */
    assert_int_equal(frame[0], 0x33);
    assert_int_equal(told(w, "\"mark\"", "\"first\""), 1);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(told(w, "\"mark\"", "\"second\""), 0);
        tick(w, 0xff, frame);
    }
    assert_int_equal(told(w, "\"mark\"", "\"second\""), 2);
    assert_int_equal(told(w, "\"mark\"", "outdial"),
                     0); /* played ones are Twilio's to the letter */
    assert_int_equal(tick(w, 0xff, frame), 0);
    assert_int_equal(frame[0], OD_ULAW_SILENCE);
    end(w);
}

static void test_twilio_clear(void **state)
{
    (void)state;
    struct world *w = begin_talk("twilio", 0);
    static uint8_t speech[8000];
    uint8_t frame[OD_FRAME_BYTES];
    memset(speech, 0x33, sizeof speech);
    for (unsigned i = 0; i < 60; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%u", i);
        say_audio(w, speech, 800);
        mark(w, name);
    }
    for (unsigned i = 0; i < 12; i++) /* two pieces and two fifths of the third */
        tick(w, 0xff, frame);
    assert_int_equal(told(w, "\"event\":\"mark\"", "streamSid"), 2);
    forget(w);
    say(w, "{\"event\":\"clear\",\"streamSid\":\"x\"}");
    assert_int_equal(w->count, 58); /* all that were pending, in order */
    for (unsigned i = 0; i < 58; i++) {
        char want[32];
        snprintf(want, sizeof want, "\"name\":\"n%u\"", i + 2);
        assert_non_null(strstr(w->said[i].at, want));
    }
    assert_non_null(
        strstr(w->said[0].at, "\"outdial\":{\"cleared\":true,\"played_ms\":40,\"of_ms\":100}"));
    assert_non_null(strstr(w->said[1].at, "\"played_ms\":0,\"of_ms\":100"));
    assert_int_equal(tick(w, 0xff, frame), 0); /* the very next frame is silence */
    say_audio(w, speech, 160);
    mark(w, "again");
    assert_int_equal(told(w, "mark", "again"), 0);
    assert_int_equal(tick(w, 0xff, frame), 160);
    assert_int_equal(told(w, "mark", "again"), 1);
    end(w);
}

/* Thousands of marks that come due at once are told in order, so many a frame; as many again may
 * come meanwhile. */
static void test_many_marks(void **state)
{
    (void)state;
    struct world *w = begin_talk("twilio", 0);
    static uint8_t speech[8000];
    char name[24];
    unsigned told_marks = 0;
    for (unsigned round = 0; round < 2; round++) {
        say_audio(w, speech, sizeof speech);
        for (unsigned i = 0; i < OD_MARKS_MAX; i++) {
            snprintf(name, sizeof name, "n%u", round * OD_MARKS_MAX + i);
            mark(w, name);
        }
        say(w, "{\"event\":\"clear\",\"streamSid\":\"x\"}");
    }
    assert_int_equal(w->odds, 0);
    for (unsigned frames = 0; told_marks < 2 * OD_MARKS_MAX; frames++) {
        unsigned marks = 0;
        for (unsigned i = 0; i < w->count; i++) {
            if (!strstr(w->said[i].at, "\"event\":\"mark\""))
                continue;
            snprintf(name, sizeof name, "\"n%u\"", told_marks++);
            assert_non_null(strstr(w->said[i].at, name));
            marks++;
        }
        if (frames)
            assert_in_range(marks, 1, OD_STREAM_MARKS_AT_ONCE);
        forget(w);
        tick(w, 0xff, NULL);
    }
    end(w);
}

static void test_buffer(void **state)
{
    (void)state;
    struct world *w = begin_talk("twilio", 0);
    static uint8_t speech[8000 * 10];
    for (unsigned i = 0; i < 12; i++)
        say_audio(w, speech, sizeof speech); /* two minutes at once; a minute may wait */
    struct od_stream_stats stats;
    od_stream_stats(w->stream, &stats);
    assert_true(stats.spoken_bytes >= 60 * 8000);
    assert_true(stats.dropped_bytes >= 59 * 8000 - OD_CHUNK_BYTES);
    assert_int_equal(w->odds, 1); /* said once */
    assert_non_null(strstr(w->odd, "more audio than may wait"));
    end(w);
}

static void test_bad_messages(void **state)
{
    (void)state;
    struct world *w = begin_talk("twilio", 0);
    static const char *const bad[] = {"{",
                                      "[]",
                                      "{\"event\":5}",
                                      "{\"event\":\"media\"}",
                                      "{\"event\":\"media\",\"media\":{\"payload\":5}}",
                                      "{\"event\":\"media\",\"media\":{\"payload\":\"!!!!\"}}",
                                      "{\"event\":\"mark\",\"mark\":{}}",
                                      "{}"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        say(w, bad[i]);
    od_stream_message(w->stream, false, (const uint8_t *)"\0\1", 2);
    struct od_stream_stats stats;
    od_stream_stats(w->stream, &stats);
    assert_int_equal(stats.bad, 9);
    assert_int_equal(w->odds, 1);
    say(w, "{\"event\":\"something new\"}"); /* well-formed and unknown: nothing */
    od_stream_stats(w->stream, &stats);
    assert_int_equal(stats.bad, 9);
    say_audio(w, (const uint8_t *)"\x33", 1);
    assert_int_equal(tick(w, 0xff, NULL), 1);
    end(w);
}

/* A message written around a payload that a JSON parser shall not have to copy. */
static void say_around(struct world *w, const char *before, const char *payload, const char *after)
{
    size_t size = strlen(before) + strlen(payload) + strlen(after) + 1;
    char *text = malloc(size);
    snprintf(text, size, "%s%s%s", before, payload, after);
    say(w, text);
    free(text);
}

static uint64_t spoken(const struct world *w)
{
    struct od_stream_stats stats;
    od_stream_stats(w->stream, &stats);
    return stats.spoken_bytes;
}

static void test_long_messages(void **state)
{
    (void)state;
    enum { BYTES = 60000 };
    static uint8_t speech[BYTES], heard[OD_FRAME_BYTES];
    static char payload[OD_BASE64_CHARS(BYTES) + 1], escaped[2 * sizeof payload];
    struct world *w = begin_talk("twilio", 0);
    size_t n = 0, bytes;
    for (unsigned i = 0; i < BYTES; i++)
        speech[i] = (uint8_t)(i * 7 + i / 251);
    od_base64_encode(payload, speech, BYTES);
    for (const char *at = payload; *at; at++) {
        if (*at == '/')
            escaped[n++] = '\\';
        escaped[n++] = *at;
    }

    /* As any writer of JSON may put it: white space, other members, a solidus escaped. */
    const char *const ways[][3] = {
        {"{\"event\":\"media\",\"media\":{\"payload\":\"", payload, "\"}}"},
        {"{ \"media\" : {\"x\": [1], \"payload\" :\n \"", payload, "\" }, \"event\": \"media\" }"},
        {"{\"event\":\"media\",\"media\":{\"payload\":\"", escaped, "\"}}"}};
    for (unsigned i = 0; i < 3; i++) {
        uint64_t before = spoken(w);
        say_around(w, ways[i][0], ways[i][1], ways[i][2]);
        assert_int_equal(spoken(w) - before, BYTES);
        for (size_t at = 0; at < BYTES; at += OD_FRAME_BYTES) {
            assert_int_equal(tick(w, 0xff, heard), OD_FRAME_BYTES);
            assert_memory_equal(heard, speech + at, OD_FRAME_BYTES);
        }
    }

    /* What only looks like audio, or is no base64, is taken as it is. */
    say_around(w, "{\"event\":\"result\",\"result\":{\"payload\":\"",
               payload + sizeof payload - 20001, "\"}}");
    char *json = od_stream_result(w->stream, &bytes);
    assert_non_null(json);
    assert_int_equal(bytes, 20000 + strlen("{\"payload\":\"\"}"));
    assert_null(strstr(json, "cut"));
    free(json);
    struct od_stream_stats stats;
    uint64_t before = spoken(w);
    say_around(w, "{\"event\":\"media\",\"payload\":\"", payload, "\",\"media\":{}}");
    say_around(w, "{\"event\":\"media\",\"media\":{\"payload\":\"", payload, "\"}");
    say_around(w, "{\"event\":\"media\",\"media\":{\"payload\":\"", payload, "");
    assert_int_equal(spoken(w) - before, 0);
    payload[30000] = '!';
    say_around(w, ways[0][0], payload, ways[0][2]);
    assert_in_range(spoken(w) - before, 0, 30000 / 4 * 3); /* at most what is in front of it */
    od_stream_stats(w->stream, &stats);
    assert_int_equal(stats.bad, 4);
    end(w);
}

/* The message without its first and last characters, which is bad, has no more parts than it. */
static void say_megabytes(struct world *w, bool escaped)
{
    enum { BYTES = 400000, CHARS = OD_BASE64_CHARS(BYTES) };
    static uint8_t speech[BYTES], heard[OD_FRAME_BYTES];
    static char payload[CHARS + 1], text[6 * CHARS + 200];
    size_t n = (size_t)sprintf(text, "{\"event\":\"media\",\"media\":{\"payload\":\"");
    for (unsigned i = 0; i < BYTES; i++)
        speech[i] = (uint8_t)(i * 7 + i / 251);
    od_base64_encode(payload, speech, BYTES);
    for (const char *at = payload; *at; at++) {
        static const char *const pluses[] = {"\\u002b", "\\u002B", "+"};
        static const char *const slashes[] = {"\\/", "\\u002f", "/"};
        unsigned way = escaped ? (unsigned)(at - payload) / 1000 % 3 : 2;
        if (*at == '+' || *at == '/')
            n += (size_t)sprintf(text + n, "%s", *at == '+' ? pluses[way] : slashes[way]);
        else
            text[n++] = *at;
    }
    n += (size_t)sprintf(text + n, "\"},\"streamSid\":\"x\"}");
    uint64_t before = spoken(w);
    assert_in_range(say_bytes(w, true, text, n), CHARS / OD_AUDIO_PART_BYTES, n);
    assert_int_equal(spoken(w) - before, BYTES);
    for (size_t at = 0; at < BYTES; at += OD_FRAME_BYTES) {
        assert_int_equal(tick(w, 0xff, heard), OD_FRAME_BYTES);
        assert_memory_equal(heard, speech + at, OD_FRAME_BYTES);
        forget(w);
    }
    /* a character that is none, late in it: what is before it was said; what cuts it short isn't
     * seen before it is */
    before = spoken(w);
    text[n - 100000] = '\n';
    say_bytes(w, true, text, n);
    assert_in_range(spoken(w) - before, BYTES / 2, BYTES - 1);
    say(w, "{\"event\":\"clear\"}");
    text[n - 100000] = '"';
    say_bytes(w, true, text, n);
    say(w, "{\"event\":\"clear\"}");
    before = spoken(w);
    say_bytes(w, true, text + 1, n - 1);
    say_bytes(w, true, text, n - 1);
    assert_int_equal(spoken(w), before);
}

static void test_megabytes(void **state)
{
    (void)state;
    struct world *w = begin_talk("twilio", 0);
    struct od_stream_stats stats;
    say_megabytes(w, false);
    say_megabytes(w, true);
    od_stream_stats(w->stream, &stats);
    assert_int_equal(stats.bad, 8);
    /* its own word can't be long */
    enum { LONG = OD_DIALECT_PARSED_MAX + 1 };
    char *text = malloc(LONG + 1);
    memset(text, ' ', LONG);
    memcpy(text, "{\"event\":\"result\",\"result\":{\"a\":1}", 34);
    text[LONG - 1] = '}';
    text[LONG] = 0;
    say(w, text);
    od_stream_stats(w->stream, &stats);
    assert_int_equal(stats.bad, 9);
    text[LONG - 2] = '}';
    text[LONG - 1] = 0;
    say(w, text);
    od_stream_stats(w->stream, &stats);
    assert_int_equal(stats.bad, 9);
    size_t bytes;
    char *json = od_stream_result(w->stream, &bytes);
    assert_string_equal(json, "{\"a\":1}");
    free(json);
    free(text);
    end(w);
}

/* Of a long piece that is not done with: its name is told when it is, or when it can't be. */
static void test_cut_off(void **state)
{
    (void)state;
    enum { BYTES = 4 * OD_AUDIO_PART_BYTES };
    static const struct od_stream_command clear = {.kind = OD_STREAM_CLEAR};
    static uint8_t speech[BYTES];
    static char text[OD_BASE64_CHARS(BYTES) + 200];
    int n = sprintf(text, "{\"type\":\"playAudio\",\"data\":{\"audioContentType\":\"raw\","
                          "\"sampleRate\":8000,\"id\":\"long\",\"audioContent\":\"");
    n += (int)od_base64_encode(text + n, speech, BYTES);
    n += sprintf(text + n, "\"}}");
    for (unsigned how = 0; how < 3; how++) {
        struct world *w = begin_talk("jambonz", 0);
        assert_false(od_stream_message(w->stream, true, (const uint8_t *)text, (size_t)n));
        assert_false(od_stream_go_on(w->stream));
        forget(w);
        if (how == 0) { /* another has answered: nothing of it is said any more */
            assert_true(od_stream_command(w->stream, &clear));
            assert_true(od_stream_go_on(w->stream));
            assert_non_null(strstr(w->said[0].at, "\"long\""));
            assert_int_equal(tick(w, 0xff, NULL), 0);
        } else if (how == 1) { /* the next connection begins with another message */
            od_stream_closed(w->stream);
            assert_true(od_stream_message(w->stream, true, (const uint8_t *)"{}", 2));
            assert_true(od_stream_talking(w->stream));
        } else {
            od_stream_stop(w->stream, "completed", 0);
            assert_true(od_stream_go_on(w->stream));
        }
        end(w);
    }
}

/* Brackets are what takes most of a parser. */
static void test_deep_message(void **state)
{
    (void)state;
    enum { DEPTH = 1 << 20 };
    struct world *w = begin_talk("twilio", 0);
    char *text = malloc(2 * DEPTH + 64);
    int n = sprintf(text, "{\"event\":\"x\",\"x\":");
    memset(text + n, '[', DEPTH);
    memset(text + n + DEPTH, ']', DEPTH);
    strcpy(text + n + 2 * DEPTH, "}");
    say(w, text);
    struct od_stream_stats stats;
    od_stream_stats(w->stream, &stats);
    assert_int_equal(stats.bad, 1);
    free(text);
    end(w);
}

/* The agent reads too slowly: the oldest audio goes, the rest comes with its own time. */
static void test_slow_agent(void **state)
{
    (void)state;
    struct world *w = begin_talk("twilio", 0);
    tick(w, 1, NULL);
    w->queued = OD_STREAM_QUEUED_HIGH + 1;
    for (unsigned i = 0; i < OD_STREAM_HELD_FRAMES + 50; i++)
        tick(w, 2, NULL);
    assert_int_equal(w->count, 1);
    mark(w, "m"); /* control goes through */
    assert_int_equal(w->count, 2);
    w->queued = 0;
    od_stream_room(w->stream);
    assert_int_equal(w->count, 2 + OD_STREAM_HELD_FRAMES);
    assert_non_null(strstr(w->said[2].at, "\"chunk\":\"2\",\"timestamp\":\"1020\""));
    tick(w, 3, NULL);
    assert_non_null(strstr(last(w), "\"timestamp\":\"3020\""));
    struct od_stream_stats stats;
    od_stream_stats(w->stream, &stats);
    assert_int_equal(stats.dropped_heard, 50);
    assert_int_equal(w->odds, 1);
    end(w);
}

static void test_goodbye(void **state)
{
    (void)state;
    static uint8_t speech[1600];
    struct world *w = begin_talk("twilio", 0);
    say_audio(w, speech, sizeof speech);
    say(w, "{\"event\":\"hangup\",\"hangup\":{\"reason\":\"done\"}}");
    for (unsigned i = 0; i < 10 + OD_STREAM_TAIL_FRAMES - 1; i++) {
        tick(w, 0xff, NULL);
        assert_int_equal(w->done, 0); /* what was said is heard to the end */
    }
    for (unsigned i = 0; i < 5; i++)
        tick(w, 0xff, NULL);
    assert_int_equal(w->done, 1);
    end(w);

    w = begin_talk("twilio", 0); /* closing the connection says the same */
    say_audio(w, speech, sizeof speech);
    od_stream_left(w->stream);
    for (unsigned i = 0; i < 40; i++)
        tick(w, 0xff, NULL);
    assert_int_equal(w->done, 1);
    end(w);

    w = begin_talk("twilio", 0); /* nothing was ever said: nothing to wait for */
    say(w, "{\"event\":\"hangup\"}");
    tick(w, 0xff, NULL);
    assert_int_equal(w->done, 1);
    end(w);
}

static void test_results(void **state)
{
    (void)state;
    struct world *w = begin_talk("twilio", 0);
    size_t bytes;
    assert_null(od_stream_result(w->stream, &bytes));
    say(w, "{\"event\":\"result\",\"result\":{\"a\":1,\"b\":\"x\"}}");
    say(w, "{\"event\":\"result\",\"result\":{\"b\":true}}");
    say(w, "{\"event\":\"result\",\"result\":[1]}"); /* no object: left out, told once */
    char *json = od_stream_result(w->stream, &bytes);
    assert_string_equal(json, "{\"a\":1,\"b\":true}");
    free(json);
    assert_int_equal(w->odds, 1);
    say(w,
        "{\"event\":\"transcript\",\"transcript\":{\"role\":\"agent\",\"text\":\"Hi\",\"x\":1}}");
    say(w, "{\"event\":\"transcript\",\"transcript\":[{\"speaker\":\"user\",\"content\":\"Yes\","
           "\"start_ms\":5}]}");
    json = od_stream_transcript(w->stream, &bytes);
    assert_string_equal(json, "[{\"role\":\"agent\",\"text\":\"Hi\"},{\"role\":\"user\",\"text\":"
                              "\"Yes\",\"started_ms\":5}]");
    free(json);
    say(w, "{\"event\":\"tool_call\",\"tool_call\":{\"id\":\"7\",\"name\":\"look\",\"arguments\":{}"
           "}}");
    assert_int_equal(w->order, OD_STREAM_TOOL_CALL);
    assert_string_equal(w->order_text, "look");
    assert_string_equal(w->order_json, "{\"id\":\"7\",\"name\":\"look\",\"arguments\":{}}");
    od_stream_tool_result(w->stream, "{\"id\":\"7\"}");
    assert_non_null(strstr(last(w), "\"event\":\"tool_result\""));
    say(w, "{\"event\":\"transfer\",\"transfer\":{\"target\":\"+1555\"}}");
    assert_int_equal(w->order, OD_STREAM_TRANSFER);
    assert_string_equal(w->order_text, "+1555");
    say(w, "{\"event\":\"transfer\",\"transfer\":{\"route\":\"Sales\"}}");
    assert_int_equal(w->order, OD_STREAM_TRANSFER);
    assert_string_equal(w->order_text, "");
    assert_string_equal(w->order_json, "{\"route\":\"Sales\"}");
    say(w, "{\"event\":\"dtmf\",\"dtmf\":{\"digits\":\"12#\"}}");
    assert_int_equal(w->order, OD_STREAM_SEND_DTMF);
    od_stream_notice(w->stream, "silence", "{\"reminder\":1}");
    assert_non_null(strstr(last(w), "{\"event\":\"silence\""));
    assert_non_null(strstr(last(w), "\"silence\":{\"reminder\":1}}"));
    end(w);
}

/* ---- the other formats ---- */

static yyjson_doc *json_of(const struct world *w, unsigned i)
{
    assert_true(i < w->count);
    yyjson_doc *doc = yyjson_read(w->said[i].at, w->said[i].bytes, 0);
    if (!doc)
        print_error("%s\n", w->said[i].at);
    assert_non_null(doc);
    return doc;
}

static void test_telnyx(void **state)
{
    (void)state;
    struct world *w = begin("telnyx", 0);
    od_stream_opened(w->stream);
    od_stream_start(w->stream);
    assert_string_equal(w->said[0].at, "{\"event\":\"connected\",\"version\":\"1.0.0\"}");
    yyjson_doc *doc = json_of(w, 1);
    yyjson_val *root = yyjson_doc_get_root(doc);
    assert_true(yyjson_equals_str(yyjson_ptr_get(root, "/stream_id"), STREAM));
    assert_true(yyjson_equals_str(yyjson_ptr_get(root, "/sequence_number"), "1"));
    assert_true(yyjson_equals_str(yyjson_ptr_get(root, "/start/to"), "+15550001111"));
    assert_true(yyjson_equals_str(yyjson_ptr_get(root, "/start/media_format/encoding"), "PCMU"));
    assert_true(yyjson_is_obj(yyjson_ptr_get(root, "/start/custom_parameters")));
    yyjson_doc_free(doc);
    tick(w, 1, NULL);
    assert_non_null(strstr(last(w), "\"chunk\":\"1\",\"timestamp\":\"0\""));
    say(w, "{\"event\":\"media\",\"media\":{\"payload\":\"AAAA\"}}");
    mark(w, "m");
    say(w, "{\"event\":\"clear\"}");
    assert_non_null(strstr(last(w), "\"mark\":{\"name\":\"m\"}"));
    end(w);
}

static void test_exotel(void **state)
{
    (void)state;
    struct world *w = begin("exotel", 16000);
    od_stream_opened(w->stream);
    od_stream_start(w->stream);
    yyjson_doc *doc = json_of(w, 1);
    assert_true(yyjson_equals_str(
        yyjson_ptr_get(yyjson_doc_get_root(doc), "/start/media_format/sample_rate"), "16000"));
    yyjson_doc_free(doc);
    forget(w);
    for (unsigned i = 0; i < 10; i++)
        tick(w, 0xff, NULL);
    assert_int_equal(w->count, 2); /* 100 ms a message: 16 bit, 16 kHz */
    doc = json_of(w, 1);
    yyjson_val *payload = yyjson_ptr_get(yyjson_doc_get_root(doc), "/media/payload");
    assert_int_equal(yyjson_get_len(payload), OD_BASE64_CHARS(3200));
    assert_true(
        yyjson_equals_str(yyjson_ptr_get(yyjson_doc_get_root(doc), "/media/timestamp"), "100"));
    yyjson_doc_free(doc);
    static uint8_t wide[3200];
    say_audio(w, wide, sizeof wide); /* 100 ms at 16 kHz: five frames of ours */
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(tick(w, 0xff, NULL), 160);
    assert_int_equal(tick(w, 0xff, NULL), 0);
    end(w);
}

static void test_plivo(void **state)
{
    (void)state;
    struct world *w = begin("plivo", 0);
    od_stream_opened(w->stream);
    assert_int_equal(w->count, 0); /* there is no `connected` */
    od_stream_start(w->stream);
    yyjson_doc *doc = json_of(w, 0);
    yyjson_val *root = yyjson_doc_get_root(doc);
    assert_int_equal(yyjson_get_uint(yyjson_ptr_get(root, "/sequenceNumber")), 1);
    assert_true(yyjson_equals_str(yyjson_ptr_get(root, "/extra_headers"),
                                  "from_number=+15550009999;name=An\"n"));
    yyjson_doc_free(doc);
    forget(w);
    say(w,
        "{\"event\":\"playAudio\",\"media\":{\"contentType\":\"audio/x-mulaw\",\"sampleRate\":8000,"
        "\"payload\":\"AAAA\"}}");
    say(w, "{\"event\":\"checkpoint\",\"streamId\":\"x\",\"name\":\"c1\"}");
    assert_int_equal(tick(w, 1, NULL), 3);
    assert_non_null(strstr(last(w), "{\"event\":\"playedStream\",\"sequenceNumber\":3"));
    assert_non_null(strstr(last(w), "\"name\":\"c1\""));
    /* linear at 16 kHz, as its content type says */
    say(w, "{\"event\":\"playAudio\",\"media\":{\"contentType\":\"audio/x-l16;rate=16000\","
           "\"payload\":\"AAAAAAAAAAAAAAAA\"}}");
    say(w, "{\"event\":\"checkpoint\",\"name\":\"c2\"}");
    say(w, "{\"event\":\"clearAudio\",\"streamId\":\"x\"}");
    assert_non_null(strstr(last(w), "clearedAudio")); /* a cleared checkpoint is not answered */
    assert_int_equal(told(w, "playedStream", "c2"), 0);
    end(w);
}

static void test_vonage(void **state)
{
    (void)state;
    struct world *w = begin("vonage", 16000);
    od_stream_opened(w->stream);
    od_stream_start(w->stream);
    assert_string_equal(
        w->said[0].at,
        "{\"event\":\"websocket:connected\",\"content-type\":\"audio/l16;rate=16000\","
        "\"from_number\":\"+15550009999\",\"name\":\"An\\\"n\"}");
    tick(w, 1, NULL);
    assert_false(w->said[1].text);
    assert_int_equal(w->said[1].bytes, 640); /* 20 ms a message */
    static uint8_t wide[640];
    od_stream_message(w->stream, false, wide, 333); /* cut within a sample */
    od_stream_message(w->stream, false, wide, 307);
    say(w, "{\"action\":\"notify\",\"payload\":{\"n\":[1]}}");
    assert_int_equal(tick(w, 1, NULL), 160);
    assert_string_equal(last(w), "{\"event\":\"websocket:notify\",\"payload\":{\"n\":[1]}}");
    say(w, "{\"action\":\"clear\"}");
    assert_string_equal(last(w), "{\"event\":\"websocket:cleared\"}");
    od_stream_digit(w->stream, '5');
    assert_string_equal(last(w), "{\"event\":\"websocket:dtmf\",\"digit\":\"5\",\"duration\":100}");
    end(w);
}

static void test_jambonz(void **state)
{
    (void)state;
    struct world *w = begin("jambonz", 0);
    assert_string_equal(od_dialect_subprotocol(od_dialect_find("jambonz", 7)),
                        "audio.drachtio.org");
    od_stream_opened(w->stream);
    od_stream_start(w->stream);
    yyjson_doc *doc = json_of(w, 0);
    assert_int_equal(yyjson_get_uint(yyjson_ptr_get(yyjson_doc_get_root(doc), "/sampleRate")),
                     8000);
    assert_true(yyjson_equals_str(yyjson_ptr_get(yyjson_doc_get_root(doc), "/name"), "An\"n"));
    yyjson_doc_free(doc);
    tick(w, 1, NULL);
    assert_int_equal(w->said[1].bytes, 320);
    forget(w);
    say(w, "{\"type\":\"playAudio\",\"data\":{\"audioContent\":\"AAAAAAAA\",\"audioContentType\":"
           "\"raw\","
           "\"sampleRate\":8000,\"id\":\"p1\"}}");
    assert_int_equal(tick(w, 1, NULL), 3);
    assert_int_equal(told(w, "{\"type\":\"playDone\",\"data\":{\"id\":\"p1\"}}", ""), 1);
    static uint8_t wide[3200];
    od_stream_message(w->stream, false, wide, sizeof wide);
    say(w, "{\"type\":\"mark\",\"data\":{\"name\":\"m1\"}}");
    say(w, "{\"type\":\"clearMarks\"}");
    assert_string_equal(last(w),
                        "{\"type\":\"mark\",\"data\":{\"name\":\"m1\",\"event\":\"cleared\"}}");
    assert_int_equal(tick(w, 1, NULL), 160); /* the audio plays on */
    say(w, "{\"type\":\"killAudio\"}");
    assert_int_equal(tick(w, 1, NULL), 0);
    say(w, "{\"type\":\"disconnect\"}");
    for (unsigned i = 0; i < 20; i++)
        tick(w, 1, NULL);
    assert_int_equal(w->done, 1);
    end(w);
}

static void test_msgpack(void **state)
{
    (void)state;
    struct world *w = begin("msgpack", 0);
    char json[2048];
    struct od_buf buf;
    od_stream_set_sid(w->stream, 300);
    od_stream_opened(w->stream);   /* the call is offered before it is dialled */
    assert_int_equal(w->count, 2); /* and what may be said is told */
    struct od_mpack mpack = {(uint8_t *)w->said[0].at, (uint8_t *)w->said[0].at + w->said[0].bytes};
    od_buf_init(&buf, json, sizeof json);
    assert_true(od_mpack_to_json(&mpack, &buf));
    assert_string_equal(json,
                        "[1,300,{\"call\":\"01a22823-2680-7db8-afd9-ccd2df2bdfd2\",\"from\":"
                        "\"+15550009999\",\"to\":\"+15550001111\",\"campaign\":"
                        "\"02a22823-2680-7db8-afd9-ccd2df2bdfd2\",\"attempt\":3,\"codec\":"
                        "\"pcmu\",\"rate\":8000,\"ptime\":20,\"amd\":{\"mode\":\"async\",\"kind\":"
                        "\"unknown\"},\"params\":{\"from_number\":\"+15550009999\",\"name\":"
                        "\"An\\\"n\"},\"outdial\":{\"call_id\":\"x\"}}]");
    od_stream_message(w->stream, false, (const uint8_t *)"\x92\x10\xcd\x01\x2c", 5);
    assert_int_equal(w->order, OD_STREAM_ACCEPT);
    od_stream_message(w->stream, false,
                      (const uint8_t *)"\x94\x11\xcd\x01\x2c\xcd\x01\xe6\xa3"
                                       "now",
                      12);
    assert_int_equal(w->order, OD_STREAM_REJECT);
    assert_string_equal(w->order_text, "now");
    od_stream_start(w->stream);
    forget(w);
    tick(w, 0x41, NULL);
    tick(w, 0x41, NULL);
    assert_false(w->said[1].text);
    /* [2, 300, seq, ts in samples, 160 bytes] */
    assert_memory_equal(w->said[1].at,
                        "\x95\x02\xcd\x01\x2c\x03\xcc\xa0\xc4\xa0"
                        "AAAA",
                        14);
    od_stream_message(w->stream, false,
                      (const uint8_t *)"\x94\x02\x01\x00\xc4\x03"
                                       "abc",
                      9);
    od_stream_message(w->stream, false, (const uint8_t *)"\x93\x04\x01\xa1m", 5);
    forget(w);
    assert_int_equal(tick(w, 1, NULL), 3);
    assert_memory_equal(last(w), "\x95\x04\xcd\x01\x2c\xa1m", 7);
    od_stream_message(w->stream, false, (const uint8_t *)"\x93\x05\x01\x81\xa6result\x81\xa1k\x05",
                      15);
    size_t bytes;
    char *result = od_stream_result(w->stream, &bytes);
    assert_string_equal(result, "{\"k\":5}");
    free(result);
    static const char *const bad[] = {"\x90", "\x92\xa1x\x01", "\x93\x02\x01\x01", "\xc1",
                                      "\x92\x02"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        od_stream_message(w->stream, false, (const uint8_t *)bad[i], strlen(bad[i]));
    od_stream_message(w->stream, false, (const uint8_t *)"\x93\x63\x01\x01",
                      4); /* unknown: nothing */
    struct od_stream_stats stats;
    od_stream_stats(w->stream, &stats);
    assert_int_equal(stats.bad, 5);
    end(w);
}

/* The messages since forget(), of that kind, as JSON. */
static const char *told_of(const struct world *w, uint8_t kind)
{
    static char text[2048];
    struct od_buf buf;
    od_buf_init(&buf, text, sizeof text);
    text[0] = '\0';
    for (unsigned i = 0; i < w->count; i++) {
        const uint8_t *at = (const uint8_t *)w->said[i].at;
        struct od_mpack mpack = {at, at + w->said[i].bytes};
        if (!w->said[i].text && at[1] == kind)
            assert_true(od_mpack_to_json(&mpack, &buf));
    }
    return text;
}

static void say_packed(struct world *w, const uint8_t *audio, size_t bytes)
{
    uint8_t *at = malloc(bytes + 9);
    memcpy(at, "\x94\x02\x07\x00\xc6", 5);
    for (unsigned i = 0; i < 4; i++)
        at[5 + i] = (uint8_t)(bytes >> (24 - 8 * i));
    memcpy(at + 9, audio, bytes);
    say_bytes(w, false, at, bytes + 9);
    free(at);
}

static void ticks(struct world *w, unsigned count)
{
    while (count--)
        tick(w, 1, NULL);
}

static uint8_t minute[60 * 8000 + OD_CHUNK_BYTES];

static struct world *begin_flow(void)
{
    struct world *w = begin("msgpack", 0);
    memset(minute, 0x33, sizeof minute);
    od_stream_set_sid(w->stream, 7);
    od_stream_opened(w->stream);
    assert_string_equal(told_of(w, 11), "[11,7,60000]");
    od_stream_start(w->stream);
    forget(w);
    return w;
}

static void clear_packed(struct world *w)
{
    od_stream_message(w->stream, false, (const uint8_t *)"\x92\x09\x07", 3);
}

static void test_credit(void **state)
{
    (void)state;
    struct world *w = begin_flow();
    say_packed(w, minute, 12000);
    ticks(w, 49);
    assert_string_equal(told_of(w, 11), "");
    ticks(w, 1); /* a second that was played is a second more */
    assert_string_equal(told_of(w, 11), "[11,7,1000]");
    ticks(w, 60);
    assert_string_equal(told_of(w, 11), "[11,7,1000]");
    forget(w);
    clear_packed(w); /* what is left of it, and what is thrown away, at once */
    assert_string_equal(told_of(w, 11), "[11,7,500]");
    forget(w);
    say_packed(w, minute, 8000 * 30);
    clear_packed(w);
    assert_string_equal(told_of(w, 11), "[11,7,30000]");
    end(w);
}

static void test_overflow(void **state)
{
    (void)state;
    struct world *w = begin_flow();
    for (unsigned i = 0; i < 2; i++)
        say_packed(w, minute, sizeof minute);
    ticks(w, 1);
    struct od_stream_stats stats;
    char want[128];
    od_stream_stats(w->stream, &stats);
    assert_true(stats.dropped_bytes >= 60 * 8000);
    snprintf(want, sizeof want, "[5,7,{\"overflow\":{\"dropped_ms\":%llu}}]",
             (unsigned long long)stats.dropped_bytes / 8);
    assert_string_equal(told_of(w, 5), want);
    snprintf(want, sizeof want, "[11,7,%llu]", /* the credit that went with it */
             ((unsigned long long)stats.dropped_bytes + OD_FRAME_BYTES) / 8);
    assert_string_equal(told_of(w, 11), want);
    forget(w);
    say_packed(w, minute, sizeof minute);
    ticks(w, 49);
    assert_string_equal(told_of(w, 5), ""); /* at most once a second */
    ticks(w, 1);
    assert_non_null(strstr(told_of(w, 5), "overflow"));
    end(w);
}

static void test_underrun(void **state)
{
    (void)state;
    struct world *w = begin_flow();
    ticks(w, 10); /* it hasn't said anything */
    say_packed(w, minute, 320);
    ticks(w, 2);
    assert_string_equal(told_of(w, 5), ""); /* it may go on in time */
    ticks(w, 1);
    assert_string_equal(told_of(w, 5), "[5,7,{\"underrun\":{\"count\":1}}]");
    forget(w);
    say_packed(w, minute, 100); /* a gap within a frame */
    ticks(w, 49);
    assert_string_equal(told_of(w, 5), ""); /* at most once a second */
    ticks(w, 1);
    assert_string_equal(told_of(w, 5), "[5,7,{\"underrun\":{\"count\":2}}]");

    ticks(w, 60);
    forget(w);
    say_packed(w, minute, 320);
    od_stream_message(w->stream, false, (const uint8_t *)"\x93\x04\x07\xa1m", 5);
    ticks(w, 60); /* a mark said that it was all */
    say_packed(w, minute, 160);
    ticks(w, 1);
    say_packed(w, minute, 160); /* in time */
    ticks(w, 1);
    clear_packed(w);
    ticks(w, 60);
    say_packed(w, minute, 160);
    od_stream_message(w->stream, false, (const uint8_t *)"\x92\x06\x07", 3); /* and then goodbye */
    ticks(w, 60);
    assert_string_equal(told_of(w, 5), "");
    end(w);
}

/* Twilio's format has no word for it, and its bots know no other. */
static void test_no_flow_in_twilio(void **state)
{
    (void)state;
    struct world *w = begin_talk("twilio", 0);
    memset(minute, 0x33, sizeof minute);
    forget(w);
    say_audio(w, minute, 900);
    ticks(w, 20);
    for (unsigned i = 0; i < 2; i++)
        say_audio(w, minute, sizeof minute);
    ticks(w, 200);
    assert_int_equal(w->count, 220);
    for (unsigned i = 0; i < w->count; i++)
        assert_non_null(strstr(w->said[i].at, "\"event\":\"media\""));
    end(w);
}

/* Every template gives JSON, whatever the texts hold. */
static void test_hostile_texts(void **state)
{
    (void)state;
    static const char *const formats[] = {"twilio", "telnyx", "exotel",
                                          "plivo",  "vonage", "jambonz"};
    for (unsigned f = 0; f < 6; f++) {
        const struct od_dialect *dialect = od_dialect_find(formats[f], strlen(formats[f]));
        struct od_stream_words words = {.account = "AC",
                                        .call = "CA",
                                        .stream = "MZ",
                                        .call_id = "i",
                                        .from = "\"\\\x01%q",
                                        .to = "%s\"",
                                        .params = "{\"a\":\"%n\"}",
                                        .details = "{}",
                                        .name = "\"}\x1f%A",
                                        .name_bytes = 6,
                                        .json = "{\"%d\":1}",
                                        .reason = "\"\n",
                                        .digit = '*',
                                        .audio = (const uint8_t *)"abc",
                                        .audio_bytes = 3};
        for (unsigned e = 0; e < OD_STREAM_EVENT_COUNT; e++) {
            char out[4096];
            bool text;
            if (e == OD_STREAM_NOTICE || (!strcmp(formats[f], "vonage") && e == OD_STREAM_MARK))
                continue; /* their name is ours, or JSON */
            size_t room = od_dialect_room(dialect, e, &words);
            assert_true(room < sizeof out);
            size_t n = od_dialect_write(dialect, e, &words, out, room, &text);
            yyjson_doc *doc = n && text ? yyjson_read(out, n, 0) : NULL;
            if (n && text && !doc)
                print_error("%s %u: %s\n", formats[f], e, out);
            assert_true(!n || !text || doc);
            yyjson_doc_free(doc);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_twilio_opening),
        cmocka_unit_test(test_twilio_media),
        cmocka_unit_test(test_twilio_marks),
        cmocka_unit_test(test_twilio_clear),
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_bad_messages),
        cmocka_unit_test(test_slow_agent),
        cmocka_unit_test(test_goodbye),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_telnyx),
        cmocka_unit_test(test_exotel),
        cmocka_unit_test(test_plivo),
        cmocka_unit_test(test_vonage),
        cmocka_unit_test(test_jambonz),
        cmocka_unit_test(test_msgpack),
        cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_many_marks),
        cmocka_unit_test(test_megabytes),
        cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_long_messages),
        cmocka_unit_test(test_deep_message),
        cmocka_unit_test(test_credit),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_underrun),
        cmocka_unit_test(test_no_flow_in_twilio),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
