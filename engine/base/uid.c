/*
 * UUIDv7 text and bytes.
 */
#include "engine/base/uid.h"

#include <string.h>

struct od_uid od_uid_make(int64_t wall_ms, const uint8_t random[10])
{
    struct od_uid uid;
    for (unsigned i = 0; i < 6; i++)
        uid.b[i] = (uint8_t)((uint64_t)wall_ms >> (8 * (5 - i)));
    memcpy(uid.b + 6, random, 10);
    uid.b[6] = (uint8_t)(0x70 | (uid.b[6] & 0x0f)); /* version 7 */
    uid.b[8] = (uint8_t)(0x80 | (uid.b[8] & 0x3f)); /* variant 10 */
    return uid;
}

/* A dash stands before bytes 4, 6, 8 and 10. */
static bool dash_before(unsigned byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

void od_uid_text(const struct od_uid *uid, char out[OD_UID_TEXT])
{
    static const char digit[] = "0123456789abcdef";
    for (unsigned i = 0; i < 16; i++) {
        if (dash_before(i))
            *out++ = '-';
        *out++ = digit[uid->b[i] >> 4];
        *out++ = digit[uid->b[i] & 15];
    }
    *out = 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool od_uid_parse(const char *text, size_t bytes, struct od_uid *out)
{
    if (bytes != OD_UID_TEXT - 1)
        return false;
    for (unsigned i = 0; i < 16; i++) {
        if (dash_before(i) && *text++ != '-')
            return false;
        int high = hex_value(text[0]), low = hex_value(text[1]);
        if (high < 0 || low < 0)
            return false;
        out->b[i] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    return true;
}

bool od_uid_equal(const struct od_uid *a, const struct od_uid *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

bool od_uid_none(const struct od_uid *uid)
{
    static const struct od_uid none;
    return od_uid_equal(uid, &none);
}
