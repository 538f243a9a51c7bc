/*
 * http_plain - see the header. At most one uv_write is under way per stream; what is written
 * meanwhile gathers behind it and goes out as one, because libuv 1.44 hands over only one request
 * per loop turn.
 */
#include "proto/http/http_plain.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "outdial/err.h"
#include "proto/http/http_bytes.h"

struct plain {
    struct od_http_stream base;
    struct od_http_plain_set *set;
    union {
        uv_handle_t any;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } handle;
    struct od_http_bytes waiting; /* behind the write under way */
    struct write *under_way;
    uv_shutdown_t *shut;
    od_http_connect_fn connected; /* NULL once it fired */
    void *connected_ctx;
    bool reading, read_ended, broken, shut_wanted, closing;
};

/* Requests of libuv's may outlive nothing but end in their callbacks, before the close callback. */
struct write {
    uv_write_t req;
    struct plain *plain;
    struct od_http_bytes bytes;
};

struct connect {
    uv_connect_t req;
    struct plain *plain;
};

static struct plain *plain_of(struct od_http_stream *stream)
{
    return (struct plain *)stream;
}

int od_http_plain_init(struct od_http_plain_set *set, uv_loop_t *loop, void (*on_empty)(void *ctx),
                       void *ctx)
{
    *set = (struct od_http_plain_set){
        .loop = loop, .read_bytes = OD_HTTP_READ_BYTES, .on_empty = on_empty, .ctx = ctx};
    /* libuv 1.44 writes without MSG_NOSIGNAL; a handler that the program has set stays. */
    struct sigaction old;
    if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
    set->read_buffer = malloc(OD_HTTP_READ_BYTES);
    return set->read_buffer ? 0 : OD_ENOMEM;
}

void od_http_plain_deinit(struct od_http_plain_set *set)
{
    free(set->read_buffer);
    set->read_buffer = NULL;
}

static void tell_end(struct plain *plain, int err)
{
    if (err) {
        if (plain->broken)
            return;
        plain->broken = true;
    }
    if (plain->base.user && !plain->closing)
        plain->base.user->end(plain->base.ctx, err);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct plain *plain = handle->data;
    *buf = uv_buf_init(plain->set->read_buffer, plain->set->read_bytes);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct plain *plain = stream->data;
    if (got == 0)
        return;
    if (got > 0) {
        if (plain->base.user)
            plain->base.user->data(plain->base.ctx, buf->base, (size_t)got);
        return;
    }
    uv_read_stop(stream);
    plain->reading = false;
    plain->read_ended = true;
    tell_end(plain, got == UV_EOF ? 0 : OD_EDOWN);
}

static void plain_read_start(struct od_http_stream *stream)
{
    struct plain *plain = plain_of(stream);
    if (plain->reading || plain->read_ended || plain->closing)
        return;
    plain->reading = uv_read_start(&plain->handle.stream, on_alloc, on_read) == 0;
}

static void plain_read_stop(struct od_http_stream *stream)
{
    struct plain *plain = plain_of(stream);
    if (!plain->reading)
        return;
    uv_read_stop(&plain->handle.stream);
    plain->reading = false;
}

static void on_shut(uv_shutdown_t *req, int status)
{
    (void)status; /* a peer that is gone shows in reading */
    struct plain *plain = req->handle->data;
    plain->shut = NULL;
    free(req);
}

static void start_shutdown(struct plain *plain)
{
    plain->shut_wanted = false;
    plain->shut = malloc(sizeof *plain->shut);
    if (plain->shut && uv_shutdown(plain->shut, &plain->handle.stream, on_shut)) {
        free(plain->shut);
        plain->shut = NULL;
    }
}

static int start_write(struct plain *plain);

static void on_written(uv_write_t *req, int status)
{
    struct write *write = (struct write *)req;
    struct plain *plain = write->plain;
    plain->under_way = NULL;
    od_http_bytes_free(&write->bytes);
    free(write);
    if (plain->closing)
        return;
    if (status) {
        tell_end(plain, OD_EDOWN);
        return;
    }
    if (plain->waiting.used) {
        if (start_write(plain))
            tell_end(plain, OD_EDOWN);
        return;
    }
    if (plain->shut_wanted)
        start_shutdown(plain);
    if (plain->base.user)
        plain->base.user->drained(plain->base.ctx);
}

/* Hands all that waits to libuv. */
static int start_write(struct plain *plain)
{
    struct write *write = malloc(sizeof *write);
    if (!write)
        return OD_ENOMEM;
    write->plain = plain;
    write->bytes = plain->waiting;
    plain->waiting = (struct od_http_bytes){0};
    uv_buf_t buf = uv_buf_init(write->bytes.at, (unsigned)write->bytes.used);
    int err = uv_write(&write->req, &plain->handle.stream, &buf, 1, on_written);
    if (err) {
        od_http_bytes_free(&write->bytes);
        free(write);
        return OD_EDOWN;
    }
    plain->under_way = write;
    return 0;
}

/* What the kernel takes at once; 0 also when it is broken: the queued write will find out. */
static size_t try_now(struct plain *plain, const uv_buf_t *bufs, unsigned count)
{
    if (plain->under_way || plain->waiting.used)
        return 0;
    int wrote = uv_try_write(&plain->handle.stream, bufs, count);
    return wrote > 0 ? (size_t)wrote : 0;
}

static int plain_write(struct od_http_stream *stream, const uv_buf_t *bufs, unsigned count)
{
    struct plain *plain = plain_of(stream);
    if (plain->closing || plain->broken)
        return 0;
    size_t skip = try_now(plain, bufs, count);
    for (unsigned i = 0; i < count; i++) {
        size_t taken = skip < bufs[i].len ? skip : bufs[i].len;
        skip -= taken;
        if (od_http_bytes_add(&plain->waiting, bufs[i].base + taken, bufs[i].len - taken))
            return OD_ENOMEM;
        plain->base.written += bufs[i].len;
    }
    if (plain->waiting.used && !plain->under_way)
        return start_write(plain) ? OD_ENOMEM : 0;
    return 0;
}

/* libuv counts down as parts of a write are taken. */
static size_t plain_queued(const struct od_http_stream *stream)
{
    const struct plain *plain = (const struct plain *)stream;
    return plain->waiting.used + uv_stream_get_write_queue_size(&plain->handle.stream);
}

static void plain_shutdown(struct od_http_stream *stream)
{
    struct plain *plain = plain_of(stream);
    if (plain->closing || plain->shut || plain->shut_wanted)
        return;
    if (plain_queued(stream))
        plain->shut_wanted = true;
    else
        start_shutdown(plain);
}

static void on_close(uv_handle_t *handle)
{
    struct plain *plain = handle->data;
    struct od_http_plain_set *set = plain->set;
    if (plain->base.user)
        plain->base.user->closed(plain->base.ctx);
    od_http_bytes_free(&plain->waiting);
    free(plain);
    if (--set->alive == 0 && set->on_empty)
        set->on_empty(set->ctx);
}

static void plain_close(struct od_http_stream *stream)
{
    struct plain *plain = plain_of(stream);
    if (plain->closing)
        return;
    plain->closing = true;
    uv_close(&plain->handle.any, on_close);
}

static const struct od_http_stream_ops plain_ops = {
    .read_start = plain_read_start,
    .read_stop = plain_read_stop,
    .write = plain_write,
    .queued = plain_queued,
    .shutdown = plain_shutdown,
    .close = plain_close,
};

static struct plain *plain_create(struct od_http_plain_set *set, bool is_unix)
{
    struct plain *plain = calloc(1, sizeof *plain);
    if (!plain)
        return NULL;
    plain->base.ops = &plain_ops;
    plain->set = set;
    int err = is_unix ? uv_pipe_init(set->loop, &plain->handle.pipe, 0)
                      : uv_tcp_init(set->loop, &plain->handle.tcp);
    if (err) {
        free(plain);
        return NULL;
    }
    plain->handle.any.data = plain;
    set->alive++;
    return plain;
}

int od_http_plain_adopt(struct od_http_plain_set *set, int fd, bool is_unix,
                        struct od_http_stream **out)
{
    struct plain *plain = plain_create(set, is_unix);
    if (!plain) {
        close(fd);
        return OD_ENOMEM;
    }
    int err = is_unix ? uv_pipe_open(&plain->handle.pipe, fd) : uv_tcp_open(&plain->handle.tcp, fd);
    if (err) {
        close(fd);
        plain_close(&plain->base);
        return OD_EIO;
    }
    *out = &plain->base;
    return 0;
}

/* The kernel's own bound is megabytes: queued() would be 0 minutes behind. */
static void bound_unsent(struct plain *plain)
{
    int max = (int)plain->set->unsent_max, fd;
    if (max && plain->handle.any.type == UV_TCP && !uv_fileno(&plain->handle.any, &fd))
        setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &max, sizeof max);
}

static void on_connect(uv_connect_t *req, int status)
{
    struct connect *connect = (struct connect *)req;
    struct plain *plain = connect->plain;
    free(connect);
    if (plain->closing || !plain->connected)
        return;
    if (!status)
        bound_unsent(plain);
    od_http_connect_fn fn = plain->connected;
    plain->connected = NULL;
    fn(plain->connected_ctx, status);
}

static struct plain *connect_prepare(struct od_http_plain_set *set, bool is_unix,
                                     od_http_connect_fn fn, void *ctx, struct connect **connect)
{
    *connect = malloc(sizeof **connect);
    struct plain *plain = *connect ? plain_create(set, is_unix) : NULL;
    if (!plain) {
        free(*connect);
        return NULL;
    }
    plain->connected = fn;
    plain->connected_ctx = ctx;
    (*connect)->plain = plain;
    return plain;
}

static void sockaddr_from(struct sockaddr_storage *out, const struct od_addr *addr)
{
    memset(out, 0, sizeof *out);
    if (addr->family == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        in->sin_family = AF_INET;
        in->sin_port = htons(addr->port);
        memcpy(&in->sin_addr, addr->ip, 4);
        return;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(addr->port);
    memcpy(&in6->sin6_addr, addr->ip, 16);
}

int od_http_plain_connect(struct od_http_plain_set *set, const struct od_addr *addr,
                          od_http_connect_fn fn, void *ctx, struct od_http_stream **out)
{
    struct connect *connect;
    struct plain *plain = connect_prepare(set, false, fn, ctx, &connect);
    if (!plain)
        return OD_ENOMEM;
    struct sockaddr_storage storage;
    sockaddr_from(&storage, addr);
    uv_tcp_nodelay(&plain->handle.tcp, 1);
    if (uv_tcp_connect(&connect->req, &plain->handle.tcp, (struct sockaddr *)&storage,
                       on_connect)) {
        free(connect);
        plain_close(&plain->base);
        return OD_EDOWN;
    }
    *out = &plain->base;
    return 0;
}

int od_http_plain_connect_unix(struct od_http_plain_set *set, const char *path,
                               od_http_connect_fn fn, void *ctx, struct od_http_stream **out)
{
    struct connect *connect;
    struct plain *plain = connect_prepare(set, true, fn, ctx, &connect);
    if (!plain)
        return OD_ENOMEM;
    uv_pipe_connect(&connect->req, &plain->handle.pipe, path, on_connect);
    *out = &plain->base;
    return 0;
}
