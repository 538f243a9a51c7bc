/*
 * Goal: the SDP parser takes what carriers send, refuses what could hurt, and never loops or grows.
 * Method: tables of bodies with the expected verdict, and a round trip through the writer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "outdial/err.h"
#include "proto/sip/sip_sdp.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"

static int parse(const char *text, struct od_sdp *out)
{
    return od_sdp_parse(text, strlen(text), out);
}

static int choose(const struct od_sdp *sdp, uint8_t *codec, uint8_t *dtmf)
{
    struct od_sdp_choice choice;
    int err = od_sdp_choose(sdp, &choice);
    *codec = choice.type;
    *dtmf = choice.dtmf_type;
    return err;
}

static void usual_answer(void **state)
{
    (void)state;
    struct od_sdp sdp;
    assert_int_equal(parse(HEAD "m=audio 49170 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\n"
                                "a=rtpmap:101 telephone-event/8000/1\r\na=fmtp:101 0-15\r\n"
                                "a=ptime:30\r\na=sendonly\r\n",
                           &sdp),
                     0);
    assert_int_equal(sdp.remote.family, 4);
    assert_int_equal(sdp.remote.port, 49170);
    assert_memory_equal(sdp.remote.ip, "\xc0\x00\x02\x01", 4);
    assert_int_equal(sdp.direction, OD_SDP_SENDONLY);
    assert_int_equal(sdp.ptime_ms, 30);
    assert_int_equal(sdp.count, 3);
    assert_int_equal(sdp.formats[0].payload_type, 8);
    assert_string_equal(sdp.formats[0].encoding, "PCMA");
    assert_string_equal(sdp.formats[1].encoding, "PCMU"); /* no rtpmap: RFC 3551 */
    assert_string_equal(sdp.formats[2].encoding, "TELEPHONE-EVENT");
    assert_int_equal(sdp.formats[2].rate, 8000);
    uint8_t codec, dtmf;
    assert_int_equal(choose(&sdp, &codec, &dtmf), 0);
    assert_int_equal(codec, 8);
    assert_int_equal(dtmf, 101);
}

static void verdicts(void **state)
{
    static const struct {
        const char *name, *text;
        int err;
        int port;
    } cases[] = {
        {"empty", "", OD_EPROTO, 0},
        {"not a version", "v=1\r\n", OD_EPROTO, 0},
        {"session only", HEAD, OD_ENOENT, 0},
        {"the line that never ended", HEAD "m=audio 49152 FOO 0 \"\r\n", OD_ENOENT, 0},
        {"lone LF", "v=0\nc=IN IP4 192.0.2.1\nm=audio 1000 RTP/AVP 0\n", 0, 1000},
        {"no line end at all", "v=0\nc=IN IP4 192.0.2.1\nm=audio 1000 RTP/AVP 0", 0, 1000},
        {"empty lines", HEAD "\r\nm=audio 1000 RTP/AVP 0\r\n\r\n", 0, 1000},
        {"refused", HEAD "m=audio 0 RTP/AVP 0\r\n", 0, 0},
        {"port 65535", HEAD "m=audio 65535 RTP/AVP 0\r\n", 0, 65535},
        {"port 65536", HEAD "m=audio 65536 RTP/AVP 0\r\n", OD_EPROTO, 0},
        {"port 2^64", HEAD "m=audio 18446744073709551616 RTP/AVP 0\r\n", OD_EPROTO, 0},
        {"negative port", HEAD "m=audio -1 RTP/AVP 0\r\n", OD_EPROTO, 0},
        {"no port", HEAD "m=audio RTP/AVP 0\r\n", OD_EPROTO, 0},
        {"one port of one", HEAD "m=audio 1000/1 RTP/AVP 0\r\n", 0, 1000},
        {"two ports", HEAD "m=audio 1000/2 RTP/AVP 0\r\n", OD_EPROTO, 0},
        {"payload type 127", HEAD "m=audio 1000 RTP/AVP 127\r\n", 0, 1000},
        {"payload type 128", HEAD "m=audio 1000 RTP/AVP 128\r\n", OD_EPROTO, 0},
        {"payload type 256", HEAD "m=audio 1000 RTP/AVP 256\r\n", OD_EPROTO, 0},
        {"payload type 2^32", HEAD "m=audio 1000 RTP/AVP 4294967296\r\n", OD_EPROTO, 0},
        {"payload type \"", HEAD "m=audio 1000 RTP/AVP \"\r\n", OD_EPROTO, 0},
        {"no payload type", HEAD "m=audio 1000 RTP/AVP\r\n", OD_EPROTO, 0},
        {"no connection", "v=0\r\nm=audio 1000 RTP/AVP 0\r\n", OD_EPROTO, 0},
        {"no connection, refused", "v=0\r\nm=audio 0 RTP/AVP 0\r\n", 0, 0},
        {"multicast", "v=0\r\nc=IN IP4 224.0.0.1\r\nm=audio 1000 RTP/AVP 0\r\n", OD_EPROTO, 0},
        {"multicast with ttl", "v=0\r\nc=IN IP4 239.1.1.1/127\r\nm=audio 1 RTP/AVP 0\r\n",
         OD_EPROTO, 0},
        {"broadcast", "v=0\r\nc=IN IP4 255.255.255.255\r\nm=audio 1 RTP/AVP 0\r\n", OD_EPROTO, 0},
        {"multicast v6", "v=0\r\nc=IN IP6 ff02::1\r\nm=audio 1 RTP/AVP 0\r\n", OD_EPROTO, 0},
        {"a name", "v=0\r\nc=IN IP4 host.example\r\nm=audio 1 RTP/AVP 0\r\n", OD_EPROTO, 0},
        {"another net", "v=0\r\nc=ATM NSAP 47\r\nm=audio 1 RTP/AVP 0\r\n", OD_EPROTO, 0},
        {"a long address", "v=0\r\nc=IN IP4 1111111111111111111111111111111111111111111111111\r\n",
         OD_EPROTO, 0},
        {"over another transport", HEAD "m=audio 1000 UDP/TLS/RTP/SAVP 0\r\n", OD_ENOENT, 0},
        {"video first", HEAD "m=video 900 RTP/AVP 31\r\nm=audio 1000 RTP/AVP 0\r\n", 0, 1000},
        {"refused first", HEAD "m=audio 0 RTP/AVP 0\r\nm=audio 1000 RTP/AVP 0\r\n", 0, 1000},
        {"two audio", HEAD "m=audio 1000 RTP/AVP 0\r\nm=audio 2000 RTP/AVP 0\r\n", 0, 1000},
        {"image's multicast is not ours",
         HEAD "m=image 900 udptl t38\r\nc=IN IP4 224.1.1.1\r\nm=audio 1000 RTP/AVP 0\r\n", 0, 1000},
        {"rtpmap of nothing", HEAD "m=audio 1000 RTP/AVP 0\r\na=rtpmap:\r\n", OD_EPROTO, 0},
        {"rtpmap rate 0", HEAD "m=audio 1 RTP/AVP 0\r\na=rtpmap:0 PCMU/0\r\n", OD_EPROTO, 0},
        {"rtpmap huge rate", HEAD "m=audio 1 RTP/AVP 0\r\na=rtpmap:0 X/99999999999\r\n", OD_EPROTO,
         0},
        {"no equals sign", HEAD "m=audio 1000 RTP/AVP 0\r\nnonsense\r\n", OD_EPROTO, 0},
        {"unknown line", HEAD "m=audio 1000 RTP/AVP 0\r\nx=y\r\n", 0, 1000},
        {"sip of mixed case", HEAD "m=AUDIO 1000 rtp/avp 0\r\n", 0, 1000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct od_sdp sdp;
        int err = parse(cases[i].text, &sdp);
        if (err != cases[i].err || (!err && sdp.remote.port != cases[i].port))
            fail_msg("%s: %d, port %d", cases[i].name, err, sdp.remote.port);
    }
}

static void nul_and_size_are_bounded(void **state)
{
    (void)state;
    struct od_sdp sdp;
    static const char with_nul[] = HEAD "m=audio 1000 RTP/AVP 0\r\na=x\0y\r\n";
    assert_int_equal(od_sdp_parse(with_nul, sizeof with_nul - 1, &sdp), OD_EPROTO);
    enum { LINES = 10000 };
    char *big = malloc(sizeof HEAD + LINES * 6);
    size_t used = sizeof HEAD - 1;
    memcpy(big, HEAD, used);
    for (int i = 0; i < LINES; i++, used += 5)
        memcpy(big + used, "a=x\r\n", 5);
    assert_int_equal(od_sdp_parse(big, used, &sdp), OD_EPROTO);
    /* as many lines as fit are looked at once each */
    size_t fit = OD_SDP_BYTES_MAX - 24;
    fit -= (fit - (sizeof HEAD - 1)) % 5;
    memcpy(big + fit, "m=audio 1000 RTP/AVP 0\r\n", 24);
    assert_int_equal(od_sdp_parse(big, fit + 24, &sdp), 0);
    free(big);
}

static void formats_are_bounded_and_unique(void **state)
{
    (void)state;
    struct od_sdp sdp;
    char text[2048] = HEAD "m=audio 1000 RTP/AVP";
    for (int i = 0; i < 128; i++)
        sprintf(text + strlen(text), " %d %d", i, i);
    strcat(text, "\r\n");
    assert_int_equal(parse(text, &sdp), 0);
    assert_in_range(sdp.count, 1, OD_SDP_FORMATS_MAX);
    for (int i = 1; i < sdp.count; i++)
        assert_true(sdp.formats[i].payload_type > sdp.formats[i - 1].payload_type);
}

static void ptime_out_of_range_is_not_given(void **state)
{
    static const char *const values[] = {"0", "", "-1", "201", "99999999999999999999", "x"};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct od_sdp sdp;
        char text[256];
        snprintf(text, sizeof text, HEAD "m=audio 1000 RTP/AVP 0\r\na=ptime:%s\r\n", values[i]);
        assert_int_equal(parse(text, &sdp), 0);
        assert_int_equal(sdp.ptime_ms, 0);
    }
}

static void media_lines_override_the_session(void **state)
{
    (void)state;
    struct od_sdp sdp;
    assert_int_equal(parse("v=0\r\nc=IN IP4 192.0.2.1\r\na=inactive\r\n"
                           "m=audio 1000 RTP/AVP 0\r\nc=IN IP6 2001:db8::7\r\na=recvonly\r\n",
                           &sdp),
                     0);
    assert_int_equal(sdp.remote.family, 6);
    assert_int_equal(sdp.remote.ip[15], 7);
    assert_int_equal(sdp.direction, OD_SDP_RECVONLY);
    assert_int_equal(
        parse("v=0\r\nc=IN IP4 192.0.2.1\r\na=inactive\r\nm=audio 1 RTP/AVP 0\r\n", &sdp), 0);
    assert_int_equal(sdp.direction, OD_SDP_INACTIVE);
    /* another stream's direction is its own */
    assert_int_equal(
        parse(HEAD "m=audio 1000 RTP/AVP 0\r\nm=video 2 RTP/AVP 31\r\na=inactive\r\n", &sdp), 0);
    assert_int_equal(sdp.direction, OD_SDP_SENDRECV);
}

static void choice(void **state)
{
    static const struct {
        const char *media;
        int err, codec, dtmf;
    } cases[] = {
        {"0", 0, 0, 0},
        {"8 0", 0, 8, 0},
        {"3 18 8", 0, 8, 0},
        {"3 18", OD_ENOENT, 0, 0},
        {"96\r\na=rtpmap:96 PCMU/8000", OD_ENOENT, 0, 0}, /* not the type we offered it as */
        {"0\r\na=rtpmap:0 G729/8000", OD_ENOENT, 0, 0},
        {"0\r\na=rtpmap:0 PCMU/16000", OD_ENOENT, 0, 0},
        {"0 97\r\na=rtpmap:97 TELEPHONE-EVENT/8000", 0, 0, 97},
        {"0 97\r\na=rtpmap:97 telephone-event/48000", 0, 0, 0},
        {"101 0\r\na=rtpmap:101 telephone-event/8000", 0, 0, 101},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct od_sdp sdp;
        uint8_t codec, dtmf;
        char text[256];
        snprintf(text, sizeof text, HEAD "m=audio 1000 RTP/AVP %s\r\n", cases[i].media);
        assert_int_equal(parse(text, &sdp), 0);
        int err = choose(&sdp, &codec, &dtmf);
        if (err != cases[i].err || codec != cases[i].codec || dtmf != cases[i].dtmf)
            fail_msg("%s: %d %u %u", cases[i].media, err, codec, dtmf);
    }
}

static const struct od_sdp_offer usual_offer = {
    .local = {.family = 4, .port = 20000, .ip = {192, 0, 2, 9}},
    .session = 77,
    .user = "outdial",
    .voices = {OD_VOICE_PCMA, OD_VOICE_PCMU},
    .voice_count = 2,
    .dtmf_type = 101,
    .direction = OD_SDP_SENDRECV,
};

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    char text[1024];
    struct od_sdp sdp;
    uint8_t codec, dtmf;
    int bytes = od_sdp_write(&usual_offer, text, sizeof text);
    assert_true(bytes > 0);
    assert_int_equal((size_t)bytes, strlen(text));
    assert_string_equal(text,
                        "v=0\r\no=outdial 77 77 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\n"
                        "t=0 0\r\nm=audio 20000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\n"
                        "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
                        "a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n");
    assert_int_equal(od_sdp_parse(text, (size_t)bytes, &sdp), 0);
    assert_int_equal(choose(&sdp, &codec, &dtmf), 0);
    assert_int_equal(codec, 8);
    assert_int_equal(dtmf, 101);
    struct od_sdp_offer v6 = usual_offer;
    v6.local = (struct od_addr){.family = 6, .port = 4, .ip = {0x20, 1, 0xd, 0xb8}};
    v6.voices[0] = OD_VOICE_PCMU;
    v6.voice_count = 1;
    v6.dtmf_type = 0;
    bytes = od_sdp_write(&v6, text, sizeof text);
    assert_non_null(strstr(text, "c=IN IP6 2001:db8::\r\n"));
    assert_non_null(strstr(text, "m=audio 4 RTP/AVP 0\r\n"));
    for (size_t room = 0; room < (size_t)bytes + 1; room++)
        assert_int_equal(od_sdp_write(&v6, text, room), OD_ETOOBIG);
    assert_int_equal(od_sdp_write(&v6, text, (size_t)bytes + 1), bytes);
}

static void keys_are_written_and_read(void **state)
{
    (void)state;
    char text[1024];
    uint8_t key[OD_SRTP_KEY_BYTES];
    struct od_sdp sdp;
    for (unsigned i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(i * 37 + 200);
    for (uint8_t mode = OD_SRTP_OFF; mode <= OD_SRTP_REQUIRED; mode++) {
        struct od_sdp_offer offer = usual_offer;
        offer.srtp = mode;
        offer.key = key;
        int bytes = od_sdp_write(&offer, text, sizeof text);
        assert_true(bytes > 0);
        assert_int_equal(od_sdp_parse(text, (size_t)bytes, &sdp), 0);
        assert_int_equal(sdp.secure, mode == OD_SRTP_REQUIRED);
        assert_int_equal(sdp.key.tag, mode == OD_SRTP_OFF ? 0 : 1);
        if (mode != OD_SRTP_OFF)
            assert_memory_equal(sdp.key.key, key, sizeof key);
    }
    static const struct {
        const char *lines;
        uint32_t tag;
    } rows[] = {
#define K "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz"
        {"a=crypto:1 AES_CM_128_HMAC_SHA1_80 " K "\r\n", 1},
        {"a=crypto:7 AES_CM_128_HMAC_SHA1_80 " K "|2^20\r\n", 7},
        {"a=crypto:1 AES_CM_128_HMAC_SHA1_80 " K "|2^20|1:4\r\n", 0},
        {"a=crypto:1 AES_CM_128_HMAC_SHA1_80 " K "|1:4\r\n", 0},
        {"a=crypto:1 AES_CM_128_HMAC_SHA1_80 " K " UNENCRYPTED_SRTP\r\n", 0},
        {"a=crypto:1 AES_CM_128_HMAC_SHA1_32 " K "\r\n"
         "a=crypto:2 AES_CM_128_HMAC_SHA1_80 " K "\r\n",
         2},
        {"a=crypto:0 AES_CM_128_HMAC_SHA1_80 " K "\r\n", 0},
        {"a=crypto:1 AES_CM_128_HMAC_SHA1_80 " K "a\r\n", 0},
        {"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:\r\n", 0},
        {"a=crypto:1\r\na=crypto\r\na=crypto:\r\n", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int bytes =
            snprintf(text, sizeof text, HEAD "m=audio 1000 RTP/SAVP 0\r\n%s", rows[i].lines);
        assert_int_equal(od_sdp_parse(text, (size_t)bytes, &sdp), 0);
        assert_int_equal(sdp.key.tag, rows[i].tag);
    }
}

static void repeated_offer_answers_each_stream(void **state)
{
    (void)state;
    char ours[1024], out[2048];
    int bytes = od_sdp_write(&usual_offer, ours, sizeof ours);
    static const char peer[] =
        HEAD "m=video 900 RTP/AVP 31 32\r\nm=audio 1000 RTP/AVP 0\r\na=sendonly\r\n"
             "m=image 901 udptl t38\r\n";
    struct od_sdp_repeat repeat = {
        .offer = ours,
        .offer_bytes = (size_t)bytes,
        .peer = peer,
        .peer_bytes = sizeof peer - 1,
        .direction = od_sdp_mirror(OD_SDP_SENDONLY),
        .changes = 2,
    };
    assert_true(od_sdp_repeat(&repeat, out, sizeof out) > 0);
    assert_string_equal(out,
                        "v=0\r\no=outdial 77 79 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\n"
                        "t=0 0\r\nm=video 0 RTP/AVP 31\r\nm=audio 20000 RTP/AVP 8 0 101\r\n"
                        "a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
                        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
                        "a=recvonly\r\nm=image 0 udptl t38\r\n");
    repeat.peer = NULL;
    repeat.changes = 0;
    repeat.direction = OD_SDP_SENDRECV;
    assert_int_equal(od_sdp_repeat(&repeat, out, sizeof out), bytes);
    assert_string_equal(out, ours);
    repeat.peer = "v=0\r\n";
    repeat.peer_bytes = 5;
    assert_int_equal(od_sdp_repeat(&repeat, out, sizeof out), OD_ENOENT);
    repeat.peer = NULL;
    assert_int_equal(od_sdp_repeat(&repeat, out, 20), OD_ETOOBIG);
}

static void directions_mirror(void **state)
{
    (void)state;
    assert_int_equal(od_sdp_mirror(OD_SDP_SENDRECV), OD_SDP_SENDRECV);
    assert_int_equal(od_sdp_mirror(OD_SDP_SENDONLY), OD_SDP_RECVONLY);
    assert_int_equal(od_sdp_mirror(OD_SDP_RECVONLY), OD_SDP_SENDONLY);
    assert_int_equal(od_sdp_mirror(OD_SDP_INACTIVE), OD_SDP_INACTIVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usual_answer),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(nul_and_size_are_bounded),
        cmocka_unit_test(formats_are_bounded_and_unique),
        cmocka_unit_test(ptime_out_of_range_is_not_given),
        cmocka_unit_test(media_lines_override_the_session),
        cmocka_unit_test(choice),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(keys_are_written_and_read),
        cmocka_unit_test(repeated_offer_answers_each_stream),
        cmocka_unit_test(directions_mirror),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
