/*
 * Goal: the simulated carrier lets exactly the right credentials through. Method: an INVITE with
 * responses computed by Python's hashlib, then with one thing at a time made wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bench/carrier/challenge.h"

struct credentials {
    const char *user, *realm, *uri, *qop, *response;
};

static const struct {
    const char *algorithm, *response;
} computed[] = {
    {"MD5", "9594780ace0beeef301341c4dec1b967"},
    {"SHA-256", "e773592e5d5b5e8aafdab3bca98934b8714656d1e2bd1c3f31467f05d7571be7"},
    {"SHA-512-256", "c49fefe1f6cbab7b2c2acef584adb7bfcf6e5fe42daa0af8b5f1594d85391d4c"},
};

static enum od_challenge_verdict check(const char *algorithm, const struct credentials *c,
                                       const char *nonce)
{
    static char text[2048];
    struct od_sip_text m;
    struct od_profile_auth auth = {.user = "ann", .password = "open sesame"};
    char header[512] = "";
    snprintf(auth.algorithm, sizeof auth.algorithm, "%s", algorithm);
    if (c)
        snprintf(header, sizeof header,
                 "Authorization: Digest username=\"%s\", realm=\"%s\",nonce=\"00ff\", "
                 "uri=\"%s\", response=\"%s\", algorithm=%s, cnonce=\"c0\", %s, nc=00000001\r\n",
                 c->user, c->realm, c->uri, c->response, algorithm, c->qop);
    int n =
        snprintf(text, sizeof text,
                 "INVITE sip:1@carrier SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\n"
                 "From: <sip:a@b>;tag=1\r\nTo: <sip:1@carrier>\r\nCall-ID: c\r\n"
                 "CSeq: 1 INVITE\r\nContact: <sip:a@b>\r\nMax-Forwards: 70\r\n%s"
                 "Content-Length: 0\r\n\r\n",
                 header);
    assert_int_equal(od_sip_text_parse(&m, text, (size_t)n), 0);
    return od_challenge_check(&m, &auth, nonce);
}

static void only_the_right_credentials_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof computed / sizeof *computed; i++) {
        const char *algorithm = computed[i].algorithm;
        const struct credentials right = {"ann", "carrier", "sip:1@carrier", "qop=auth",
                                          computed[i].response};
        struct credentials c = right;
        assert_int_equal(check(algorithm, &c, "00ff"), OD_CHALLENGE_MET);
        assert_int_equal(check(algorithm, &c, "00fe"), OD_CHALLENGE_STALE);
        assert_int_equal(check(algorithm, NULL, "00ff"), OD_CHALLENGE_MISSING);
        c.user = "bob";
        assert_int_equal(check(algorithm, &c, "00ff"), OD_CHALLENGE_WRONG);
        c = right;
        c.uri = "sip:2@carrier";
        assert_int_equal(check(algorithm, &c, "00ff"), OD_CHALLENGE_WRONG);
        c = right;
        c.response = "0123456789abcdef0123456789abcdef";
        assert_int_equal(check(algorithm, &c, "00ff"), OD_CHALLENGE_WRONG);
        c = right;
        c.realm = "elsewhere";
        assert_int_equal(check(algorithm, &c, "00ff"), OD_CHALLENGE_MISSING);
        c = right;
        c.qop = "x=y";
        assert_int_equal(check(algorithm, &c, "00ff"), OD_CHALLENGE_MISSING);
    }
}

static void the_knob_is_read(void **state)
{
    static const char *const bad[] = {"",           "ann",          "ann:",   ":pw",
                                      "ann:pw:MD4", "ann:pw:MD5:x", "a\"n:pw"};
    struct od_profile profile;
    char problem[OD_PROFILE_PROBLEM_BYTES];
    (void)state;
    od_profile_init(&profile);
    assert_string_equal(profile.auth.user, "");
    assert_int_equal(od_profile_set(&profile, "auth", "ann:open sesame", problem), 0);
    assert_string_equal(profile.auth.password, "open sesame");
    assert_string_equal(profile.auth.algorithm, "MD5");
    assert_int_equal(od_profile_set(&profile, "auth", "bob:pw:SHA-512-256", problem), 0);
    assert_string_equal(profile.auth.user, "bob");
    assert_string_equal(profile.auth.algorithm, "SHA-512-256");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(od_profile_set(&profile, "auth", bad[i], problem), -1);
    assert_int_equal(od_profile_set(&profile, "auth", "none", problem), 0);
    assert_string_equal(profile.auth.user, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_right_credentials_pass),
        cmocka_unit_test(the_knob_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
