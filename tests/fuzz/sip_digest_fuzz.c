/*
 * Fuzzes the reader of challenges and the writer of credentials. Beyond not crashing: what was read
 * is a string without control characters, and credentials written for it are read back by the same
 * grammar with the same realm and nonce.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/sip/sip_digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

static void check_text(const char *text, size_t room)
{
    CHECK(memchr(text, '\0', room));
    for (; *text; text++)
        CHECK((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void check_challenge(const struct od_digest_challenge *challenge)
{
    static const struct od_digest_request request = {
        "INVITE", "sip:+15550001111@carrier.example", "us\"er", "password", "0123456789abcdef", 7};
    char out[OD_DIGEST_CREDENTIALS_MAX];
    struct od_digest_challenge again;
    check_text(challenge->realm, sizeof challenge->realm);
    check_text(challenge->nonce, sizeof challenge->nonce);
    check_text(challenge->opaque, sizeof challenge->opaque);
    CHECK(challenge->hash <= OD_DIGEST_SHA512_256);
    int bytes = od_digest_write(challenge, &request, out, sizeof out);
    CHECK(bytes > 0 && strlen(out) == (size_t)bytes);
    CHECK(od_digest_parse(out, (size_t)bytes, &again, 1) == 1);
    CHECK(strcmp(again.realm, challenge->realm) == 0);
    CHECK(strcmp(again.nonce, challenge->nonce) == 0);
    CHECK(strcmp(again.opaque, challenge->opaque) == 0);
    CHECK(again.qop_auth == challenge->qop_auth && again.hash == challenge->hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_digest_challenge found[3];
    char nonce[OD_DIGEST_NONCE_MAX];
    unsigned count = od_digest_parse((const char *)data, size, found, 3);
    CHECK(count <= 3);
    for (unsigned i = 0; i < count; i++)
        check_challenge(&found[i]);
    if (od_digest_next_nonce((const char *)data, size, nonce))
        check_text(nonce, sizeof nonce);
    return 0;
}
