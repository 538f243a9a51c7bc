/*
 * The HTTP client against our own server: many calls at once, connections that are kept and go
 * stale, bodies that stream both ways, deadlines, and its end in the middle of all that.
 */
#include "http_client_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"

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
    struct upload upload = {.heard.client = s.f.client, .left = 96 << 20};
    char url[160];
    snprintf(url, sizeof url, "%s/pause", s.url);
    struct od_http_call call = {.method = "POST",
                                .url = url,
                                .stream_body = true,
                                .deadline_ms = OD_HTTP_NO_DEADLINE,
                                .idle_ms = 3000, /* socket buffers give way in steps */
                                .allow_private = true,
                                .on_writable = on_upload_writable,
                                .on_done = on_done,
                                .ctx = &upload};
    uint64_t start = uv_hrtime();
    assert_int_equal(od_http_client_request(s.f.client, &call, &upload.heard.id), 0);
    assert_true(run_until(&s.f.loop, is_done, &upload.heard, 30000));
    assert_int_equal(upload.heard.err, 0);
    assert_true(uv_hrtime() - start > 3 * UINT64_C(1000000000));
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
