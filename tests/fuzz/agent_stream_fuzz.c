/*
 * agent_stream_fuzz - what an outside agent sends, in every format: whatever it is, the stream
 * stays in order, holds no more than its caps, and gives a frame when it is asked. The first byte
 * chooses the format and, of msgpack, what the connection carries; then come messages, each of one
 * byte of kind and length and its bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/agent/audio_in.h"
#include "tests/fuzz/agent_port.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const formats[] = {"twilio", "telnyx",  "exotel", "plivo",
                                          "vonage", "jambonz", "msgpack"};
    static const struct od_wire_media carried[] = {{OD_WIRE_ULAW, 8000, 1},
                                                   {OD_WIRE_ALAW, 8000, 5},
                                                   {OD_WIRE_L16, 16000, 2},
                                                   {OD_WIRE_L16, 48000, 5}};
    struct od_chunk_pool pool;
    uint8_t frame[OD_FRAME_BYTES] = {0};
    unsigned done = 0;
    if (size < 1)
        return 0;
    const char *format = formats[data[0] % 7];
    const struct od_dialect *dialect = od_dialect_find(format, strlen(format));
    struct od_stream *stream = agent_stream(dialect, &pool, &done);
    if (od_dialect_shared(dialect) && od_stream_set_media(stream, &carried[data[0] / 7 % 4]))
        abort();
    od_stream_opened(stream);
    od_stream_start(stream);
    for (size_t at = 1; at < size;) {
        size_t bytes = data[at] & 0x7f;
        bool text = data[at] & 0x80;
        at++;
        if (bytes == 0x7f) /* the rest */
            bytes = size - at;
        if (bytes > size - at)
            bytes = size - at;
        uint8_t *copy = malloc(bytes + 1); /* its end is where the sanitizer looks */
        memcpy(copy, data + at, bytes);
        bool over = od_stream_message(stream, text, copy, bytes);
        OD_ASSERT(over || bytes > OD_AUDIO_PART_BYTES);
        while (!over)
            over = od_stream_go_on(stream);
        free(copy);
        at += bytes;
        od_stream_heard(stream, frame);
        OD_ASSERT(od_stream_frame(stream, frame) <= OD_FRAME_BYTES);
        od_stream_after(stream);
    }
    OD_ASSERT(done <= 1);
    size_t n;
    free(od_stream_result(stream, &n));
    free(od_stream_transcript(stream, &n));
    od_stream_stop(stream, "completed", 0);
    od_stream_destroy(stream);
    OD_ASSERT(pool.used_count == 0);
    od_chunk_pool_deinit(&pool);
    return 0;
}
