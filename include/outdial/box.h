/*
 * box - the seam to what keeps secrets: passwords, API keys and headers that are stored are sealed
 * first, and opened where they are used. Whoever holds the port knows no key and no cipher.
 *
 * `context` names whose secret it is and what for ("org acme, agent"): sealed text opens under the
 * context it was sealed with and no other, so that a record copied to another tenant is of no use
 * there.
 *
 * Lifetime: the host's; outlives everybody who was given it.
 */
#ifndef OUTDIAL_BOX_H
#define OUTDIAL_BOX_H

#include "outdial/repo.h"
#include "outdial/types.h"

enum { OD_BOX_SEALED_MAX = 16 << 20 }; /* bytes of sealed text that can be opened */

/* Room for the sealed form of so many bytes, with its NUL. */
#define OD_BOX_SEALED_BYTES(plain) (4 + (45 + (size_t)(plain)) * 4 / 3 + 3 + 1)

struct od_box_port {
    void *ctx;
    /* Writes printable text ("ob1." and base64url) with a NUL; *used is without it. OD_ETOOBIG: out
     * is too small (OD_BOX_SEALED_BYTES), OD_ENOMEM. */
    int (*seal)(void *ctx, const char *context, struct od_text plain, char *out, size_t size,
                size_t *used);
    /* Writes the plain bytes and a NUL behind them; size is never more than the sealed text's.
     * OD_EINVAL: this is no sealed text; OD_EDENIED: it was sealed with another key, for another
     * context, or was changed; OD_ETOOBIG, OD_ENOMEM. */
    int (*open)(void *ctx, const char *context, struct od_text sealed, char *out, size_t size,
                size_t *used);
    /* 32 bytes that only the holder of the key can find, the same for the same label and data. */
    void (*derive)(void *ctx, const char *label, const void *data, size_t bytes, uint8_t out[32]);
};

/* The text looks sealed; says nothing of whether it opens. */
static inline bool od_box_is_sealed(const char *text, size_t bytes)
{
    return bytes >= 64 && text[0] == 'o' && text[1] == 'b' && text[2] == '1' && text[3] == '.';
}

#endif
