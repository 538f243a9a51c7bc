/*
 * sip_via_fuzz - a server's bytes on their way to the SIP library, whole and in pieces of every
 * size: the same must come out, as long as what went in, and other than that only in a "TLS" that
 * became "TCP". The first byte chooses the size of the pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/assert.h"
#include "engine/host/sip_via.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sink {
    char *at;
    size_t used, size;
};

static int keep(void *ctx, const char *data, size_t bytes)
{
    struct sink *sink = ctx;
    OD_ASSERT(bytes <= sink->size - sink->used);
    memcpy(sink->at + sink->used, data, bytes);
    sink->used += bytes;
    return 0;
}

/* What came out, until an error. */
static struct sink pass_all(const uint8_t *bytes, size_t count, size_t piece)
{
    struct sink sink = {.at = malloc(count ? count : 1), .size = count};
    struct od_sip_via via = {0};
    for (size_t at = 0; at < count; at += piece) {
        size_t left = count - at < piece ? count - at : piece;
        char *copy = malloc(left);
        memcpy(copy, bytes + at, left);
        int err = od_sip_via_pass(&via, false, copy, left, keep, &sink);
        free(copy);
        if (err)
            break;
    }
    od_sip_via_free(&via);
    return sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct sink whole = pass_all(data + 1, size - 1, size);
    struct sink pieces = pass_all(data + 1, size - 1, 1u + data[0]);
    OD_ASSERT(whole.used == pieces.used && memcmp(whole.at, pieces.at, whole.used) == 0);
    for (size_t i = 0; i < whole.used; i++) {
        char was = (char)data[1 + i], is = whole.at[i];
        OD_ASSERT(was == is || ((was == 'L' || was == 'l') && is == 'C') ||
                  ((was == 'S' || was == 's') && is == 'P') || (was == 't' && is == 'T'));
    }
    free(whole.at);
    free(pieces.at);
    return 0;
}
