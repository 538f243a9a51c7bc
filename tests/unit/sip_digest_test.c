/*
 * Goal: challenges are read as RFC 7235 and RFC 7616 write them, and responses are those of the
 * RFCs' own examples and of an independent computation. Method: tables; the values in `computed`
 * come from Python's hashlib.
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

static struct od_digest_challenge parsed[4];

static unsigned parse(const char *text)
{
    memset(parsed, 0, sizeof parsed);
    return od_digest_parse(text, strlen(text), parsed, 4);
}

static void check_holds(const char *challenge, const struct od_digest_request *request,
                        const char *const *parts)
{
    char out[OD_DIGEST_CREDENTIALS_MAX];
    assert_int_equal(parse(challenge), 1);
    int bytes = od_digest_write(&parsed[0], request, out, sizeof out);
    assert_int_equal(bytes, strlen(out));
    for (; *parts; parts++)
        if (!strstr(out, *parts))
            fail_msg("no %s in %s", *parts, out);
}

/* RFC 7616 section 3.9.1 */
static void examples_of_rfc_7616(void **state)
{
    (void)state;
    static const struct od_digest_request request = {
        .method = "GET",
        .uri = "/dir/index.html",
        .user = "Mufasa",
        .password = "Circle of Life",
        .cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        .nc = 1,
    };
#define EXAMPLE(algorithm)                                                                         \
    "Digest\r\n realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=" algorithm     \
    ", nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "                                   \
    "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
    check_holds(EXAMPLE("MD5"), &request,
                (const char *[]){"response=\"8ca523f5e9506fed4657c9700eebdbec\"",
                                 "Digest username=\"Mufasa\", realm=\"http-auth@example.org\"",
                                 "uri=\"/dir/index.html\"", ", algorithm=MD5,", ", qop=auth,",
                                 "nc=00000001", "cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGem",
                                 "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"", NULL});
    check_holds(EXAMPLE("SHA-256"), &request,
                (const char *[]){
                    "response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\"",
                    ", algorithm=SHA-256,", NULL});
}

/* RFC 2617 section 3.5, and the same as RFC 2069 would have it */
static void examples_of_rfc_2617(void **state)
{
    (void)state;
    static const struct od_digest_request request = {
        .method = "GET",
        .uri = "/dir/index.html",
        .user = "Mufasa",
        .password = "Circle Of Life",
        .cnonce = "0a4f113b",
        .nc = 1,
    };
    check_holds("Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", "
                "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "
                "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
                &request, (const char *[]){"response=\"6629fae49393a05397450978507c4ef1\"", NULL});
    check_holds("Digest realm=\"testrealm@host.com\", "
                "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"",
                &request, (const char *[]){"response=\"670fd8c2df070c60b045671b8b24ff02\"", NULL});
}

static const struct {
    const char *algorithm;
    bool qop;
    unsigned request;
    const char *response;
} computed[] = {
    {"MD5", true, 0, "f690dd6a98776fa0c2fb6e49e6ecef9d"},
    {"MD5", true, 1, "df30744188586513b925a03c5a7066d8"},
    {"MD5", false, 0, "e8af7d94f98a83f3f7f9f6ec22335aa2"},
    {"MD5", false, 1, "0f1c135000ecaf0b444effc2dcfd63f7"},
    {"MD5-sess", true, 0, "616ccc8ba105ae91477837bafe19fd52"},
    {"MD5-sess", true, 1, "ac950ee2fcb7699169260d4c4a7b75d3"},
    {"MD5-sess", false, 0, "06c8ef26fab556130580c888811edb51"},
    {"MD5-sess", false, 1, "50e1e3daa0974b0575042351807ec780"},
    {"SHA-256", true, 0, "816e6f1314f1d5d4b7444fe6b248d964bb578b07de05e7b4e152739091142f38"},
    {"SHA-256", true, 1, "44a057cf5c0676b4b75932d5a2da2e5710b607f446b60633697793b71d293065"},
    {"SHA-256", false, 0, "798c91e6fecb6dd242fe7d2f8283ecbaedeb6fea32a4f4a9f64f23d2bad746b7"},
    {"SHA-256", false, 1, "5eba28a880a4104d69d962fe8a843807f8235424712f303e2419cbc5a57dd77b"},
    {"SHA-256-sess", true, 0, "b721ea2eb666402a03298fdac9c8acef55c46da9d7b8fa29bac7ae5ebe6a6cd2"},
    {"SHA-256-sess", true, 1, "c7155e83ca6f3029096f8ea1fc42d9a55a7fa5a41f010e57b4a2fa669549fce3"},
    {"SHA-256-sess", false, 0, "0e314d93f386bb310a180c94f9b42e7d5e3168bf28406af245a50d57c354ca1e"},
    {"SHA-256-sess", false, 1, "534bf88b0efe5512f39f2f9dd640cbd9e3e8e1c14b49fd3bc2b837a7f1422e4d"},
    {"SHA-512-256", true, 0, "df8393e569295bdf9061b7fd558da96166613df9185b7ba4c4bd1b1c2a27724a"},
    {"SHA-512-256", true, 1, "1bcf0785b91cd96ee6847594b0d68a529235a66b27b78860a73b3a3c0a90c195"},
    {"SHA-512-256", false, 0, "7a55a5bf8a45dbf9938b012f4bea68936a5ad6f5107a2cd096deca3fc596cec1"},
    {"SHA-512-256", false, 1, "b5b21da7d64196bb00c485ae581d29eb878ac14e2a8514f81327318f1c85d252"},
    {"SHA-512-256-sess", true, 0,
     "e81b273b10bf42f5223dbcb3407f509e4ea92f65f4d0c390dbd8a454ae355c1f"},
    {"SHA-512-256-sess", true, 1,
     "05648e75a6a7d72c7daf318e5278bd8c9efb29a1b5aaca8065455dba4f509b37"},
    {"SHA-512-256-sess", false, 0,
     "9f2bb3b8de37114cc5e66de96584f6c61c96455fc6c364bc23c7de4ccce54f4f"},
    {"SHA-512-256-sess", false, 1,
     "01e1c6d106d596f03a59113e764a46596b3b4d1065159ec75d62c5935e98c49f"},
};

static void computed_elsewhere(void **state)
{
    static const struct {
        const char *realm, *nonce;
        struct od_digest_request request;
    } given[] = {
        {"sip.example.net",
         "abc+/=",
         {"INVITE", "sip:+15550001@sip.example.net", "ann", "sesame", "0a4f113b", 1}},
        {"a\\\"b\\\\c",
         "n",
         {"BYE", "sip:x@127.0.0.1:5070;transport=tcp", "+1555", "p\xc3\xa4\"ss", "ffffffffffffffff",
          0x1f}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof computed / sizeof *computed; i++) {
        char text[256], expected[128];
        snprintf(text, sizeof text, "Digest realm=\"%s\",nonce=\"%s\",algorithm=\"%s\"%s",
                 given[computed[i].request].realm, given[computed[i].request].nonce,
                 computed[i].algorithm, computed[i].qop ? ",qop=auth" : "");
        snprintf(expected, sizeof expected, " response=\"%s\"", computed[i].response);
        check_holds(text, &given[computed[i].request].request, (const char *[]){expected, NULL});
    }
}

static void what_is_quoted_comes_back_quoted(void **state)
{
    (void)state;
    static const struct od_digest_request request = {"INVITE", "sip:a@b", "x\"y\\z", "p", "c", 1};
    check_holds("Digest realm=\"a\\\"\\b\\\\\", nonce=\"n\\n\", opaque=\"\"", &request,
                (const char *[]){"username=\"x\\\"y\\\\z\"", "realm=\"a\\\"b\\\\\"", "nonce=\"nn\"",
                                 "opaque=\"\"", NULL});
    check_holds("dIGEST ReAlM=\"\xc3\xa9\" , , nonce = tok,stale=TRUE , x=\"a, b=c \\\" \"",
                &request, (const char *[]){"realm=\"\xc3\xa9\"", "nonce=\"tok\"", NULL});
    assert_true(parsed[0].stale && !parsed[0].qop_auth && !parsed[0].has_opaque);
}

static void several_in_one_value(void **state)
{
    (void)state;
    assert_int_equal(parse("Basic realm=\"b\", Digest realm=\"1\", nonce=\"n\", qop=\"auth\", "
                           "Digest realm=\"2\", nonce=\"m\", algorithm=SHA-256, "
                           "Digest realm=\"3\", algorithm=SHA-3, nonce=\"m\", NTLM , "
                           "Digest realm=\"4\", nonce=\"k\""),
                     3);
    assert_string_equal(parsed[0].realm, "1");
    assert_string_equal(parsed[1].realm, "2");
    assert_string_equal(parsed[2].realm, "4");
    assert_int_equal(parsed[1].hash, OD_DIGEST_SHA256);
    assert_int_equal(
        od_digest_parse("Digest realm=a,nonce=b,Digest realm=c,nonce=d", 45, parsed, 1), 1);
}

static void what_is_no_challenge(void **state)
{
    static const char *const cases[] = {
        "",
        "Digest",
        "Digest ",
        "Digest realm",
        "Digest realm=\"r\"",
        "Digest nonce=\"n\"",
        "Digest realm=\"r\", nonce=",
        "Digest realm=\"r\", nonce=\"n",
        "Digest realm=\"r\", nonce=\"n\\",
        "Digest realm=\"r\", nonce=\"n\\\"",
        "Digest realm=\"r\", nonce=\"n\"x",
        "Digest realm=\"r\", nonce=\"n\" x=1",
        "Digest realm=\"r\", nonce=\"n\", realm=\"q\"",
        "Digest realm=\"r\", nonce=\"n\", nonce=\"n\"",
        "Digest realm=\"r\", nonce=\"n\", =x",
        "Digest realm=\"r\", nonce=\"n\", algorithm=MD4",
        "Digest realm=\"r\", nonce=\"n\", algorithm=\"\"",
        "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"",
        "Digest realm=\"r\", nonce=\"n\", qop=\"\"",
        "Digest realm=\"r\r\nX: y\", nonce=\"n\"",
        "Digest realm=\"r\", nonce=\"n\x01\"",
        "Digest \xff=\"r\", nonce=\"n\"",
        "Basic realm=\"r\", nonce=\"n\"",
        "realm=\"r\", nonce=\"n\"",
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (parse(cases[i]))
            fail_msg("taken: %s", cases[i]);
}

static void lengths_are_bounded(void **state)
{
    static char text[OD_DIGEST_CHALLENGE_MAX + 2];
    (void)state;
    for (unsigned bytes = OD_DIGEST_NONCE_MAX - 1; bytes <= OD_DIGEST_NONCE_MAX; bytes++) {
        snprintf(text, sizeof text, "Digest realm=\"r\", nonce=\"%0*d\"", (int)bytes, 0);
        assert_int_equal(parse(text), bytes < OD_DIGEST_NONCE_MAX);
    }
    for (unsigned params = OD_DIGEST_PARAMS_MAX; params <= OD_DIGEST_PARAMS_MAX + 1; params++) {
        strcpy(text, "Digest realm=r,nonce=n");
        for (unsigned i = 2; i < params; i++)
            strcat(text, ",a=b");
        assert_int_equal(parse(text), params <= OD_DIGEST_PARAMS_MAX);
    }
    memset(text, ' ', sizeof text - 1);
    memcpy(text, "Digest realm=r,nonce=n", 22);
    text[OD_DIGEST_CHALLENGE_MAX] = '\0';
    assert_int_equal(parse(text), 1);
    text[OD_DIGEST_CHALLENGE_MAX] = ' ';
    assert_int_equal(parse(text), 0);
}

static void no_room_and_no_control_characters(void **state)
{
    struct od_digest_request request = {"INVITE", "sip:a@b", "u", "p", "c", 1};
    char out[OD_DIGEST_CREDENTIALS_MAX];
    (void)state;
    assert_int_equal(parse("Digest realm=r,nonce=n"), 1);
    int bytes = od_digest_write(&parsed[0], &request, out, sizeof out);
    assert_int_equal(od_digest_write(&parsed[0], &request, out, (size_t)bytes + 1), bytes);
    assert_int_equal(od_digest_write(&parsed[0], &request, out, (size_t)bytes), OD_ENOMEM);
    request.user = "u\r\nX: y";
    assert_int_equal(od_digest_write(&parsed[0], &request, out, sizeof out), OD_EINVAL);
}

static void next_nonce(void **state)
{
    static const struct {
        const char *text, *nonce; /* NULL: none */
    } cases[] = {
        {"nextnonce=\"a\\\"b\"", "a\"b"},
        {"qop=auth, rspauth=\"x\", nextnonce=\"n\", nc=00000001", "n"},
        {"qop=auth", NULL},
        {"nextnonce=\"\"", NULL},
        {"nextnonce=\"n", NULL},
        {"", NULL},
        {"Digest nextnonce=n", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char nonce[OD_DIGEST_NONCE_MAX];
        bool found = od_digest_next_nonce(cases[i].text, strlen(cases[i].text), nonce);
        assert_int_equal(found, cases[i].nonce != NULL);
        if (found)
            assert_string_equal(nonce, cases[i].nonce);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_rfc_7616), cmocka_unit_test(examples_of_rfc_2617),
        cmocka_unit_test(computed_elsewhere),   cmocka_unit_test(what_is_quoted_comes_back_quoted),
        cmocka_unit_test(several_in_one_value), cmocka_unit_test(what_is_no_challenge),
        cmocka_unit_test(lengths_are_bounded),  cmocka_unit_test(no_room_and_no_control_characters),
        cmocka_unit_test(next_nonce),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
