/*
 * Goal: a REGISTER is as RFC 3261 section 10 asks: whom it binds to what, one Call-ID and a growing
 * CSeq over all of a registration, challenges answered, the registrar's own times taken over.
 * Method: the real nta on a simulated clock, a scripted registrar; the credentials are compared
 * with what od_digest_write() makes of the challenge.
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

#define MD5 "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", qop=\"auth\"\r\n"

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

static int order(uint32_t id, uint32_t expires_s)
{
    struct od_sip_invite who = world_usual(&w);
    who.from_user = "ann";
    who.auth_user = "ann-auth";
    who.password = "sesame";
    int err = od_sip_register(w.sip, id, &who, expires_s);
    world_settle(&w);
    return err;
}

/* A Contact line with our own URI, as a registrar lists it. */
static const char *listed(const char *more)
{
    static char line[512];
    const char *contact = world_header(w.reg, "Contact");
    snprintf(line, sizeof line, "Contact: <sip:other@192.0.2.1>;expires=7, %.*s%s\r\n",
             (int)strcspn(contact, ";"), contact, more);
    return line;
}

static void a_binding_is_made_kept_and_taken_away(void **state)
{
    char first[WORLD_PACKET_MAX], expected[256];
    (void)state;
    assert_int_equal(order(3, 600), 0);
    assert_int_equal(order(3, 600), OD_ECONFLICT);
    assert_true(strncmp(w.reg, "REGISTER sip:carrier.example SIP/2.0\r\n", 38) == 0);
    assert_string_equal(world_header(w.reg, "To"), "<sip:ann@carrier.example>");
    assert_true(strncmp(world_header(w.reg, "From"), "<sip:ann@carrier.example>;tag=", 30) == 0);
    snprintf(expected, sizeof expected, "<sip:ann@127.0.0.1:%u>;expires=600",
             ntohs(w.ours.sin_port));
    assert_string_equal(world_header(w.reg, "Contact"), expected);
    assert_string_equal(world_header(w.reg, "Expires"), "600");
    assert_string_equal(world_header(w.reg, "CSeq"), "1 REGISTER");
    assert_string_equal(world_header(w.reg, "Content-Length"), "0");
    strcpy(first, w.reg);
    world_reply(&w, w.reg, "200 OK", "r", listed(";expires=300"), NULL);
    assert_int_equal(order(3, 600), 0); /* the refresh */
    assert_string_equal(world_header(w.reg, "CSeq"), "2 REGISTER");
    assert_string_equal(world_header(w.reg, "Call-ID"), world_header(first, "Call-ID"));
    assert_string_not_equal(world_header(w.reg, "Via"), world_header(first, "Via"));
    world_reply(&w, w.reg, "200 OK", "r", "Expires: 120\r\n", NULL);
    assert_int_equal(order(3, 0), 0); /* the end */
    assert_string_equal(world_header(w.reg, "Expires"), "0");
    world_reply(&w, w.reg, "200 OK", "r", NULL, NULL);
    world_expect(&w, "0 > REGISTER\n0 < 200\n0 ! registered 3 200 300s\n0 > REGISTER\n0 < 200\n"
                     "0 ! registered 3 200 120s\n0 > REGISTER\n0 < 200\n0 ! registered 3 200 0s\n");
    assert_int_equal(order(4, 60), 0); /* another registration is another call */
    assert_string_not_equal(world_header(w.reg, "Call-ID"), world_header(first, "Call-ID"));
    assert_string_equal(world_header(w.reg, "CSeq"), "1 REGISTER");
    od_sip_register_end(w.sip, 4);
    world_reply(&w, w.reg, "200 OK", "r", NULL, NULL);
    world_expect(&w, "0 > REGISTER\n0 < 200\n"); /* nobody is told any more */
}

static void a_challenge_is_answered(void **state)
{
    (void)state;
    assert_int_equal(order(1, 600), 0);
    assert_string_equal(world_header(w.reg, "Authorization"), "");
    world_reply(&w, w.reg, "401 Unauthorized", "r", MD5, NULL);
    const char *given = world_header(w.reg, "Authorization");
    assert_non_null(strstr(given, "username=\"ann-auth\""));
    assert_non_null(strstr(given, "uri=\"sip:carrier.example\""));
    assert_non_null(strstr(given, "nc=00000001"));
    assert_string_equal(world_header(w.reg, "CSeq"), "2 REGISTER");
    world_reply(&w, w.reg, "200 OK", "r", NULL, NULL);
    assert_int_equal(w.registered.auth, OD_SIP_AUTH_ACCEPTED);
    assert_int_equal(order(1, 600), 0); /* the next one begins with what is known */
    assert_non_null(strstr(world_header(w.reg, "Authorization"), "nc=00000002"));
    world_reply(&w, w.reg, "200 OK", "r", NULL, NULL);
    world_expect(&w, "0 > REGISTER\n0 < 401\n0 > REGISTER\n0 < 200\n0 ! registered 1 200 600s\n"
                     "0 > REGISTER\n0 < 200\n0 ! registered 1 200 600s\n");
}

static void wrong_credentials_are_tried_once(void **state)
{
    (void)state;
    assert_int_equal(order(1, 600), 0);
    world_reply(&w, w.reg, "401 Unauthorized", "r", MD5, NULL);
    world_reply(&w, w.reg, "401 Unauthorized", "r", MD5, NULL);
    assert_int_equal(w.registered.auth, OD_SIP_AUTH_REFUSED);
    world_expect(&w, "0 > REGISTER\n0 < 401\n0 > REGISTER\n0 < 401\n0 ! registered 1 401 0s\n");
}

static void what_a_refusal_says_is_told(void **state)
{
    (void)state;
    assert_int_equal(order(1, 60), 0);
    world_reply(&w, w.reg, "423 Interval Too Brief", "r", "Min-Expires: 900\r\n", NULL);
    assert_int_equal(w.registered.min_expires_s, 900);
    assert_int_equal(order(1, 900), 0);
    world_reply(&w, w.reg, "503 Service Unavailable", "r", "Retry-After: 17\r\n", NULL);
    assert_int_equal(w.registered.retry_after_s, 17);
    world_expect(&w, "0 > REGISTER\n0 < 423\n0 ! registered 1 423 0s\n0 > REGISTER\n0 < 503\n"
                     "0 ! registered 1 503 0s\n");
}

/* Timer F: repeated for 32 s, then nobody has answered. */
static void silence_is_told(void **state)
{
    (void)state;
    assert_int_equal(order(1, 60), 0);
    w.quiet = true;
    world_until(&w, 31000);
    w.quiet = false;
    world_until(&w, 33000);
    world_expect(&w, "0 > REGISTER\n31500 > REGISTER\n32000 ! registered 1 0 0s\n");
    assert_int_equal(order(1, 60), 0);
    assert_string_equal(world_header(w.reg, "CSeq"), "2 REGISTER");
}

/* Registrars' answers are input: what can't be a time is none. */
static void damaged_times_are_ours(void **state)
{
    static const char *const answers[] = {";expires=x", ";expires=99999999999999999999",
                                          ";expires=4294967295"};
    static const uint32_t then[] = {600, 600, 7 * 24 * 3600};
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        assert_int_equal(order((uint32_t)i, 600), 0);

        world_reply(&w, w.reg, "200 OK", "r", listed(answers[i]), NULL);
        assert_int_equal(w.registered.status, 200);
        assert_int_equal(w.registered.expires_s, then[i]);
    }
}

static void nobody_is_not_registered(void **state)
{
    struct od_sip_invite who = world_usual(&w);
    (void)state;
    who.from_user = "";
    assert_int_equal(od_sip_register(w.sip, 1, &who, 60), OD_EINVAL);
    who = world_usual(&w);
    who.domain = "a b";
    assert_int_equal(od_sip_register(w.sip, 1, &who, 60), OD_EINVAL);
    od_sip_register_end(w.sip, 1);
    world_expect(&w, "");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_binding_is_made_kept_and_taken_away),
        T(a_challenge_is_answered),
        T(wrong_credentials_are_tried_once),
        T(what_a_refusal_says_is_told),
        T(silence_is_told),
        T(damaged_times_are_ours),
        T(nobody_is_not_registered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
