/*
 * base64 - see the header.
 */
#include "engine/base/base64.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Values of characters plus one; 0: none. */
#define RANGE_10(c, v)                                                                             \
    [(c)] = (v) + 1, [(c) + 1] = (v) + 2, [(c) + 2] = (v) + 3, [(c) + 3] = (v) + 4,                \
    [(c) + 4] = (v) + 5, [(c) + 5] = (v) + 6, [(c) + 6] = (v) + 7, [(c) + 7] = (v) + 8,            \
    [(c) + 8] = (v) + 9, [(c) + 9] = (v) + 10
#define RANGE_6(c, v)                                                                              \
    [(c)] = (v) + 1, [(c) + 1] = (v) + 2, [(c) + 2] = (v) + 3, [(c) + 3] = (v) + 4,                \
    [(c) + 4] = (v) + 5, [(c) + 5] = (v) + 6
static const uint8_t values[256] = {
    RANGE_10('A', 0), RANGE_10('K', 10), RANGE_6('U', 20), RANGE_10('a', 26), RANGE_10('k', 36),
    RANGE_6('u', 46), RANGE_10('0', 52), ['+'] = 63,       ['/'] = 64,
};

size_t od_base64_encode(char *out, const uint8_t *data, size_t bytes)
{
    char *at = out;
    for (; bytes >= 3; bytes -= 3, data += 3) {
        uint32_t group = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2];
        *at++ = alphabet[group >> 18];
        *at++ = alphabet[group >> 12 & 63];
        *at++ = alphabet[group >> 6 & 63];
        *at++ = alphabet[group & 63];
    }
    if (bytes) {
        uint32_t group = (uint32_t)data[0] << 16 | (bytes == 2 ? (uint32_t)data[1] << 8 : 0);
        *at++ = alphabet[group >> 18];
        *at++ = alphabet[group >> 12 & 63];
        *at++ = bytes == 2 ? alphabet[group >> 6 & 63] : '=';
        *at++ = '=';
    }
    return (size_t)(at - out);
}

static inline uint32_t value_of(char c)
{
    return values[(uint8_t)c];
}

/* The 24 bits of four characters. */
static inline bool group_of(const char *text, uint32_t *group)
{
    uint32_t a = value_of(text[0]) - 1, b = value_of(text[1]) - 1, c = value_of(text[2]) - 1,
             d = value_of(text[3]) - 1;
    *group = a << 18 | b << 12 | c << 6 | d;
    return (a | b | c | d) < 64; /* none of the alphabet is all ones */
}

size_t od_base64_decode(uint8_t *out, const char *text, size_t chars)
{
    uint8_t *at = out;
    if (chars && chars % 4 == 0 && text[chars - 1] == '=')
        chars -= text[chars - 2] == '=' ? 2 : 1;
    /* Three bytes are written as four; the next group's go over the fourth, so the last one is
     * written singly. */
    for (; chars >= 8; chars -= 4, text += 4, at += 3) {
        uint32_t group, wide;
        if (!group_of(text, &group))
            return SIZE_MAX;
        wide = htobe32(group << 8);
        memcpy(at, &wide, sizeof wide);
    }
    if (chars >= 4) {
        uint32_t group;
        if (!group_of(text, &group))
            return SIZE_MAX;
        *at++ = (uint8_t)(group >> 16);
        *at++ = (uint8_t)(group >> 8);
        *at++ = (uint8_t)group;
        chars -= 4;
        text += 4;
    }
    if (!chars)
        return (size_t)(at - out);
    uint32_t a = value_of(text[0]), b = chars > 1 ? value_of(text[1]) : 0,
             c = chars > 2 ? value_of(text[2]) : 1;
    if (!a || !b || !c)
        return SIZE_MAX;
    uint32_t group = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6;
    *at++ = (uint8_t)(group >> 16);
    if (chars == 3)
        *at++ = (uint8_t)(group >> 8);
    return (size_t)(at - out);
}
