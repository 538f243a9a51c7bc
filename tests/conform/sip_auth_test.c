/*
 * Goal: a challenged INVITE is answered as RFC 3261 section 22 and RFC 7616 ask, when it is ordered
 * and not before; a nonce's count is never used twice; wrong credentials are tried once.
 * Method: the real nta on a simulated clock, a scripted peer; the peer checks each response with
 * od_digest_write(), which tests/unit/sip_digest_test.c holds against the RFCs' own examples.
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
#include "proto/sip/sip_digest.h"
#include "tests/conform/sip_world.h"

#define USER "ann \"x\""
#define PASSWORD "sesame"
#define URI "sip:+15552223333@carrier.example"
#define MD5 "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", qop=\"auth\", opaque=\"o\"\r\n"

static struct world w;

static int setup(void **state)
{
    (void)state;
    world_open(&w, NULL);
    w.auto_again = true;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&w);
    return 0;
}

static void invite(void)
{
    struct od_sip_invite order = world_usual(&w);
    order.auth_user = USER;
    order.password = PASSWORD;
    assert_int_equal(od_sip_invite(w.sip, world_call, &order), 0);
    world_settle(&w);
}

static void challenge(const char *status, const char *extra)
{
    world_answer(&w, status, "c", extra, NULL);
}

/* A parameter of credentials, unquoted; simple values only. Static storage, by name. */
static const char *param(const char *credentials, const char *name)
{
    static char value[4][256];
    static unsigned turn;
    char *out = value[turn++ % 4], wanted[32];
    snprintf(wanted, sizeof wanted, " %s=", name);
    const char *at = strstr(credentials, wanted);
    out[0] = '\0';
    if (!at)
        return out;
    at += strlen(wanted);
    bool quoted = *at == '"';
    at += quoted;
    size_t bytes = strcspn(at, quoted ? "\"" : ", ");
    memcpy(out, at, bytes);
    out[bytes] = '\0';
    return out;
}

/* The credentials are those for this challenge, with this password, method and count. */
static void check(const char *credentials, const char *challenge_text, const char *method,
                  const char *uri, unsigned nc, bool good)
{
    struct od_digest_challenge challenge;
    char expected[OD_DIGEST_CREDENTIALS_MAX], cnonce[64];
    const char *value = strchr(challenge_text, ':') + 2;
    assert_int_equal(od_digest_parse(value, strcspn(value, "\r"), &challenge, 1), 1);
    snprintf(cnonce, sizeof cnonce, "%s", param(credentials, "cnonce"));
    const struct od_digest_request request = {method, uri, USER, PASSWORD, cnonce, nc};
    assert_true(od_digest_write(&challenge, &request, expected, sizeof expected) > 0);
    if (good)
        assert_string_equal(credentials, expected);
    else
        assert_string_not_equal(credentials, expected);
}

static const char *authorization(const char *message)
{
    return world_header(message, "Authorization");
}

static void answer_and_hang_up(void)
{
    world_answer(&w, "200 OK", "a", NULL, world_sdp);
    od_sip_bye(w.sip, world_call);
    world_settle(&w);
    world_reply(&w, w.bye, "200 OK", NULL, NULL, NULL);
    od_sip_drop(w.sip, world_call);
}

/* The second INVITE: the first's Call-ID, From and To, the next CSeq, a branch of its own; the ACK
 * of the challenge on the first's branch, the ACK of the 2xx with the INVITE's credentials. */
static void a_challenge_is_answered(void **state)
{
    char first[WORLD_PACKET_MAX], failure_ack[WORLD_PACKET_MAX];
    (void)state;
    invite();
    assert_string_equal(authorization(w.invite), "");
    strcpy(first, w.invite);
    challenge("401 Unauthorized", MD5);
    strcpy(failure_ack, w.ack);
    world_answer(&w, "180 Ringing", "a", NULL, NULL);
    assert_int_equal(w.response.auth, OD_SIP_AUTH_ACCEPTED);
    world_answer(&w, "200 OK", "a", NULL, world_sdp);
    od_sip_bye(w.sip, world_call);
    world_settle(&w);
    world_reply(&w, w.bye, "200 OK", NULL, NULL, NULL);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 401\n0 > ACK\n0 ! challenged\n0 > INVITE\n"
                     "0 ! sent\n0 < 180\n0 ! progress 180\n0 < 200\n0 ! answered 200 sdp\n"
                     "0 > ACK\n0 > BYE\n0 < 200\n0 ! cleared\n");
    static const char *const same[] = {"Call-ID", "From", "To", "Contact", "Max-Forwards"};
    for (unsigned i = 0; i < sizeof same / sizeof *same; i++)
        assert_string_equal(world_header(w.invite, same[i]), world_header(first, same[i]));
    assert_string_equal(strstr(w.invite, "\r\n\r\n"), strstr(first, "\r\n\r\n"));
    assert_string_equal(world_header(first, "CSeq"), "1 INVITE");
    assert_string_equal(world_header(w.invite, "CSeq"), "2 INVITE");
    assert_string_equal(world_header(failure_ack, "CSeq"), "1 ACK");
    assert_string_equal(world_header(failure_ack, "Via"), world_header(first, "Via"));
    assert_string_not_equal(world_header(w.invite, "Via"), world_header(first, "Via"));
    assert_string_equal(world_header(w.ack, "CSeq"), "2 ACK");
    assert_string_equal(world_header(w.bye, "CSeq"), "3 BYE");
    check(authorization(w.invite), MD5, "INVITE", URI, 1, true);
    assert_string_equal(authorization(w.ack), authorization(w.invite));
    assert_null(strstr(w.invite, PASSWORD));
}

static void nothing_is_sent_again_before_it_is_ordered(void **state)
{
    (void)state;
    w.auto_again = false;
    invite();
    assert_int_equal(od_sip_invite_again(w.sip, world_call), OD_ECONFLICT);
    world_answer(&w, "100 Trying", NULL, NULL, NULL);
    challenge("401 Unauthorized", MD5);
    world_until(&w, 2000);
    challenge("401 Unauthorized", MD5); /* its ACK was lost */
    world_until(&w, 3000);
    assert_int_equal(od_sip_invite_again(w.sip, world_call), 0);
    world_settle(&w);
    assert_int_equal(od_sip_invite_again(w.sip, world_call), OD_ECONFLICT);
    world_until(&w, 3500);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 100\n0 < 401\n0 > ACK\n0 ! challenged\n"
                     "2000 < 401\n2000 > ACK\n3000 > INVITE\n3000 ! sent\n3500 > INVITE\n");
}

/* The answer to the first INVITE comes again while the second is under way. */
static void a_late_challenge_is_only_acknowledged(void **state)
{
    char first[WORLD_PACKET_MAX];
    (void)state;
    invite();
    strcpy(first, w.invite);
    world_answer(&w, "100 Trying", NULL, NULL, NULL);
    challenge("401 Unauthorized", MD5);
    world_reply(&w, first, "401 Unauthorized", "c", MD5, NULL);
    assert_string_equal(world_header(w.ack, "Via"), world_header(first, "Via"));
    world_answer(&w, "486 Busy Here", "a", NULL, NULL);
    world_reply(&w, first, "200 OK", "z", NULL, world_sdp); /* nobody asked for it any more */
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 100\n0 < 401\n0 > ACK\n0 ! challenged\n"
                     "0 > INVITE\n0 ! sent\n0 < 401\n0 > ACK\n0 < 486\n0 > ACK\n0 ! rejected 486\n"
                     "0 < 200\n0 > BYE\n0 > ACK\n");
}

static void a_challenged_call_is_cancelled_at_once(void **state)
{
    (void)state;
    w.auto_again = false;
    invite();
    challenge("401 Unauthorized", MD5);
    od_sip_cancel(w.sip, world_call);
    world_settle(&w);
    assert_int_equal(od_sip_invite_again(w.sip, world_call), OD_ECONFLICT);
    od_sip_drop(w.sip, world_call);
    world_until(&w, 40000);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 401\n0 > ACK\n0 ! challenged\n"
                     "0 ! rejected 487 local\n");
}

static void a_cancelled_call_answers_no_challenge(void **state)
{
    (void)state;
    invite();
    world_answer(&w, "180 Ringing", "a", NULL, NULL);
    od_sip_cancel(w.sip, world_call);
    world_settle(&w);
    challenge("401 Unauthorized", MD5);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 180\n0 ! progress 180\n0 > CANCEL\n0 < 401\n"
                     "0 > ACK\n0 ! rejected 401\n");
}

/* The second INVITE's CANCEL carries its branch and CSeq. */
static void the_second_invite_is_cancelled(void **state)
{
    (void)state;
    invite();
    challenge("401 Unauthorized", MD5);
    world_answer(&w, "180 Ringing", "a", NULL, NULL);
    od_sip_cancel(w.sip, world_call);
    world_settle(&w);
    assert_string_equal(world_header(w.cancel, "CSeq"), "2 CANCEL");
    assert_string_equal(world_header(w.cancel, "Via"), world_header(w.invite, "Via"));
}

static void two_proxies_get_their_own(void **state)
{
    static const char one[] =
        "Proxy-Authenticate: Digest realm=\"p1\", nonce=\"a\", qop=\"auth\"\r\n";
    static const char two[] =
        "Proxy-Authenticate: Digest realm=\"p2\", nonce=\"b\", algorithm=SHA-256\r\n";
    char both[512];
    (void)state;
    invite();
    challenge("407 Proxy Authentication Required", one);
    check(world_header(w.invite, "Proxy-Authorization"), one, "INVITE", URI, 1, true);
    challenge("407 Proxy Authentication Required", two);
    assert_string_equal(world_header(w.invite, "CSeq"), "3 INVITE");
    check(world_header(w.invite, "Proxy-Authorization"), one, "INVITE", URI, 2, true);
    const char *second = strstr(strstr(w.invite, "Proxy-Authorization") + 1, "Proxy-Authorization");
    assert_non_null(second);
    snprintf(both, sizeof both, "\r\n%s", second);
    check(world_header(both, "Proxy-Authorization"), two, "INVITE", URI, 1, true);
    world_answer(&w, "486 Busy Here", "a", NULL, NULL);
    assert_int_equal(w.response.auth, OD_SIP_AUTH_ACCEPTED);
}

/* Both in one response, as a forking proxy gathers them; of two for one realm the stronger. */
static void several_challenges_in_one_response(void **state)
{
    static const char weak[] =
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=MD5\r\n";
    static const char strong[] = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", "
                                 "algorithm=SHA-512-256, qop=\"auth\"\r\n";
    static const char proxy[] = "Proxy-Authenticate: Digest realm=\"p\", nonce=\"m\"\r\n";
    static const char other[] =
        "WWW-Authenticate: Basic realm=\"b\"\r\n"
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=WHIRLPOOL\r\n";
    char all[1024];
    (void)state;
    snprintf(all, sizeof all, "%s%s%s%s", other, weak, strong, proxy);
    invite();
    challenge("401 Unauthorized", all);
    check(authorization(w.invite), strong, "INVITE", URI, 1, true);
    check(world_header(w.invite, "Proxy-Authorization"), proxy, "INVITE", URI, 1, true);
}

static void a_stale_nonce_is_replaced_once(void **state)
{
    static const char fresh[] =
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\", qop=\"auth\", stale=true\r\n";
    (void)state;
    invite();
    challenge("401 Unauthorized", MD5);
    challenge("401 Unauthorized", fresh);
    check(authorization(w.invite), fresh, "INVITE", URI, 1, true);
    challenge("401 Unauthorized", fresh);
    assert_int_equal(w.response.auth, OD_SIP_AUTH_REFUSED);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 401\n0 > ACK\n0 ! challenged\n0 > INVITE\n"
                     "0 ! sent\n0 < 401\n0 > ACK\n0 ! challenged\n0 > INVITE\n0 ! sent\n0 < 401\n"
                     "0 > ACK\n0 ! rejected 401\n");
}

static void wrong_credentials_are_tried_once(void **state)
{
    (void)state;
    invite();
    challenge("401 Unauthorized", MD5);
    challenge("401 Unauthorized",
              "WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\", qop=\"auth\"\r\n");
    assert_int_equal(w.response.auth, OD_SIP_AUTH_REFUSED);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 401\n0 > ACK\n0 ! challenged\n0 > INVITE\n"
                     "0 ! sent\n0 < 401\n0 > ACK\n0 ! rejected 401\n");
}

static void without_credentials_it_is_a_refusal(void **state)
{
    (void)state;
    world_invite(&w);
    challenge("401 Unauthorized", MD5);
    assert_int_equal(w.response.auth, OD_SIP_AUTH_MISSING);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 401\n0 > ACK\n0 ! rejected 401\n");
}

static void what_cannot_be_answered_is_a_refusal(void **state)
{
    static char huge[12000];
    struct od_call_id call = world_call;
    static const char *const cases[] = {
        NULL,
        "WWW-Authenticate: Basic realm=\"r\"\r\n",
        "WWW-Authenticate: Digest realm=\"r\"\r\n",
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=MD4\r\n",
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"\r\n",
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\r\n",
        huge,
    };
    (void)state;
    size_t used = (size_t)snprintf(huge, sizeof huge, "WWW-Authenticate: Digest realm=\"r\", x=\"");
    memset(huge + used, 'y', 8000);
    strcpy(huge + used + 8000, "\", nonce=\"n\"\r\n");
    w.quiet = true;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        invite();
        w.response.status = 0;
        challenge("401 Unauthorized", cases[i]);
        assert_int_equal(w.response.status, 401);
        assert_int_equal(w.response.auth, OD_SIP_AUTH_UNUSABLE);
        od_sip_drop(w.sip, call);
        world_until(&w, world_ms() + 40000);
    }
}

static void sha_256_alone_and_no_qop(void **state)
{
    static const char sha[] = "WWW-Authenticate: Digest algorithm=SHA-256-sess, realm=\"r\\\"q\", "
                              "nonce=\"n\", qop=\"auth-int,auth\"\r\n";
    static const char old[] = "WWW-Authenticate: Digest realm=\"r2\", nonce=\"n\"\r\n";
    (void)state;
    invite();
    challenge("401 Unauthorized", sha);
    check(authorization(w.invite), sha, "INVITE", URI, 1, true);
    challenge("401 Unauthorized", old);
    const char *second = strstr(strstr(w.invite, "\r\nAuthorization") + 2, "\r\nAuthorization");
    assert_non_null(second);
    check(world_header(second, "Authorization"), old, "INVITE", URI, 1, true);
    assert_string_equal(param(world_header(second, "Authorization"), "nc"), "");
}

/* What was accepted is used for the next call at once, counted on; when it has grown stale, the
 * call begins anew and that is no try. */
static void the_next_call_goes_out_authorised(void **state)
{
    static const char fresh[] =
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n3\", qop=\"auth\", stale=true\r\n";
    (void)state;
    invite();
    challenge("401 Unauthorized", MD5);
    check(authorization(w.invite), MD5, "INVITE", URI, 1, true);
    answer_and_hang_up();
    world_until(&w, 40000);
    invite();
    check(authorization(w.invite), MD5, "INVITE", URI, 2, true);
    answer_and_hang_up();
    world_until(&w, 80000);
    invite();
    check(authorization(w.invite), MD5, "INVITE", URI, 3, true);
    challenge("401 Unauthorized", fresh);
    check(authorization(w.invite), fresh, "INVITE", URI, 1, true);
    challenge("401 Unauthorized", fresh);
    /* it named the same nonce again: counted on */
    check(authorization(w.invite), fresh, "INVITE", URI, 2, true);
    answer_and_hang_up();
    world_until(&w, 120000);
    invite();
    check(authorization(w.invite), fresh, "INVITE", URI, 3, true);
}

static void the_next_nonce_is_used(void **state)
{
    static const char next[] =
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"nn\", qop=\"auth\", opaque=\"o\"\r\n";
    (void)state;
    invite();
    challenge("401 Unauthorized", MD5);
    world_answer(&w, "200 OK", "a", "Authentication-Info: qop=auth, nextnonce=\"nn\"\r\n",
                 world_sdp);
    od_sip_bye(w.sip, world_call);
    world_settle(&w);
    world_reply(&w, w.bye, "200 OK", NULL, NULL, NULL);
    od_sip_drop(w.sip, world_call);
    world_until(&w, 40000);
    invite();
    check(authorization(w.invite), next, "INVITE", URI, 1, true);
}

static void refused_credentials_are_not_remembered(void **state)
{
    (void)state;
    invite();
    challenge("401 Unauthorized", MD5);
    challenge("401 Unauthorized", MD5);
    od_sip_drop(w.sip, world_call);
    world_until(&w, 40000);
    invite();
    assert_string_equal(authorization(w.invite), "");
}

static void a_challenged_bye_is_sent_once_more(void **state)
{
    char uri[64];
    (void)state;
    invite();
    world_answer(&w, "200 OK", "a", NULL, world_sdp);
    od_sip_bye(w.sip, world_call);
    world_settle(&w);
    assert_string_equal(world_header(w.bye, "CSeq"), "2 BYE");
    world_reply(&w, w.bye, "401 Unauthorized", NULL, MD5, NULL);
    assert_string_equal(world_header(w.bye, "CSeq"), "3 BYE");
    snprintf(uri, sizeof uri, "sip:peer@127.0.0.1:%u", w.port);
    check(authorization(w.bye), MD5, "BYE", uri, 1, true);
    world_reply(&w, w.bye, "401 Unauthorized", NULL, MD5, NULL);
    world_until(&w, 1000);
    world_expect(&w, "0 > INVITE\n0 ! sent\n0 < 200\n0 ! answered 200 sdp\n0 > ACK\n0 > BYE\n"
                     "0 < 401\n0 > BYE\n0 < 401\n0 ! cleared\n");
}

static void other_credentials_make_another_identity(void **state)
{
    struct od_sip_invite order = world_usual(&w);
    (void)state;
    invite();
    challenge("401 Unauthorized", MD5);
    answer_and_hang_up();
    world_until(&w, 40000);
    order.auth_user = USER;
    order.password = "other";
    assert_int_equal(od_sip_invite(w.sip, world_call, &order), 0);
    world_settle(&w);
    assert_string_equal(authorization(w.invite), "");
    challenge("401 Unauthorized", MD5);
    check(authorization(w.invite), MD5, "INVITE", URI, 1, false);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_challenge_is_answered),
        TEST(nothing_is_sent_again_before_it_is_ordered),
        TEST(a_late_challenge_is_only_acknowledged),
        TEST(a_challenged_call_is_cancelled_at_once),
        TEST(a_cancelled_call_answers_no_challenge),
        TEST(the_second_invite_is_cancelled),
        TEST(two_proxies_get_their_own),
        TEST(several_challenges_in_one_response),
        TEST(a_stale_nonce_is_replaced_once),
        TEST(wrong_credentials_are_tried_once),
        TEST(without_credentials_it_is_a_refusal),
        TEST(what_cannot_be_answered_is_a_refusal),
        TEST(sha_256_alone_and_no_qop),
        TEST(the_next_call_goes_out_authorised),
        TEST(the_next_nonce_is_used),
        TEST(refused_credentials_are_not_remembered),
        TEST(a_challenged_bye_is_sent_once_more),
        TEST(other_credentials_make_another_identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
