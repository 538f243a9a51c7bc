/*
 * http_client_bench - see http_client_bench.h.
 */
#include "http_client_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A server that answers each request with a script. */

const struct script good = GOOD;

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

void peer_open(struct peer *peer, uv_loop_t *loop, const struct script *scripts, unsigned count)
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

void on_done(void *ctx, int err, const struct od_http_answer *answer)
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

bool is_done(void *ctx)
{
    return ((struct heard *)ctx)->dones > 0;
}

void open_client(struct fixture *f, struct od_http_client_config config)
{
    f->closed = false;
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(od_http_client_open(&f->client, &f->loop, &config), 0);
}

void client_closed(void *ctx)
{
    ((struct fixture *)ctx)->closed = true;
}

bool is_closed(void *ctx)
{
    return ((struct fixture *)ctx)->closed;
}

void close_client(struct fixture *f)
{
    od_http_client_close(f->client, client_closed, f);
    assert_false(f->closed);
    assert_true(run_until(&f->loop, is_closed, f, 10000));
}

void close_loop(struct fixture *f)
{
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
}

void peer_close(struct peer *peer)
{
    uv_close((uv_handle_t *)&peer->listener, NULL);
}

void url_of(const struct peer *peer, const char *path, char out[128])
{
    snprintf(out, 128, "http://127.0.0.1:%u%s", peer->port, path);
}
