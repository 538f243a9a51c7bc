/*
 * sid - see the header. Names in the shape that bots check: two letters and 32 hex digits. A call's
 * is its UUID, so that it can be read back; an account's is a hash of the org's name; a stream's is
 * the call's with the attempt in its first bytes, where UUIDv7 has the time.
 */
#include <string.h>

#include "engine/agent/sid.h"
#include "engine/base/siphash.h"
#include "engine/base/str.h"

static void write_sid(const char *prefix, const uint8_t bytes[16], char out[OD_SID_TEXT])
{
    struct od_buf buf;
    od_buf_init(&buf, out, OD_SID_TEXT);
    od_buf_str(&buf, prefix);
    od_buf_hex(&buf, bytes, 16);
}

void od_sid_account(const char *org, char out[OD_SID_TEXT])
{
    static const uint8_t keys[2][16] = {"outdial account", "account outdial"};
    uint8_t bytes[16];
    for (unsigned half = 0; half < 2; half++) {
        uint64_t hash = od_siphash(keys[half], org, strlen(org));
        for (unsigned i = 0; i < 8; i++)
            bytes[half * 8 + i] = (uint8_t)(hash >> (56 - 8 * i));
    }
    write_sid("AC", bytes, out);
}

void od_sid_call(const struct od_uid *call, char out[OD_SID_TEXT])
{
    write_sid("CA", call->b, out);
}

void od_sid_stream(const struct od_uid *call, uint16_t attempt, char out[OD_SID_TEXT])
{
    uint8_t bytes[16];
    memcpy(bytes, call->b, sizeof bytes);
    bytes[0] ^= (uint8_t)(attempt >> 8);
    bytes[1] ^= (uint8_t)attempt;
    write_sid("MZ", bytes, out);
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool od_sid_read_call(const char *text, size_t bytes, struct od_uid *out)
{
    if (bytes != OD_SID_TEXT - 1 || memcmp(text, "CA", 2))
        return false;
    for (unsigned i = 0; i < 16; i++) {
        int high = hex_value(text[2 + 2 * i]), low = hex_value(text[3 + 2 * i]);
        if (high < 0 || low < 0)
            return false;
        out->b[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
