/*
 * What a client may say to the HTTP server and what it may not: each row is what goes in, the
 * status line that must come out, and whether the connection is kept. Every row is sent twice, at
 * once and byte by byte, because a parser that is right on whole requests can still be wrong on
 * pieces.
 */
#include "http_support.h"

#include <stdlib.h>
#include <string.h>

#define H "Host: a\r\n"
#define END "\r\n"

enum after { KEPT, CUT };

struct row {
    const char *in;
    const char *out; /* how the answer begins; "" nothing is answered */
    enum after after;
    const char *also; /* somewhere in the answer; NULL: anything */
};

static const struct row rows[] = {
    /* what is fine */
    {"GET / HTTP/1.1\r\n" H END, "HTTP/1.1 200 OK\r\n", KEPT, "GET /||"},
    {"GET /a%20b?x=%2f HTTP/1.1\r\n" H END, "HTTP/1.1 200", KEPT, "GET /a b|x=%2f|"},
    {"\r\n\r\nGET / HTTP/1.1\r\n" H END, "HTTP/1.1 200", KEPT, NULL},
    {"GET  / HTTP/1.1\r\n" H END, "HTTP/1.1 200", KEPT, NULL}, /* RFC 9112 section 3 lets us */
    {"GET /+15550001111 HTTP/1.1\r\n" H END, "HTTP/1.1 200", KEPT, "GET /+15550001111||"},
    {"GET /%C3%A9 HTTP/1.1\r\n" H END, "HTTP/1.1 200", KEPT, "GET /\xc3\xa9||"},
    {"GET /dir/ HTTP/1.1\r\n" H END, "HTTP/1.1 200", KEPT, "GET /dir/||"},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", "HTTP/1.1 200", KEPT, "|abc"},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n"
     "Trailer: t\r\n\r\n",
     "HTTP/1.1 200", KEPT, "|abc"},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n", "HTTP/1.1 200", KEPT,
     "POST /||"},
    {"POST / HTTP/1.1\r\n" H END, "HTTP/1.1 200", KEPT, "POST /||"},
    {"HEAD / HTTP/1.1\r\n" H END, "HTTP/1.1 200 OK\r\n", KEPT, "Content-Length: 8\r\n"},
    {"GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", "HTTP/1.1 200", CUT,
     "Connection: close\r\n"},
    {"GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200", CUT, "Connection: close\r\n"},
    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 200", KEPT,
     "Connection: keep-alive\r\n"},
    {"GET / HTTP/1.1\r\n" H "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "HTTP/1.1 200",
     KEPT, NULL},
    {"GET / HTTP/1.1\r\n" H "X-Request-Id: abc-123\r\n\r\n", "HTTP/1.1 200", KEPT,
     "X-Request-Id: abc-123\r\n"},
    {"GET /chunks HTTP/1.1\r\n" H END, "HTTP/1.1 200", KEPT,
     "Transfer-Encoding: chunked\r\n\r\n4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\n\r\n"},
    {"GET /chunks HTTP/1.0\r\n\r\n", "HTTP/1.1 200", CUT, "\r\n\r\none two three"},
    {"HEAD /chunks HTTP/1.1\r\n" H END, "HTTP/1.1 200", KEPT, "Transfer-Encoding: chunked\r\n"},
    {"GET /later HTTP/1.1\r\n" H END, "HTTP/1.1 200", KEPT, NULL},
    {"POST /stream HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", "HTTP/1.1 200", KEPT,
     "counted 3"},
    {"POST /pause HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", "HTTP/1.1 200", KEPT,
     "counted 3"},
    {"GET /stream HTTP/1.1\r\n" H END, "HTTP/1.1 200", KEPT, "counted 0"},
    {"POST / HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200",
     KEPT, NULL},

    /* answers before the body: a short rest is read, a long one is not */
    {"POST /early HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", "HTTP/1.1 403", KEPT, NULL},
    {"POST /none HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", "HTTP/1.1 200", KEPT, NULL},
    {"POST /early HTTP/1.1\r\n" H "Content-Length: 100000\r\n\r\nabc", "HTTP/1.1 403", CUT,
     "Connection: close\r\n"},
    {"POST /early HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 403", CUT,
     "Connection: close\r\n"},
    {"POST /early HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
     "HTTP/1.1 403", CUT, "Connection: close\r\n"},

    /* the request line */
    {"FOO / HTTP/1.1\r\n" H END, "HTTP/1.1 501", CUT, NULL},
    {"GETX / HTTP/1.1\r\n" H END, "HTTP/1.1 501", CUT, NULL},
    {"get / HTTP/1.1\r\n" H END, "HTTP/1.1 501", CUT, NULL},
    {"TRACE / HTTP/1.1\r\n" H END, "HTTP/1.1 501", CUT, NULL},
    {"CONNECT a:443 HTTP/1.1\r\n" H END, "HTTP/1.1 501", CUT, NULL},
    {" GET / HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"\x16\x03\x01\x02\x01\x01", "HTTP/1.1 400", CUT, NULL},
    {"GET / HTTP/2.0\r\n" H END, "HTTP/1.1 505", CUT, NULL},
    {"GET / HTTP/0.9\r\n" H END, "HTTP/1.1 505", CUT, NULL},
    {"GET / HTTP/1.2\r\n" H END, "HTTP/1.1 505", CUT, NULL},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 50", CUT, NULL},
    {"GET /\r\n\r\n", "HTTP/1.1 400", CUT, NULL},
    {"GET /\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET / FTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET / HTTP/1.1\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET http://a/ HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"OPTIONS * HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},

    /* the path: one spelling only */
    {"GET // HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET /a//b HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET /../etc HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET /a/.. HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET /./a HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET /%2e%2e/etc HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET /a%2fb HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET /a%5Cb HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET /a\\b HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET /a%00b HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET /a%0d%0ab HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET /a%zz HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET /a%2 HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET /a%ff HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET /a%c0%af HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET /a#b HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},
    {"GET /\xc3\xa9 HTTP/1.1\r\n" H END, "HTTP/1.1 400", CUT, NULL},

    /* Host and other fields */
    {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400", CUT, NULL},
    {"GET / HTTP/1.1\r\n" H H END, "HTTP/1.1 400", CUT, NULL},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "HTTP/1.1 400", CUT, NULL},
    {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "HTTP/1.1 400", CUT, NULL},
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", "HTTP/1.1 400", CUT, NULL},
    {"GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n", "HTTP/1.1 400", CUT, NULL},
    {"GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n", "HTTP/1.1 400", CUT, NULL},
    {"GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", "HTTP/1.1 400", CUT, NULL},
    {"GET / HTTP/1.1\r\n" H ": a\r\n\r\n", "HTTP/1.1 400", CUT, NULL},
    {"GET / HTTP/1.1\r\n" H "(x): a\r\n\r\n", "HTTP/1.1 400", CUT, NULL},
    {"GET / HTTP/1.1\r\n" H "Authorization: a\r\nAuthorization: b\r\n\r\n", "HTTP/1.1 400", CUT,
     NULL},
    {"GET / HTTP/1.1\r\n" H "X-Request-Id: a\"b\r\n\r\n", "HTTP/1.1 200", KEPT, NULL},
    {"POST / HTTP/1.1\r\n" H "Expect: magic\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 417", CUT,
     NULL},

    /* framing that two readers could understand differently */
    {"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "HTTP/1.1 400", CUT, NULL},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
     "HTTP/1.1 400", CUT, NULL},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 400",
     CUT, NULL},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 3, 3\r\n\r\nabc", "HTTP/1.1 400", CUT, NULL},
    {"POST / HTTP/1.1\r\n" H "Content-Length: +3\r\n\r\nabc", "HTTP/1.1 400", CUT, NULL},
    {"POST / HTTP/1.1\r\n" H "Content-Length: -3\r\n\r\nabc", "HTTP/1.1 400", CUT, NULL},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 0x3\r\n\r\nabc", "HTTP/1.1 400", CUT, NULL},
    {"POST / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999999\r\n\r\n", "HTTP/1.1 400", CUT,
     NULL},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 501",
     CUT, NULL},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", "HTTP/1.1 400",
     CUT, NULL},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", "HTTP/1.1 ", CUT, NULL},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
     "0\r\n\r\n",
     "HTTP/1.1 400", CUT, NULL},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 400", CUT, NULL},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400", CUT, NULL},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n-1\r\n", "HTTP/1.1 400", CUT, NULL},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1ffffffffffffffff\r\n",
     "HTTP/1.1 400", CUT, NULL},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1\nab", "HTTP/1.1 400", CUT, NULL},
    {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "HTTP/1.1 400", CUT,
     NULL},

    /* too much */
    {"POST / HTTP/1.1\r\n" H "Content-Length: 1048577\r\n\r\n", "HTTP/1.1 413", CUT,
     "application/problem+json"},
    {"POST /stream HTTP/1.1\r\n" H "Content-Length: 1048577\r\n\r\n", "HTTP/1.1 413", CUT, NULL},

    /* the application says it in its own words, and the connection ends all the same */
    {"POST /own HTTP/1.1\r\n" H "Content-Length: 1048577\r\n\r\n", "HTTP/1.1 413", CUT,
     "in its own words"},
    {"POST /own HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400", CUT,
     "in its own words"},
    {"POST /own HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "HTTP/1.1 400",
     CUT, "in its own words"},

    /* a handler's mistake is not the client's to see */
    {"GET /bad HTTP/1.1\r\n" H END, "HTTP/1.1 500", CUT, NULL},
};

static void send_row(uv_loop_t *loop, struct raw *raw, const char *text, bool bytewise)
{
    size_t bytes = strlen(text);
    if (!bytewise) {
        raw_send(loop, raw, text, bytes);
        return;
    }
    for (size_t i = 0; i < bytes; i++)
        raw_send(loop, raw, text + i, 1);
}

/* The end of the answer has come when another request is answered behind it, or the connection has
 * ended; which of the two tells whether it was kept. */
static enum after see_after(uv_loop_t *loop, struct raw *raw)
{
    raw_text(loop, raw, "GET /after HTTP/1.1\r\nHost: a\r\n\r\n");
    return raw_expect(loop, raw, "GET /after||") ? KEPT : CUT;
}

static unsigned check_row(struct app *app, const struct row *row, bool bytewise)
{
    app->body_bytes = 0;
    struct raw raw = raw_connect(app_port(app));
    send_row(app->loop, &raw, row->in, bytewise);
    assert_true(raw_expect(app->loop, &raw, "\r\n\r\n"));
    enum after after = see_after(app->loop, &raw);
    const char *wrong = NULL;
    if (strncmp(raw.got, row->out, strlen(row->out)) != 0)
        wrong = "another answer";
    else if (row->also && !strstr(raw.got, row->also))
        wrong = "something is missing in the answer";
    else if (after != row->after)
        wrong = after == KEPT ? "the connection was kept" : "the connection was cut";
    else if (after == CUT && raw.reset)
        wrong = "reset instead of an orderly end";
    if (wrong)
        print_error("for <%s>%s: %s: <%s>, expected <%s> <%s>\n", row->in,
                    bytewise ? " byte by byte" : "", wrong, raw.got, row->out,
                    row->also ? row->also : "");
    raw_close(&raw);
    return wrong != NULL;
}

static void test_rows(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct app app;
    unsigned wrong = 0;
    uv_loop_init(&loop);
    app_open(&app, &loop, &(struct od_http_server_config){.linger_ms = 100});
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wrong += check_row(&app, &rows[i], false);
        wrong += check_row(&app, &rows[i], true);
    }
    assert_int_equal(wrong, 0);
    app_close(&app);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* Heads that are too long, in each of the ways a head can be long. */
static void test_long_heads(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        const char *piece;
        unsigned count;
        const char *after, *out;
    } longs[] = {
        {"GET /", "a", 9000, " HTTP/1.1\r\n" H END, "HTTP/1.1 414"},
        {"GET /?", "a", 9000, " HTTP/1.1\r\n" H END, "HTTP/1.1 414"},
        {"GET /", "a", 8000, " HTTP/1.1\r\n" H END, "HTTP/1.1 200"},
        {"GET / HTTP/1.1\r\n" H "X: ", "a", 17000, "\r\n\r\n", "HTTP/1.1 431"},
        {"GET / HTTP/1.1\r\n" H "X: ", "a", 15000, "\r\n\r\n", "HTTP/1.1 200"},
        {"GET / HTTP/1.1\r\n" H "X:", " ", 17000, "a\r\n\r\n", "HTTP/1.1 431"},
        {"GET / HTTP/1.1\r\n" H, "a", 17000, ": a\r\n\r\n", "HTTP/1.1 431"},
        {"GET / HTTP/1.1\r\n" H, "X: a\r\n", 99, "\r\n", "HTTP/1.1 200"},
        {"GET / HTTP/1.1\r\n" H, "X: a\r\n", 100, "\r\n", "HTTP/1.1 431"},
        {"", "\r\n", 20000, "GET / HTTP/1.1\r\n" H END, "HTTP/1.1 400"},
        {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1;", "x", 90000, "\r\na\r\n",
         "HTTP/1.1 400"},
        {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", "0", 200000, "1\r\na\r\n",
         "HTTP/1.1 400"},
        {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: a\r\n", 30000,
         "\r\n", "HTTP/1.1 400"},
        {"POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", 5000,
         "0\r\n\r\n", "HTTP/1.1 200"},
    };
    uv_loop_t loop;
    struct app app;
    uv_loop_init(&loop);
    app_open(&app, &loop, &(struct od_http_server_config){.linger_ms = 100});
    for (size_t i = 0; i < sizeof longs / sizeof longs[0]; i++) {
        struct raw raw = raw_connect(app_port(&app));
        raw_text(&loop, &raw, longs[i].before);
        size_t piece = strlen(longs[i].piece), bytes = piece * longs[i].count;
        char *text = malloc(bytes);
        for (size_t at = 0; at < bytes; at += piece)
            memcpy(text + at, longs[i].piece, piece);
        raw_send(&loop, &raw, text, bytes);
        free(text);
        raw_text(&loop, &raw, longs[i].after);
        if (!raw_expect(&loop, &raw, longs[i].out))
            fail_msg("for <%s> <%s> x %u: got <%s>", longs[i].before, longs[i].piece,
                     longs[i].count, raw.got ? raw.got : "");
        raw_close(&raw);
    }
    app_close(&app);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_long_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
