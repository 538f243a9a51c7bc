/*
 * Goal: a call is told to an outside agent as its format says, and what the agent says is done:
 * each format's words in both directions, and the flow control of those that have it. Method: the
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
#include "engine/agent/mpack.h"
#include "engine/base/base64.h"
#include "outdial/err.h"

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
    say(w, "{\"event\":\"media\",\"media\":{\"payload\":\"AAAA\\nAAAA\\nAAAA\\nAAAA\\n\"}}");
    assert_int_equal(tick(w, 0xff, NULL), 3); /* in lines: six samples at 16 kHz */
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
    assert_true(od_stream_talking(w->stream));
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
    /* What is no plain audio would be noise. It takes nothing's place. */
    static const char *const types[] = {"mp3", "wav", "audio/mpeg"};
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
        char text[160];
        snprintf(text, sizeof text,
                 "{\"type\":\"playAudio\",\"data\":{\"audioContent\":\"AAAAAAAA\","
                 "\"audioContentType\":\"%s\",\"id\":\"p2\"}}",
                 types[i]);
        say(w, text);
        struct od_stream_stats stats;
        od_stream_stats(w->stream, &stats);
        assert_int_equal(stats.bad, i + 1);
    }
    assert_int_equal(told(w, "playDone", "p2"), 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_telnyx),   cmocka_unit_test(test_exotel),
        cmocka_unit_test(test_plivo),    cmocka_unit_test(test_vonage),
        cmocka_unit_test(test_jambonz),  cmocka_unit_test(test_msgpack),
        cmocka_unit_test(test_credit),   cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_underrun), cmocka_unit_test(test_no_flow_in_twilio),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
