/*
 * base64 - see the header.
 */
#include "engine/base/base64.h"

#include <endian.h>
#include <string.h>

/* Two characters for each 12 bits: a row of 64 for each first character. */
#define PAIRS_8(a, b, c, d, e, f, g, h, i) a, b, a, c, a, d, a, e, a, f, a, g, a, h, a, i
#define PAIRS(a)                                                                                   \
    PAIRS_8(a, 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'),                                            \
        PAIRS_8(a, 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P'),                                        \
        PAIRS_8(a, 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X'),                                        \
        PAIRS_8(a, 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f'),                                        \
        PAIRS_8(a, 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n'),                                        \
        PAIRS_8(a, 'o', 'p', 'q', 'r', 's', 't', 'u', 'v'),                                        \
        PAIRS_8(a, 'w', 'x', 'y', 'z', '0', '1', '2', '3'),                                        \
        PAIRS_8(a, '4', '5', '6', '7', '8', '9', '+', '/')
#define PAIRS_OF_8(a, b, c, d, e, f, g, h)                                                         \
    PAIRS(a), PAIRS(b), PAIRS(c), PAIRS(d), PAIRS(e), PAIRS(f), PAIRS(g), PAIRS(h)
static const char pairs[4096 * 2] = {
    PAIRS_OF_8('A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'),
    PAIRS_OF_8('I', 'J', 'K', 'L', 'M', 'N', 'O', 'P'),
    PAIRS_OF_8('Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X'),
    PAIRS_OF_8('Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f'),
    PAIRS_OF_8('g', 'h', 'i', 'j', 'k', 'l', 'm', 'n'),
    PAIRS_OF_8('o', 'p', 'q', 'r', 's', 't', 'u', 'v'),
    PAIRS_OF_8('w', 'x', 'y', 'z', '0', '1', '2', '3'),
    PAIRS_OF_8('4', '5', '6', '7', '8', '9', '+', '/'),
};

/* Of the characters at the four places of a group: the value where its bits belong, and above the
 * 24 a bit that says that it is one of the alphabet. */
#define AT(place, value) ((uint32_t)(value) << (18 - 6 * (place)) | UINT32_C(1) << (24 + (place)))
#define RANGE_5(p, c, v)                                                                           \
    [(c)] = AT(p, v), [(c) + 1] = AT(p, (v) + 1), [(c) + 2] = AT(p, (v) + 2),                      \
    [(c) + 3] = AT(p, (v) + 3), [(c) + 4] = AT(p, (v) + 4)
#define RANGE_26(p, c, v)                                                                          \
    RANGE_5(p, c, v), RANGE_5(p, (c) + 5, (v) + 5), RANGE_5(p, (c) + 10, (v) + 10),                \
        RANGE_5(p, (c) + 15, (v) + 15), RANGE_5(p, (c) + 20, (v) + 20),                            \
        [(c) + 25] = AT(p, (v) + 25)
#define VALUES(p)                                                                                  \
    {                                                                                              \
        RANGE_26(p, 'A', 0), RANGE_26(p, 'a', 26), RANGE_5(p, '0', 52),                            \
            RANGE_5(p, '5', 57), ['+'] = AT(p, 62), ['/'] = AT(p, 63)                              \
    }
static const uint32_t values[4][256] = {VALUES(0), VALUES(1), VALUES(2), VALUES(3)};
static const uint32_t ALL_GOOD = 0xf;

static inline void put_pair(char *out, uint64_t bits)
{
    memcpy(out, &pairs[(bits & 4095) * 2], 2);
}

/* The last bytes, less than three; the characters they become. */
static size_t encode_rest(char *out, const uint8_t *data, size_t bytes)
{
    if (!bytes)
        return 0;
    uint32_t group = (uint32_t)data[0] << 16 | (bytes == 2 ? (uint32_t)data[1] << 8 : 0);
    put_pair(out, group >> 12);
    put_pair(out + 2, group);
    if (bytes == 1)
        out[2] = '=';
    out[3] = '=';
    return 4;
}

size_t od_base64_encode(char *out, const uint8_t *data, size_t bytes)
{
    char *at = out;
    /* Eight bytes are read, of which six become eight characters. */
    for (; bytes >= 8; bytes -= 6, data += 6, at += 8) {
        uint64_t wide;
        memcpy(&wide, data, sizeof wide);
        wide = be64toh(wide);
        put_pair(at, wide >> 52);
        put_pair(at + 2, wide >> 40);
        put_pair(at + 4, wide >> 28);
        put_pair(at + 6, wide >> 16);
    }
    for (; bytes >= 3; bytes -= 3, data += 3, at += 4) {
        uint32_t group = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2];
        put_pair(at, group >> 12);
        put_pair(at + 2, group);
    }
    return (size_t)(at - out) + encode_rest(at, data, bytes);
}

/* The 24 bits of four characters, and above them what of those was good. */
static inline uint32_t group_of(const char *text)
{
    return values[0][(uint8_t)text[0]] | values[1][(uint8_t)text[1]] | values[2][(uint8_t)text[2]] |
           values[3][(uint8_t)text[3]];
}

/* Its three bytes, and a fourth that is to be written over. */
static inline void put_group(uint8_t *out, uint32_t group)
{
    uint32_t wide = htobe32(group << 8);
    memcpy(out, &wide, sizeof wide);
}

size_t od_base64_decode(uint8_t *out, const char *text, size_t chars)
{
    uint8_t *at = out;
    if (chars && chars % 4 == 0 && text[chars - 1] == '=')
        chars -= text[chars - 2] == '=' ? 2 : 1;
    /* Two groups at a time, while another one follows: it goes over their last fourth byte. */
    for (; chars >= 12; chars -= 8, text += 8, at += 6) {
        uint32_t first = group_of(text), second = group_of(text + 4);
        if ((first & second) >> 24 != ALL_GOOD)
            return SIZE_MAX;
        put_group(at, first);
        put_group(at + 3, second);
    }
    while (chars) {
        char last[4] = {'A', 'A', 'A', 'A'};
        size_t take = chars < 4 ? chars : 4;
        memcpy(last, text, take);
        uint32_t group = group_of(last);
        if (take == 1 || group >> 24 != ALL_GOOD)
            return SIZE_MAX;
        for (size_t i = 0; i + 1 < take; i++)
            *at++ = (uint8_t)(group >> (16 - 8 * i));
        text += take;
        chars -= take;
    }
    return (size_t)(at - out);
}
