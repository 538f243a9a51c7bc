/*
 * raw_cut - see the header. A value is a byte of kind, for some kinds a length of 1, 2 or 4 bytes,
 * and then bytes or further values. Only counts are kept: of values to come at each depth, and of
 * bytes to come of the value at hand.
 */
#include "proto/ws/raw_cut.h"

#include <string.h>

void od_raw_cut_init(struct od_raw_cut *cut, uint32_t bytes_max)
{
    memset(cut, 0, sizeof *cut);
    cut->bytes_max = bytes_max;
}

/* What a first byte announces. */
struct shape {
    uint8_t length_bytes; /* of the length behind it; 0: `fixed` has it */
    uint8_t fixed;
    uint8_t more;   /* bytes to add: an extension's type */
    uint8_t values; /* values per count: 1 array, 2 map; 0: it counts bytes */
};

static bool is_array(uint8_t first)
{
    return (first & 0xf0) == 0x90 || first == 0xdc || first == 0xdd;
}

static struct shape shape_of(uint8_t first)
{
    static const uint8_t widths[] = {1, 2, 4}, number_widths[] = {1, 2, 4, 8};
    if (first < 0x80 || first >= 0xe0 || first == 0xc0 || first == 0xc2 || first == 0xc3)
        return (struct shape){0}; /* a number, nil, true, false */
    if (first < 0x90)
        return (struct shape){.fixed = first & 0x0f, .values = 2};
    if (first < 0xa0)
        return (struct shape){.fixed = first & 0x0f, .values = 1};
    if (first < 0xc0)
        return (struct shape){.fixed = first & 0x1f};
    if (first <= 0xc6) /* bin */
        return (struct shape){.length_bytes = widths[first - 0xc4]};
    if (first <= 0xc9) /* ext */
        return (struct shape){.length_bytes = widths[first - 0xc7], .more = 1};
    if (first <= 0xcb) /* float */
        return (struct shape){.fixed = first == 0xca ? 4 : 8};
    if (first <= 0xd3) /* uint, int */
        return (struct shape){.fixed = number_widths[(first - 0xcc) & 3]};
    if (first <= 0xd8) /* fixext */
        return (struct shape){.fixed = (uint8_t)(1u << (first - 0xd4)), .more = 1};
    if (first <= 0xdb) /* str */
        return (struct shape){.length_bytes = widths[first - 0xd9]};
    return (struct shape){.length_bytes = first & 1 ? 4 : 2, .values = first < 0xde ? 1 : 2};
}

static bool refuse(struct od_raw_cut *cut, const char *why, bool too_big)
{
    cut->why = why;
    cut->too_big = too_big;
    return false;
}

/* True: the message is complete. */
static bool value_over(struct od_raw_cut *cut)
{
    while (cut->depth && --cut->left[cut->depth - 1] == 0)
        cut->depth--;
    return cut->depth == 0;
}

/* The head is whole: what it announces is to come. False: it can't be. */
static bool take_head(struct od_raw_cut *cut, struct shape shape, bool *over)
{
    uint64_t count = shape.length_bytes ? 0 : shape.fixed;
    for (unsigned i = 0; i < shape.length_bytes; i++)
        count = count << 8 | cut->head[1 + i];
    cut->have = 0;
    count = shape.values ? count * shape.values : count + shape.more;
    /* each value takes a byte at least */
    if (cut->used > cut->bytes_max || count > cut->bytes_max - cut->used)
        return refuse(cut, "a message that is too long", true);
    *over = false;
    if (!count) {
        *over = value_over(cut);
    } else if (!shape.values) {
        cut->body = count;
    } else {
        if (cut->depth == OD_RAW_DEPTH_MAX)
            return refuse(cut, "a message that is nested too deeply", true);
        cut->left[cut->depth++] = count;
    }
    return true;
}

/* One byte of a head. False: BAD. */
static bool take_byte(struct od_raw_cut *cut, uint8_t byte, bool *over)
{
    *over = false;
    if (!cut->have && !cut->depth && !is_array(byte))
        return refuse(cut, "bytes that are no message: an array was expected", false);
    if (!cut->have && byte == 0xc1)
        return refuse(cut, "a byte that MessagePack has not", false);
    cut->head[cut->have++] = byte;
    cut->used++;
    struct shape shape = shape_of(cut->head[0]);
    return cut->have < 1u + shape.length_bytes || take_head(cut, shape, over);
}

size_t od_raw_cut_step(struct od_raw_cut *cut, const uint8_t *at, size_t bytes,
                       enum od_raw_step *step)
{
    size_t taken = 0;
    bool over = false;
    while (taken < bytes && !over) {
        if (cut->body) {
            size_t take = cut->body < bytes - taken ? (size_t)cut->body : bytes - taken;
            taken += take;
            cut->used += take;
            cut->body -= take;
            over = !cut->body && value_over(cut);
        } else if (!take_byte(cut, at[taken++], &over)) {
            *step = OD_RAW_BAD;
            return taken;
        }
    }
    *step = over ? OD_RAW_MESSAGE : OD_RAW_MORE;
    if (over)
        cut->used = 0;
    return taken;
}
