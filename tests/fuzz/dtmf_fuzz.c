/*
 * Fuzz target: key presses as RTP events. The input is a sequence of 10-byte records (source,
 * start, marker, payload). Whatever comes, at most one digit is reported per packet, it is a key,
 * and the same packet again reports nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/media/dtmf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_dtmf dtmf;
    od_dtmf_init(&dtmf);
    for (; size >= 10; data += 10, size -= 10) {
        uint32_t ts =
            (uint32_t)data[2] << 24 | (uint32_t)data[3] << 16 | (uint32_t)data[4] << 8 | data[5];
        uint8_t payload[OD_DTMF_BYTES];
        memcpy(payload, data + 6, sizeof payload);
        char key = od_dtmf_put(&dtmf, data[0] & 1, ts, data[1] & 1, payload, sizeof payload);
        if (!key)
            continue;
        if (!memchr("0123456789*#ABCD", key, 16))
            abort();
        uint8_t again[OD_DTMF_BYTES];
        if (!od_dtmf_write(again, key, false, 0, 0) || again[0] != payload[0])
            abort();
        if (od_dtmf_put(&dtmf, data[0] & 1, ts, data[1] & 1, payload, sizeof payload))
            abort();
    }
    return 0;
}
