/*
 * http_memory - a stream that goes nowhere, for fuzz targets: what is written is counted and thrown
 * away (or kept back, to play a peer that does not read), what is read is given by the target.
 */
#ifndef TESTS_FUZZ_HTTP_MEMORY_H
#define TESTS_FUZZ_HTTP_MEMORY_H

#include <stdbool.h>
#include <stdlib.h>

#include "proto/http/http_stream.h"

struct memory_stream {
    struct od_http_stream base;
    size_t held;  /* written and not "taken" yet */
    bool holding; /* keep back what is written */
    bool reading, closing, shut;
};

static void memory_read_start(struct od_http_stream *stream)
{
    ((struct memory_stream *)stream)->reading = true;
}

static void memory_read_stop(struct od_http_stream *stream)
{
    ((struct memory_stream *)stream)->reading = false;
}

static int memory_write(struct od_http_stream *stream, const uv_buf_t *bufs, unsigned count)
{
    struct memory_stream *memory = (struct memory_stream *)stream;
    volatile char sink = 0;
    for (unsigned i = 0; i < count; i++) {
        for (size_t at = 0; at < bufs[i].len; at++)
            sink ^= bufs[i].base[at]; /* a sanitizer sees every byte that would be sent */
        stream->written += bufs[i].len;
        if (memory->holding)
            memory->held += bufs[i].len;
    }
    (void)sink;
    return 0;
}

static size_t memory_queued(const struct od_http_stream *stream)
{
    return ((const struct memory_stream *)stream)->held;
}

static void memory_shutdown(struct od_http_stream *stream)
{
    ((struct memory_stream *)stream)->shut = true;
}

static void memory_close(struct od_http_stream *stream)
{
    ((struct memory_stream *)stream)->closing = true;
}

static const struct od_http_stream_ops memory_ops = {
    .read_start = memory_read_start,
    .read_stop = memory_read_stop,
    .write = memory_write,
    .queued = memory_queued,
    .shutdown = memory_shutdown,
    .close = memory_close,
};

static struct memory_stream *memory_create(void)
{
    struct memory_stream *memory = calloc(1, sizeof *memory);
    if (!memory)
        abort();
    memory->base.ops = &memory_ops;
    return memory;
}

/* What the loop would do after close(). */
static void memory_free(struct memory_stream *memory)
{
    if (!memory->closing)
        abort();
    if (memory->base.user)
        memory->base.user->closed(memory->base.ctx);
    free(memory);
}

#endif
