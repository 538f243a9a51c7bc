/*
 * Goal: the gate in front of the SIP parser lets every real message in and keeps out what would
 * cost more than it could be worth.
 * Method: a table of datagrams, and the bounds from both sides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/sip/sip_gate.h"

static void start_lines(void **state)
{
    static const struct {
        const char *text;
        bool admitted;
    } cases[] = {
        {"SIP/2.0 200 OK\r\nVia: x\r\n\r\n", true},
        {"SIP/2.0 200 OK\nVia: x\n\n", true},
        {"sip/2.0 180 Ringing\r\n\r\n", true},
        {"SIP/2.0 100 \r\n\r\n", true},
        {"INVITE sip:a@b SIP/2.0\r\nVia: x\r\n\r\nbody,,,\n\n\n", true},
        {"INVITE sip:a@b SIP/2.0\r\nVia: x", true},
        {"INVITE sip:a@b SIP/2.0\r\n", true},
        {"INVITE sip:a@b SIP/2.0", false},
        {"INVITE sip:a@b SIP/7.0\r\n\r\n", false},
        {"SIP/7.0 200 OK\r\n\r\n", false},
        {"SIP/2.0\r\n\r\n", false},
        {"SIP/2.0200 OK\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n\r\n", false},
        {"\r\n\r\n", false},
        {"I", false},
        {"", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (od_sip_gate_admits(cases[i].text, strlen(cases[i].text)) != cases[i].admitted)
            fail_msg("case %zu", i);
    }
}

static size_t with_lines(char *out, unsigned lines, const char *line)
{
    size_t n = (size_t)sprintf(out, "SIP/2.0 200 OK\r\n");
    for (unsigned i = 0; i < lines; i++)
        n += (size_t)sprintf(out + n, "%s\r\n", line);
    n += (size_t)sprintf(out + n, "\r\n");
    return n;
}

static void bounds(void **state)
{
    static char text[4 * OD_SIP_DATAGRAM_MAX];
    (void)state;
    assert_true(od_sip_gate_admits(text, with_lines(text, OD_SIP_LINES_MAX, "a:b")));
    assert_false(od_sip_gate_admits(text, with_lines(text, OD_SIP_LINES_MAX + 1, "a:b")));
    assert_true(od_sip_gate_admits(text, with_lines(text, 100, "a:b,c,d,e,f,"))); /* 500 commas */
    assert_false(od_sip_gate_admits(text, with_lines(text, 101, "a:b,c,d,e,f,")));
    size_t n = with_lines(text, 1, "a: b");
    memset(text + n, ',', sizeof text - n); /* a body's commas are not counted */
    assert_true(od_sip_gate_admits(text, OD_SIP_DATAGRAM_MAX));
    assert_false(od_sip_gate_admits(text, OD_SIP_DATAGRAM_MAX + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_lines),
        cmocka_unit_test(bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
