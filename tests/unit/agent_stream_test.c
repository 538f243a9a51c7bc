/*
 * Goal: a call is told to an outside agent as Twilio's format says, to the letter, and what the
 * agent says is done, however much it says at once: the requirement list line by line. Method: the
 * stream with its messages kept, driven by hand, 20 ms at a time.
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

#include "agent_stream_bench.h"
#include "engine/agent/audio_in.h"
#include "engine/agent/mpack.h"
#include "engine/base/base64.h"
#include "outdial/err.h"

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

/* A line's end after so many characters, and behind the last, as encoders for mail make them. */
static void say_lines(struct world *w, size_t bytes, size_t line, const char *line_end)
{
    enum { BYTES = 400000, CHARS = OD_BASE64_CHARS(BYTES) };
    static uint8_t speech[BYTES], heard[OD_FRAME_BYTES];
    static char payload[CHARS + 1], text[2 * CHARS];
    size_t n = 0, chars;
    for (size_t i = 0; i < bytes; i++)
        speech[i] = (uint8_t)(i * 7 + i / 251);
    chars = od_base64_encode(payload, speech, bytes);
    for (size_t at = 0; at < chars; at++) {
        text[n++] = payload[at];
        if (at % line == line - 1 || at + 1 == chars)
            n += (size_t)sprintf(text + n, "%s", line_end);
    }
    text[n] = 0;
    uint64_t before = spoken(w);
    say_around(w, "{\"event\":\"media\",\"media\":{\"payload\":\"", text, "\"}}");
    assert_int_equal(spoken(w) - before, bytes);
    for (size_t at = 0; at < bytes; at += OD_FRAME_BYTES) {
        size_t rest = bytes - at < OD_FRAME_BYTES ? bytes - at : OD_FRAME_BYTES;
        assert_int_equal(tick(w, 0xff, heard), rest);
        assert_memory_equal(heard, speech + at, rest);
        forget(w);
    }
}

static void test_lines(void **state)
{
    (void)state;
    static const char *const ends[] = {"\\n", "\\r\\n", " ", "\\t", "\\u000a"};
    static const size_t bytes[] = {1, 160, 161, 3841, 60000, 400000};
    struct world *w = begin_talk("twilio", 0);
    for (unsigned i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        for (unsigned k = 0; k < sizeof ends / sizeof *ends; k++) {
            say_lines(w, bytes[i], 76, ends[k]);
            say_lines(w, bytes[i], 61, ends[k]); /* within a group */
            say_lines(w, bytes[i], SIZE_MAX, ends[k]);
        }
    }
    struct od_stream_stats stats;
    od_stream_stats(w->stream, &stats);
    assert_int_equal(stats.bad, 0);
    say(w, "{\"event\":\"media\",\"media\":{\"payload\":\" \\n\"}}"); /* nothing, in good order */
    say(w, "{\"event\":\"media\",\"media\":{\"payload\":\"AAAA\\nAA!A\"}}");
    od_stream_stats(w->stream, &stats);
    assert_int_equal(stats.bad, 1);
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
    text[n - 100000] = '!';
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

    w = begin_talk("twilio", 0); /* what it sends all the time doesn't count any more */
    say_audio(w, speech, sizeof speech);
    say(w, "{\"event\":\"hangup\"}");
    for (unsigned i = 0; i < 10 + OD_STREAM_TAIL_FRAMES; i++) {
        say_audio(w, speech, OD_FRAME_BYTES);
        tick(w, 0xff, NULL);
    }
    assert_int_equal(w->done, 1);
    assert_int_equal(spoken(w), sizeof speech);
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
        cmocka_unit_test(test_twilio_opening), cmocka_unit_test(test_twilio_media),
        cmocka_unit_test(test_twilio_marks),   cmocka_unit_test(test_twilio_clear),
        cmocka_unit_test(test_buffer),         cmocka_unit_test(test_bad_messages),
        cmocka_unit_test(test_slow_agent),     cmocka_unit_test(test_goodbye),
        cmocka_unit_test(test_results),        cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_many_marks),     cmocka_unit_test(test_megabytes),
        cmocka_unit_test(test_cut_off),        cmocka_unit_test(test_long_messages),
        cmocka_unit_test(test_deep_message),   cmocka_unit_test(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
