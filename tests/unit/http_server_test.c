/*
 * The HTTP server over real loopback sockets: time (slow, idle and stuck clients), order, size
 * (what is large must not stay in memory), and its own ends (drain, close, no descriptors left).
 *
 * Deadlines are made short by configuration; nothing is waited for but a condition with a limit.
 */
#include "http_support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "outdial/err.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

struct fixture {
    uv_loop_t loop;
    struct app app;
};

static void open_with(struct fixture *f, struct od_http_server_config config)
{
    assert_int_equal(uv_loop_init(&f->loop), 0);
    app_open(&f->app, &f->loop, &config);
}

static void close_all(struct fixture *f)
{
    app_close(&f->app);
    assert_int_equal(uv_loop_close(&f->loop), 0);
}

static unsigned count_text(const char *text, const char *word)
{
    unsigned n = 0;
    for (const char *p = text; p && (p = strstr(p, word)); p += strlen(word))
        n++;
    return n;
}

/* Order */

static void test_pipelining(void **state)
{
    (void)state;
    struct fixture f;
    enum { COUNT = 500 };
    open_with(&f, (struct od_http_server_config){0});
    struct raw raw = raw_connect(app_port(&f.app));
    char text[128];
    for (int i = 0; i < COUNT; i++) {
        /* Some are answered at once, some from a timer: the order must not change. */
        snprintf(text, sizeof text, "GET /%s?n=%d. HTTP/1.1\r\nHost: a\r\n\r\n",
                 i % 7 == 3 ? "later" : "x", i);
        raw_text(&f.loop, &raw, text);
    }
    snprintf(text, sizeof text, "n=%d.", COUNT - 1);
    assert_true(raw_expect(&f.loop, &raw, text));
    const char *at = raw.got;
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "n=%d.", i);
        const char *next = strstr(at, text);
        assert_non_null(next);
        at = next;
    }
    assert_int_equal(count_text(raw.got, "HTTP/1.1 200"), COUNT);
    raw_close(&raw);
    close_all(&f);
}

static void test_continue(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, (struct od_http_server_config){0});
    struct raw raw = raw_connect(app_port(&f.app));
    raw_text(&f.loop, &raw,
             "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_true(raw_expect(&f.loop, &raw, "HTTP/1.1 100 Continue\r\n\r\n"));
    assert_null(strstr(raw.got, "200 OK"));
    raw_text(&f.loop, &raw, "abc");
    assert_true(raw_expect(&f.loop, &raw, "POST /x||abc"));
    assert_int_equal(count_text(raw.got, "100 Continue"), 1);
    raw_close(&raw);
    close_all(&f);
}

/* A client that has said all it has to say may end its side and still read. */
static void test_half_open(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, (struct od_http_server_config){0});
    struct raw raw = raw_connect(app_port(&f.app));
    raw_text(&f.loop, &raw, GET("/later") GET("/second"));
    shutdown(raw.fd, SHUT_WR);
    assert_true(raw_expect_end(&f.loop, &raw));
    assert_non_null(strstr(raw.got, "GET /later||"));
    assert_non_null(strstr(raw.got, "GET /second||"));
    raw_close(&raw);
    /* In the middle of a request there is nothing to answer. */
    raw = raw_connect(app_port(&f.app));
    raw_text(&f.loop, &raw, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab");
    shutdown(raw.fd, SHUT_WR);
    assert_true(raw_expect_end(&f.loop, &raw));
    assert_int_equal(raw.got_bytes, 0);
    raw_close(&raw);
    close_all(&f);
}

static bool has_held(void *ctx)
{
    return ((struct app *)ctx)->held != NULL;
}

static bool has_no_connection(void *ctx)
{
    return app_stats(ctx).connections == 0;
}

static void test_client_leaves(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, (struct od_http_server_config){0});
    struct raw raw = raw_connect(app_port(&f.app));
    raw_text(&f.loop, &raw, GET("/hold"));
    assert_true(run_until(&f.loop, has_held, &f.app, 5000));
    struct linger now = {1, 0}; /* a reset, as from a client that died */
    setsockopt(raw.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    raw_close(&raw);
    assert_true(run_until(&f.loop, has_no_connection, &f.app, 5000));
    assert_null(f.app.held);
    assert_int_equal(f.app.closeds, 1);
    close_all(&f);
}

/* Two answers to one request: the second changes nothing and is counted. */
static void test_answered_twice(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, (struct od_http_server_config){0});
    struct raw raw = raw_connect(app_port(&f.app));
    raw_text(&f.loop, &raw, GET("/hold"));
    assert_true(run_until(&f.loop, has_held, &f.app, 5000));
    struct od_exchange *x = f.app.held;
    x->ops->respond(x, 200, "text/plain", NULL, "first", 5);
    x->ops->respond(x, 200, "text/plain", NULL, "second", 6);
    assert_int_equal(x->ops->write(x, "third", 5), 0);
    x->ops->finish(x);
    assert_true(raw_expect(&f.loop, &raw, "first"));
    raw_text(&f.loop, &raw, GET("/after"));
    assert_true(raw_expect(&f.loop, &raw, "GET /after||"));
    assert_null(strstr(raw.got, "second"));
    assert_null(strstr(raw.got, "third"));
    assert_int_equal(app_stats(&f.app).odd, 3);
    raw_close(&raw);
    close_all(&f);
}

/* Time */

struct trickle {
    struct raw *raw;
    uint64_t last_ns;
};

/* A byte each 5 ms, until an answer comes. */
static bool trickles_no_more(void *ctx)
{
    struct trickle *trickle = ctx;
    if (uv_hrtime() - trickle->last_ns > 5000000) {
        trickle->last_ns = uv_hrtime();
        if (send(trickle->raw->fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            return true;
    }
    raw_poll(trickle->raw);
    return trickle->raw->got_bytes > 0;
}

static void test_slow_head(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, (struct od_http_server_config){.head_ms = 100, .idle_ms = 100, .linger_ms = 50});
    struct raw silent = raw_connect(app_port(&f.app));
    struct raw slow = raw_connect(app_port(&f.app));
    struct raw idle = raw_connect(app_port(&f.app));
    raw_text(&f.loop, &idle, GET("/x"));
    assert_true(raw_expect(&f.loop, &idle, "GET /x||"));
    raw_forget(&idle);
    /* A byte at a time never resets the deadline. */
    raw_text(&f.loop, &slow, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    struct trickle trickle = {&slow, 0};
    assert_true(run_until(&f.loop, trickles_no_more, &trickle, 5000));
    assert_true(raw_expect(&f.loop, &slow, "HTTP/1.1 408 Request Timeout\r\n"));
    assert_true(raw_expect_end(&f.loop, &silent));
    assert_true(raw_expect_end(&f.loop, &idle));
    assert_int_equal(silent.got_bytes, 0);
    assert_int_equal(idle.got_bytes, 0);
    assert_int_equal(app_stats(&f.app).timeouts, 3);
    raw_close(&silent);
    raw_close(&slow);
    raw_close(&idle);
    close_all(&f);
}

static void test_slow_body(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, (struct od_http_server_config){
                      .rate_window_ms = 50, .rate_bytes_per_s_min = 10000, .linger_ms = 50});
    struct raw raw = raw_connect(app_port(&f.app));
    raw_text(&f.loop, &raw, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    assert_true(raw_expect(&f.loop, &raw, "HTTP/1.1 408"));
    assert_true(raw_expect_end(&f.loop, &raw));
    assert_int_equal(f.app.bodies, 0);
    raw_close(&raw);
    close_all(&f);
}

struct done_at {
    uint64_t ns;
};

static bool is_later(void *ctx)
{
    return uv_hrtime() > ((struct done_at *)ctx)->ns;
}

static bool is_paused(void *ctx)
{
    return ((struct app *)ctx)->paused;
}

/* The time in which the handler held the client is not the client's: three windows long here. */
static void test_paused_body(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, (struct od_http_server_config){.rate_window_ms = 200});
    struct raw raw = raw_connect(app_port(&f.app));
    raw_text(&f.loop, &raw, "POST /pause HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab");
    assert_true(run_until(&f.loop, is_paused, &f.app, 5000));
    uv_timer_stop(&f.app.later);
    struct done_at at = {uv_hrtime() + 600000000};
    assert_true(run_until(&f.loop, is_later, &at, 5000));
    assert_int_equal(app_stats(&f.app).timeouts, 0);
    struct od_exchange *x = f.app.waiting;
    f.app.paused = false;
    x->ops->resume(x);
    raw_text(&f.loop, &raw, "cd");
    assert_true(raw_expect(&f.loop, &raw, "counted 4"));
    raw_close(&raw);
    close_all(&f);
}

static bool has_head(void *ctx)
{
    return ((struct app *)ctx)->heads > 0;
}

/* A client that reads nothing of a large answer. */
static void test_slow_reader(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, (struct od_http_server_config){.rate_window_ms = 200});
    f.app.big_bytes = 20 * 1000 * 1000;
    struct raw raw = raw_connect(app_port(&f.app));
    raw_text(&f.loop, &raw, GET("/big"));
    struct app *app = &f.app;
    assert_true(run_until(&f.loop, has_head, app, 5000));
    assert_true(run_until(&f.loop, has_no_connection, app, 5000));
    assert_int_equal(app_stats(app).timeouts, 1);
    raw_close(&raw);
    /* One that does read gets it all. */
    raw = raw_connect(app_port(app));
    raw_text(&f.loop, &raw, GET("/big"));
    assert_true(raw_expect(&f.loop, &raw, "Content-Length: 20000000\r\n"));
    raw_text(&f.loop, &raw, GET("/after"));
    assert_true(raw_expect(&f.loop, &raw, "GET /after||"));
    assert_true(raw.got_bytes > 20 * 1000 * 1000);
    raw_close(&raw);
    close_all(&f);
}

static void test_flood(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, (struct od_http_server_config){.write_queue_bytes_max = 1 << 20});
    struct raw raw = raw_connect(app_port(&f.app));
    raw_text(&f.loop, &raw, GET("/flood"));
    assert_true(raw_expect_end(&f.loop, &raw));
    assert_int_equal(app_stats(&f.app).overruns, 1);
    raw_close(&raw);
    close_all(&f);
}

/* Size */

static void upload(struct fixture *f, const char *path, uint64_t bytes, bool chunked)
{
    static char piece[65536 + 16];
    struct raw raw = raw_connect(app_port(&f->app));
    char head[256], want[64];
    f->app.body_bytes = 0;
    snprintf(want, sizeof want, "counted %llu", (unsigned long long)bytes);
    if (chunked)
        snprintf(head, sizeof head,
                 "POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", path);
    else
        snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %llu\r\n\r\n",
                 path, (unsigned long long)bytes);
    raw_text(&f->loop, &raw, head);
    int prefix = chunked ? snprintf(piece, sizeof piece, "10000\r\n") : 0;
    memset(piece + prefix, 'x', 65536);
    if (chunked)
        memcpy(piece + prefix + 65536, "\r\n", 2);
    for (uint64_t sent = 0; sent < bytes; sent += 65536)
        raw_send(&f->loop, &raw, piece, (size_t)prefix + 65536 + (chunked ? 2 : 0));
    if (chunked)
        raw_text(&f->loop, &raw, "0\r\n\r\n");
    assert_true(raw_expect(&f->loop, &raw, want));
    raw_close(&raw);
}

static void test_large_uploads(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, (struct od_http_server_config){0});
    f.app.limit = UINT64_C(1) << 30;
    upload(&f, "/stream", 1 << 20, true); /* whatever is allocated once is allocated now */
    size_t before = rss_bytes();
    upload(&f, "/stream", 100 << 20, true);
    upload(&f, "/stream", 100 << 20, false);
    upload(&f, "/pause", 4 << 20, true); /* paused after each piece */
    size_t after = rss_bytes();
    print_message("resident before %zu KiB, after 204 MiB of uploads %zu KiB\n", before / 1024,
                  after / 1024);
    assert_true(after < before + (8 << 20));
    close_all(&f);
}

static void test_chunked_body_limit(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, (struct od_http_server_config){.linger_ms = 100});
    f.app.limit = 10;
    struct raw raw = raw_connect(app_port(&f.app));
    raw_text(&f.loop, &raw,
             "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
             "a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n");
    assert_true(raw_expect(&f.loop, &raw, "HTTP/1.1 413 Content Too Large\r\n"));
    assert_true(raw_expect_end(&f.loop, &raw));
    assert_int_equal(f.app.bodies, 0);
    raw_close(&raw);
    close_all(&f);
}

static void raise_descriptor_limit(rlim_t wanted)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

struct enough {
    struct app *app;
    uint32_t connections;
};

static bool has_connections(void *ctx)
{
    struct enough *enough = ctx;
    return app_stats(enough->app).connections >= enough->connections;
}

static void test_many_idle(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    struct fixture f;
    raise_descriptor_limit(2 * COUNT + 100);
    open_with(&f, (struct od_http_server_config){0});
    struct raw *raws = calloc(COUNT, sizeof *raws);
    size_t before = rss_bytes();
    for (unsigned i = 0; i < COUNT; i++) {
        raws[i] = raw_connect(app_port(&f.app));
        uv_run(&f.loop, UV_RUN_NOWAIT);
    }
    struct enough enough = {&f.app, COUNT};
    assert_true(run_until(&f.loop, has_connections, &enough, 10000));
    /* Each has been used once, so that what it keeps when idle is what is measured. */
    for (unsigned i = 0; i < COUNT; i++)
        raw_text(&f.loop, &raws[i], GET("/x"));
    for (unsigned i = 0; i < COUNT; i++) {
        char buf[512];
        struct raw *raw = &raws[i];
        while (recv(raw->fd, buf, sizeof buf, MSG_DONTWAIT) <= 0)
            uv_run(&f.loop, UV_RUN_NOWAIT);
    }
    size_t after = rss_bytes();
    print_message("%u idle connections: %zu bytes each\n", COUNT,
                  after > before ? (after - before) / COUNT : 0);
    assert_true(after < before + (size_t)COUNT * 8192);
    for (unsigned i = 0; i < COUNT; i++)
        raw_close(&raws[i]);
    assert_true(run_until(&f.loop, has_no_connection, &f.app, 10000));
    free(raws);
    close_all(&f);
}

/* Too many */

static void test_connections_max(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, (struct od_http_server_config){.connections_max = 2});
    struct raw a = raw_connect(app_port(&f.app)), b = raw_connect(app_port(&f.app));
    struct enough enough = {&f.app, 2};
    assert_true(run_until(&f.loop, has_connections, &enough, 5000));
    struct raw c = raw_connect(app_port(&f.app));
    assert_true(raw_expect(&f.loop, &c, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: "));
    assert_true(raw_expect_end(&f.loop, &c));
    assert_int_equal(app_stats(&f.app).refused, 1);
    raw_text(&f.loop, &a, GET("/x"));
    assert_true(raw_expect(&f.loop, &a, "GET /x||"));
    raw_close(&a);
    raw_close(&b);
    raw_close(&c);
    close_all(&f);
}

static bool has_failed_accept(void *ctx)
{
    return app_stats(ctx).accept_failed > 0;
}

static void test_no_descriptors(void **state)
{
    (void)state;
    struct fixture f;
    struct rlimit old, low;
    open_with(&f, (struct od_http_server_config){0});
    struct raw raw = raw_connect(app_port(&f.app));
    int next = dup(0);
    close(next);
    getrlimit(RLIMIT_NOFILE, &old);
    low = old;
    low.rlim_cur = (rlim_t)next; /* every number below is taken */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_true(run_until(&f.loop, has_failed_accept, &f.app, 5000));
    uint64_t failed = app_stats(&f.app).accept_failed, turns = 0;
    /* It must not spin: the loop sleeps until the next try. */
    uint64_t start = uv_hrtime();
    while (uv_hrtime() - start < 50000000) {
        uv_run(&f.loop, UV_RUN_ONCE);
        turns++;
    }
    assert_true(turns < 20);
    assert_true(app_stats(&f.app).accept_failed <= failed + 3);
    setrlimit(RLIMIT_NOFILE, &old);
    /* The one that waited is served (or was ended, as valgrind's own accept() does it); so is a new
     * one. */
    raw_text(&f.loop, &raw, GET("/x"));
    assert_true(raw_expect(&f.loop, &raw, "GET /x||") || raw.ended);
    raw_close(&raw);
    raw = raw_connect(app_port(&f.app));
    raw_text(&f.loop, &raw, GET("/y"));
    assert_true(raw_expect(&f.loop, &raw, "GET /y||"));
    raw_close(&raw);
    close_all(&f);
}

/* Ends */

struct flag {
    bool set;
};

static void set_flag(void *ctx)
{
    ((struct flag *)ctx)->set = true;
}

static bool is_set(void *ctx)
{
    return ((struct flag *)ctx)->set;
}

static void test_drain(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, (struct od_http_server_config){.linger_ms = 50});
    uint16_t port = app_port(&f.app);
    struct raw idle = raw_connect(port), busy = raw_connect(port);
    raw_text(&f.loop, &idle, GET("/x"));
    assert_true(raw_expect(&f.loop, &idle, "GET /x||"));
    raw_text(&f.loop, &busy, GET("/hold") GET("/never"));
    assert_true(run_until(&f.loop, has_held, &f.app, 5000));
    struct flag drained = {false};
    od_http_server_drain(f.app.server, set_flag, &drained);
    assert_true(raw_expect_end(&f.loop, &idle));
    assert_false(drained.set);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in addr;
    socklen_t bytes = sizeof addr;
    getpeername(busy.fd, (struct sockaddr *)&addr, &bytes);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), -1);
    close(fd);
    struct od_exchange *x = f.app.held;
    x->ops->respond(x, 200, "text/plain", NULL, "given", 5);
    assert_true(raw_expect_end(&f.loop, &busy));
    assert_non_null(strstr(busy.got, "Connection: close\r\n"));
    assert_non_null(strstr(busy.got, "given"));
    assert_null(strstr(busy.got, "never"));
    raw_close(&idle);
    raw_close(&busy);
    assert_true(run_until(&f.loop, is_set, &drained, 5000));
    close_all(&f);
}

static void test_drain_of_nothing(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, (struct od_http_server_config){0});
    struct flag drained = {false};
    od_http_server_drain(f.app.server, set_flag, &drained);
    assert_false(drained.set);
    assert_true(run_until(&f.loop, is_set, &drained, 5000));
    close_all(&f);
}

static void test_close_with_exchanges(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, (struct od_http_server_config){0});
    struct raw a = raw_connect(app_port(&f.app)), b = raw_connect(app_port(&f.app));
    raw_text(&f.loop, &a, GET("/hold"));
    raw_text(&f.loop, &b, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    assert_true(run_until(&f.loop, has_held, &f.app, 5000));
    close_all(&f); /* checks that both exchanges heard closed() */
    raw_close(&a);
    raw_close(&b);
}

/* Addresses */

static void test_unix_socket(void **state)
{
    (void)state;
    struct fixture f;
    char listen[64], why[200];
    const char *path = listen + 5;
    snprintf(listen, sizeof listen, "unix:/tmp/od-http-test-%d.sock", (int)getpid());
    /* A socket file that nobody answers on any more is in nobody's way. */
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(dead, (struct sockaddr *)&un, sizeof un), 0);
    close(dead);
    open_with(&f, (struct od_http_server_config){.listen = listen});
    assert_int_equal(app_port(&f.app), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct raw raw = {.fd = socket(AF_UNIX, SOCK_STREAM, 0)};
    assert_int_equal(connect(raw.fd, (struct sockaddr *)&un, sizeof un), 0);
    raw_text(&f.loop, &raw, GET("/x"));
    assert_true(raw_expect(&f.loop, &raw, "GET /x||"));
    /* One that somebody answers on is. */
    struct od_http_server *second;
    assert_int_equal(od_http_server_open(&second, &f.loop,
                                         &(struct od_http_server_config){.listen = listen},
                                         &f.app.handler, why, sizeof why),
                     OD_EBUSY);
    raw_close(&raw);
    close_all(&f);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_listen_errors(void **state)
{
    (void)state;
    struct fixture f;
    open_with(&f, (struct od_http_server_config){0});
    static const char *const wrong[] = {
        "",
        "8080",
        "localhost:8080",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "[::1]",
        "::1:80",
        "[::1:80",
        "unix:",
        "127.0.0.1:80x",
    };
    struct od_http_server *server;
    char why[300];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        why[0] = 0;
        int err = od_http_server_open(&server, &f.loop,
                                      &(struct od_http_server_config){.listen = wrong[i]},
                                      &f.app.handler, why, sizeof why);
        if (err != OD_EINVAL || !why[0])
            fail_msg("%s: %d %s", wrong[i], err, why);
    }
    char taken[32];
    snprintf(taken, sizeof taken, "127.0.0.1:%u", app_port(&f.app));
    assert_int_equal(od_http_server_open(&server, &f.loop,
                                         &(struct od_http_server_config){.listen = taken},
                                         &f.app.handler, why, sizeof why),
                     OD_EBUSY);
    close_all(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipelining),       cmocka_unit_test(test_continue),
        cmocka_unit_test(test_half_open),        cmocka_unit_test(test_client_leaves),
        cmocka_unit_test(test_answered_twice),   cmocka_unit_test(test_slow_head),
        cmocka_unit_test(test_slow_body),        cmocka_unit_test(test_paused_body),
        cmocka_unit_test(test_slow_reader),      cmocka_unit_test(test_flood),
        cmocka_unit_test(test_large_uploads),    cmocka_unit_test(test_chunked_body_limit),
        cmocka_unit_test(test_many_idle),        cmocka_unit_test(test_connections_max),
        cmocka_unit_test(test_no_descriptors),   cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_of_nothing), cmocka_unit_test(test_close_with_exchanges),
        cmocka_unit_test(test_unix_socket),      cmocka_unit_test(test_listen_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
