/* Goal: what goes by TLS says so, whatever pieces it comes in, and nothing else of it changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/str.h"
#include "engine/host/sip_via.h"
#include "outdial/err.h"

static int keep(void *ctx, const char *data, size_t bytes)
{
    od_buf_add(ctx, data, bytes);
    return 0;
}

/* What comes out, in pieces of so many bytes; the error in *err. */
static const char *pass(bool outward, const char *text, size_t piece, int *err)
{
    static char out[4096];
    struct od_buf buf;
    struct od_sip_via via = {0};
    size_t left = strlen(text);
    od_buf_init(&buf, out, sizeof out);
    *err = 0;
    for (; left && !*err; text += piece, left -= piece) {
        piece = piece < left ? piece : left;
        *err = od_sip_via_pass(&via, outward, text, piece, keep, &buf);
    }
    od_sip_via_free(&via);
    assert_false(buf.cut);
    out[buf.used] = '\0';
    return out;
}

static void in_all_pieces(bool outward, const char *text, const char *expected)
{
    int err;
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        assert_string_equal(pass(outward, text, piece, &err), expected);
        assert_int_equal(err, 0);
    }
}

static void our_requests(void **state)
{
    (void)state;
    in_all_pieces(
        true,
        "INVITE sip:1@a SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=1\r\nContent-Length: 5\r\n\r\n"
        "\r\n\r\nX\r\n\r\nACK sip:1@a SIP/2.0\r\nVia: SIP/2.0/TCP h\r\nContent-Length: 0\r\n\r\n",
        "INVITE sip:1@a SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=1\r\nContent-Length: 5\r\n\r\n"
        "\r\n\r\nX\r\n\r\nACK sip:1@a SIP/2.0\r\nVia: SIP/2.0/TLS h\r\nContent-Length: 0\r\n\r\n");
}

/* The second Via is of who stands behind; a body's lines are no headers. */
static void first_one_only(void **state)
{
    (void)state;
    in_all_pieces(false,
                  "BYE sip:1@a SIP/2.0\r\nv :  SIP / 2.0 / tls  h;x=TLS\r\nVia: SIP/2.0/TLS "
                  "g\r\nl: 20\r\n\r\n"
                  "Via: SIP/2.0/TLS f\r\nSIP/2.0 200 OK\r\nX: 1\r\nVIA: SIP/2.0/TLS h\r\n\r\n",
                  "BYE sip:1@a SIP/2.0\r\nv :  SIP / 2.0 / TCP  h;x=TLS\r\nVia: SIP/2.0/TLS "
                  "g\r\nl: 20\r\n\r\n"
                  "Via: SIP/2.0/TLS f\r\nSIP/2.0 200 OK\r\nX: 1\r\nVIA: SIP/2.0/TCP h\r\n\r\n");
}

static void keep_alives(void **state)
{
    int err;
    (void)state;
    in_all_pieces(false, "\r\n\r\n\r\nSIP/2.0 200 OK\r\nVia: SIP/2.0/TLS h\r\n\r\n\r\n",
                  "\r\n\r\n\r\nSIP/2.0 200 OK\r\nVia: SIP/2.0/TCP h\r\n\r\n\r\n");
    assert_string_equal(pass(false, "\r\n", 1, &err), "\r\n"); /* at once, nothing is to follow */
}

static void unusable(void **state)
{
    static const char *const bad[] = {"l: 4294967296", "l: -1", "Content-Length: 5 5",
                                      "Content-Length:"};
    char text[256];
    int err;
    (void)state;
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "BYE a SIP/2.0\r\n%s\r\n\r\n", bad[i]);
        pass(false, text, 7, &err);
        assert_int_equal(err, OD_EPROTO);
    }
    size_t bytes = OD_SIP_VIA_HEAD_MAX + 1;
    char *endless = malloc(bytes + 1);
    memset(endless, 'a', bytes);
    endless[bytes] = '\0';
    assert_string_equal(pass(false, endless, 1000, &err), "");
    assert_int_equal(err, OD_ETOOBIG);
    free(endless);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_requests),
        cmocka_unit_test(first_one_only),
        cmocka_unit_test(keep_alives),
        cmocka_unit_test(unusable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
