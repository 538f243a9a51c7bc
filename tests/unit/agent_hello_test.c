/*
 * Goal: of what an agent may ask of a connection, all that is offered can be had and nothing else;
 * what can't is named, with what can. Method: a table of HELLOs, written as JSON, and every
 * combination of what the engine's own HELLO offers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/agent/media_hello.h"

static struct od_media_hello read_hello(const char *json)
{
    char packed[512];
    struct od_buf buf;
    struct od_media_hello hello;
    od_buf_init(&buf, packed, sizeof packed);
    od_mpack_put_json(&buf, json, strlen(json));
    struct od_mpack mpack = {(uint8_t *)packed, (uint8_t *)packed + buf.used};
    od_media_hello_read(&mpack, &hello);
    if (!*hello.wrong)
        assert_ptr_equal(mpack.at, mpack.end);
    return hello;
}

static void test_good(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        struct od_wire_media media;
        uint32_t max_calls;
    } rows[] = {
        {"{}", {OD_WIRE_ULAW, 8000, 1}, UINT32_MAX},
        {"{\"v\":1,\"max_calls\":7}", {OD_WIRE_ULAW, 8000, 1}, 7},
        {"{\"v\":null,\"codec\":null,\"rate\":null,\"ptime\":null,\"max_calls\":null}",
         {OD_WIRE_ULAW, 8000, 1},
         UINT32_MAX},
        {"{\"max_calls\":99999999999}", {OD_WIRE_ULAW, 8000, 1}, UINT32_MAX},
        {"{\"max_calls\":0}", {OD_WIRE_ULAW, 8000, 1}, 0},
        {"{\"codec\":\"pcmu\",\"ptime\":60}", {OD_WIRE_ULAW, 8000, 3}, UINT32_MAX},
        {"{\"codec\":\"pcma\"}", {OD_WIRE_ALAW, 8000, 1}, UINT32_MAX},
        {"{\"codec\":\"pcma\",\"rate\":8000,\"ptime\":20}", {OD_WIRE_ALAW, 8000, 1}, UINT32_MAX},
        {"{\"codec\":\"l16\"}", {OD_WIRE_L16, 8000, 1}, UINT32_MAX},
        {"{\"rate\":48000,\"ptime\":100,\"codec\":\"l16\"}", {OD_WIRE_L16, 48000, 5}, UINT32_MAX},
        {"{\"new\":{\"codec\":\"x\",\"deep\":[[1]]},\"codec\":\"l16\",\"rate\":16000}",
         {OD_WIRE_L16, 16000, 1},
         UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct od_media_hello hello = read_hello(rows[i].json);
        if (*hello.wrong || !od_wire_media_equal(&hello.media, &rows[i].media))
            fail_msg("%s: %s", rows[i].json, hello.wrong);
        assert_int_equal(hello.max_calls, rows[i].max_calls);
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"v\":2}", "v 2: expected 1"},
        {"{\"v\":\"1\"}", "v \"1\": expected 1"},
        {"{\"max_calls\":-1}", "max_calls a number below 0: expected a whole number"},
        {"{\"max_calls\":1.5}", "max_calls a fraction: expected a whole number"},
        {"{\"codec\":\"opus\"}", "codec \"opus\": expected pcmu, pcma or l16"},
        {"{\"codec\":\"PCMU\"}", "codec \"PCMU\": expected pcmu, pcma or l16"},
        {"{\"codec\":\"\"}", "codec \"\": expected pcmu, pcma or l16"},
        {"{\"codec\":0}", "codec 0: expected pcmu, pcma or l16"},
        {"{\"codec\":[\"l16\"]}", "codec an array: expected pcmu, pcma or l16"},
        {"{\"codec\":\"a\\nb\\u00e9 0123456789012345678901234567890123456789\"}",
         "codec \"a?b???012345678901234567\": expected pcmu, pcma or l16"},
        {"{\"codec\":\"pcmu\",\"rate\":16000}", "rate 16000: expected 8000, or l16"},
        {"{\"rate\":16000}", "rate 16000: expected 8000, or l16"},
        {"{\"codec\":\"l16\",\"rate\":11025}", "rate 11025: expected 8000, 16000, 24000 or 48000"},
        {"{\"codec\":\"l16\",\"rate\":32000}", "rate 32000: expected 8000, 16000, 24000 or 48000"},
        {"{\"codec\":\"l16\",\"rate\":4294975296}", /* 2^32 + 8000 */
         "rate 4294975296: expected 8000, 16000, 24000 or 48000"},
        {"{\"codec\":\"l16\",\"rate\":0}", "rate 0: expected 8000, 16000, 24000 or 48000"},
        {"{\"codec\":\"l16\",\"rate\":16000.0}",
         "rate a fraction: expected 8000, 16000, 24000 or 48000"},
        {"{\"ptime\":0}", "ptime 0: expected 20, 40, 60, 80 or 100"},
        {"{\"ptime\":10}", "ptime 10: expected 20, 40, 60, 80 or 100"},
        {"{\"ptime\":30}", "ptime 30: expected 20, 40, 60, 80 or 100"},
        {"{\"ptime\":120}", "ptime 120: expected 20, 40, 60, 80 or 100"},
        {"{\"ptime\":true}", "ptime a boolean: expected 20, 40, 60, 80 or 100"},
        /* the first fault is told */
        {"{\"ptime\":30,\"codec\":\"opus\",\"rate\":1}",
         "codec \"opus\": expected pcmu, pcma or l16"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char want[OD_MEDIA_HELLO_WRONG_MAX];
        struct od_media_hello hello = read_hello(rows[i][0]);
        snprintf(want, sizeof want, "HELLO: %s", rows[i][1]);
        assert_string_equal(hello.wrong, want);
    }
}

static void test_no_map(void **state)
{
    (void)state;
    static const struct {
        const char *at;
        size_t bytes;
    } rows[] = {{"\x01", 1},
                {"\x90", 1},
                {"\xa2hi", 3},
                {"\x81\x01\x01", 3},
                {"\x81", 1},
                {"\x82\xa1v\x01", 4},
                {"\x81\xa1v\x92\x01", 5},
                {"", 0},
                {"\xdf\xff\xff\xff\xff", 5}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct od_media_hello hello;
        struct od_mpack mpack = {(const uint8_t *)rows[i].at,
                                 (const uint8_t *)rows[i].at + rows[i].bytes};
        od_media_hello_read(&mpack, &hello);
        assert_string_equal(hello.wrong, "HELLO: expected a map of what the agent wants");
    }
}

/* The longest refusal still fits a close frame (RFC 6455 section 5.5: 125 bytes with its code). */
static void test_refusal_fits(void **state)
{
    (void)state;
    struct od_media_hello hello = read_hello("{\"rate\":\"012345678901234567890123456789\"}");
    assert_non_null(strstr(hello.wrong, "\"012345678901234567890123\""));
    assert_true(strlen(hello.wrong) <= 123);
}

static void test_offer(void **state)
{
    (void)state;
    char packed[OD_MEDIA_HELLO_BYTES], json[512];
    struct od_buf buf, text;
    od_buf_init(&buf, packed, sizeof packed);
    od_media_hello_write(&buf);
    assert_false(buf.cut);
    struct od_mpack mpack = {(uint8_t *)packed, (uint8_t *)packed + buf.used};
    od_buf_init(&text, json, sizeof json);
    assert_true(od_mpack_to_json(&mpack, &text));
    assert_string_equal(json, "[0,0,{\"v\":1,\"engine\":\"outdial\","
                              "\"codecs\":[\"pcmu\",\"pcma\",\"l16\"],"
                              "\"rates\":[8000,16000,24000,48000],\"ptimes\":[20,40,60,80,100]}]");
    static const char *const codecs[] = {"pcmu", "pcma", "l16"};
    static const uint32_t rates[] = {8000, 16000, 24000, 48000};
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < 4; j++) {
            for (uint32_t ptime = 20; ptime <= 100; ptime += 20) {
                snprintf(json, sizeof json, "{\"codec\":\"%s\",\"rate\":%u,\"ptime\":%u}",
                         codecs[i], (unsigned)rates[j], (unsigned)ptime);
                struct od_media_hello hello = read_hello(json);
                assert_int_equal(*hello.wrong == 0, i == 2 || rates[j] == 8000);
                if (*hello.wrong)
                    continue;
                assert_string_equal(od_media_codec_name(hello.media.codec), codecs[i]);
                assert_int_equal(hello.media.rate, rates[j]);
                assert_int_equal(hello.media.frames * OD_FRAME_MS, ptime);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),   cmocka_unit_test(test_bad),
        cmocka_unit_test(test_no_map), cmocka_unit_test(test_refusal_fits),
        cmocka_unit_test(test_offer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
