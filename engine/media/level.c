/*
 * level - see level.h. The logarithm is taken with integers: the position of the highest bit, and a
 * straight line between two powers of two, which is at most 0.26 dB off.
 */
#include "engine/media/level.h"

#include "engine/media/g711.h"

uint32_t od_level_mean_square(const uint8_t *ulaw, size_t bytes)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes; i++) {
        int32_t pcm = od_ulaw_decode(ulaw[i]);
        sum += (uint64_t)(pcm * pcm);
    }
    return bytes ? (uint32_t)(sum / bytes) : 0;
}

uint8_t od_level_dbov(const uint8_t *ulaw, size_t bytes)
{
    return od_level_dbov_of(od_level_mean_square(ulaw, bytes));
}

uint8_t od_level_dbov_of(uint32_t mean)
{
    if (mean == 0)
        return 127;
    /* log2(mean) in 1/256: the integer part, then the 8 bits below the highest one */
    uint32_t high = 31u - (uint32_t)__builtin_clz(mean);
    uint32_t fraction = high >= 8 ? (mean >> (high - 8)) & 0xffu : (mean << (8 - high)) & 0xffu;
    uint32_t log2_256 = high * 256u + fraction;
    /* Full scale is 2^15, its square 2^30; a power of two is 3.0103 dB: 30103/2,560,000 per 1/256
     */
    uint32_t below = log2_256 >= 30u * 256u ? 0 : 30u * 256u - log2_256;
    uint32_t db = (below * 30103u + 1280000u) / 2560000u;
    return (uint8_t)(db > 127 ? 127 : db);
}
