/*
 * hook_sign - see the header.
 */
#include "engine/host/hook_sign.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "engine/base/str.h"

enum { KEY_MAX = 512, BLOCK = 64 };

struct mac {
    SHA256_CTX inner, outer;
};

/* RFC 2104. By hand over SHA-256's block functions: OpenSSL 3's own HMAC looks its algorithm up by
 * name for each message, which costs more than the hashing. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void mac_start(struct mac *mac, const uint8_t *key, size_t bytes)
{
    uint8_t block[BLOCK] = {0}, pad[BLOCK];
    if (bytes > BLOCK)
        SHA256(key, bytes, block);
    else
        memcpy(block, key, bytes);
    for (int i = 0; i < BLOCK; i++)
        pad[i] = block[i] ^ 0x36;
    SHA256_Init(&mac->inner);
    SHA256_Update(&mac->inner, pad, BLOCK);
    for (int i = 0; i < BLOCK; i++)
        pad[i] = block[i] ^ 0x5c;
    SHA256_Init(&mac->outer);
    SHA256_Update(&mac->outer, pad, BLOCK);
    explicit_bzero(block, sizeof block);
    explicit_bzero(pad, sizeof pad);
}

static void mac_add(struct mac *mac, const void *data, size_t bytes)
{
    SHA256_Update(&mac->inner, data, bytes);
}

static void mac_end(struct mac *mac, uint8_t out[SHA256_DIGEST_LENGTH])
{
    SHA256_Final(out, &mac->inner);
    SHA256_Update(&mac->outer, out, SHA256_DIGEST_LENGTH);
    SHA256_Final(out, &mac->outer);
    explicit_bzero(mac, sizeof *mac);
}
#pragma GCC diagnostic pop

/* The key's bytes of "whsec_BASE64"; a text that is no base64 is its own key. */
static size_t standard_key(struct od_text secret, uint8_t out[KEY_MAX])
{
    static const char head[] = "whsec_";
    if (secret.bytes > KEY_MAX)
        secret.bytes = KEY_MAX;
    if (secret.bytes > sizeof head - 1 && memcmp(secret.at, head, sizeof head - 1) == 0) {
        const char *text = secret.at + sizeof head - 1;
        size_t bytes = secret.bytes - (sizeof head - 1);
        int n = bytes % 4 == 0 ? EVP_DecodeBlock(out, (const unsigned char *)text, (int)bytes) : -1;
        if (n > 0) {
            n -= text[bytes - 1] == '=';
            n -= text[bytes - 2] == '=';
            return (size_t)n;
        }
    }
    memcpy(out, secret.at, secret.bytes);
    return secret.bytes;
}

size_t od_hook_sign_standard(const struct od_text *secrets, size_t count, const char *id,
                             int64_t unix_s, const void *body, size_t bytes,
                             char out[OD_HOOK_SIGNATURE_MAX])
{
    char stamp[24];
    int stamp_bytes = snprintf(stamp, sizeof stamp, ".%" PRId64 ".", unix_s);
    struct od_buf buf;
    od_buf_init(&buf, out, OD_HOOK_SIGNATURE_MAX);
    for (size_t i = 0; i < count && i < OD_HOOK_SECRETS_MAX; i++) {
        uint8_t key[KEY_MAX], digest[SHA256_DIGEST_LENGTH];
        unsigned char text[48];
        struct mac mac;
        mac_start(&mac, key, standard_key(secrets[i], key));
        mac_add(&mac, id, strlen(id));
        mac_add(&mac, stamp, (size_t)stamp_bytes);
        mac_add(&mac, body, bytes);
        mac_end(&mac, digest);
        explicit_bzero(key, sizeof key);
        EVP_EncodeBlock(text, digest, sizeof digest);
        od_buf_str(&buf, i ? " v1," : "v1,");
        od_buf_str(&buf, (const char *)text);
    }
    return buf.used;
}

size_t od_hook_sign_callingbox(const struct od_text *secrets, size_t count, int64_t unix_s,
                               const void *body, size_t bytes, char out[OD_HOOK_SIGNATURE_MAX])
{
    char stamp[24];
    int stamp_bytes = snprintf(stamp, sizeof stamp, "%" PRId64 ".", unix_s);
    struct od_buf buf;
    od_buf_init(&buf, out, OD_HOOK_SIGNATURE_MAX);
    if (!count)
        return 0;
    od_buf_str(&buf, "t=");
    od_buf_add(&buf, stamp, (size_t)stamp_bytes - 1);
    for (size_t i = 0; i < count && i < OD_HOOK_SECRETS_MAX; i++) {
        uint8_t digest[SHA256_DIGEST_LENGTH];
        struct mac mac;
        mac_start(&mac, (const uint8_t *)secrets[i].at, secrets[i].bytes);
        mac_add(&mac, stamp, (size_t)stamp_bytes);
        mac_add(&mac, body, bytes);
        mac_end(&mac, digest);
        od_buf_str(&buf, ",v1=");
        od_buf_hex(&buf, digest, sizeof digest);
    }
    return buf.used;
}
