/*
 * The HTTP client against servers that do what they should not: each row is what a server says to a
 * request, and what the caller must hear. The servers are raw sockets in the same loop.
 */
#include "http_client_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"

struct row {
    const char *name;
    struct script script;
    int err, status;
    const char *body;
    bool kept; /* the connection is used again */
};

static const struct row rows[] = {
    {"plain", {.before = OK "Content-Length: 2\r\n\r\nhi"}, 0, 200, "hi", true},
    {"empty", {.before = OK "Content-Length: 0\r\n\r\n"}, 0, 200, "", true},
    {"no content", {.before = "HTTP/1.1 204 No Content\r\n\r\n"}, 0, 204, "", true},
    {"chunked", {.before = OK CHUNKED "2\r\nhi\r\n1;a=b\r\n!\r\n0\r\n\r\n"}, 0, 200, "hi!", true},
    {"status 599", {.before = "HTTP/1.1 599 X\r\nContent-Length: 0\r\n\r\n"}, 0, 599, "", true},
    {"no reason", {.before = "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"}, 0, 200, "", true},
    {"redirect",
     {.before = "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"},
     0,
     302,
     "",
     true},
    {"to the end", {.before = OK "\r\nhi", .then = CLOSE}, 0, 200, "hi", false},
    {"1.0",
     {.before = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", .then = CLOSE},
     0,
     200,
     "hi",
     false},
    {"says close",
     {.before = OK "Connection: close\r\nContent-Length: 2\r\n\r\nhi"},
     0,
     200,
     "hi",
     false},
    {"continue",
     {.before = "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 2\r\n\r\nhi"},
     0,
     200,
     "hi",
     true},
    {"ten interims",
     {.piece = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
      .pieces = 10,
      .after = OK "Content-Length: 2\r\n\r\nhi"},
     0,
     200,
     "hi",
     true},
    {"two answers",
     {.before = OK "Content-Length: 2\r\n\r\nhi" OK "Content-Length: 3\r\n\r\nhey"},
     0,
     200,
     "hi",
     false},
    {"bytes behind", {.before = OK "Content-Length: 2\r\n\r\nhi!"}, 0, 200, "hi", false},

    {"eleven interims",
     {.piece = "HTTP/1.1 100 Continue\r\n\r\n",
      .pieces = 11,
      .after = OK "Content-Length: 2\r\n\r\nhi"},
     OD_EPROTO,
     0,
     "",
     false},
    {"endless interims",
     {.piece = "HTTP/1.1 100 Continue\r\n\r\n", .pieces = 1000000},
     OD_EPROTO,
     0,
     "",
     false},
    {"only an interim",
     {.before = "HTTP/1.1 100 Continue\r\n\r\n", .then = CLOSE},
     OD_EPROTO,
     0,
     "",
     false},
    {"switched",
     {.before = "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"},
     OD_EPROTO,
     0,
     "",
     false},
    {"nothing", {.then = CLOSE}, OD_EDOWN, 0, "", false},
    {"reset", {.then = RESET}, OD_EDOWN, 0, "", false},
    {"cut head", {.before = "HTTP/1.1 200 OK\r\nContent-", .then = CLOSE}, OD_EPROTO, 0, "", false},
    {"cut body",
     {.before = OK "Content-Length: 3\r\n\r\nhi", .then = CLOSE},
     OD_EPROTO,
     0,
     "",
     false},
    {"cut chunks", {.before = OK CHUNKED "2\r\nhi\r\n", .then = CLOSE}, OD_EPROTO, 0, "", false},
    {"reset body",
     {.before = OK "Content-Length: 3\r\n\r\nhi", .then = RESET},
     OD_EPROTO,
     0,
     "",
     false},
    {"garbage", {.before = "SSH-2.0-OpenSSH\r\n\r\n"}, OD_EPROTO, 0, "", false},
    {"HTTP/2", {.before = "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"}, OD_EPROTO, 0, "", false},
    {"HTTP/0.9",
     {.before = "HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n"},
     OD_EPROTO,
     0,
     "",
     false},
    {"status 099",
     {.before = "HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n"},
     OD_EPROTO,
     0,
     "",
     false},
    {"status 600",
     {.before = "HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n"},
     OD_EPROTO,
     0,
     "",
     false},
    {"status 2000",
     {.before = "HTTP/1.1 2000 X\r\nContent-Length: 0\r\n\r\n"},
     OD_EPROTO,
     0,
     "",
     false},
    {"status abc",
     {.before = "HTTP/1.1 abc X\r\nContent-Length: 0\r\n\r\n"},
     OD_EPROTO,
     0,
     "",
     false},
    {"both lengths",
     {.before = OK "Content-Length: 2\r\n" CHUNKED "0\r\n\r\n"},
     OD_EPROTO,
     0,
     "",
     false},
    {"two lengths",
     {.before = OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi"},
     OD_EPROTO,
     0,
     "",
     false},
    {"length minus", {.before = OK "Content-Length: -2\r\n\r\nhi"}, OD_EPROTO, 0, "", false},
    {"gzip coding",
     {.before = OK "Transfer-Encoding: gzip\r\n\r\nhi", .then = CLOSE},
     OD_EPROTO,
     0,
     "",
     false},
    {"two codings",
     {.before = OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
     OD_EPROTO,
     0,
     "",
     false},
    {"coding in 1.0",
     {.before = "HTTP/1.0 200 OK\r\n" CHUNKED "0\r\n\r\n"},
     OD_EPROTO,
     0,
     "",
     false},
    {"bad chunk", {.before = OK CHUNKED "zz\r\nhi\r\n0\r\n\r\n"}, OD_EPROTO, 0, "", false},
    {"chunk overflow", {.before = OK CHUNKED "fffffffffffffffff\r\nhi"}, OD_EPROTO, 0, "", false},
    {"chunk without end", {.before = OK CHUNKED "2\r\nhi0\r\n\r\n"}, OD_EPROTO, 0, "", false},
    {"folded", {.before = OK "X: a\r\n b\r\nContent-Length: 0\r\n\r\n"}, OD_EPROTO, 0, "", false},
    {"bare LF", {.before = "HTTP/1.1 200 OK\nContent-Length: 0\n\n"}, OD_EPROTO, 0, "", false},
    {"endless headers",
     {.before = OK, .piece = "X-Header: and another one\r\n", .pieces = 1000000},
     OD_EPROTO,
     0,
     "",
     false},
    {"endless header",
     {.before = OK "X: ", .piece = "aaaaaaaaaaaaaaaa", .pieces = 1000000},
     OD_EPROTO,
     0,
     "",
     false},
    {"endless space",
     {.before = OK "X:", .piece = "                ", .pieces = 1000000},
     OD_EPROTO,
     0,
     "",
     false},
    {"endless zeros",
     {.before = OK CHUNKED, .piece = "0000000000000000", .pieces = 1000000},
     OD_EPROTO,
     0,
     "",
     false},
    {"endless trailers",
     {.before = OK CHUNKED "0\r\n", .piece = "X: y\r\n", .pieces = 1000000},
     OD_EPROTO,
     0,
     "",
     false},
    {"endless body",
     {.before = OK "\r\n", .piece = "0123456789abcdef", .pieces = 10000000},
     OD_ETOOBIG,
     0,
     "",
     false},
    {"a GiB",
     {.before = OK "Content-Length: 1073741824\r\n\r\n",
      .piece = "0123456789abcdef",
      .pieces = 10000000},
     OD_ETOOBIG,
     0,
     "",
     false},
    {"silence", {.then = HOLD}, OD_ETIMEOUT, 0, "", false},
    {"trickle",
     {.before = OK "Content-Length: 100000\r\n\r\n", .piece = "x", .pieces = 100000, .pause_ms = 5},
     OD_ETIMEOUT,
     0,
     "",
     false},
    {"head trickle",
     {.before = OK "X: ", .piece = "x", .pieces = 10000, .pause_ms = 5},
     OD_ETIMEOUT,
     0,
     "",
     false},
};

static void check_row(const struct row *row, const char *method)
{
    struct fixture f;
    struct peer peer;
    struct script scripts[2] = {row->script, good};
    char url[128];
    open_client(&f, (struct od_http_client_config){0});
    peer_open(&peer, &f.loop, scripts, 2);
    url_of(&peer, "/x?y", url);
    struct heard first = {0}, second = {0};
    struct od_http_call call = {.method = method,
                                .url = url,
                                .deadline_ms = row->err == OD_ETIMEOUT ? 300 : 10000,
                                .response_max = 65536,
                                .allow_private = true,
                                .on_done = on_done,
                                .ctx = &first};
    assert_int_equal(od_http_client_request(f.client, &call, NULL), 0);
    assert_true(run_until(&f.loop, is_done, &first, 15000));
    if (first.err != row->err || (!row->err && first.status != row->status) ||
        strcmp(first.body, row->body) != 0)
        fail_msg("%s: err %d (%s), status %d, <%s>", row->name, first.err, first.why, first.status,
                 first.body);
    assert_int_equal(peer.requests, 1);
    call.ctx = &second;
    call.deadline_ms = 10000;
    assert_int_equal(od_http_client_request(f.client, &call, NULL), 0);
    assert_true(run_until(&f.loop, is_done, &second, 15000));
    if (second.err || strcmp(second.body, "again") != 0)
        fail_msg("%s, next call: err %d (%s) <%s>", row->name, second.err, second.why, second.body);
    if (peer.accepted != (row->kept ? 1 : 2))
        fail_msg("%s: %u connections for two calls", row->name, peer.accepted);
    assert_int_equal(first.dones, 1);
    close_client(&f);
    peer_close(&peer);
    close_loop(&f);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_row(&rows[i], i % 2 ? "POST" : "GET");
}

/* An answer that comes while nobody asked is not taken for the next request's. */
static void test_unasked(void **state)
{
    (void)state;
    struct fixture f;
    struct peer peer;
    static const struct script scripts[] = {
        {.before = OK "Content-Length: 4\r\n\r\nevil", .at_accept = true}, GOOD};
    char url[128];
    open_client(&f, (struct od_http_client_config){0});
    peer_open(&peer, &f.loop, scripts, 2);
    url_of(&peer, "/", url);
    struct heard heard = {0};
    struct od_http_call call = {
        .url = url, .allow_private = true, .on_done = on_done, .ctx = &heard};
    for (int i = 0; i < 3; i++) {
        heard = (struct heard){0};
        assert_int_equal(od_http_client_request(f.client, &call, NULL), 0);
        assert_true(run_until(&f.loop, is_done, &heard, 5000));
    }
    close_client(&f);
    peer_close(&peer);
    close_loop(&f);
}

static bool goes(void *ctx)
{
    const struct heard *heard = ctx;
    return heard->writables > 0; /* no use for it here but as the word */
}

/* Asked when its connection is there, a new one or one that was used: not a byte of it is sent. */
static void test_not_any_more(void **state)
{
    (void)state;
    struct fixture f;
    struct peer peer;
    char url[128];
    open_client(&f, (struct od_http_client_config){0});
    peer_open(&peer, &f.loop, &good, 1);
    url_of(&peer, "/", url);
    struct heard heard;
    struct od_http_call call = {
        .url = url, .allow_private = true, .may_go = goes, .on_done = on_done, .ctx = &heard};
    for (unsigned i = 0; i < 6; i++) {
        bool may = i % 3 == 1;
        heard = (struct heard){.writables = may};
        assert_int_equal(od_http_client_request(f.client, &call, NULL), 0);
        assert_true(run_until(&f.loop, is_done, &heard, 5000));
        assert_int_equal(heard.err, may ? 0 : OD_ECANCELED);
        assert_int_equal(peer.requests, i / 3 + (i % 3 > 0));
    }
    close_client(&f);
    peer_close(&peer);
    close_loop(&f);
}

/* What is sent */

static void test_request_text(void **state)
{
    (void)state;
    struct fixture f;
    struct peer peer;
    char url[128], want[512];
    open_client(&f, (struct od_http_client_config){.user_agent = "outdial/1"});
    peer_open(&peer, &f.loop, &good, 1);
    url_of(&peer, "?q=1#fragment", url);
    struct heard heard = {0};
    struct od_http_call call = {.method = "POST",
                                .url = url,
                                .headers = "X-A: 1\r\nX-B: 2\r\n",
                                .content_type = "application/json",
                                .body = "{}",
                                .body_bytes = 2,
                                .allow_private = true,
                                .on_done = on_done,
                                .ctx = &heard};
    assert_int_equal(od_http_client_request(f.client, &call, NULL), 0);
    assert_true(run_until(&f.loop, is_done, &heard, 5000));
    snprintf(want, sizeof want,
             "POST /?q=1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: outdial/1\r\n"
             "Content-Length: 2\r\nContent-Type: application/json\r\nX-A: 1\r\nX-B: 2\r\n\r\n{}",
             peer.port);
    assert_string_equal(peer.seen, want);
    close_client(&f);
    peer_close(&peer);
    close_loop(&f);
}

static void test_refused_definitions(void **state)
{
    (void)state;
    struct fixture f;
    open_client(&f, (struct od_http_client_config){0});
    static const struct od_http_call wrong[] = {
        {.url = "ftp://a/"},
        {.url = "http://"},
        {.url = "http://a/", .method = "GE T"},
        {.url = "http://a/", .method = ""},
        {.url = "http://a/", .headers = "X: a\r\n\r\nGET /evil"},
        {.url = "http://a/", .headers = "X: a"},
        {.url = "http://a/", .headers = "Host: b\r\n"},
        {.url = "http://a/", .headers = "content-LENGTH: 5\r\n"},
        {.url = "http://a/", .headers = "Transfer-Encoding: chunked\r\n"},
        {.url = "http://a/", .content_type = "a\r\nX: b"},
        {.url = "http://a/", .stream_body = true},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct od_http_call call = wrong[i];
        call.on_done = on_done;
        if (od_http_client_request(f.client, &call, NULL) != OD_EINVAL)
            fail_msg("row %zu was taken", i);
    }
    close_client(&f);
    close_loop(&f);
}

/* Where it goes, and where not */

static void expect_err(struct fixture *f, const char *url, bool allow_private, int err)
{
    struct heard heard = {0};
    struct od_http_call call = {.url = url,
                                .deadline_ms = 5000,
                                .allow_private = allow_private,
                                .on_done = on_done,
                                .ctx = &heard};
    assert_int_equal(od_http_client_request(f->client, &call, NULL), 0);
    assert_int_equal(heard.dones, 0); /* never from inside the call */
    assert_true(run_until(&f->loop, is_done, &heard, 10000));
    if (heard.err != err || !heard.why[0])
        fail_msg("%s: %d (%s)", url, heard.err, heard.why);
}

static void test_guard_applies(void **state)
{
    (void)state;
    struct fixture f;
    struct peer peer;
    char url[128];
    open_client(&f, (struct od_http_client_config){0});
    peer_open(&peer, &f.loop, &good, 1);
    url_of(&peer, "/", url);
    expect_err(&f, url, false, OD_EDENIED);
    snprintf(url, sizeof url, "http://localhost:%u/", peer.port);
    expect_err(&f, url, false, OD_EDENIED); /* by name */
    snprintf(url, sizeof url, "http://[::ffff:127.0.0.1]:%u/", peer.port);
    expect_err(&f, url, false, OD_EDENIED);
    expect_err(&f, "http://169.254.169.254/latest/meta-data", false, OD_EDENIED);
    expect_err(&f, "http://[::1]/", false, OD_EDENIED);
    expect_err(&f, "unix:/tmp/nobody.sock:/x", false, OD_EDENIED);
    assert_int_equal(peer.accepted, 0);
    struct od_http_client_stats stats;
    od_http_client_stats(f.client, &stats);
    assert_int_equal(stats.denied, 6);
    assert_int_equal(stats.connects, 0);
    close_client(&f);
    peer_close(&peer);
    close_loop(&f);
}

static void test_not_there(void **state)
{
    (void)state;
    struct fixture f;
    struct peer peer;
    char url[128];
    open_client(&f, (struct od_http_client_config){0});
    peer_open(&peer, &f.loop, &good, 1);
    url_of(&peer, "/", url);
    peer_close(&peer);
    uv_run(&f.loop, UV_RUN_NOWAIT);
    expect_err(&f, url, true, OD_EDOWN);
    expect_err(&f, "unix:/tmp/od-http-nobody.sock:/x", true, OD_EDOWN);
    expect_err(&f, "http://no-such-host.invalid/", true, OD_EDOWN);
    close_client(&f);
    close_loop(&f);
}

/* "localhost" may be ::1 first, where nobody listens: the next address is tried. */
static void test_all_addresses(void **state)
{
    (void)state;
    struct fixture f;
    struct peer peer;
    char url[128];
    open_client(&f, (struct od_http_client_config){0});
    peer_open(&peer, &f.loop, &good, 1);
    snprintf(url, sizeof url, "http://localhost:%u/", peer.port);
    struct heard heard = {0};
    struct od_http_call call = {
        .url = url, .allow_private = true, .on_done = on_done, .ctx = &heard};
    for (int i = 0; i < 3; i++) {
        heard.dones = 0;
        assert_int_equal(od_http_client_request(f.client, &call, NULL), 0);
        assert_true(run_until(&f.loop, is_done, &heard, 5000));
        assert_int_equal(heard.err, 0);
    }
    struct od_http_client_stats stats;
    od_http_client_stats(f.client, &stats);
    assert_int_equal(stats.lookups, 1);
    assert_int_equal(stats.reused, 2);
    close_client(&f);
    peer_close(&peer);
    close_loop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_unasked),
        cmocka_unit_test(test_not_any_more),
        cmocka_unit_test(test_request_text),
        cmocka_unit_test(test_refused_definitions),
        cmocka_unit_test(test_guard_applies),
        cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_all_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
