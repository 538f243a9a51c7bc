/*
 * http_support - see the header.
 */
#include "http_support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LIMIT_MS = 10000 };

bool run_until(uv_loop_t *loop, bool (*done)(void *ctx), void *ctx, unsigned limit_ms)
{
    uint64_t end = uv_hrtime() + (uint64_t)limit_ms * 1000000;
    while (!done(ctx)) {
        if (uv_hrtime() > end)
            return false;
        uv_run(loop, UV_RUN_NOWAIT);
    }
    return true;
}

struct raw raw_connect(uint16_t port)
{
    struct raw raw = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    assert_true(raw.fd >= 0);
    assert_int_equal(connect(raw.fd, (struct sockaddr *)&addr, sizeof addr), 0);
    setsockopt(raw.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return raw;
}

void raw_close(struct raw *raw)
{
    if (raw->fd >= 0)
        close(raw->fd);
    free(raw->got);
    *raw = (struct raw){.fd = -1};
}

void raw_send(uv_loop_t *loop, struct raw *raw, const char *data, size_t bytes)
{
    uint64_t end = uv_hrtime() + UINT64_C(60000000000);
    while (bytes && uv_hrtime() < end) {
        ssize_t sent = send(raw->fd, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            bytes -= (size_t)sent;
        } else if (errno != EAGAIN) {
            return; /* the server has cut us off: the test looks at what it said */
        }
        uv_run(loop, UV_RUN_NOWAIT);
    }
}

void raw_text(uv_loop_t *loop, struct raw *raw, const char *text)
{
    raw_send(loop, raw, text, strlen(text));
}

void raw_poll(struct raw *raw)
{
    while (!raw->ended) {
        if (raw->got_size - raw->got_bytes < 65536 + 1) {
            raw->got_size = raw->got_size * 2 + 131072;
            raw->got = realloc(raw->got, raw->got_size);
            assert_non_null(raw->got);
        }
        ssize_t n = recv(raw->fd, raw->got + raw->got_bytes, 65536, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            raw->ended = true;
            raw->reset = n < 0;
            break;
        }
        raw->got_bytes += (size_t)n;
    }
    if (raw->got)
        raw->got[raw->got_bytes] = 0;
}

struct expect {
    struct raw *raw;
    const char *text;
    size_t looked; /* so far: an answer of megabytes is searched once */
    bool found;
};

static bool has_text(void *ctx)
{
    struct expect *expect = ctx;
    struct raw *raw = expect->raw;
    raw_poll(raw);
    if (raw->got_bytes > expect->looked) {
        expect->found = strstr(raw->got + expect->looked, expect->text) != NULL;
        size_t tail = strlen(expect->text) - 1;
        expect->looked = raw->got_bytes > tail ? raw->got_bytes - tail : 0;
    }
    return raw->ended || expect->found;
}

bool raw_expect(uv_loop_t *loop, struct raw *raw, const char *text)
{
    struct expect expect = {.raw = raw, .text = text};
    run_until(loop, has_text, &expect, LIMIT_MS);
    return expect.found;
}

static bool has_ended(void *ctx)
{
    raw_poll(ctx);
    return ((struct raw *)ctx)->ended;
}

bool raw_expect_end(uv_loop_t *loop, struct raw *raw)
{
    return run_until(loop, has_ended, raw, LIMIT_MS);
}

void raw_forget(struct raw *raw)
{
    raw->got_bytes = 0;
    if (raw->got)
        raw->got[0] = 0;
}

/* The application */

static void answer_echo(struct od_exchange *x, const char *data, size_t bytes)
{
    char text[512];
    int n = snprintf(text, sizeof text, "%s %.100s|%.100s|%.*s", x->method, x->path, x->query,
                     (int)(bytes < 200 ? bytes : 200), data);
    x->ops->respond(x, 200, "text/plain", NULL, text, (size_t)n);
}

static void on_later(uv_timer_t *timer)
{
    struct app *app = timer->data;
    struct od_exchange *x = app->waiting;
    app->waiting = NULL;
    if (!x)
        return;
    if (app->paused) {
        app->paused = false;
        x->ops->resume(x);
    } else {
        answer_echo(x, "", 0);
    }
}

static void answer_big(struct app *app, struct od_exchange *x)
{
    char *body = malloc(app->big_bytes + 1);
    assert_non_null(body);
    memset(body, 'b', app->big_bytes);
    x->ops->respond(x, 200, "application/octet-stream", "Cache-Control: no-store\r\n", body,
                    app->big_bytes);
    free(body);
}

static void answer_chunks(struct od_exchange *x)
{
    x->ops->begin(x, 200, "text/plain", NULL);
    x->ops->write(x, "one ", 4);
    x->ops->write(x, "two ", 4);
    x->ops->write(x, "three", 5);
    x->ops->finish(x);
}

static void answer_flood(struct od_exchange *x)
{
    static char piece[65536];
    x->ops->begin(x, 200, "text/plain", NULL);
    for (int i = 0; i < 2000; i++)
        x->ops->write(x, piece, sizeof piece);
    x->ops->finish(x);
}

static enum od_body_mode app_head(void *ctx, struct od_exchange *x, uint64_t *limit)
{
    struct app *app = ctx;
    app->heads++;
    if (app->limit)
        *limit = app->limit;
    if (strcmp(x->path, "/early") == 0) {
        x->ops->respond(x, 403, "text/plain", NULL, "no", 2);
        return OD_BODY_BUFFER;
    }
    if (strcmp(x->path, "/none") == 0) {
        x->ops->respond(x, 200, NULL, NULL, NULL, 0);
        return OD_BODY_NONE;
    }
    if (strcmp(x->path, "/stream") == 0 || strcmp(x->path, "/pause") == 0)
        return OD_BODY_STREAM;
    return OD_BODY_BUFFER;
}

/* Answers itself under /own, leaves all else to the server. */
static void app_refuse(void *ctx, struct od_exchange *x, int status)
{
    (void)ctx;
    if (strncmp(x->path, "/own", 4) == 0)
        x->ops->respond(x, status, "text/plain", NULL, "in its own words", 16);
}

static void app_stream(struct app *app, struct od_exchange *x, size_t bytes, bool last)
{
    app->body_bytes += bytes;
    app->pieces++;
    if (last) {
        char text[64];
        int n = snprintf(text, sizeof text, "counted %llu", (unsigned long long)app->body_bytes);
        x->ops->respond(x, 200, "text/plain", NULL, text, (size_t)n);
    } else if (strcmp(x->path, "/pause") == 0) {
        x->ops->pause(x);
        app->paused = true;
        app->waiting = x;
        uv_timer_start(&app->later, on_later, 3, 0);
    }
}

static void app_body(void *ctx, struct od_exchange *x, const char *data, size_t bytes, bool last)
{
    struct app *app = ctx;
    app->bodies++;
    if (strcmp(x->path, "/stream") == 0 || strcmp(x->path, "/pause") == 0) {
        app_stream(app, x, bytes, last);
        return;
    }
    assert_true(last);
    if (strcmp(x->path, "/later") == 0) {
        app->waiting = x;
        uv_timer_start(&app->later, on_later, 5, 0);
    } else if (strcmp(x->path, "/hold") == 0) {
        app->held = x;
    } else if (strcmp(x->path, "/chunks") == 0) {
        answer_chunks(x);
    } else if (strcmp(x->path, "/big") == 0) {
        answer_big(app, x);
    } else if (strcmp(x->path, "/flood") == 0) {
        answer_flood(x);
    } else if (strcmp(x->path, "/bad") == 0) {
        x->ops->respond(x, 200, "text/plain", "X: a\nSet-Cookie: b\r\n", "body", 4);
    } else {
        answer_echo(x, data, bytes);
    }
}

static void app_exchange_closed(void *ctx, struct od_exchange *x)
{
    struct app *app = ctx;
    app->closeds++;
    if (app->waiting == x)
        app->waiting = NULL;
    if (app->held == x)
        app->held = NULL;
}

void app_open(struct app *app, uv_loop_t *loop, const struct od_http_server_config *config)
{
    *app = (struct app){.loop = loop};
    app->handler = (struct od_http_handler){.ctx = app,
                                            .head = app_head,
                                            .body = app_body,
                                            .closed = app_exchange_closed,
                                            .refuse = app_refuse};
    uv_timer_init(loop, &app->later);
    app->later.data = app;
    struct od_http_server_config own = *config;
    char why[200] = "";
    if (!own.listen)
        own.listen = "127.0.0.1:0";
    if (od_http_server_open(&app->server, loop, &own, &app->handler, why, sizeof why))
        fail_msg("%s", why);
}

static void on_closed(void *ctx)
{
    ((struct app *)ctx)->closed = true;
}

static bool is_closed(void *ctx)
{
    return ((struct app *)ctx)->closed;
}

void app_close(struct app *app)
{
    od_http_server_close(app->server, on_closed, app);
    assert_true(run_until(app->loop, is_closed, app, LIMIT_MS));
    uv_close((uv_handle_t *)&app->later, NULL);
    uv_run(app->loop, UV_RUN_DEFAULT);
    assert_int_equal(app->heads, app->closeds);
}

uint16_t app_port(const struct app *app)
{
    return od_http_server_bound_port(app->server);
}

struct od_http_server_stats app_stats(const struct app *app)
{
    struct od_http_server_stats stats;
    od_http_server_stats(app->server, &stats);
    return stats;
}

size_t rss_bytes(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}
