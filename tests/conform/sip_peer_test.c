/*
 * Goal: what the peer asks of us inside and outside a dialog gets the answer RFC 3261 and RFC 3264
 * ask for, also when it is repeated, late or wrong.
 * Method: the real nta on a simulated clock, a scripted peer, whole transcripts compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "outdial/err.h"
#include "tests/conform/sip_world.h"

static struct world w;

#define PEER_SDP(direction)                                                                        \
    "v=0\r\no=- 5 6 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"                    \
    "m=audio 30000 RTP/AVP 0\r\na=" direction "\r\n"

static int setup(void **state)
{
    (void)state;
    world_open(&w, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&w);
    return 0;
}

static void talk(void)
{
    world_invite(&w);
    world_answer(&w, "200 OK", "a", NULL, world_sdp);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 200\n0 ! answered 200 sdp\n0 > ACK\n");
}

/* RFC 3261 section 13.3.1.4: our 2xx is repeated until its ACK. */
static void hold_and_resume(void **state)
{
    (void)state;
    talk();
    world_until(&w, 1000);
    world_request(&w, "INVITE", 20, "a", NULL, PEER_SDP("sendonly"));
    assert_non_null(strstr(w.last, "\r\na=recvonly\r\n"));
    assert_null(strstr(w.last, "a=sendrecv"));
    assert_non_null(strstr(w.last, "m=audio 20000 RTP/AVP 0 8 101\r\n"));
    assert_non_null(strstr(w.last, "o=outdial 42 43 IN IP4 127.0.0.1\r\n"));
    assert_string_equal(world_header(w.last, "Contact"), world_header(w.invite, "Contact"));
    assert_string_equal(world_header(w.last, "Content-Type"), "application/sdp");
    world_until(&w, 4600);
    world_request(&w, "ACK", 20, "a", NULL, NULL);
    world_until(&w, 30000);
    world_request(&w, "INVITE", 21, "a", NULL, PEER_SDP("sendrecv"));
    assert_non_null(strstr(w.last, "\r\na=sendrecv\r\n"));
    world_request(&w, "ACK", 21, "a", NULL, NULL);
    world_until(&w, 40000);
    world_expect(&w, "1000 < INVITE\n1000 > 200\n1000 ! reoffered 1\n1500 > 200\n2500 > 200\n"
                     "4500 > 200\n4600 < ACK\n30000 < INVITE\n30000 > 200\n30000 ! reoffered 0\n"
                     "30000 < ACK\n");
    assert_int_equal(w.sdp.remote.port, 30000);
}

static void inactive_is_answered_inactive(void **state)
{
    (void)state;
    talk();
    world_request(&w, "INVITE", 20, "a", NULL, PEER_SDP("inactive"));
    assert_non_null(strstr(w.last, "\r\na=inactive\r\n"));
}

static void repeated_reinvite_gets_the_same_answer_and_one_event(void **state)
{
    (void)state;
    char first[WORLD_PACKET_MAX];
    talk();
    world_request(&w, "INVITE", 20, "a", NULL, PEER_SDP("sendonly"));
    strcpy(first, w.last);
    world_until(&w, 400);
    world_request(&w, "INVITE", 20, "a", NULL, PEER_SDP("sendonly"));
    assert_string_equal(w.last, first);
    world_request(&w, "ACK", 20, "a", NULL, NULL);
    world_until(&w, 10000);
    world_expect(&w, "0 < INVITE\n0 > 200\n0 ! reoffered 1\n400 < INVITE\n400 > 200\n400 < ACK\n");
}

static void reinvite_without_offer_is_offered_ours(void **state)
{
    (void)state;
    talk();
    world_request(&w, "INVITE", 20, "a", NULL, NULL);
    assert_non_null(strstr(w.last, "m=audio 20000 RTP/AVP 0 8 101\r\n"));
    world_request(&w, "ACK", 20, "a", NULL, PEER_SDP("sendonly"));
    world_until(&w, 5000);
    world_expect(&w, "0 < INVITE\n0 > 200\n0 < ACK\n0 ! reoffered 1\n");
}

/* RFC 3311 */
static void update_changes_or_refreshes(void **state)
{
    (void)state;
    talk();
    world_request(&w, "UPDATE", 20, "a", NULL, PEER_SDP("sendonly"));
    assert_non_null(strstr(w.last, "\r\na=recvonly\r\n"));
    world_request(&w, "UPDATE", 21, "a", NULL, NULL);
    assert_null(strstr(w.last, "m=audio"));
    world_until(&w, 5000);
    world_expect(&w, "0 < UPDATE\n0 > 200\n0 ! reoffered 1\n0 < UPDATE\n0 > 200\n");
}

/* RFC 3261 section 14.2 */
static void offer_before_our_answer_is_glare(void **state)
{
    (void)state;
    world_invite(&w);
    world_answer(&w, "180 Ringing", "a", NULL, NULL);
    world_request(&w, "INVITE", 20, "a", NULL, PEER_SDP("sendrecv"));
    world_request(&w, "UPDATE", 21, "a", NULL, PEER_SDP("sendrecv"));
    world_until(&w, 100);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 180\n0 ! progress 180\n0 < INVITE\n0 > 491\n"
                     "0 < UPDATE\n0 > 491\n");
}

static void unusable_offers_are_refused(void **state)
{
    (void)state;
    talk();
    world_request(&w, "INVITE", 20, "a", NULL, "v=0\r\nm=audio 49152 FOO 0 \"\r\n");
    world_request(&w, "INVITE", 21, "a", NULL,
                  "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4 RTP/AVP 18\r\n");
    world_request(&w, "INVITE", 22, "a", NULL, "garbage");
    world_until(&w, 5000);
    world_expect(&w, "0 < INVITE\n0 > 488\n0 < INVITE\n0 > 488\n0 < INVITE\n0 > 488\n");
    char text[512];
    snprintf(text, sizeof text,
             "INVITE sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKq\r\n"
             "From: %s;tag=a\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 23 INVITE\r\nMax-Forwards: 70\r\n"
             "Content-Type: application/isup\r\nContent-Length: 3\r\n\r\nabc",
             w.port, world_header(w.invite, "To"), world_header(w.invite, "From"),
             world_names.call_id);
    world_send(&w, text, strlen(text));
    world_expect(&w, "5000 > 415\n");
}

static void other_requests_in_the_dialog(void **state)
{
    (void)state;
    talk();
    world_request(&w, "OPTIONS", 20, "a", NULL, NULL);
    assert_non_null(strstr(world_header(w.last, "Allow"), "UPDATE"));
    world_request(&w, "INFO", 21, "a", NULL, NULL);
    world_request(&w, "INFO", 20, "a", NULL, NULL); /* out of order */
    world_request(&w, "REFER", 22, "a", "Refer-To: <sip:x@y>\r\n", NULL);
    world_request(&w, "NOTIFY", 23, "a", "Event: refer\r\n", NULL);
    world_request(&w, "CANCEL", 24, "a", NULL, NULL);
    world_request(&w, "WHATEVER", 25, "a", NULL, NULL);
    world_request(&w, "INVITE", 26, "a", "Require: 100rel, timer\r\n", PEER_SDP("sendrecv"));
    assert_string_equal(world_header(w.last, "Unsupported"), "100rel, timer");
    world_expect(&w, "0 < OPTIONS\n0 > 200\n0 < INFO\n0 > 200\n0 < INFO\n0 > 500\n0 < REFER\n"
                     "0 > 501\n0 < NOTIFY\n0 > 481\n0 < CANCEL\n0 > 481\n0 < WHATEVER\n0 > 501\n"
                     "0 < INVITE\n0 > 420\n");
}

static void requests_of_no_dialog(void **state)
{
    (void)state;
    talk();
    world_request(&w, "BYE", 20, "other", NULL, NULL);
    world_request(&w, "INVITE", 21, "other", NULL, PEER_SDP("sendrecv"));
    world_request(&w, "ACK", 22, "other", NULL, NULL);
    world_until(&w, 10);
    world_expect(&w, "0 < BYE\n0 > 481\n0 < INVITE\n0 > 481\n0 < ACK\n");
    static const char *const methods[] = {"OPTIONS", "INVITE", "MESSAGE", "BYE", "ACK"};
    static const char *const answers[] = {"10 > 200\n", "10 ! inbound\n10 > 501\n", "10 > 501\n",
                                          "10 > 481\n", ""};
    for (unsigned i = 0; i < 5; i++) {
        char text[512];
        snprintf(
            text, sizeof text,
            "%s sip:us@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bKx%u\r\n"
            "From: <sip:a@b>;tag=1\r\nTo: <sip:us@127.0.0.1>\r\nCall-ID: x%u\r\n"
            "CSeq: 1 %s\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            methods[i], w.port, i, i, methods[i]);
        world_send(&w, text, strlen(text));
        world_expect(&w, answers[i]);
    }
}

static void maddr_sends_nothing_elsewhere(void **state)
{
    (void)state;
    static const char text[] =
        "OPTIONS sip:us@127.0.0.1 SIP/2.0\r\n"
        "Via: SIP/2.0/UDP 127.0.0.1;maddr=127.0.0.9;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
        "To: <sip:us@127.0.0.1>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    struct od_sip_stats before, after;
    od_sip_stats(w.sip, &before);
    world_send(&w, text, sizeof text - 1);
    od_sip_stats(w.sip, &after);
    assert_int_equal(after.sent, before.sent);
    assert_int_equal(after.dropped, before.dropped + 1);
}

static void reinvite_after_the_end_finds_nothing(void **state)
{
    (void)state;
    talk();
    od_sip_bye(w.sip, world_call);
    world_settle(&w);
    world_request(&w, "INVITE", 20, "a", NULL, PEER_SDP("sendrecv"));
    world_expect(&w, "0 > BYE\n0 < INVITE\n0 > 481\n");
    world_reply(&w, w.bye, "200 OK", NULL, NULL, NULL);
    od_sip_drop(w.sip, world_call);
    world_request(&w, "INVITE", 21, "a", NULL, PEER_SDP("sendrecv"));
    world_expect(&w, "0 < 200\n0 ! cleared\n0 < INVITE\n0 > 481\n");
}

static void unacknowledged_reinvite_stops_after_64_t1(void **state)
{
    (void)state;
    talk();
    world_request(&w, "INVITE", 20, "a", NULL, PEER_SDP("sendrecv"));
    world_until(&w, 60000);
    world_expect(&w, "0 < INVITE\n0 > 200\n0 ! reoffered 0\n500 > 200\n1500 > 200\n3500 > 200\n"
                     "7500 > 200\n11500 > 200\n15500 > 200\n19500 > 200\n23500 > 200\n"
                     "27500 > 200\n31500 > 200\n");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(hold_and_resume),
        T(inactive_is_answered_inactive),
        T(repeated_reinvite_gets_the_same_answer_and_one_event),
        T(reinvite_without_offer_is_offered_ours),
        T(update_changes_or_refreshes),
        T(offer_before_our_answer_is_glare),
        T(unusable_offers_are_refused),
        T(other_requests_in_the_dialog),
        T(requests_of_no_dialog),
        T(maddr_sends_nothing_elsewhere),
        T(reinvite_after_the_end_finds_nothing),
        T(unacknowledged_reinvite_stops_after_64_t1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
