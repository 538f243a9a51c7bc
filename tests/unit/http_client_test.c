/*
 * The HTTP client against servers that do what they should not: each row is what a server says to a
 * request, and what the caller must hear. The servers are raw sockets in the same loop.
 */
#include "http_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/http/http_client.h"

/* A server that answers each request with a script. */

enum then { HOLD, CLOSE, RESET };

struct script {
    const char *before; /* sent once a request's head has come; NULL: nothing */
    const char *piece;  /* then this, `pieces` times or until the client is gone */
    unsigned pieces;
    unsigned pause_ms; /* between pieces */
    const char *after;
    enum then then;
    bool at_accept; /* does not wait for a request */
};

struct peer {
    uv_tcp_t listener;
    uv_loop_t *loop;
    const struct script *scripts; /* by request, the last one again and again */
    unsigned script_count, requests, accepted, open;
    uint16_t port;
    char seen[65536]; /* the last request, as far as it fits */
    uint64_t seen_bytes;
};

struct peer_conn {
    uv_tcp_t tcp;
    uv_timer_t timer;
    struct peer *peer;
    const struct script *script;
    unsigned sent, closes;
    bool busy, gone;
    char head[65536];
    size_t head_bytes;
};

static void conn_closed(uv_handle_t *handle)
{
    struct peer_conn *conn = handle->data;
    if (++conn->closes < 2)
        return;
    conn->peer->open--;
    free(conn);
}

static void conn_end(struct peer_conn *conn)
{
    if (conn->gone)
        return;
    conn->gone = true;
    uv_close((uv_handle_t *)&conn->timer, conn_closed);
    uv_close((uv_handle_t *)&conn->tcp, conn_closed);
}

static void say(struct peer_conn *conn, const char *text)
{
    uv_buf_t buf = uv_buf_init((char *)text, (unsigned)strlen(text));
    uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1);
}

static void conn_go_on(uv_timer_t *timer)
{
    struct peer_conn *conn = timer->data;
    const struct script *script = conn->script;
    for (unsigned burst = 0; conn->sent < script->pieces; burst++) {
        if (burst == (script->pause_ms ? 1u : 64u)) {
            uv_timer_start(timer, conn_go_on, script->pause_ms ? script->pause_ms : 1, 0);
            return;
        }
        uv_buf_t buf = uv_buf_init((char *)script->piece, (unsigned)strlen(script->piece));
        int n = uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1);
        if (n == UV_EAGAIN) {
            burst = 63;
            continue;
        }
        if (n < 0) {
            conn_end(conn);
            return;
        }
        conn->sent++;
    }
    if (script->after)
        say(conn, script->after);
    conn->busy = false;
    if (script->then == CLOSE) {
        conn_end(conn);
    } else if (script->then == RESET) {
        conn->gone = true;
        uv_close((uv_handle_t *)&conn->timer, conn_closed);
        uv_tcp_close_reset(&conn->tcp, conn_closed);
    }
}

static void conn_answer(struct peer_conn *conn)
{
    struct peer *peer = conn->peer;
    unsigned last = peer->script_count - 1;
    conn->script = &peer->scripts[peer->requests < last ? peer->requests : last];
    peer->requests++;
    conn->sent = 0;
    conn->busy = true;
    if (conn->script->before)
        say(conn, conn->script->before);
    conn_go_on(&conn->timer);
}

static void conn_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    static char memory[65536];
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(memory, sizeof memory);
}

static void conn_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct peer_conn *conn = stream->data;
    if (got < 0) {
        conn_end(conn);
        return;
    }
    struct peer *peer = conn->peer;
    peer->seen_bytes += (uint64_t)got;
    size_t room = sizeof conn->head - 1 - conn->head_bytes;
    size_t n = (size_t)got < room ? (size_t)got : room;
    memcpy(conn->head + conn->head_bytes, buf->base, n);
    conn->head_bytes += n;
    conn->head[conn->head_bytes] = 0;
    if (!conn->busy && strstr(conn->head, "\r\n\r\n")) {
        memcpy(peer->seen, conn->head, conn->head_bytes + 1);
        conn->head_bytes = 0;
        conn_answer(conn);
    }
}

static void peer_accept(uv_stream_t *stream, int status)
{
    struct peer *peer = stream->data;
    struct peer_conn *conn = calloc(1, sizeof *conn);
    assert_int_equal(status, 0);
    conn->peer = peer;
    uv_tcp_init(peer->loop, &conn->tcp);
    uv_timer_init(peer->loop, &conn->timer);
    conn->tcp.data = conn->timer.data = conn;
    peer->accepted++;
    peer->open++;
    assert_int_equal(uv_accept(stream, (uv_stream_t *)&conn->tcp), 0);
    uv_read_start((uv_stream_t *)&conn->tcp, conn_alloc, conn_read);
    if (peer->scripts[0].at_accept)
        conn_answer(conn);
}

static void peer_open(struct peer *peer, uv_loop_t *loop, const struct script *scripts,
                      unsigned count)
{
    struct sockaddr_in addr;
    int bytes = sizeof addr;
    memset(peer, 0, sizeof *peer);
    peer->loop = loop;
    peer->scripts = scripts;
    peer->script_count = count;
    uv_tcp_init(loop, &peer->listener);
    peer->listener.data = peer;
    uv_ip4_addr("127.0.0.1", 0, &addr);
    assert_int_equal(uv_tcp_bind(&peer->listener, (struct sockaddr *)&addr, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&peer->listener, 128, peer_accept), 0);
    uv_tcp_getsockname(&peer->listener, (struct sockaddr *)&addr, &bytes);
    peer->port = (uint16_t)((addr.sin_port >> 8) | (addr.sin_port << 8));
}

/* The caller's side */

struct heard {
    unsigned dones, heads, writables;
    int err, status;
    char body[4096];
    char why[128], type[64];
    size_t bytes;
    uint64_t streamed;
    struct od_http_client *client;
    struct od_http_call_id id;
    bool cancel_on_data;
};

static void on_done(void *ctx, int err, const struct od_http_answer *answer)
{
    struct heard *heard = ctx;
    struct od_text value;
    heard->dones++;
    heard->err = err;
    heard->status = answer->status;
    heard->bytes = answer->bytes;
    snprintf(heard->why, sizeof heard->why, "%s", answer->why);
    if (answer->body)
        snprintf(heard->body, sizeof heard->body, "%.*s", (int)answer->bytes, answer->body);
    if (od_http_answer_header(answer, "content-TYPE", &value))
        snprintf(heard->type, sizeof heard->type, "%.*s", (int)value.bytes, value.at);
}

static bool is_done(void *ctx)
{
    return ((struct heard *)ctx)->dones > 0;
}

struct fixture {
    uv_loop_t loop;
    struct od_http_client *client;
    bool closed;
};

static void open_client(struct fixture *f, struct od_http_client_config config)
{
    f->closed = false;
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(od_http_client_open(&f->client, &f->loop, &config), 0);
}

static void client_closed(void *ctx)
{
    ((struct fixture *)ctx)->closed = true;
}

static bool is_closed(void *ctx)
{
    return ((struct fixture *)ctx)->closed;
}

static void close_client(struct fixture *f)
{
    od_http_client_close(f->client, client_closed, f);
    assert_false(f->closed);
    assert_true(run_until(&f->loop, is_closed, f, 10000));
}

static void close_loop(struct fixture *f)
{
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
}

static void peer_close(struct peer *peer)
{
    uv_close((uv_handle_t *)&peer->listener, NULL);
}

static void url_of(const struct peer *peer, const char *path, char out[128])
{
    snprintf(out, 128, "http://127.0.0.1:%u%s", peer->port, path);
}

/* The table */

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n\r\n"

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

#define GOOD                                                                                       \
    {                                                                                              \
        .before = OK "Content-Length: 5\r\n\r\nagain"                                              \
    }
static const struct script good = GOOD;

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

/* Against our own server */

struct serving {
    struct fixture f;
    struct app app;
    char url[128];
};

static void open_serving(struct serving *s, struct od_http_client_config client,
                         struct od_http_server_config server)
{
    open_client(&s->f, client);
    app_open(&s->app, &s->f.loop, &server);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", app_port(&s->app));
}

static void close_serving(struct serving *s)
{
    close_client(&s->f);
    app_close(&s->app);
    close_loop(&s->f);
}

struct many {
    struct heard *heard;
    unsigned count;
};

static bool all_done(void *ctx)
{
    struct many *many = ctx;
    for (unsigned i = 0; i < many->count; i++) {
        if (!many->heard[i].dones)
            return false;
    }
    return true;
}

static void test_many_calls(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    struct serving s;
    static struct heard heard[COUNT];
    memset(heard, 0, sizeof heard);
    open_serving(&s, (struct od_http_client_config){.per_origin_max = 4},
                 (struct od_http_server_config){0});
    for (unsigned i = 0; i < COUNT; i++) {
        char url[160];
        snprintf(url, sizeof url, "%s/n?%u", s.url, i);
        struct od_http_call call = {
            .url = url, .allow_private = true, .on_done = on_done, .ctx = &heard[i]};
        assert_int_equal(od_http_client_request(s.f.client, &call, NULL), 0);
    }
    struct many many = {heard, COUNT};
    assert_true(run_until(&s.f.loop, all_done, &many, 10000));
    for (unsigned i = 0; i < COUNT; i++) {
        char want[64];
        snprintf(want, sizeof want, "GET /n|%u|", i);
        assert_int_equal(heard[i].err, 0);
        assert_string_equal(heard[i].body, want);
        assert_string_equal(heard[i].type, "text/plain");
    }
    assert_true(app_stats(&s.app).accepted <= 4);
    close_serving(&s);
}

/* More origins than connections: each waits for another's idle connection to give way. */
static void test_connections_max(void **state)
{
    (void)state;
    enum { PEERS = 6 };
    struct fixture f;
    static struct peer peers[PEERS];
    struct heard heard[PEERS] = {{0}};
    open_client(&f, (struct od_http_client_config){.connections_max = 2});
    for (unsigned i = 0; i < PEERS; i++) {
        char url[128];
        peer_open(&peers[i], &f.loop, &good, 1);
        url_of(&peers[i], "/", url);
        struct od_http_call call = {
            .url = url, .allow_private = true, .on_done = on_done, .ctx = &heard[i]};
        assert_int_equal(od_http_client_request(f.client, &call, NULL), 0);
    }
    struct many many = {heard, PEERS};
    assert_true(run_until(&f.loop, all_done, &many, 10000));
    for (unsigned i = 0; i < PEERS; i++)
        assert_int_equal(heard[i].err, 0);
    close_client(&f);
    for (unsigned i = 0; i < PEERS; i++)
        peer_close(&peers[i]);
    close_loop(&f);
}

static void test_limits(void **state)
{
    (void)state;
    struct serving s;
    static struct heard heard[8];
    memset(heard, 0, sizeof heard);
    open_serving(&s,
                 (struct od_http_client_config){
                     .calls_max = 4, .per_origin_max = 1, .waiting_per_origin_max = 3},
                 (struct od_http_server_config){0});
    char url[160];
    snprintf(url, sizeof url, "%s/hold", s.url);
    struct od_http_call call = {.url = url, .allow_private = true, .on_done = on_done};
    for (unsigned i = 0; i < 3; i++) {
        call.ctx = &heard[i];
        assert_int_equal(od_http_client_request(s.f.client, &call, NULL), 0);
    }
    call.ctx = &heard[7];
    assert_int_equal(od_http_client_request(s.f.client, &call, NULL), OD_EBUSY);
    call.url = "http://192.0.2.1/";
    call.ctx = &heard[3];
    assert_int_equal(od_http_client_request(s.f.client, &call, NULL), 0);
    call.ctx = &heard[7];
    assert_int_equal(od_http_client_request(s.f.client, &call, NULL), OD_EBUSY);
    close_client(&s.f); /* each that was taken hears of it, once */
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(heard[i].dones, 1);
        assert_int_equal(heard[i].err, OD_ECANCELED);
    }
    assert_int_equal(heard[7].dones, 0);
    app_close(&s.app);
    close_loop(&s.f);
}

static void test_head_and_errors(void **state)
{
    (void)state;
    struct serving s;
    open_serving(&s, (struct od_http_client_config){0}, (struct od_http_server_config){0});
    struct heard heard = {0};
    char url[160];
    snprintf(url, sizeof url, "%s/x", s.url);
    struct od_http_call call = {
        .method = "HEAD", .url = url, .allow_private = true, .on_done = on_done, .ctx = &heard};
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(od_http_client_request(s.f.client, &call, NULL), 0);
        assert_true(run_until(&s.f.loop, is_done, &heard, 5000));
        assert_int_equal(heard.status, 200);
        assert_int_equal(heard.bytes, 0);
        heard = (struct heard){0};
    }
    assert_int_equal(app_stats(&s.app).accepted, 1);
    close_serving(&s);
}

/* The server closes a kept connection just as it is used again: a GET is sent once more on a new
 * one, a POST is not, because nobody knows whether it was heard. */
static void test_stale_connection(void **state)
{
    (void)state;
    static const struct script scripts[] = {
        {.before = OK "Content-Length: 2\r\n\r\nhi"}, {.then = CLOSE}, GOOD};
    static const char *const methods[] = {"GET", "POST"};
    for (unsigned i = 0; i < 2; i++) {
        struct fixture f;
        struct peer peer;
        char url[128];
        open_client(&f, (struct od_http_client_config){0});
        peer_open(&peer, &f.loop, scripts, 3);
        url_of(&peer, "/", url);
        struct heard heard = {0};
        struct od_http_call call = {.method = methods[i],
                                    .url = url,
                                    .allow_private = true,
                                    .on_done = on_done,
                                    .ctx = &heard};
        assert_int_equal(od_http_client_request(f.client, &call, NULL), 0);
        assert_true(run_until(&f.loop, is_done, &heard, 5000));
        heard = (struct heard){0};
        assert_int_equal(od_http_client_request(f.client, &call, NULL), 0);
        assert_true(run_until(&f.loop, is_done, &heard, 5000));
        assert_int_equal(heard.err, i == 0 ? 0 : OD_EDOWN);
        assert_int_equal(peer.requests, i == 0 ? 3 : 2);
        close_client(&f);
        peer_close(&peer);
        close_loop(&f);
    }
}

/* Streams */

static void on_stream_head(void *ctx, const struct od_http_answer *answer)
{
    struct heard *heard = ctx;
    heard->heads++;
    heard->status = answer->status;
}

static void on_stream_data(void *ctx, const char *data, size_t bytes)
{
    struct heard *heard = ctx;
    (void)data;
    assert_int_equal(heard->heads, 1);
    heard->streamed += bytes;
    if (heard->cancel_on_data)
        od_http_call_cancel(heard->client, heard->id);
}

static void test_streamed_answer(void **state)
{
    (void)state;
    struct serving s;
    open_serving(&s, (struct od_http_client_config){0}, (struct od_http_server_config){0});
    s.app.big_bytes = 100 << 20;
    struct heard heard = {.client = s.f.client};
    char url[160];
    snprintf(url, sizeof url, "%s/big", s.url);
    struct od_http_call call = {.url = url,
                                .allow_private = true,
                                .on_head = on_stream_head,
                                .on_data = on_stream_data,
                                .on_done = on_done,
                                .ctx = &heard};
    assert_int_equal(od_http_client_request(s.f.client, &call, &heard.id), 0);
    assert_true(run_until(&s.f.loop, is_done, &heard, 30000));
    assert_int_equal(heard.err, 0);
    assert_true(heard.streamed == 100 << 20);
    /* Cancelled from its own callback: nothing more is heard but the end. */
    heard = (struct heard){.client = s.f.client, .cancel_on_data = true};
    assert_int_equal(od_http_client_request(s.f.client, &call, &heard.id), 0);
    assert_true(run_until(&s.f.loop, is_done, &heard, 30000));
    assert_int_equal(heard.err, OD_ECANCELED);
    assert_true(heard.streamed <= 65536);
    od_http_call_cancel(s.f.client, heard.id); /* stale: finds nothing */
    close_serving(&s);
}

static void test_silence(void **state)
{
    (void)state;
    struct fixture f;
    struct peer peer;
    static const struct script script = {.before = OK CHUNKED "2\r\nhi\r\n"};
    char url[128];
    open_client(&f, (struct od_http_client_config){0});
    peer_open(&peer, &f.loop, &script, 1);
    url_of(&peer, "/", url);
    struct heard heard = {0};
    struct od_http_call call = {.url = url,
                                .deadline_ms = OD_HTTP_NO_DEADLINE,
                                .idle_ms = 50,
                                .allow_private = true,
                                .on_head = on_stream_head,
                                .on_data = on_stream_data,
                                .on_done = on_done,
                                .ctx = &heard};
    assert_int_equal(od_http_client_request(f.client, &call, NULL), 0);
    assert_true(run_until(&f.loop, is_done, &heard, 5000));
    assert_int_equal(heard.err, OD_ETIMEOUT);
    assert_int_equal(heard.streamed, 2);
    close_client(&f);
    peer_close(&peer);
    close_loop(&f);
}

struct upload {
    struct heard heard; /* first: on_done takes the same ctx */
    uint64_t left;
    size_t most_queued;
};

static void on_upload_writable(void *ctx, struct od_http_call_id id)
{
    static const char piece[65536];
    struct upload *upload = ctx;
    while (upload->left) {
        size_t n = upload->left < sizeof piece ? (size_t)upload->left : sizeof piece;
        int64_t queued = od_http_call_write(upload->heard.client, id, piece, n);
        if (queued < 0)
            return;
        upload->left -= n;
        if ((size_t)queued > upload->most_queued)
            upload->most_queued = (size_t)queued;
        if (queued > OD_HTTP_WRITE_HIGH)
            return;
    }
    od_http_call_finish(upload->heard.client, id);
    od_http_call_finish(upload->heard.client, id); /* a second time changes nothing */
}

static void test_streamed_upload(void **state)
{
    (void)state;
    struct serving s;
    open_serving(&s, (struct od_http_client_config){0}, (struct od_http_server_config){0});
    s.app.limit = UINT64_C(1) << 30;
    struct upload upload = {.heard.client = s.f.client, .left = 100 << 20};
    char url[160];
    snprintf(url, sizeof url, "%s/stream", s.url);
    struct od_http_call call = {.method = "POST",
                                .url = url,
                                .content_type = "text/csv",
                                .stream_body = true,
                                .allow_private = true,
                                .on_writable = on_upload_writable,
                                .on_done = on_done,
                                .ctx = &upload};
    size_t before = rss_bytes();
    assert_int_equal(od_http_client_request(s.f.client, &call, &upload.heard.id), 0);
    assert_true(run_until(&s.f.loop, is_done, &upload.heard, 30000));
    assert_int_equal(upload.heard.err, 0);
    assert_string_equal(upload.heard.body, "counted 104857600");
    print_message("100 MiB up: at most %zu KiB queued, resident %zu -> %zu KiB\n",
                  upload.most_queued / 1024, before / 1024, rss_bytes() / 1024);
    assert_true(upload.most_queued <= OD_HTTP_WRITE_HIGH + 65536 + 16);
    /* The sanitizers keep what was freed for a while; without backpressure it would be 100 MiB. */
    assert_true(rss_bytes() < before + (40 << 20));
    close_serving(&s);
}

/* An upload that takes several times the silence allowed, because the server takes it slowly. */
static void test_slow_upload(void **state)
{
    (void)state;
    struct serving s;
    open_serving(&s, (struct od_http_client_config){0}, (struct od_http_server_config){0});
    s.app.limit = UINT64_C(1) << 30;
    struct upload upload = {.heard.client = s.f.client, .left = 48 << 20};
    char url[160];
    snprintf(url, sizeof url, "%s/pause", s.url);
    struct od_http_call call = {.method = "POST",
                                .url = url,
                                .stream_body = true,
                                .deadline_ms = OD_HTTP_NO_DEADLINE,
                                .idle_ms = 1000, /* socket buffers give way in steps */
                                .allow_private = true,
                                .on_writable = on_upload_writable,
                                .on_done = on_done,
                                .ctx = &upload};
    uint64_t start = uv_hrtime();
    assert_int_equal(od_http_client_request(s.f.client, &call, &upload.heard.id), 0);
    assert_true(run_until(&s.f.loop, is_done, &upload.heard, 30000));
    assert_int_equal(upload.heard.err, 0);
    assert_true(uv_hrtime() - start > 2 * UINT64_C(1000000000));
    close_serving(&s);
}

/* The server says no before it has the whole upload. */
static void test_refused_upload(void **state)
{
    (void)state;
    struct serving s;
    open_serving(&s, (struct od_http_client_config){0}, (struct od_http_server_config){0});
    struct upload upload = {.heard.client = s.f.client, .left = 100 << 20};
    char url[160];
    snprintf(url, sizeof url, "%s/early", s.url);
    struct od_http_call call = {.method = "POST",
                                .url = url,
                                .stream_body = true,
                                .allow_private = true,
                                .on_writable = on_upload_writable,
                                .on_done = on_done,
                                .ctx = &upload};
    assert_int_equal(od_http_client_request(s.f.client, &call, &upload.heard.id), 0);
    assert_true(run_until(&s.f.loop, is_done, &upload.heard, 30000));
    assert_int_equal(upload.heard.err, 0);
    assert_int_equal(upload.heard.status, 403);
    assert_int_equal(od_http_call_write(s.f.client, upload.heard.id, "x", 1), OD_ENOENT);
    close_serving(&s);
}

static void test_unix(void **state)
{
    (void)state;
    struct serving s;
    char listen[64], base[64], url[160];
    snprintf(base, sizeof base, "unix:/tmp/od-http-client-%d.sock", (int)uv_os_getpid());
    snprintf(listen, sizeof listen, "%s", base);
    open_serving(&s, (struct od_http_client_config){0},
                 (struct od_http_server_config){.listen = listen});
    assert_int_equal(od_http_url_join(base, "/x?y", url, sizeof url), 0);
    struct heard heard = {0};
    struct od_http_call call = {
        .url = url, .allow_private = true, .on_done = on_done, .ctx = &heard};
    assert_int_equal(od_http_client_request(s.f.client, &call, NULL), 0);
    assert_true(run_until(&s.f.loop, is_done, &heard, 5000));
    assert_int_equal(heard.err, 0);
    assert_string_equal(heard.body, "GET /x|y|");
    close_serving(&s);
}

static void test_join(void **state)
{
    (void)state;
    char out[64];
    assert_int_equal(od_http_url_join("http://a:1", "/x", out, sizeof out), 0);
    assert_string_equal(out, "http://a:1/x");
    assert_int_equal(od_http_url_join("http://a/p/", "/x", out, sizeof out), 0);
    assert_string_equal(out, "http://a/p/x");
    assert_int_equal(od_http_url_join("unix:/s", "/x", out, sizeof out), 0);
    assert_string_equal(out, "unix:/s:/x");
    assert_int_equal(od_http_url_join("unix:/s:/p/", "/x", out, sizeof out), 0);
    assert_string_equal(out, "unix:/s:/p/x");
    assert_int_equal(od_http_url_join("http://a", "/long", out, 10), OD_ETOOBIG);
}

/* Deadlines of calls that wait for a place: from request(), or from when the place is free. */
static void test_deadline_from_start(void **state)
{
    (void)state;
    struct serving s;
    struct heard held = {0}, from_request = {0}, from_start = {0};
    open_serving(&s, (struct od_http_client_config){.per_origin_max = 1},
                 (struct od_http_server_config){0});
    char hold[160], url[160];
    snprintf(hold, sizeof hold, "%s/hold", s.url);
    snprintf(url, sizeof url, "%s/x", s.url);
    struct od_http_call call = {
        .url = hold, .deadline_ms = 200, .allow_private = true, .on_done = on_done, .ctx = &held};
    assert_int_equal(od_http_client_request(s.f.client, &call, NULL), 0);
    call.url = url;
    call.deadline_ms = 100;
    call.ctx = &from_request;
    assert_int_equal(od_http_client_request(s.f.client, &call, NULL), 0);
    call.deadline_from_start = true;
    call.ctx = &from_start;
    assert_int_equal(od_http_client_request(s.f.client, &call, NULL), 0);
    assert_true(run_until(&s.f.loop, is_done, &from_start, 5000));
    assert_int_equal(held.err, OD_ETIMEOUT);
    assert_int_equal(from_request.err, OD_ETIMEOUT);
    assert_int_equal(from_start.err, 0);
    close_serving(&s);
}

/* close() from a call's own callback. */
static void done_closes(void *ctx, int err, const struct od_http_answer *answer)
{
    struct fixture *f = ctx;
    (void)err;
    (void)answer;
    od_http_client_close(f->client, client_closed, f);
}

static void test_close_from_done(void **state)
{
    (void)state;
    static const char *const urls[] = {"http://127.0.0.1:9/", "http://localhost:9/"};
    for (unsigned i = 0; i < 2; i++) {
        struct fixture f;
        open_client(&f, (struct od_http_client_config){0});
        struct od_http_call call = {.url = urls[i], .on_done = done_closes, .ctx = &f};
        assert_int_equal(od_http_client_request(f.client, &call, NULL), 0);
        assert_true(run_until(&f.loop, is_closed, &f, 5000));
        close_loop(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streamed_upload), /* first: it looks at the memory used */
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_unasked),
        cmocka_unit_test(test_request_text),
        cmocka_unit_test(test_refused_definitions),
        cmocka_unit_test(test_guard_applies),
        cmocka_unit_test(test_not_there),
        cmocka_unit_test(test_all_addresses),
        cmocka_unit_test(test_many_calls),
        cmocka_unit_test(test_connections_max),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_head_and_errors),
        cmocka_unit_test(test_stale_connection),
        cmocka_unit_test(test_streamed_answer),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_slow_upload),
        cmocka_unit_test(test_refused_upload),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_deadline_from_start),
        cmocka_unit_test(test_close_from_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
