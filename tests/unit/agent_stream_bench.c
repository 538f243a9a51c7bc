/*
 * agent_stream_bench - see the header.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent_stream_bench.h"
#include "engine/agent/audio_in.h"
#include "engine/base/base64.h"

static void on_send(void *ctx, bool text, const char *at, size_t bytes)
{
    struct world *w = ctx;
    assert_true(w->count < SAID_MAX);
    struct said *said = &w->said[w->count++];
    *said = (struct said){text, bytes, malloc(bytes + 1)};
    memcpy(said->at, at, bytes);
    said->at[bytes] = 0;
}

static size_t on_queued(void *ctx)
{
    return ((struct world *)ctx)->queued;
}

static void on_done(void *ctx)
{
    ((struct world *)ctx)->done++;
}

static void on_order(void *ctx, const struct od_stream_command *command)
{
    struct world *w = ctx;
    w->orders++;
    w->order = command->kind;
    snprintf(w->order_text, sizeof w->order_text, "%.*s", (int)command->text_bytes, command->text);
    snprintf(w->order_json, sizeof w->order_json, "%.*s", (int)command->json_bytes,
             command->json ? command->json : "");
}

static void on_odd(void *ctx, const char *what)
{
    struct world *w = ctx;
    w->odds++;
    snprintf(w->odd, sizeof w->odd, "%s", what);
}

static const struct od_uid call = {{0x01, 0xa2, 0x28, 0x23, 0x26, 0x80, 0x7d, 0xb8, 0xaf, 0xd9,
                                    0xcc, 0xd2, 0xdf, 0x2b, 0xdf, 0xd2}};

static const struct od_uid campaign = {{0x02, 0xa2, 0x28, 0x23, 0x26, 0x80, 0x7d, 0xb8, 0xaf, 0xd9,
                                        0xcc, 0xd2, 0xdf, 0x2b, 0xdf, 0xd2}};

struct world *begin(const char *format, uint32_t rate)
{
    struct world *w = calloc(1, sizeof *w);
    const struct od_dialect *dialect = od_dialect_find(format, strlen(format));
    assert_non_null(dialect);
    od_chunk_pool_init(&w->pool, 64 << 20);
    assert_int_equal(
        od_stream_create(&w->stream,
                         &(struct od_stream_setup){
                             .dialect = dialect,
                             .rate = rate ? rate : od_dialect_rate(dialect),
                             .buffer_s = 60,
                             .pool = &w->pool,
                             .call = call,
                             .attempt = 3,
                             .campaign = campaign,
                             .amd = "{\"mode\":\"async\",\"kind\":\"unknown\"}",
                             .org = "acme",
                             .from = "+15550009999",
                             .to = "+15550001111",
                             .params = "{\"from_number\":\"+15550009999\",\"name\":\"An\\\"n\"}",
                             .details = "{\"call_id\":\"x\"}",
                             .port = {w, on_send, on_queued, on_done, on_order, on_odd}}),
        0);
    return w;
}

void forget(struct world *w)
{
    for (unsigned i = 0; i < w->count; i++)
        free(w->said[i].at);
    w->count = 0;
}

void end(struct world *w)
{
    od_stream_destroy(w->stream);
    forget(w);
    assert_int_equal(w->pool.used_count, 0);
    od_chunk_pool_deinit(&w->pool);
    free(w);
}

unsigned say_bytes(struct world *w, bool text, const void *at, size_t bytes)
{
    uint8_t *copy = malloc(bytes + 1); /* gone when it is done with */
    unsigned parts = 1;
    memcpy(copy, at, bytes);
    for (bool over = od_stream_message(w->stream, text, copy, bytes); !over; parts++)
        over = od_stream_go_on(w->stream);
    free(copy);
    assert_in_range(parts, 1, 1 + bytes / OD_AUDIO_PART_BYTES);
    return parts;
}

void say(struct world *w, const char *text)
{
    say_bytes(w, true, text, strlen(text));
}

void say_audio(struct world *w, const uint8_t *ulaw, size_t bytes)
{
    size_t size = OD_BASE64_CHARS(bytes) + 128;
    char *text = malloc(size);
    int n =
        snprintf(text, size, "{\"event\":\"media\",\"streamSid\":\"x\",\"media\":{\"payload\":\"");
    n += (int)od_base64_encode(text + n, ulaw, bytes);
    snprintf(text + n, size - (size_t)n, "\"}}");
    say(w, text);
    free(text);
}

size_t tick(struct world *w, uint8_t code, uint8_t frame[OD_FRAME_BYTES])
{
    uint8_t heard[OD_FRAME_BYTES], own[OD_FRAME_BYTES];
    memset(heard, code, sizeof heard);
    od_stream_heard(w->stream, heard);
    size_t n = od_stream_frame(w->stream, frame ? frame : own);
    od_stream_after(w->stream);
    return n;
}

const char *last(const struct world *w)
{
    assert_true(w->count > 0);
    return w->said[w->count - 1].at;
}

struct world *begin_talk(const char *format, uint32_t rate)
{
    struct world *w = begin(format, rate);
    od_stream_opened(w->stream);
    od_stream_start(w->stream);
    forget(w);
    return w;
}

void mark(struct world *w, const char *name)
{
    char text[256];
    snprintf(text, sizeof text,
             "{\"event\":\"mark\",\"streamSid\":\"x\",\"mark\":{\"name\":\"%s\"}}", name);
    say(w, text);
}

unsigned told(const struct world *w, const char *one, const char *other)
{
    unsigned n = 0;
    for (unsigned i = 0; i < w->count; i++)
        n += strstr(w->said[i].at, one) && strstr(w->said[i].at, other);
    return n;
}
