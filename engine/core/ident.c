/* ident - see ident.h. One SipHash per 64 bits of name, told apart by a label byte. */
#include "engine/core/ident.h"

#include <endian.h>
#include <string.h>

#include "engine/base/siphash.h"

enum { LABEL_CALL_ID = 1, LABEL_CALL_ID_REST, LABEL_FROM_TAG, LABEL_BRANCH };

/* RFC 3261 8.1.1.7: what every branch begins with. */
static const char COOKIE[] = "z9hG4bK";

/* Eight hex digits at once: each nibble in a byte of its own, the first digit in the lowest. */
static void hex8(char *out, uint32_t value)
{
    uint64_t x = __builtin_bswap32(value), letters;

    x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
    x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x >> 4 | x << 8) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    letters = (x + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
    x = htole64(x + UINT64_C(0x3030303030303030) + letters * ('a' - '0' - 10));
    memcpy(out, &x, sizeof x);
}

static void hex16(char *out, uint64_t value)
{
    hex8(out, (uint32_t)(value >> 32));
    hex8(out + 8, (uint32_t)value);
}

void od_ident_make(const uint8_t key[16], const struct od_uid *uid, uint16_t attempt,
                   struct od_sip_names *out)
{
    uint8_t data[19];
    uint64_t words[LABEL_BRANCH + 1];

    *out = (struct od_sip_names){0};
    memcpy(data, uid->b, 16);
    data[16] = (uint8_t)(attempt >> 8);
    data[17] = (uint8_t)attempt;
    for (uint8_t label = LABEL_CALL_ID; label <= LABEL_BRANCH; label++) {
        data[18] = label;
        words[label] = od_siphash(key, data, sizeof data);
    }
    hex16(out->call_id, words[LABEL_CALL_ID]);
    hex16(out->call_id + 16, words[LABEL_CALL_ID_REST]);
    hex16(out->from_tag, words[LABEL_FROM_TAG]);
    memcpy(out->branch, COOKIE, sizeof COOKIE - 1);
    hex16(out->branch + sizeof COOKIE - 1, words[LABEL_BRANCH]);
}
