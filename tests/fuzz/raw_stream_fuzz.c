/*
 * raw_stream_fuzz - what a bot of media.v1 sends over a bare connection: messages are cut out of it
 * at the same places however it comes in pieces, each is one whole array to the reader, and the
 * stream stays in order. The first byte is the size of the pieces, the second the message's limit.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/agent/mpack.h"
#include "proto/ws/raw_cut.h"
#include "tests/fuzz/agent_port.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct od_stream *begin(struct od_chunk_pool *pool, unsigned *done)
{
    static const struct od_wire_media media = {OD_WIRE_L16, 24000, 3};
    struct od_stream *stream = agent_stream(od_dialect_find("msgpack", 7), pool, done);
    OD_ASSERT(od_stream_set_media(stream, &media) == 0);
    od_stream_opened(stream);
    od_stream_start(stream);
    return stream;
}

/* Where the first message ends that begins at `from`, looked at in one piece; SIZE_MAX: it doesn't
 * end, or is none (*bad). */
static size_t whole(const uint8_t *data, size_t size, size_t from, uint32_t limit, bool *bad)
{
    struct od_raw_cut cut;
    enum od_raw_step step;
    od_raw_cut_init(&cut, limit);
    size_t taken = od_raw_cut_step(&cut, data + from, size - from, &step);
    *bad = step == OD_RAW_BAD;
    return step == OD_RAW_MESSAGE ? from + taken : SIZE_MAX;
}

static void tell(struct od_stream *stream, const uint8_t *at, size_t bytes)
{
    uint8_t *copy = malloc(bytes); /* its end is where the sanitizer looks */
    uint8_t frame[OD_FRAME_BYTES] = {0};
    struct od_mpack mpack = {copy, copy + bytes};
    memcpy(copy, at, bytes);
    OD_ASSERT(od_mpack_skip(&mpack) && mpack.at == mpack.end);
    od_stream_message(stream, false, copy, bytes);
    free(copy);
    od_stream_heard(stream, frame);
    OD_ASSERT(od_stream_frame(stream, frame) <= OD_FRAME_BYTES);
    od_stream_after(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_chunk_pool pool;
    struct od_raw_cut cut;
    unsigned done = 0;
    bool bad;
    if (size < 2)
        return 0;
    size_t piece = 1u + data[0], from = 2;
    uint32_t limit = 16u << data[1] % 12;
    struct od_stream *stream = begin(&pool, &done);
    od_raw_cut_init(&cut, limit);
    for (size_t at = 2; at < size;) {
        enum od_raw_step step;
        size_t bytes = piece < size - at ? piece : size - at;
        at += od_raw_cut_step(&cut, data + at, bytes, &step);
        if (step == OD_RAW_MORE)
            continue;
        OD_ASSERT((step == OD_RAW_BAD) == (whole(data, size, from, limit, &bad) == SIZE_MAX));
        if (step == OD_RAW_BAD) {
            OD_ASSERT(bad && cut.why);
            break;
        }
        OD_ASSERT(whole(data, size, from, limit, &bad) == at && at - from <= limit);
        tell(stream, data + from, at - from);
        from = at;
    }
    OD_ASSERT(done <= 1);
    od_stream_stop(stream, "completed", 0);
    od_stream_destroy(stream);
    OD_ASSERT(pool.used_count == 0);
    od_chunk_pool_deinit(&pool);
    return 0;
}
