/*
 * Goal: the carrier's SIP reader takes what RFC 3261 allows, names what it doesn't, and its answers
 * repeat what they must. Method: one message per rule, the nastier ones after RFC 4475.
 */
#include "bench/carrier/sdp_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A parsed message and the exactly long copy it points into, so that sanitizers see any overrun. */
struct parsed {
    struct od_sip_text m;
    char *bytes;
    int status;
};

static void parse(struct parsed *p, const char *message)
{
    size_t n = strlen(message);
    p->bytes = malloc(n);
    assert_non_null(p->bytes);
    memcpy(p->bytes, message, n);
    p->status = od_sip_text_parse(&p->m, p->bytes, n);
}

static int status_of(const char *message)
{
    struct parsed p;
    parse(&p, message);
    free(p.bytes);
    return p.status;
}

#define HEADS                                                                                      \
    "Via: SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bK1;rport\r\nFrom: <sip:a@x>;tag=1\r\n"            \
    "To: <sip:b@y>\r\nCall-ID: c@d\r\n"

static void assert_text(struct od_text text, const char *expected)
{
    assert_int_equal(text.bytes, strlen(expected));
    assert_memory_equal(text.at, expected, text.bytes);
}

static void reads_an_invite(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "INVITE sip:+15551234@host:5070 SIP/2.0\r\n"
              "v: SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bK1;rport, SIP/2.0/UDP 10.0.0.2\r\n"
              "f: \"A; tag=no\" <sip:a@x;tag=no>;tag=yes\r\nt: <sip:b@y>\r\ni: c@d\r\n"
              "CSeq: 7 INVITE\r\nm: <sip:a@10.0.0.1:5062>\r\nl: 3\r\n\r\nv=0and more");
    assert_int_equal(p.status, 0);
    assert_true(p.m.request);
    assert_int_equal(p.m.method, OD_SIP_TEXT_INVITE);
    assert_text(p.m.from_tag, "yes");
    assert_null(p.m.to_tag.at);
    assert_text(p.m.branch, "z9hG4bK1");
    assert_text(p.m.via_host, "10.0.0.1");
    assert_int_equal(p.m.via_port, 5062);
    assert_int_equal(p.m.cseq, 7);
    assert_text(p.m.body, "v=0");
    free(p.bytes);
}

static void joins_folded_lines_and_takes_odd_spacing(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p,
          "INVITE sip:b@y SIP/2.0\r\nVia: SIP / 2.0 / UDP 192.0.2.2:5060\r\n ;branch = z9hG4bK9\r\n"
          "From : <sip:a@x>\r\n  ;tag = 98asjd8\r\nTo: <sip:b@y>\r\nCall-ID: c\r\n"
          "CSeq: 0009\r\n  INVITE\r\n\r\n");
    assert_int_equal(p.status, 0);
    assert_text(p.m.branch, "z9hG4bK9");
    assert_text(p.m.from_tag, "98asjd8");
    assert_int_equal(p.m.cseq, 9);
    free(p.bytes);
}

static void refuses_by_status(void **state)
{
    (void)state;
    assert_int_equal(status_of("OPTIONS sip:b@y SIP/7.0\r\n" HEADS "CSeq: 1 OPTIONS\r\n\r\n"), 505);
    assert_int_equal(status_of("OPTIONS  sip:b@y SIP/2.0\r\n" HEADS "CSeq: 1 OPTIONS\r\n\r\n"),
                     400);
    assert_int_equal(status_of("OPTIONS <sip:b@y> SIP/2.0\r\n" HEADS "CSeq: 1 OPTIONS\r\n\r\n"),
                     400);
    assert_int_equal(status_of("OPTIONS sip:b@y SIP/2.0\r\n" HEADS "CSeq: 1 INVITE\r\n\r\n"), 400);
    assert_int_equal(status_of("BYE sip:b@y SIP/2.0\r\n" HEADS "CSeq: 4294967296 BYE\r\n\r\n"),
                     400);
    assert_int_equal(
        status_of("BYE sip:b@y SIP/2.0\r\n" HEADS "CSeq: 1 BYE\r\nContent-Length: -9\r\n\r\n"),
        400);
    assert_int_equal(
        status_of("BYE sip:b@y SIP/2.0\r\n" HEADS "CSeq: 1 BYE\r\nContent-Length: 9\r\n\r\nxx"),
        400);
    assert_int_equal(
        status_of("BYE sip:b@y SIP/2.0\r\n" HEADS "CSeq: 1 BYE\r\nl: 0\r\nl: 2\r\n\r\nxx"), 400);
    assert_int_equal(
        status_of("BYE sip:b@y SIP/2.0\r\n" HEADS "To: <sip:z@y>\r\nCSeq: 1 BYE\r\n\r\n"), 400);
    assert_int_equal(status_of("BYE sip:b@y SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n\r\n"), 400);
    assert_int_equal(
        status_of("BYE sip:b@y SIP/2.0\r\n" HEADS "CSeq: 1 BYE\r\nTo: \"Mr. <a@b>\r\n\r\n"), 400);
}

static void ignores_what_nobody_can_answer(void **state)
{
    (void)state;
    assert_int_equal(status_of(""), -1);
    assert_int_equal(status_of("\r\n\r\n"), -1);
    assert_int_equal(status_of("garbage"), -1);
    assert_int_equal(status_of("OPTIONS sip:b@y SIP/2.0\r\nFrom: <sip:a@x>\r\n\r\n"), -1);
    assert_int_equal(status_of("SIP/2.0 99 Low\r\n" HEADS "CSeq: 1 BYE\r\n\r\n"), -1);
    assert_int_equal(status_of("SIP/2.0 4294967301 High\r\n" HEADS "CSeq: 1 BYE\r\n\r\n"), -1);
}

static void reads_responses(void **state)
{
    (void)state;
    struct parsed p;
    parse(&p, "SIP/2.0 200 \r\n" HEADS "CSeq: 1 BYE\r\n\r\n");
    assert_int_equal(p.status, 0);
    assert_false(p.m.request);
    assert_int_equal(p.m.status, 200);
    assert_int_equal(p.m.method, OD_SIP_TEXT_BYE);
    free(p.bytes);
}

static void bounds_the_number_of_heads(void **state)
{
    (void)state;
    char message[8192];
    size_t n = (size_t)sprintf(message, "OPTIONS sip:b@y SIP/2.0\r\n" HEADS "CSeq: 1 OPTIONS\r\n");
    for (int i = 0; i < OD_SIP_TEXT_HEADS_MAX; i++)
        n += (size_t)sprintf(message + n, "X: %d\r\n", i);
    strcpy(message + n, "\r\n");
    assert_int_equal(status_of(message), 400);
}

static int number_of(const char *uri, char *out)
{
    return od_sip_text_number((struct od_text){uri, strlen(uri)}, out);
}

static void finds_the_called_number(void **state)
{
    (void)state;
    char number[OD_SIP_TEXT_NUMBER_BYTES];
    assert_int_equal(number_of("sip:+1555;phone-context=x:pw@host;user=phone", number), 0);
    assert_string_equal(number, "+1555");
    assert_int_equal(number_of("SIPS:%2B1555@host", number), 0);
    assert_string_equal(number, "+1555");
    assert_int_equal(number_of("tel:+1-201-555-0123;ext=1", number), 0);
    assert_string_equal(number, "+1-201-555-0123");
    assert_int_equal(number_of("sip:host", number), 484);
    assert_int_equal(number_of("sip:@host", number), 484);
    assert_int_equal(number_of("soap.beep://192.0.2.103:3002", number), 416);
    assert_int_equal(number_of("nobodyKnowsThisScheme", number), 400);
    assert_int_equal(number_of("sip:a%00\x01z@h", number), 0);
    assert_string_equal(number, "a??z");
    char longest[300];
    memset(longest, '9', sizeof longest);
    memcpy(longest, "sip:", 4);
    memcpy(longest + sizeof longest - 3, "@h", 3);
    assert_int_equal(number_of(longest, number), 0);
    assert_int_equal(strlen(number), OD_SIP_TEXT_NUMBER_BYTES - 1);
}

static void finds_the_host_of_a_uri(void **state)
{
    (void)state;
    struct od_text host, uri;
    uint16_t port;
    assert_true(od_sip_text_addr_uri(
        (struct od_text){"\"x, <y>\" <sip:u@[2001:db8::1]:5062;lr>", 38}, &uri));
    assert_true(od_sip_text_uri_host(uri, &host, &port));
    assert_text(host, "2001:db8::1");
    assert_int_equal(port, 5062);
    assert_false(od_sip_text_uri_host((struct od_text){"sip:u@h:99999", 13}, &host, &port));
    assert_false(od_sip_text_uri_host((struct od_text){"tel:+1", 6}, &host, &port));
}

static void splits_header_values(void **state)
{
    (void)state;
    const char *value = "<sip:a,b@h;lr>, \"x, y\" <sip:c@h>";
    struct od_text rest = {value, strlen(value)}, element;
    assert_true(od_sip_text_next_element(&rest, &element));
    assert_text(element, "<sip:a,b@h;lr>");
    assert_true(od_sip_text_next_element(&rest, &element));
    assert_text(element, "\"x, y\" <sip:c@h>");
    assert_false(od_sip_text_next_element(&rest, &element));
}

static void echoes_what_a_response_repeats(void **state)
{
    (void)state;
    struct parsed p;
    char room[1024];
    parse(&p, "INVITE sip:b@y SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bK1, "
              "SIP/2.0/UDP far\r\nVia: SIP/2.0/UDP third\r\nFrom: <sip:a@x>;tag=1\r\n"
              "To: <sip:b@y>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nTimestamp: 5\r\n"
              "Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\n\r\n");
    struct od_sip_out out = {.at = room, .room = sizeof room};
    od_sip_text_echo(&p.m, (struct od_sip_text_source){"192.0.2.9", 4444}, "t1", &out);
    od_sip_text_routes(&p.m, "Route", &out);
    assert_false(out.full);
    assert_text((struct od_text){room, out.used},
                "Via: SIP/2.0/UDP 10.0.0.1;rport=4444;branch=z9hG4bK1;received=192.0.2.9, "
                "SIP/2.0/UDP far\r\nVia: SIP/2.0/UDP third\r\nTimestamp: 5\r\n"
                "From: <sip:a@x>;tag=1\r\nTo: <sip:b@y>;tag=t1\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n"
                "Route: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\n");
    /* a writer without room says so and never overruns */
    for (size_t small = 0; small < out.used; small++) {
        char *exact = malloc(small ? small : 1);
        struct od_sip_out tight = {.at = exact, .room = small};
        od_sip_text_echo(&p.m, (struct od_sip_text_source){"192.0.2.9", 4444}, "t1", &tight);
        od_sip_text_routes(&p.m, "Route", &tight);
        assert_true(tight.full);
        free(exact);
    }
    free(p.bytes);
}

static bool sdp(struct od_sdp_text *out, const char *body)
{
    return od_sdp_text_parse(out, (struct od_text){body, strlen(body)});
}

static void reads_an_offer_and_answers_it(void **state)
{
    (void)state;
    struct od_sdp_text offer;
    assert_true(sdp(&offer, "v=0\r\nc=IN IP4 10.0.0.9\r\nm=video 4 RTP/AVP 96\r\n"
                            "m=audio 4000 RTP/AVP 18 8 0 101\r\nc=IN IP4 127.0.0.1\r\n"
                            "a=rtpmap:101 telephone-event/8000\r\na=recvonly\r\n"));
    assert_int_equal(offer.codec, 8);
    assert_int_equal(offer.event, 101);
    assert_int_equal(od_carrier_addr_port(&offer.audio), 4000);
    char room[1024], host[OD_CARRIER_ADDR_TEXT];
    od_carrier_addr_host_text(&offer.audio, host);
    assert_string_equal(host, "127.0.0.1");
    struct od_carrier_addr local;
    od_carrier_addr_host(&local, "127.0.0.2", 9, 40000);
    struct od_sip_out out = {.at = room, .room = sizeof room};
    od_sdp_text_write(&offer, &local, 7, &out);
    assert_text((struct od_text){room, out.used},
                "v=0\r\no=- 7 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\n"
                "m=video 0 RTP/AVP 96\r\nm=audio 40000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\n"
                "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
                "a=sendonly\r\n");
}

static void refuses_unusable_offers(void **state)
{
    (void)state;
    struct od_sdp_text offer;
    assert_false(sdp(&offer, ""));
    assert_false(sdp(&offer, "v=0\r\nc=IN IP4 1.2.3.4\r\nm=audio 4000 RTP/AVP 18\r\n"));
    assert_false(sdp(&offer, "v=0\r\nm=audio 4000 RTP/AVP 0\r\n"));
    assert_false(sdp(&offer, "c=IN IP4 host.example\r\nm=audio 4000 RTP/AVP 0\r\n"));
    assert_false(sdp(&offer, "c=IN IP4 1.2.3.4\r\nm=audio 65536 RTP/AVP 0\r\n"));
    assert_false(sdp(&offer, "c=IN IP4 1.2.3.4\r\nm=audio 4000 RTP/SAVP 0\r\n"));
    assert_false(sdp(&offer, "c=IN IP4 1.2.3.4\r\nm=audio 1 RTP/AVP 0\r\nm=a 1 b c\r\nm=a 1 b c\r\n"
                             "m=a 1 b c\r\nm=a 1 b c\r\nm=a 1 b c\r\nm=a 1 b c\r\nm=a 1 b c\r\n"
                             "m=a 1 b c\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_an_invite),
        cmocka_unit_test(joins_folded_lines_and_takes_odd_spacing),
        cmocka_unit_test(refuses_by_status),
        cmocka_unit_test(ignores_what_nobody_can_answer),
        cmocka_unit_test(reads_responses),
        cmocka_unit_test(bounds_the_number_of_heads),
        cmocka_unit_test(finds_the_called_number),
        cmocka_unit_test(finds_the_host_of_a_uri),
        cmocka_unit_test(splits_header_values),
        cmocka_unit_test(echoes_what_a_response_repeats),
        cmocka_unit_test(reads_an_offer_and_answers_it),
        cmocka_unit_test(refuses_unusable_offers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
