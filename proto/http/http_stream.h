/*
 * http_stream - bytes to and from one peer, whatever carries them: TCP, a Unix socket, TLS over
 * either, memory in a test. HTTP above knows only this.
 *
 * The user's callbacks come from the loop, never from inside an operation here. A write that fails
 * is told later, by end(). Whoever holds the stream calls close() exactly once; closed() is then
 * the last callback, and the stream is freed behind it. With user set to NULL no more callbacks
 * come.
 *
 * Lifetime: heap, owned by its holder until close(), by itself from then on.
 */
#ifndef PROTO_HTTP_HTTP_STREAM_H
#define PROTO_HTTP_HTTP_STREAM_H

#include <uv.h>

struct od_http_stream;

struct od_http_stream_user {
    /* Borrowed for the time of the call. */
    void (*data)(void *ctx, const char *data, size_t bytes);
    /* Nothing more will come: err 0 the peer ended its side in order (we may still write), OD_EDOWN
     * the connection is broken, OD_EPROTO it ended in a way that its protocol forbids. At most one
     * of each kind. */
    void (*end)(void *ctx, int err);
    void (*drained)(void *ctx); /* what was queued has been taken by the kernel */
    void (*closed)(void *ctx);
};

struct od_http_stream_ops {
    void (*read_start)(struct od_http_stream *stream);
    void (*read_stop)(struct od_http_stream *stream);
    /* Copies what it can't hand to the kernel at once. Negative: the stream is of no more use. */
    int (*write)(struct od_http_stream *stream, const uv_buf_t *bufs, unsigned count);
    size_t (*queued)(const struct od_http_stream *stream);
    void (*shutdown)(struct od_http_stream *stream); /* our side is complete once all is written */
    void (*close)(struct od_http_stream *stream);
};

struct od_http_stream {
    const struct od_http_stream_ops *ops;

    /* set by the holder */
    const struct od_http_stream_user *user;
    void *ctx;

    /* read by the holder: bytes given to write() so far */
    uint64_t written;
};

/* Bytes written and not yet taken by the kernel. */
static inline size_t od_http_stream_queued(const struct od_http_stream *stream)
{
    return stream->ops->queued(stream);
}

/* Closes with no callback to come. */
static inline void od_http_stream_abandon(struct od_http_stream *stream)
{
    stream->user = NULL;
    stream->ops->close(stream);
}

#endif
