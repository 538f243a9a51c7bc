/*
 * Goal: media.v1 is what README's table of its messages says: every kind in both directions, with
 * every member. Method: a table of what is told and the array it becomes, and one of arrays and
 * what they mean; both written as JSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine/agent/dialect.h"
#include "engine/agent/mpack.h"
#include "engine/base/str.h"

static const struct od_dialect *media_v1(void)
{
    return od_dialect_find("msgpack", 7);
}

static const struct od_stream_words words = {
    .sid = 7,
    .call_id = "01a22823-2680-7db8-afd9-ccd2df2bdfd2",
    .campaign = "02a22823-2680-7db8-afd9-ccd2df2bdfd2",
    .from = "+15550009999",
    .to = "+15550001111",
    .attempt = 3,
    .amd = "{\"mode\":\"sync\",\"kind\":\"unknown\"}",
    .params = "{\"name\":\"Ann\"}",
    .details = "{\"context\":{}}",
    .seq = 5,
    .ts_ms = 40,
    .codec = OD_WIRE_ULAW,
    .rate = 8000,
    .ptime_ms = 20,
    .name = "m1",
    .name_bytes = 2,
    .json = "{\"kind\":\"human\"}",
    .digit = '#',
    .reason = "completed",
    .sip_status = 200,
};

static void test_what_is_told(void **state)
{
    (void)state;
    static const struct {
        enum od_stream_event event;
        const char *json; /* NULL: not spoken of */
    } told[] = {
        {OD_STREAM_OPEN,
         "[1,7,{\"call\":\"01a22823-2680-7db8-afd9-ccd2df2bdfd2\",\"from\":\"+15550009999\","
         "\"to\":\"+15550001111\",\"campaign\":\"02a22823-2680-7db8-afd9-ccd2df2bdfd2\","
         "\"attempt\":3,\"codec\":\"pcmu\",\"rate\":8000,\"ptime\":20,"
         "\"amd\":{\"mode\":\"sync\",\"kind\":\"unknown\"},\"params\":{\"name\":\"Ann\"},"
         "\"outdial\":{\"context\":{}}}]"},
        {OD_STREAM_START, "[5,7,{\"answered\":{}}]"},
        {OD_STREAM_DTMF, "[3,7,320,\"#\",100]"},
        {OD_STREAM_MARK, "[4,7,\"m1\",320,0]"},
        {OD_STREAM_MARK_CLEARED, "[4,7,\"m1\",320,1]"},
        {OD_STREAM_NOTICE, "[5,7,{\"m1\":{\"kind\":\"human\"}}]"},
        {OD_STREAM_TOOL_RESULT, "[5,7,{\"tool_result\":{\"kind\":\"human\"}}]"},
        {OD_STREAM_STOP, "[6,7,\"completed\",200]"},
        {OD_STREAM_PLAYED, NULL},
        {OD_STREAM_CLEARED, NULL},
    };
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        char packed[1024], json[2048];
        struct od_buf buf;
        bool text = true;
        size_t bytes =
            od_dialect_write(media_v1(), told[i].event, &words, packed, sizeof packed, &text);
        assert_int_equal(bytes > 0, told[i].json != NULL);
        if (!bytes)
            continue;
        assert_false(text);
        struct od_mpack mpack = {(uint8_t *)packed, (uint8_t *)packed + bytes};
        od_buf_init(&buf, json, sizeof json);
        assert_true(od_mpack_to_json(&mpack, &buf));
        assert_string_equal(json, told[i].json);
        assert_ptr_equal(mpack.at, mpack.end);
    }
}

/* No campaign is nil; audio is binary, which JSON has not. */
static void test_what_json_has_not(void **state)
{
    (void)state;
    char packed[1024];
    struct od_stream_words w = words;
    bool text;
    w.campaign = "";
    size_t bytes = od_dialect_write(media_v1(), OD_STREAM_OPEN, &w, packed, sizeof packed, &text);
    assert_non_null(memmem(packed, bytes, "campaign\xc0", 9));
    w.audio = (const uint8_t *)"abc";
    w.audio_bytes = 3;
    bytes = od_dialect_write(media_v1(), OD_STREAM_AUDIO, &w, packed, sizeof packed, &text);
    assert_int_equal(bytes, 12);
    assert_memory_equal(packed,
                        "\x95\x02\x07\x05\xcd\x01\x40\xc4\x03"
                        "abc",
                        12);
}

struct meant {
    unsigned count;
    struct od_stream_command command;
    char text[64], json[128];
};

static void on_command(void *ctx, const struct od_stream_command *command)
{
    struct meant *meant = ctx;
    meant->count++;
    meant->command = *command;
    snprintf(meant->text, sizeof meant->text, "%.*s", (int)command->text_bytes,
             command->text ? command->text : "");
    snprintf(meant->json, sizeof meant->json, "%.*s", (int)command->json_bytes,
             command->json ? command->json : "");
}

static void test_what_the_bot_says(void **state)
{
    (void)state;
    static const struct {
        const char *said;
        enum od_stream_command_kind kind;
        const char *text, *json;
        uint32_t ms;
    } said[] = {
        {"[0,0,{\"v\":1,\"max_calls\":9,\"codec\":\"pcmu\"}]", OD_STREAM_HELLO, "", "", 9},
        {"[0,0,{\"v\":1}]", OD_STREAM_HELLO, "", "", UINT32_MAX},
        {"[0,0,{\"v\":2}]", OD_STREAM_HELLO, "HELLO: v 2: expected 1", "", UINT32_MAX},
        {"[16,7]", OD_STREAM_ACCEPT, "", "", 0},
        {"[17,7,480,\"not now\"]", OD_STREAM_REJECT, "not now", "", 480},
        {"[17,7]", OD_STREAM_REJECT, "", "", 0},
        {"[3,7,\"12#\",80]", OD_STREAM_SEND_DTMF, "12#", "", 80},
        {"[3,7,\"1\"]", OD_STREAM_SEND_DTMF, "1", "", 0},
        {"[4,7,\"m1\"]", OD_STREAM_SET_MARK, "m1", "", 0},
        {"[5,7,{\"result\":{\"a\":1}}]", OD_STREAM_RESULT, "", "{\"a\":1}", 0},
        {"[5,7,{\"transcript\":{\"text\":\"x\"}}]", OD_STREAM_TRANSCRIPT, "", "{\"text\":\"x\"}",
         0},
        {"[5,7,{\"tool_call\":{\"name\":\"t\"}}]", OD_STREAM_TOOL_CALL, "", "{\"name\":\"t\"}", 0},
        {"[5,7,{\"mood\":1}]", OD_STREAM_NOTHING, "{\"mood\":1}", "{\"mood\":1}", 0},
        {"[6,7,\"bye\"]", OD_STREAM_HANGUP, "bye", "", 0},
        {"[6,7]", OD_STREAM_HANGUP, "", "", 0},
        {"[7,0,77]", OD_STREAM_PING, "", "", 77},
        {"[8,0,77]", OD_STREAM_NOTHING, "", "", 0},
        {"[9,7]", OD_STREAM_CLEAR, "", "", 0},
        {"[10,7,\"+1666\"]", OD_STREAM_TRANSFER, "+1666", "", 0},
        {"[10,7,null,{\"join\":true}]", OD_STREAM_TRANSFER, "", "{\"join\":true}", 0},
        {"[10,7,\"+1666\",{\"mode\":\"bridge\"}]", OD_STREAM_TRANSFER, "+1666",
         "{\"mode\":\"bridge\"}", 0},
        {"[9,7,\"more\",[1,{\"than\":2}],\"we know\"]", OD_STREAM_CLEAR, "", "", 0},
        {"[99,7,\"from the future\"]", OD_STREAM_NOTHING, "", "", 0},
        {"[2,7,0,\"text\"]", OD_STREAM_BAD, "not a message of media.v1", "", 0},
        {"[3,7,12]", OD_STREAM_BAD, "not a message of media.v1", "", 0},
        {"[10,7]", OD_STREAM_BAD, "not a message of media.v1", "", 0},
        {"[\"9\",7]", OD_STREAM_BAD, "not a message of media.v1", "", 0},
        {"[9]", OD_STREAM_BAD, "not a message of media.v1", "", 0},
        {"{\"9\":7}", OD_STREAM_BAD, "not a message of media.v1", "", 0},
    };
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        char packed[512];
        struct od_buf buf;
        struct meant meant = {0};
        od_buf_init(&buf, packed, sizeof packed);
        od_mpack_put_json(&buf, said[i].said, strlen(said[i].said));
        od_dialect_read(media_v1(), NULL, false, (const uint8_t *)packed, buf.used, on_command,
                        &meant);
        assert_int_equal(meant.count, 1);
        if (meant.command.kind != said[i].kind)
            fail_msg("%s: %u", said[i].said, (unsigned)meant.command.kind);
        if (said[i].kind != OD_STREAM_NOTHING) {
            assert_string_equal(meant.text, said[i].text);
            assert_string_equal(meant.json, said[i].json);
        }
        assert_int_equal(meant.command.ms, said[i].ms);
    }
}

static void test_audio_of_the_bot(void **state)
{
    (void)state;
    static const uint8_t said[] = "\x94\x02\x07\x00\xc4\x03"
                                  "abc";
    struct meant meant = {0};
    od_dialect_read(media_v1(), NULL, false, said, sizeof said - 1, on_command, &meant);
    assert_int_equal(meant.command.kind, OD_STREAM_AUDIO_OUT);
    assert_int_equal(meant.command.sid, 7);
    assert_false(meant.command.base64);
    assert_int_equal(meant.command.audio_bytes, 3);
    assert_int_equal(meant.command.audio_codec, OD_WIRE_AGREED);
    od_dialect_read(media_v1(), NULL, true, said, sizeof said - 1, on_command, &meant);
    assert_int_equal(meant.command.kind, OD_STREAM_BAD); /* as text */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_told),
        cmocka_unit_test(test_what_json_has_not),
        cmocka_unit_test(test_what_the_bot_says),
        cmocka_unit_test(test_audio_of_the_bot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
