/*
 * agent_port - what a fuzzed stream speaks through: each call is looked at and goes nowhere, and
 * the ends are counted.
 */
#ifndef TESTS_FUZZ_AGENT_PORT_H
#define TESTS_FUZZ_AGENT_PORT_H

#include "engine/agent/stream.h"
#include "engine/base/assert.h"

static void on_send(void *ctx, bool text, const char *at, size_t bytes)
{
    (void)ctx;
    OD_ASSERT(bytes > 0 && at != NULL);
    OD_ASSERT(!text || at[0] == '{'); /* so what is packed is never text */
}

static size_t on_queued(void *ctx)
{
    (void)ctx;
    return 0;
}

static void on_done(void *ctx)
{
    ++*(unsigned *)ctx;
}

static void on_order(void *ctx, const struct od_stream_command *command)
{
    (void)ctx;
    OD_ASSERT(command->text_bytes == 0 || command->text);
}

static void on_odd(void *ctx, const char *what)
{
    (void)ctx;
    OD_ASSERT(what);
}

/* A stream of that format, not yet open. */
static inline struct od_stream *agent_stream(const struct od_dialect *dialect,
                                             struct od_chunk_pool *pool, unsigned *done)
{
    struct od_stream *stream;
    od_chunk_pool_init(pool, 1 << 20);
    struct od_stream_setup setup = {.dialect = dialect,
                                    .rate = od_dialect_rate(dialect),
                                    .buffer_s = 60,
                                    .pool = pool,
                                    .org = "o",
                                    .from = "a",
                                    .to = "b",
                                    .params = "{}",
                                    .details = "{}",
                                    .amd = "{}",
                                    .port = {done, on_send, on_queued, on_done, on_order, on_odd}};
    OD_ASSERT(od_stream_create(&stream, &setup) == 0);
    return stream;
}

#endif
