/*
 * Goal: one INVITE's life on the wire is what RFC 3261 asks and what proto/sip/sip.h promises.
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

static void answer_ok(const char *tag)
{
    world_answer(&w, "200 OK", tag, NULL, world_sdp);
}

/* RFC 3261 section 17.1.1.2: timers A and B. */
static void unanswered_invite_is_repeated_and_given_up(void **state)
{
    (void)state;
    assert_int_equal(world_invite(&w), 0);
    world_until(&w, 40000);
    world_expect(&w, "0 > INVITE\n0 ! sent\n500 > INVITE\n1500 > INVITE\n3500 > INVITE\n"
                     "7500 > INVITE\n15500 > INVITE\n31500 > INVITE\n32000 ! rejected 408 local\n");
}

/* RFC 3261 section 11: an OPTIONS is a transaction of its own; timers E and F when nobody answers,
 * and one under way serves for a second order. */
static void a_ping_is_answered_or_given_up(void **state)
{
    (void)state;
    struct od_sip_invite who = world_usual(&w);
    assert_int_equal(od_sip_ping(w.sip, 3, &who), 0);
    world_settle(&w);
    assert_true(strncmp(w.last, "OPTIONS sip:carrier.example SIP/2.0\r\n", 37) == 0);
    assert_string_equal(world_header(w.last, "Accept"), "application/sdp");
    world_reply(&w, w.last, "503 Service Unavailable", "x", NULL, NULL);
    world_settle(&w);
    assert_int_equal(od_sip_ping(w.sip, 3, &who), 0);
    assert_int_equal(od_sip_ping(w.sip, 3, &who), 0);
    assert_int_equal(od_sip_ping(w.sip, 4, &who), 0);
    world_until(&w, 600);
    world_reply(&w, w.last, "200 OK", "x", NULL, NULL);
    world_until(&w, 60000);
    assert_non_null(strstr(w.text, "0 > OPTIONS\n0 < 503\n0 ! pong 3 503\n"));
    assert_non_null(strstr(w.text, "600 < 200\n600 ! pong "));
    assert_non_null(strstr(w.text, "32000 ! pong "));
    who.server.port = 0;
    assert_int_equal(od_sip_ping(w.sip, 3, &who), OD_EINVAL);
}

static void names_and_headers_are_as_given(void **state)
{
    (void)state;
    assert_int_equal(world_invite(&w), 0);
    char expected[512];
    unsigned ours = ntohs(w.ours.sin_port);
    assert_true(strncmp(w.invite, "INVITE sip:+15552223333@carrier.example SIP/2.0\r\n", 49) == 0);
    assert_string_equal(world_header(w.invite, "Call-ID"), world_names.call_id);
    snprintf(expected, sizeof expected, "SIP/2.0/UDP 127.0.0.1:%u;rport;branch=%s", ours,
             world_names.branch);
    assert_string_equal(world_header(w.invite, "Via"), expected);
    snprintf(expected, sizeof expected, "\"Clinic\" <sip:+15550001111@carrier.example>;tag=%s",
             world_names.from_tag);
    assert_string_equal(world_header(w.invite, "From"), expected);
    assert_string_equal(world_header(w.invite, "To"), "<sip:+15552223333@carrier.example>");
    snprintf(expected, sizeof expected, "<sip:+15550001111@127.0.0.1:%u>", ours);
    assert_string_equal(world_header(w.invite, "Contact"), expected);
    assert_string_equal(world_header(w.invite, "Max-Forwards"), "70");
    assert_string_equal(world_header(w.invite, "CSeq"), "1 INVITE");
    assert_string_equal(world_header(w.invite, "User-Agent"), "outdial-test");
    assert_string_equal(world_header(w.invite, "Content-Type"), "application/sdp");
    assert_non_null(strstr(w.invite, "\r\n\r\nv=0\r\n"));
    assert_string_equal(strstr(w.invite, "\r\n\r\n") + 4, world_sdp);
}

static void call_answered_and_ended_by_us(void **state)
{
    (void)state;
    world_invite(&w);
    world_answer(&w, "100 Trying", NULL, NULL, NULL);
    world_until(&w, 1000);
    world_answer(&w, "183 Session Progress", "a", NULL, world_sdp);
    world_answer(&w, "180 Ringing", "a", NULL, NULL);
    world_until(&w, 6000);
    answer_ok("a");
    assert_int_equal(w.sdp.remote.port, 20000);
    world_until(&w, 9000);
    od_sip_bye(w.sip, world_call);
    world_settle(&w);
    world_reply(&w, w.bye, "200 OK", NULL, NULL, NULL);
    world_until(&w, 60000);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 100\n1000 < 183\n1000 ! progress 183 sdp\n"
                     "1000 < 180\n1000 ! progress 180\n6000 < 200\n6000 ! answered 200 sdp\n"
                     "6000 > ACK\n9000 > BYE\n9000 < 200\n9000 ! cleared\n");
    char target[64];
    snprintf(target, sizeof target, "ACK sip:peer@127.0.0.1:%u SIP/2.0\r\n", w.port);
    assert_true(strncmp(w.ack, target, strlen(target)) == 0);
    assert_string_equal(world_header(w.ack, "CSeq"), "1 ACK");
    assert_string_equal(world_header(w.bye, "CSeq"), "2 BYE");
    assert_string_equal(world_header(w.ack, "To"), "<sip:+15552223333@carrier.example>;tag=a");
    assert_string_equal(world_header(w.bye, "To"), "<sip:+15552223333@carrier.example>;tag=a");
    assert_string_equal(world_header(w.bye, "From"), world_header(w.invite, "From"));
    /* RFC 3261 section 17.1.1.3: the ACK of a 2xx is a transaction of its own */
    assert_string_not_equal(world_header(w.ack, "Via"), world_header(w.invite, "Via"));
}

static void every_2xx_is_acknowledged_and_starts_nothing_again(void **state)
{
    (void)state;
    world_invite(&w);
    answer_ok("a");
    world_until(&w, 500);
    answer_ok("a");
    od_sip_bye(w.sip, world_call);
    world_settle(&w);
    world_until(&w, 900);
    world_reply(&w, w.bye, "200 OK", NULL, NULL, NULL);
    world_until(&w, 1500);
    char first[WORLD_PACKET_MAX];
    strcpy(first, w.ack);
    answer_ok("a");
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 200\n0 ! answered 200 sdp\n0 > ACK\n"
                     "500 < 200\n500 ! answered 200 again sdp\n500 > ACK\n500 > BYE\n"
                     "900 < 200\n900 ! cleared\n"
                     "1500 < 200\n1500 ! answered 200 again sdp\n1500 > ACK\n");
    assert_string_equal(first, w.ack);
}

static void bye_is_repeated_and_given_up(void **state)
{
    (void)state;
    world_invite(&w);
    answer_ok("a");
    od_sip_bye(w.sip, world_call);
    world_until(&w, 40000);
    /* RFC 3261 section 17.1.2.2: timers E and F */
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 200\n0 ! answered 200 sdp\n0 > ACK\n0 > BYE\n"
                     "500 > BYE\n1500 > BYE\n3500 > BYE\n7500 > BYE\n11500 > BYE\n15500 > BYE\n"
                     "19500 > BYE\n23500 > BYE\n27500 > BYE\n31500 > BYE\n32000 ! cleared\n");
}

static void ringing_call_is_cancelled(void **state)
{
    (void)state;
    world_invite(&w);
    world_answer(&w, "180 Ringing", "a", NULL, NULL);
    world_until(&w, 20000);
    od_sip_cancel(w.sip, world_call);
    od_sip_cancel(w.sip, world_call);
    world_settle(&w);
    world_reply(&w, w.cancel, "200 OK", "a", NULL, NULL);
    world_answer(&w, "487 Request Terminated", "a", NULL, NULL);
    world_until(&w, 80000);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 180\n0 ! progress 180\n20000 > CANCEL\n"
                     "20000 < 200\n20000 < 487\n20000 > ACK\n20000 ! rejected 487\n");
    /* RFC 3261 section 9.1 and 17.1.1.3 */
    assert_string_equal(world_header(w.cancel, "Via"), world_header(w.invite, "Via"));
    assert_string_equal(world_header(w.cancel, "To"), world_header(w.invite, "To"));
    assert_string_equal(world_header(w.cancel, "From"), world_header(w.invite, "From"));
    assert_string_equal(world_header(w.cancel, "CSeq"), "1 CANCEL");
    assert_true(strncmp(w.cancel, "CANCEL sip:+15552223333@carrier.example SIP/2.0", 47) == 0);
    assert_string_equal(world_header(w.ack, "Via"), world_header(w.invite, "Via"));
    assert_true(strncmp(w.ack, "ACK sip:+15552223333@carrier.example SIP/2.0", 44) == 0);
}

/* RFC 3261 section 9.1: no CANCEL before a provisional answer. */
static void cancel_waits_for_a_provisional_answer(void **state)
{
    (void)state;
    world_invite(&w);
    od_sip_cancel(w.sip, world_call);
    world_until(&w, 600);
    world_answer(&w, "100 Trying", NULL, NULL, NULL);
    world_until(&w, 700);
    world_answer(&w, "487 Request Terminated", "a", NULL, NULL);
    world_until(&w, 900);
    world_expect(&w, "0 > INVITE\n0 ! sent\n500 > INVITE\n600 < 100\n600 > CANCEL\n700 < 487\n"
                     "700 > ACK\n700 ! rejected 487\n");
}

static void cancel_that_is_never_answered_ends_after_64_t1(void **state)
{
    (void)state;
    world_invite(&w);
    world_answer(&w, "180 Ringing", "a", NULL, NULL);
    world_until(&w, 1000);
    od_sip_cancel(w.sip, world_call);
    world_until(&w, 40000);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 180\n0 ! progress 180\n1000 > CANCEL\n"
                     "1500 > CANCEL\n2500 > CANCEL\n4500 > CANCEL\n8500 > CANCEL\n12500 > CANCEL\n"
                     "16500 > CANCEL\n20500 > CANCEL\n24500 > CANCEL\n28500 > CANCEL\n"
                     "32500 > CANCEL\n33000 ! rejected 408 local\n");
}

static void answer_crosses_the_cancel(void **state)
{
    (void)state;
    world_invite(&w);
    world_answer(&w, "180 Ringing", "a", NULL, NULL);
    od_sip_cancel(w.sip, world_call);
    world_settle(&w);
    answer_ok("a");
    world_reply(&w, w.cancel, "481 Call/Transaction Does Not Exist", "a", NULL, NULL);
    od_sip_bye(w.sip, world_call);
    world_settle(&w);
    world_reply(&w, w.bye, "200 OK", NULL, NULL, NULL);
    world_until(&w, 80000);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 180\n0 ! progress 180\n0 > CANCEL\n0 < 200\n"
                     "0 ! answered 200 sdp\n0 > ACK\n0 < 481\n0 > BYE\n0 < 200\n0 ! cleared\n");
}

static void failures_are_acknowledged_and_reported_once(void **state)
{
    static const struct {
        const char *status, *extra;
        unsigned code, retry_after_s;
    } cases[] = {
        {"302 Moved Temporarily", NULL, 302, 0},
        {"401 Unauthorized", "WWW-Authenticate: Digest realm=\"x\", nonce=\"y\"\r\n", 401, 0},
        {"404 Not Found", NULL, 404, 0},
        {"407 Proxy Authentication Required", "Proxy-Authenticate: Digest realm=\"x\"\r\n", 407, 0},
        {"486 Busy Here", NULL, 486, 0},
        {"503 Service Unavailable", "Retry-After: 17\r\n", 503, 17},
        {"603 Decline", NULL, 603, 0},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int provisional = 0; provisional < 2; provisional++) {
            uint64_t at = world_ms();
            char expected[512], *e = expected;
            assert_int_equal(world_invite(&w), 0);
            e += sprintf(e, "%lu > INVITE\n%lu ! sent\n", at, at);
            if (provisional) {
                world_answer(&w, "180 Ringing", "a", NULL, NULL);
                e += sprintf(e, "%lu < 180\n%lu ! progress 180\n", at, at);
            }
            world_answer(&w, cases[i].status, "a", cases[i].extra, NULL);
            assert_int_equal(w.response.retry_after_s, cases[i].retry_after_s);
            assert_false(w.response.local);
            world_until(&w, at + 500);
            world_answer(&w, cases[i].status, "a", cases[i].extra, NULL);
            e += sprintf(e, "%lu < %u\n", at, cases[i].code);
            e += sprintf(e, "%lu > ACK\n", at);
            e += sprintf(e, "%lu ! rejected %u\n", at, cases[i].code);
            e += sprintf(e, "%lu < %u\n%lu > ACK\n", at + 500, cases[i].code, at + 500);
            world_until(&w, at + 40000);
            od_sip_drop(w.sip, world_call);
            world_until(&w, at + 80000);
            world_expect(&w, expected);
            assert_string_equal(world_header(w.ack, "Via"), world_header(w.invite, "Via"));
        }
    }
}

static void another_fork_is_acknowledged_and_ended_once(void **state)
{
    (void)state;
    world_invite(&w);
    answer_ok("a");
    answer_ok("b");
    assert_string_equal(world_header(w.bye, "To"), "<sip:+15552223333@carrier.example>;tag=b");
    world_reply(&w, w.bye, "200 OK", NULL, NULL, NULL);
    world_until(&w, 500);
    answer_ok("b");
    answer_ok("a");
    world_until(&w, 3000);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 200\n0 ! answered 200 sdp\n0 > ACK\n"
                     "0 < 200\n0 > BYE\n0 > ACK\n0 < 200\n500 < 200\n500 > ACK\n500 < 200\n"
                     "500 ! answered 200 again sdp\n500 > ACK\n");
}

static void answer_after_the_end_is_acknowledged_and_ended(void **state)
{
    (void)state;
    /* 200 after our local timeout */
    world_invite(&w);
    world_until(&w, 33000);
    answer_ok("a");
    world_reply(&w, w.bye, "200 OK", NULL, NULL, NULL);
    world_until(&w, 34000);
    answer_ok("a");
    world_expect(&w,
                 "0 > INVITE\n0 ! sent\n500 > INVITE\n1500 > INVITE\n3500 > INVITE\n7500 > INVITE\n"
                 "15500 > INVITE\n31500 > INVITE\n32000 ! rejected 408 local\n33000 < 200\n"
                 "33000 > BYE\n33000 > ACK\n33000 < 200\n34000 < 200\n34000 > ACK\n");
}

static void dropped_while_ringing_is_cancelled_without_events(void **state)
{
    (void)state;
    world_invite(&w);
    world_answer(&w, "180 Ringing", "a", NULL, NULL);
    od_sip_drop(w.sip, world_call);
    world_settle(&w);
    world_reply(&w, w.cancel, "200 OK", "a", NULL, NULL);
    world_until(&w, 100);
    world_answer(&w, "487 Request Terminated", "a", NULL, NULL);
    world_until(&w, 600);
    world_answer(&w, "487 Request Terminated", "a", NULL, NULL);
    struct od_sip_stats stats;
    od_sip_stats(w.sip, &stats);
    assert_int_equal(stats.legs, 0);
    assert_int_equal(stats.lingering, 1);
    world_until(&w, 40000);
    od_sip_stats(w.sip, &stats);
    assert_int_equal(stats.lingering, 0);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 180\n0 ! progress 180\n0 > CANCEL\n0 < 200\n"
                     "100 < 487\n100 > ACK\n600 < 487\n600 > ACK\n");
}

static void dropped_before_any_answer_is_cancelled_when_it_can_be(void **state)
{
    (void)state;
    world_invite(&w);
    od_sip_drop(w.sip, world_call);
    world_until(&w, 600);
    world_answer(&w, "180 Ringing", "a", NULL, NULL);
    answer_ok("a"); /* crosses the CANCEL */
    world_reply(&w, w.cancel, "200 OK", "a", NULL, NULL);
    world_reply(&w, w.bye, "200 OK", NULL, NULL, NULL);
    world_until(&w, 1100);
    answer_ok("a");
    world_until(&w, 80000);
    struct od_sip_stats stats;
    od_sip_stats(w.sip, &stats);
    assert_int_equal(stats.lingering, 0);
    world_expect(&w, "0 > INVITE\n0 ! sent\n500 > INVITE\n600 < 180\n600 > CANCEL\n600 < 200\n"
                     "600 > BYE\n600 > ACK\n600 < 200\n600 < 200\n1100 < 200\n1100 > ACK\n");
}

static void dropped_while_talking_is_hung_up(void **state)
{
    (void)state;
    w.auto_ack = false;
    world_invite(&w);
    answer_ok("a");
    od_sip_drop(w.sip, world_call); /* not even acknowledged */
    world_settle(&w);
    world_reply(&w, w.bye, "200 OK", NULL, NULL, NULL);
    world_until(&w, 500);
    answer_ok("a");
    world_until(&w, 70000);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 200\n0 ! answered 200 sdp\n0 > BYE\n0 > ACK\n"
                     "0 < 200\n500 < 200\n500 > ACK\n");
}

static void forgotten_answer_is_acknowledged_and_ended_a_few_times_a_second(void **state)
{
    (void)state;
    world_invite(&w);
    world_answer(&w, "486 Busy Here", "a", NULL, NULL);
    od_sip_drop(w.sip, world_call);
    world_until(&w, 100000);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 486\n0 > ACK\n0 ! rejected 486\n");
    answer_ok("b");
    world_expect(&w, "100000 < 200\n100000 > BYE\n100000 > ACK\n");
    assert_string_equal(world_header(w.bye, "To"), "<sip:+15552223333@carrier.example>;tag=b");
    assert_string_equal(world_header(w.bye, "Call-ID"), world_names.call_id);
    for (int i = 0; i < 100; i++)
        answer_ok("c");
    unsigned acks = 0;
    for (const char *at = w.text; (at = strstr(at, "> ACK")); at++)
        acks++;
    assert_int_equal(acks, 19); /* 20 a second, one was used above */
}

static void peer_hangs_up(void **state)
{
    (void)state;
    world_invite(&w);
    answer_ok("a");
    world_until(&w, 5000);
    world_request(&w, "BYE", 10, "a", NULL, NULL);
    world_until(&w, 5500);
    world_request(&w, "BYE", 10, "a", NULL, NULL); /* our 200 was lost */
    od_sip_drop(w.sip, world_call);
    world_until(&w, 6000);
    world_request(&w, "BYE", 10, "a", NULL, NULL);
    world_until(&w, 60000);
    world_request(&w, "BYE", 10, "a", NULL, NULL);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 200\n0 ! answered 200 sdp\n0 > ACK\n5000 < BYE\n"
                     "5000 > 200\n5000 ! peer_bye\n5500 < BYE\n5500 > 200\n6000 < BYE\n6000 > 200\n"
                     "60000 < BYE\n60000 > 481\n");
}

/* Nothing is sent at the drop, and no timer runs: the lingering has to end all the same. */
static void silent_drop_is_forgotten_in_time(void **state)
{
    (void)state;
    world_invite(&w);
    answer_ok("a");
    world_request(&w, "BYE", 10, "a", NULL, NULL);
    world_until(&w, 60000);
    od_sip_drop(w.sip, world_call);
    world_until(&w, 91999);
    struct od_sip_stats stats;
    od_sip_stats(w.sip, &stats);
    assert_int_equal(stats.lingering, 1);
    world_until(&w, 92001);
    od_sip_stats(w.sip, &stats);
    assert_int_equal(stats.lingering, 0);
}

static void both_hang_up_at_once(void **state)
{
    (void)state;
    world_invite(&w);
    answer_ok("a");
    od_sip_bye(w.sip, world_call);
    world_settle(&w);
    world_request(&w, "BYE", 10, "a", NULL, NULL);
    world_reply(&w, w.bye, "200 OK", NULL, NULL, NULL);
    world_until(&w, 5000);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 200\n0 ! answered 200 sdp\n0 > ACK\n0 > BYE\n"
                     "0 < BYE\n0 > 200\n0 ! peer_bye\n0 < 200\n0 ! cleared\n");
}

static void bye_overtakes_its_answer(void **state)
{
    (void)state;
    world_invite(&w);
    world_answer(&w, "180 Ringing", "a", NULL, NULL);
    world_request(&w, "BYE", 10, "a", NULL, NULL);
    answer_ok("a");
    od_sip_drop(w.sip, world_call);
    world_until(&w, 5000);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 180\n0 ! progress 180\n0 < BYE\n0 > 200\n0 < 200\n"
                     "0 ! answered 200 sdp\n0 > ACK\n0 ! peer_bye\n");
}

static void closed_port_is_a_local_503(void **state)
{
    (void)state;
    struct od_sip_invite invite = world_usual(&w);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof addr;
    bind(fd, (struct sockaddr *)&addr, sizeof addr);
    getsockname(fd, (struct sockaddr *)&addr, &bytes);
    close(fd);
    invite.server.port = ntohs(addr.sin_port);
    assert_int_equal(od_sip_invite(w.sip, world_call, &invite), 0);
    world_until(&w, 1000);
    world_expect(&w, "0 ! sent\n0 ! rejected 503 local\n");
}

static void unusable_text_is_refused_before_anything_is_sent(void **state)
{
    (void)state;
    struct od_sip_names names = world_names;
    struct od_sip_invite cases[12];
    for (unsigned i = 0; i < 12; i++)
        cases[i] = world_usual(&w);
    cases[0].to = "sip:a@b\r\nX: y";
    cases[1].to = "sip:a@b?Subject=x";
    cases[2].to = "";
    cases[3].to = "+1555\r\n2";
    cases[4].from_user = "a\nb";
    cases[5].display_name = "a\r\nb";
    cases[6].domain = "x y";
    cases[7].domain = "";
    cases[8].server.family = 0;
    cases[9].transport = "tcp"; /* no such listener */
    cases[10].to = "sips:a@b";
    strcpy(names.branch, "nomagic");
    cases[11].names = &names;
    for (unsigned i = 0; i < 12; i++) {
        int err = od_sip_invite(w.sip, world_call, &cases[i]);
        if (err != OD_EINVAL)
            fail_msg("case %u: %d", i, err);
    }
    assert_int_equal(od_sip_invite(w.sip, (struct od_call_id){1, 0}, &cases[0]), OD_EINVAL);
    world_until(&w, 1000);
    world_expect(&w, "");
    assert_int_equal(world_invite(&w), 0);
    struct od_sip_invite again = world_usual(&w);
    assert_int_equal(od_sip_invite(w.sip, world_call, &again), OD_EINVAL);
    world_expect(&w, "1000 > INVITE\n1000 ! sent\n");
}

static void text_is_escaped(void **state)
{
    (void)state;
    struct od_sip_invite invite = world_usual(&w);
    invite.display_name = "Dr. \"Q\" \\ Z\xc3\xbcrich";
    invite.from_user = "a b@c";
    invite.to = "*21#";
    assert_int_equal(od_sip_invite(w.sip, world_call, &invite), 0);
    world_settle(&w);
    assert_true(strncmp(w.invite, "INVITE sip:*21%23@carrier.example SIP/2.0", 41) == 0);
    const char *from = world_header(w.invite, "From");
    const char expected[] = "\"Dr. \\\"Q\\\" \\\\ Z\xc3\xbcrich\" <sip:a%20b%40c@carrier.example>";
    assert_memory_equal(from, expected, sizeof expected - 1);
}

static void sip_uri_is_dialled_as_it_is(void **state)
{
    (void)state;
    struct od_sip_invite invite = world_usual(&w);
    invite.to = "sip:bob@pbx.example:5080;user=phone";
    assert_int_equal(od_sip_invite(w.sip, world_call, &invite), 0);
    world_settle(&w);
    assert_true(strncmp(w.invite, "INVITE sip:bob@pbx.example:5080;user=phone SIP/2.0\r\n", 52) ==
                0);
    assert_string_equal(world_header(w.invite, "To"), "<sip:bob@pbx.example:5080;user=phone>");
}

/* RFC 3261 section 12.2.1.1 */
static void route_set_is_followed(void **state)
{
    (void)state;
    char routes[256], expected[256];
    snprintf(routes, sizeof routes,
             "Record-Route: <sip:far.example;lr>\r\nRecord-Route: <sip:127.0.0.1:%u;lr>\r\n",
             w.port);
    world_invite(&w);
    world_answer(&w, "200 OK", "a", routes, world_sdp);
    snprintf(expected, sizeof expected, "ACK sip:peer@127.0.0.1:%u SIP/2.0\r\n", w.port);
    assert_memory_equal(w.ack, expected, strlen(expected));
    snprintf(expected, sizeof expected, "Route: <sip:127.0.0.1:%u;lr>,<sip:far.example;lr>\r\n",
             w.port);
    const char *first = strstr(w.ack, "Route: ");
    assert_non_null(first);
    char joined[512] = "Route: ";
    strcat(joined, world_header(w.ack, "Route"));
    const char *second = strstr(first + 7, "Route: ");
    if (second) {
        strcat(joined, ",");
        strncat(joined, second + 7, (size_t)(strstr(second, "\r\n") - second - 7));
    }
    strcat(joined, "\r\n");
    char *space;
    while ((space = strstr(joined, ", ")))
        memmove(space + 1, space + 2, strlen(space + 1));
    assert_string_equal(joined, expected);
}

static void strict_route_swaps_the_target(void **state)
{
    (void)state;
    char routes[128], expected[128];
    snprintf(routes, sizeof routes, "Record-Route: <sip:127.0.0.1:%u>\r\n", w.port);
    world_invite(&w);
    world_answer(&w, "200 OK", "a", routes, world_sdp);
    snprintf(expected, sizeof expected, "ACK sip:127.0.0.1:%u SIP/2.0\r\n", w.port);
    assert_memory_equal(w.ack, expected, strlen(expected));
    snprintf(expected, sizeof expected, "<sip:peer@127.0.0.1:%u>", w.port);
    assert_string_equal(world_header(w.ack, "Route"), expected);
}

static void wrong_branch_is_not_ours(void **state)
{
    (void)state;
    world_invite(&w);
    world_answer(&w, "180 Ringing", "a", NULL, NULL);
    char forged[WORLD_PACKET_MAX];
    strcpy(forged, w.invite);
    memcpy(strstr(forged, world_names.branch) + 10, "9999", 4);
    world_reply(&w, forged, "486 Busy Here", "a", NULL, NULL);
    world_until(&w, 100);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 180\n0 ! progress 180\n0 < 486\n");
}

static void ladder_lines_are_reported(void **state)
{
    (void)state;
    w.verbose = true;
    world_invite(&w);
    world_answer(&w, "486 Busy Here", "a", NULL, NULL);
    world_until(&w, 10);
    world_expect(&w, "0 > INVITE\n0 ! out INVITE sip:+15552223333@carrier.example SIP/2.0\n"
                     "0 ! sent\n0 < 486\n0 > ACK\n0 ! in SIP/2.0 486 Busy Here\n"
                     "0 ! rejected 486\n");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(unanswered_invite_is_repeated_and_given_up),
        T(a_ping_is_answered_or_given_up),
        T(names_and_headers_are_as_given),
        T(call_answered_and_ended_by_us),
        T(every_2xx_is_acknowledged_and_starts_nothing_again),
        T(bye_is_repeated_and_given_up),
        T(ringing_call_is_cancelled),
        T(cancel_waits_for_a_provisional_answer),
        T(cancel_that_is_never_answered_ends_after_64_t1),
        T(answer_crosses_the_cancel),
        T(failures_are_acknowledged_and_reported_once),
        T(another_fork_is_acknowledged_and_ended_once),
        T(answer_after_the_end_is_acknowledged_and_ended),
        T(dropped_while_ringing_is_cancelled_without_events),
        T(dropped_before_any_answer_is_cancelled_when_it_can_be),
        T(dropped_while_talking_is_hung_up),
        T(forgotten_answer_is_acknowledged_and_ended_a_few_times_a_second),
        T(peer_hangs_up),
        T(silent_drop_is_forgotten_in_time),
        T(both_hang_up_at_once),
        T(bye_overtakes_its_answer),
        T(closed_port_is_a_local_503),
        T(unusable_text_is_refused_before_anything_is_sent),
        T(text_is_escaped),
        T(sip_uri_is_dialled_as_it_is),
        T(route_set_is_followed),
        T(strict_route_swaps_the_target),
        T(wrong_branch_is_not_ours),
        T(ladder_lines_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
