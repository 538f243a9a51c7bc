/*
 * Fuzz target: WAV files. Every sample that the parser promises must be readable.
 */
#include <stdint.h>
#include <stdlib.h>

#include "engine/media/wav.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_wav wav;
    if (od_wav_parse(data, size, &wav))
        return 0;
    if (!wav.channels || wav.rate < OD_WAV_RATE_MIN || wav.rate > OD_WAV_RATE_MAX ||
        wav.frames > size)
        abort();
    volatile int16_t sink = 0;
    for (size_t i = 0; i < wav.frames; i++)
        sink = od_wav_sample(&wav, i);
    (void)sink;
    return 0;
}
