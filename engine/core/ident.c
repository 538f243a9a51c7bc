/* ident - see ident.h. One SipHash per 64 bits of name, told apart by a label byte. */
#include "engine/core/ident.h"

#include <string.h>

#include "engine/base/siphash.h"

enum { LABEL_CALL_ID = 1, LABEL_CALL_ID_REST, LABEL_FROM_TAG, LABEL_BRANCH };

/* RFC 3261 8.1.1.7: what every branch begins with. */
static const char COOKIE[] = "z9hG4bK";

static void hex16(char *out, uint64_t value)
{
    for (int i = 15; i >= 0; i--, value >>= 4)
        out[i] = "0123456789abcdef"[value & 15];
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
