/*
 * Goal: frames are read as RFC 6455 says, however the bytes are cut, and what breaks its rules is
 * refused with the right code; what is written can be read back by a server's rules. Method: frames
 * made by hand here, fed whole and a byte at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/ws/ws_frame.h"
#include "proto/ws/ws_handshake.h"

enum { MESSAGE_MAX = 100000 };

static size_t put(uint8_t *out, unsigned first, const char *payload, size_t bytes)
{
    size_t at = 0;
    out[at++] = (uint8_t)first;
    if (bytes < 126) {
        out[at++] = (uint8_t)bytes;
    } else if (bytes < 65536) {
        out[at++] = 126;
        out[at++] = (uint8_t)(bytes >> 8);
        out[at++] = (uint8_t)bytes;
    } else {
        out[at++] = 127;
        for (int i = 7; i >= 0; i--)
            out[at++] = (uint8_t)((uint64_t)bytes >> (8 * i));
    }
    memcpy(out + at, payload, bytes);
    return at + bytes;
}

/* Reads all bytes, `piece` at a time; the messages' payloads joined by '|' with their opcode. */
static enum od_ws_step read_all(const uint8_t *bytes, size_t count, size_t piece, char *told,
                                uint16_t *code)
{
    struct od_ws_reader reader;
    enum od_ws_step step = OD_WS_MORE;
    size_t used = 0;
    od_ws_reader_init(&reader, MESSAGE_MAX);
    for (size_t at = 0; at < count && step != OD_WS_BAD; at += piece) {
        size_t left = count - at < piece ? count - at : piece;
        /* a copy of its own, so that a sanitizer sees a read beyond it */
        uint8_t *copy = malloc(left ? left : 1);
        memcpy(copy, bytes + at, left);
        const uint8_t *data = copy;
        while ((step = od_ws_reader_step(&reader, &data, &left)) == OD_WS_MESSAGE) {
            told[used++] = (char)('0' + reader.op);
            size_t shown = reader.bytes < 20 ? reader.bytes : 20;
            memcpy(told + used, reader.at, shown);
            used += shown;
            told[used++] = '|';
        }
        free(copy);
    }
    told[used] = 0;
    *code = reader.code;
    od_ws_reader_free(&reader);
    return step;
}

static void expect(const uint8_t *bytes, size_t count, const char *want)
{
    char told[4096];
    uint16_t code;
    static const size_t pieces[] = {1, 2, 3, 7, 1000000};
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(read_all(bytes, count, pieces[i], told, &code), OD_WS_MORE);
        assert_string_equal(told, want);
    }
}

static void expect_bad(const uint8_t *bytes, size_t count, uint16_t want)
{
    char told[4096];
    uint16_t code = 0;
    for (size_t piece = 1; piece < 300; piece += 298) {
        assert_int_equal(read_all(bytes, count, piece, told, &code), OD_WS_BAD);
        assert_int_equal(code, want);
    }
}

static void test_messages(void **state)
{
    (void)state;
    uint8_t all[1000];
    size_t n = put(all, 0x81, "hello", 5);
    n += put(all + n, 0x82, "", 0);
    n += put(all + n, 0x01, "in ", 3); /* three pieces with a ping between them */
    n += put(all + n, 0x89, "p", 1);
    n += put(all + n, 0x00, "", 0);
    n += put(all + n, 0x80, "pieces", 6);
    n += put(all + n, 0x88,
             "\x03\xe8"
             "bye",
             5);
    expect(all, n,
           "1hello|2|9p|1in pieces|8\x03\xe8"
           "bye|");
}

static void test_lengths(void **state)
{
    (void)state;
    static const size_t lengths[] = {125, 126, 127, 65535, 65536, MESSAGE_MAX};
    char *payload = malloc(MESSAGE_MAX);
    uint8_t *frame = malloc(MESSAGE_MAX + 20);
    memset(payload, 'x', MESSAGE_MAX);
    for (unsigned i = 0; i < 6; i++)
        expect(frame, put(frame, 0x82, payload, lengths[i]), "2xxxxxxxxxxxxxxxxxxxx|");
    free(payload);
    free(frame);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[12];
        size_t count;
        uint16_t code;
    } cases[] = {
        {{0xc1, 1, 'x'}, 3, 1002},                /* a reserved bit */
        {{0x83, 0}, 2, 1002},                     /* an unknown opcode */
        {{0x8b, 0}, 2, 1002},                     /* the same among control frames */
        {{0x81, 0x81, 0, 0, 0, 0, 'x'}, 7, 1002}, /* masked by a server */
        {{0x80, 1, 'x'}, 3, 1002},                /* a continuation of nothing */
        {{0x01, 1, 'x', 0x81, 1, 'y'}, 6, 1002},  /* a message within another */
        {{0x09, 0}, 2, 1002},                     /* a ping in pieces */
        {{0x89, 126, 0, 126}, 4, 1002},           /* a long ping */
        {{0x82, 126, 0, 125}, 4, 1002},           /* a length too long for its value */
        {{0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 10, 1002},
        {{0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 0}, 10, 1009}, /* above message_max */
        {{0x82, 127, 0xff, 0, 0, 0, 0, 0, 0, 0}, 10, 1009},
        {{0x88, 1, 3}, 3, 1002},          /* half a close code */
        {{0x88, 2, 0x03, 0xed}, 4, 1002}, /* 1005 must not be sent */
        {{0x88, 2, 0x00, 0x05}, 4, 1002},
        {{0x88, 3, 0x03, 0xe8, 0xff}, 5, 1007}, /* a reason that is not UTF-8 */
        {{0x81, 2, 0xc0, 0x80}, 4, 1007},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_bad(cases[i].bytes, cases[i].count, cases[i].code);
}

/* Pieces that add up to more than may be. */
static void test_sum_of_pieces(void **state)
{
    (void)state;
    uint8_t *all = malloc(MESSAGE_MAX + 100);
    char *payload = calloc(1, MESSAGE_MAX);
    size_t n = put(all, 0x02, payload, MESSAGE_MAX - 1);
    n += put(all + n, 0x80, "ab", 2);
    char told[100];
    uint16_t code;
    assert_int_equal(read_all(all, n, n, told, &code), OD_WS_BAD);
    assert_int_equal(code, OD_WS_TOO_BIG);
    free(all);
    free(payload);
}

/* A text is judged as it comes: a character may be cut anywhere, and what can't become one any more
 * is refused before the rest is there. */
static void test_text_in_pieces(void **state)
{
    (void)state;
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
    enum { BYTES = sizeof text - 1 };
    uint8_t all[200];
    for (unsigned first = 0; first <= BYTES; first++) {
        for (unsigned second = first; second <= BYTES; second++) {
            size_t n = put(all, 0x01, text, first);
            n += put(all + n, 0x00, text + first, second - first);
            n += put(all + n, 0x80, text + second, BYTES - second);
            char want[BYTES + 3] = "1";
            strcat(strcat(want, text), "|");
            expect(all, n, want);
        }
    }
    size_t n = put(all, 0x01, "ab\xf0\x9f", 4);
    expect(all, n, ""); /* it may become one yet */
    n += put(all + n, 0x00, "cd", 2);
    expect_bad(all, n, OD_WS_BAD_TEXT);
    n = put(all, 0x01, "ab", 2);
    n += put(all + n, 0x80, "\xf0\x9f\x98", 3);
    expect_bad(all, n, OD_WS_BAD_TEXT);
    n = put(all, 0x02, "ab", 2); /* a binary message may be anything */
    n += put(all + n, 0x00, "\xff\xff\xff\xff", 4);
    n += put(all + n, 0x80, "c", 1);
    expect(all, n,
           "2ab\xff\xff\xff\xff"
           "c|");
}

static void test_writing(void **state)
{
    (void)state;
    static const uint8_t mask[4] = {1, 2, 3, 4};
    uint8_t head[OD_WS_HEAD_MAX], text[21], back[21];
    assert_int_equal(od_ws_head(head, OD_WS_TEXT, 125, mask), 6);
    assert_memory_equal(head, "\x81\xfd\1\2\3\4", 6);
    assert_int_equal(od_ws_head(head, OD_WS_BINARY, 126, mask), 8);
    assert_memory_equal(head, "\x82\xfe\0\x7e\1\2\3\4", 8);
    assert_int_equal(od_ws_head(head, OD_WS_BINARY, 65536, mask), 14);
    assert_memory_equal(head, "\x82\xff\0\0\0\0\0\1\0\0\1\2\3\4", 14);
    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7);
    for (size_t n = 0; n <= sizeof text; n++) {
        od_ws_mask(back, text, n, mask);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(back[i], text[i] ^ mask[i % 4]);
    }
}

static void test_urls(void **state)
{
    (void)state;
    struct od_ws_url url;
    assert_int_equal(od_ws_url_read(&url, "wss://me:p%40ss@bot.example:8443/a?b=c"), 0);
    assert_string_equal(url.credentials, "me:p@ss");
    assert_string_equal(url.shown, "wss://bot.example:8443/a?b=c");
    assert_string_equal(url.http.host, "bot.example");
    assert_int_equal(url.http.scheme, OD_HTTP_TLS);
    assert_int_equal(od_ws_url_read(&url, "ws://127.0.0.1"), 0);
    assert_int_equal(url.http.port, 80);
    static const char *const bad[] = {"http://a/", "ws://",     "ws://a/#x",     "ws://u:%0a@a/",
                                      "ws://@a/",  "ws://a b/", "ws://u:p%4@a/", "ws:/a"};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_not_equal(od_ws_url_read(&url, bad[i]), 0);
}

static void test_handshake(void **state)
{
    (void)state;
    char accept[OD_WS_ACCEPT_CHARS + 1], text[1024];
    struct od_ws_url url;
    od_ws_accept("dGhlIHNhbXBsZSBub25jZQ==", accept); /* RFC 6455 section 1.3 */
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_int_equal(od_ws_url_read(&url, "ws://me:x@h:81/p?q"), 0);
    int n = od_ws_request_write(&(struct od_ws_request){.url = &url,
                                                        .key = "dGhlIHNhbXBsZSBub25jZQ==",
                                                        .subprotocol = "s",
                                                        .headers = "X-Y: z\r\n"},
                                text, sizeof text);
    assert_true(n > 0);
    assert_string_equal(text,
                        "GET /p?q HTTP/1.1\r\nHost: h:81\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: s\r\n"
                        "Authorization: Basic bWU6eA==\r\nX-Y: z\r\n\r\n");
    assert_int_equal(
        od_ws_request_write(&(struct od_ws_request){.url = &url, .key = "dGhlIHNhbXBsZSBub25jZQ=="},
                            text, 60),
        -13);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),  cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_sum_of_pieces),
        cmocka_unit_test(test_writing),   cmocka_unit_test(test_urls),
        cmocka_unit_test(test_handshake), cmocka_unit_test(test_text_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
