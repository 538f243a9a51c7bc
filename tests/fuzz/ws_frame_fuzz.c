/*
 * ws_frame_fuzz - a server's bytes read by the frame reader, whole and in pieces of every size: the
 * same messages must come of it, and nothing is read that isn't there. The first byte chooses the
 * size of the pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "proto/ws/ws_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGE_MAX = 70000 };

/* A hash of all messages and the end. */
static uint64_t read_all(const uint8_t *bytes, size_t count, size_t piece)
{
    struct od_ws_reader reader;
    enum od_ws_step step = OD_WS_MORE;
    uint64_t hash = 14695981039346656037u;
    od_ws_reader_init(&reader, MESSAGE_MAX);
    for (size_t at = 0; at < count && step != OD_WS_BAD; at += piece) {
        size_t left = count - at < piece ? count - at : piece;
        uint8_t *copy = malloc(left);
        memcpy(copy, bytes + at, left);
        const uint8_t *from = copy;
        while ((step = od_ws_reader_step(&reader, &from, &left)) == OD_WS_MESSAGE) {
            OD_ASSERT(reader.bytes <= MESSAGE_MAX);
            hash = (hash ^ reader.op) * 1099511628211u;
            for (size_t i = 0; i < reader.bytes; i++)
                hash = (hash ^ reader.at[i]) * 1099511628211u;
        }
        OD_ASSERT(step == OD_WS_BAD || left == 0);
        free(copy);
    }
    if (step == OD_WS_BAD)
        hash = (hash ^ reader.code) * 1099511628211u;
    od_ws_reader_free(&reader);
    return hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    uint64_t whole = read_all(data + 1, size - 1, size);
    OD_ASSERT(read_all(data + 1, size - 1, 1u + data[0]) == whole);
    return 0;
}
