/*
 * stream - two buffers for what goes out: one is filled while the other is being written.
 */
#include "bench/load/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/load/frame.h"

enum {
    CONNECT_MS = 5000,
    AGAIN_MS = 200,
    IN_BYTES = 4 * OD_LOAD_MESSAGE_MAX,
    OUT_BYTES = 4 * 1024 * 1024,
};

struct od_load_stream {
    uv_loop_t *loop;
    struct od_carrier_addr server;
    struct od_load_stream_events events;
    uv_tcp_t tcp;
    uv_timer_t again;
    uv_connect_t connecting;
    uv_write_t write;
    bool up, writing, closing;
    unsigned open; /* handles */
    char *in;
    size_t in_bytes;
    char *out, *leaving; /* OUT_BYTES each */
    size_t out_bytes;
    struct od_sip_out compose;
};

static void connect_again(uv_timer_t *timer);

static void destroy(struct od_load_stream *stream)
{
    free(stream->in);
    free(stream->out);
    free(stream->leaving);
    free(stream->compose.at);
    free(stream);
}

static void handle_closed(uv_handle_t *handle)
{
    struct od_load_stream *stream = handle->data;
    if (--stream->open == 0 && stream->closing)
        destroy(stream);
}

static void lose(struct od_load_stream *stream, int status)
{
    if (stream->closing || uv_is_closing((uv_handle_t *)&stream->tcp))
        return;
    bool was_up = stream->up;
    stream->up = false;
    stream->in_bytes = stream->out_bytes = 0;
    if (was_up)
        stream->events.lost(stream->events.ctx, uv_strerror(status));
    uv_close((uv_handle_t *)&stream->tcp, handle_closed);
    uv_timer_start(&stream->again, connect_again, AGAIN_MS, 0);
}

/* ---- in ---- */

static void offer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct od_load_stream *stream = handle->data;
    (void)suggested;
    *buf = uv_buf_init(stream->in + stream->in_bytes, (unsigned)(IN_BYTES - stream->in_bytes));
}

static void on_read(uv_stream_t *tcp, ssize_t got, const uv_buf_t *buf)
{
    struct od_load_stream *stream = tcp->data;
    size_t at = 0;
    (void)buf;
    if (got < 0) {
        lose(stream, (int)got);
        return;
    }
    stream->in_bytes += (size_t)got;
    while (at < stream->in_bytes) {
        size_t skip, bytes = od_load_frame(stream->in + at, stream->in_bytes - at, &skip);
        if (bytes == OD_LOAD_NO_FRAME) {
            lose(stream, UV_EPROTO);
            return;
        }
        at += skip + bytes;
        if (bytes == 0)
            break;
        stream->events.message(stream->events.ctx, stream->in + at - bytes, bytes);
    }
    stream->in_bytes -= at;
    memmove(stream->in, stream->in + at, stream->in_bytes);
}

/* ---- out ---- */

static void on_written(uv_write_t *write, int status)
{
    struct od_load_stream *stream = write->data;
    stream->writing = false;
    if (status)
        lose(stream, status);
}

struct od_sip_out *od_load_stream_compose(struct od_load_stream *stream)
{
    stream->compose.used = 0;
    stream->compose.full = false;
    return &stream->compose;
}

bool od_load_stream_post(struct od_load_stream *stream)
{
    const struct od_sip_out *text = &stream->compose;
    if (text->full || !stream->up || text->used > OUT_BYTES - stream->out_bytes)
        return false;
    memcpy(stream->out + stream->out_bytes, text->at, text->used);
    stream->out_bytes += text->used;
    return true;
}

bool od_load_stream_is_up(const struct od_load_stream *stream)
{
    return stream->up;
}

void od_load_stream_flush(struct od_load_stream *stream)
{
    char *full = stream->out;
    if (!stream->up || stream->writing || stream->out_bytes == 0)
        return;
    uv_buf_t buf = uv_buf_init(full, (unsigned)stream->out_bytes);
    stream->out = stream->leaving;
    stream->leaving = full;
    stream->out_bytes = 0;
    stream->write.data = stream;
    stream->writing =
        uv_write(&stream->write, (uv_stream_t *)&stream->tcp, &buf, 1, on_written) == 0;
}

/* ---- life ---- */

static void begin(struct od_load_stream *stream)
{
    uv_tcp_nodelay(&stream->tcp, 1);
    uv_read_start((uv_stream_t *)&stream->tcp, offer, on_read);
    stream->up = true;
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct od_load_stream *stream = connect->data;
    if (status)
        lose(stream, status);
    else
        begin(stream);
}

static void connect_again(uv_timer_t *timer)
{
    struct od_load_stream *stream = timer->data;
    if (stream->writing) { /* the last write's end is still to come */
        uv_timer_start(timer, connect_again, 1, 0);
        return;
    }
    uv_tcp_init(stream->loop, &stream->tcp);
    stream->tcp.data = stream->connecting.data = stream;
    stream->open++;
    int status =
        uv_tcp_connect(&stream->connecting, &stream->tcp, &stream->server.u.any, on_connected);
    if (status)
        lose(stream, status);
}

/* A connected descriptor, or -errno. */
static int connect_now(const struct od_carrier_addr *server, struct od_carrier_addr *local)
{
    socklen_t bytes = sizeof *local;
    int error = 0, on = 1;
    socklen_t error_bytes = sizeof error;
    int fd = socket(server->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, &local->u.any, od_carrier_addr_bytes(local)) ||
        (connect(fd, &server->u.any, od_carrier_addr_bytes(server)) && errno != EINPROGRESS)) {
        error = errno;
    } else {
        int ready = poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, CONNECT_MS);
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_bytes);
        if (ready == 0)
            error = ETIMEDOUT;
    }
    if (!error && getsockname(fd, &local->u.any, &bytes))
        error = errno;
    if (error)
        close(fd);
    return error ? -error : fd;
}

int od_load_stream_open(struct od_load_stream **out, uv_loop_t *loop,
                        const struct od_carrier_addr *server, struct od_carrier_addr *local,
                        const struct od_load_stream_events *events)
{
    struct od_load_stream *stream = calloc(1, sizeof *stream);
    int fd = stream ? connect_now(server, local) : -ENOMEM;
    if (fd < 0) {
        free(stream);
        return fd;
    }
    *stream =
        (struct od_load_stream){.loop = loop, .server = *server, .events = *events, .open = 2};
    stream->in = malloc(IN_BYTES);
    stream->out = malloc(OUT_BYTES);
    stream->leaving = malloc(OUT_BYTES);
    stream->compose =
        (struct od_sip_out){.at = malloc(OD_LOAD_MESSAGE_MAX), .room = OD_LOAD_MESSAGE_MAX};
    if (!stream->in || !stream->out || !stream->leaving || !stream->compose.at) {
        destroy(stream);
        close(fd);
        return -ENOMEM;
    }
    uv_timer_init(loop, &stream->again);
    uv_tcp_init(loop, &stream->tcp);
    stream->tcp.data = stream->again.data = stream;
    uv_tcp_open(&stream->tcp, fd);
    begin(stream);
    *out = stream;
    return 0;
}

void od_load_stream_close(struct od_load_stream *stream)
{
    stream->closing = true;
    stream->up = false;
    uv_close((uv_handle_t *)&stream->again, handle_closed);
    if (!uv_is_closing((uv_handle_t *)&stream->tcp))
        uv_close((uv_handle_t *)&stream->tcp, handle_closed);
}
