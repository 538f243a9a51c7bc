/*
 * Goal: a call is handed on as RFC 3515 asks, and what becomes of it is told once. Method: the real
 * nta on a simulated clock, a scripted peer, transcripts compared.
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

static void talk(void)
{
    world_invite(&w);
    world_answer(&w, "200 OK", "a", NULL, world_sdp);
    world_until(&w, 1000);
    w.used = 0;
    w.text[0] = '\0';
}

#define ACTIVE "Event: refer\r\nSubscription-State: active;expires=60\r\n"
#define OVER "Event: refer\r\nSubscription-State: terminated;reason=noresource\r\n"

static void the_peer_calls_the_target_and_tells(void **state)
{
    (void)state;
    talk();
    assert_int_equal(od_sip_refer(w.sip, world_call, "+15557778888"), 0);
    assert_int_equal(od_sip_refer(w.sip, world_call, "+15557778888"), OD_ECONFLICT);
    world_until(&w, 1100);
    assert_string_equal(world_header(w.refer, "Refer-To"), "<sip:+15557778888@carrier.example>");
    assert_string_equal(world_header(w.refer, "CSeq"), "2 REFER");
    assert_non_null(strstr(world_header(w.refer, "To"), ";tag=a"));
    assert_true(*world_header(w.refer, "Contact"));
    world_reply(&w, w.refer, "202 Accepted", NULL, NULL, NULL);
    world_until(&w, 1200);
    world_request(&w, "NOTIFY", 1, "a", ACTIVE, "SIP/2.0 100 Trying\r\n");
    world_until(&w, 1300);
    world_request(&w, "NOTIFY", 2, "a", ACTIVE, "SIP/2.0 180 Ringing\r\n");
    world_until(&w, 1400);
    world_request(&w, "NOTIFY", 2, "a", ACTIVE, "SIP/2.0 180 Ringing\r\n"); /* repeated */
    world_until(&w, 1500);
    world_request(&w, "NOTIFY", 3, "a", OVER, "SIP/2.0 200 OK\r\n");
    world_until(&w, 1600);
    od_sip_bye(w.sip, world_call);
    world_until(&w, 1700);
    assert_string_equal(world_header(w.bye, "CSeq"), "3 BYE");
    world_reply(&w, w.bye, "200 OK", NULL, NULL, NULL);
    world_until(&w, 1800);
    world_expect(&w, "1000 > REFER\n1100 < 202\n1100 ! referred 202\n"
                     "1200 < NOTIFY\n1200 ! referred 100\n1200 > 200\n"
                     "1300 < NOTIFY\n1300 ! referred 180\n1300 > 200\n"
                     "1400 < NOTIFY\n1400 > 200\n"
                     "1500 < NOTIFY\n1500 ! referred 200 final\n1500 > 200\n"
                     "1600 > BYE\n1700 < 200\n1700 ! cleared\n");
}

static void a_refusal_is_final_and_the_call_goes_on(void **state)
{
    (void)state;
    talk();
    assert_int_equal(od_sip_refer(w.sip, world_call, "sip:desk@192.0.2.7:5070"), 0);
    world_until(&w, 1100);
    assert_string_equal(world_header(w.refer, "Refer-To"), "<sip:desk@192.0.2.7:5070>");
    world_reply(&w, w.refer, "603 Decline", NULL, NULL, NULL);
    world_until(&w, 1200);
    /* and it may be tried again */
    assert_int_equal(od_sip_refer(w.sip, world_call, "+15557778888"), 0);
    world_until(&w, 1300);
    assert_string_equal(world_header(w.refer, "CSeq"), "3 REFER");
    world_reply(&w, w.refer, "202 Accepted", NULL, NULL, NULL);
    world_until(&w, 1400);
    world_request(&w, "NOTIFY", 1, "a", OVER, NULL); /* ends without a word of how */
    world_until(&w, 1500);
    world_expect(&w, "1000 > REFER\n1100 < 603\n1100 ! referred 603 final\n"
                     "1200 > REFER\n1300 < 202\n1300 ! referred 202\n"
                     "1400 < NOTIFY\n1400 ! referred 0 final\n1400 > 200\n");
}

static void a_peer_that_says_nothing_is_given_up(void **state)
{
    (void)state;
    talk();
    assert_int_equal(od_sip_refer(w.sip, world_call, "+15557778888"), 0);
    w.quiet = true;
    world_until(&w, 32900);
    w.quiet = false;
    world_until(&w, 40000);
    world_expect(&w, "33000 ! referred 408 final\n");
}

static void what_cannot_be_referred_is_refused_at_once(void **state)
{
    (void)state;
    assert_int_equal(od_sip_refer(w.sip, world_call, "+1"), OD_ENOENT);
    world_invite(&w);
    assert_int_equal(od_sip_refer(w.sip, world_call, "+15557778888"), OD_ECONFLICT);
    world_answer(&w, "200 OK", "a", NULL, world_sdp);
    world_until(&w, 1000);
    static const char *const bad[] = {"",     "two words", "sip:a@b>\r\nX: y",
                                      "sip:", "tel:+1 2",  "sip:a@b?Replaces=x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(od_sip_refer(w.sip, world_call, bad[i]), OD_EINVAL);
}

static void notifications_nobody_asked_for_are_refused(void **state)
{
    (void)state;
    talk();
    world_request(&w, "NOTIFY", 1, "a", ACTIVE, "SIP/2.0 200 OK\r\n");
    world_until(&w, 1100);
    world_request(&w, "NOTIFY", 2, "a", "Event: presence\r\n", NULL);
    world_until(&w, 1200);
    world_request(&w, "NOTIFY", 3, "a", NULL, NULL);
    world_until(&w, 1300);
    world_expect(&w, "1000 < NOTIFY\n1000 > 481\n1100 < NOTIFY\n1100 > 489\n"
                     "1200 < NOTIFY\n1200 > 489\n");
}

static void the_call_may_end_in_the_middle(void **state)
{
    (void)state;
    talk();
    assert_int_equal(od_sip_refer(w.sip, world_call, "+15557778888"), 0);
    world_until(&w, 1100);
    od_sip_drop(w.sip, world_call);
    world_until(&w, 1200);
    world_reply(&w, w.refer, "202 Accepted", NULL, NULL, NULL);
    world_until(&w, 1300);
    world_request(&w, "NOTIFY", 1, "a", OVER, "SIP/2.0 200 OK\r\n");
    world_until(&w, 60000);
    assert_null(strstr(w.text, "referred"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_peer_calls_the_target_and_tells, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refusal_is_final_and_the_call_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_says_nothing_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_referred_is_refused_at_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(notifications_nobody_asked_for_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_call_may_end_in_the_middle, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
