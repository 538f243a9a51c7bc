/*
 * box - see the header. Two cipher contexts are kept, one that seals and one that opens; the one
 * that opens remembers the last salt, since what one process sealed is mostly read together.
 */
#include "proto/crypto/box.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "outdial/err.h"

enum { VERSION = 1, ID = 4, SALT = 16, COUNT = 8, TAG = 16, HEAD = 1 + ID + SALT + COUNT };

static const char prefix[] = "ob1.";

struct od_box {
    uint8_t key[32], id[ID], salt[SALT], open_salt[SALT];
    uint64_t count;
    EVP_CIPHER_CTX *sealer, *opener;
    bool can_open; /* open_salt is set */
};

/* ---- base64url (RFC 4648 section 5, no padding) ---- */

static size_t encode(char *out, const uint8_t *bytes, size_t count)
{
    int n = EVP_EncodeBlock((unsigned char *)out, bytes, (int)count);
    size_t used = n > 0 ? (size_t)n : 0;
    while (used && out[used - 1] == '=')
        used--;
    for (size_t i = 0; i < used; i++)
        out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
    out[used] = 0;
    return used;
}

/* The memory is the caller's to free; NULL: not base64url, or no memory (*err says which). */
static uint8_t *decode(const char *text, size_t bytes, size_t *count, int *err)
{
    size_t padded = (bytes + 3) / 4 * 4, missing = padded - bytes;
    char *copy = malloc(padded + 1);
    uint8_t *out = malloc(padded / 4 * 3 + 1);
    *err = copy && out ? OD_EINVAL : OD_ENOMEM;
    bool good = copy && out && bytes && missing < 3;
    for (size_t i = 0; good && i < bytes; i++) {
        char c = text[i];
        good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '_';
        copy[i] = c == '-' ? '+' : c == '_' ? '/' : c;
    }
    if (good) {
        memset(copy + bytes, '=', missing);
        int n = EVP_DecodeBlock(out, (const unsigned char *)copy, (int)padded);
        good = n > 0 && (size_t)n > missing;
        *count = good ? (size_t)n - missing : 0;
    }
    free(copy);
    if (good)
        return out;
    free(out);
    return NULL;
}

/* ---- keys ---- */

static void hmac(const uint8_t key[32], const char *label, const void *data, size_t bytes,
                 uint8_t out[32])
{
    uint8_t inner[SHA256_DIGEST_LENGTH];
    unsigned size = 32;
    /* two steps, so that no label and data run into each other */
    HMAC(EVP_sha256(), key, 32, (const unsigned char *)label, strlen(label), inner, &size);
    HMAC(EVP_sha256(), inner, sizeof inner, data, bytes, out, &size);
    OPENSSL_cleanse(inner, sizeof inner);
}

void od_box_key_of_text(const char *text, uint8_t key[32])
{
    static const uint8_t zero[32];
    hmac(zero, "outdial secrets key", text, strlen(text), key);
}

static bool set_key(EVP_CIPHER_CTX *ctx, const struct od_box *box, const uint8_t salt[SALT],
                    bool seals)
{
    uint8_t sub[32];
    hmac(box->key, "seal", salt, SALT, sub);
    bool good = EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, sub, NULL, seals) == 1;
    OPENSSL_cleanse(sub, sizeof sub);
    return good;
}

int od_box_create(struct od_box **out, const uint8_t key[32])
{
    uint8_t id[32];
    *out = NULL;
    struct od_box *box = calloc(1, sizeof *box);
    if (!box)
        return OD_ENOMEM;
    memcpy(box->key, key, sizeof box->key);
    hmac(box->key, "id", "", 0, id);
    memcpy(box->id, id, ID);
    box->sealer = EVP_CIPHER_CTX_new();
    box->opener = EVP_CIPHER_CTX_new();
    int err = box->sealer && box->opener ? 0 : OD_ENOMEM;
    if (!err && getrandom(box->salt, SALT, 0) != SALT)
        err = OD_EIO;
    if (!err && !set_key(box->sealer, box, box->salt, true))
        err = OD_ENOMEM;
    if (err) {
        od_box_destroy(box);
        return err;
    }
    *out = box;
    return 0;
}

void od_box_destroy(struct od_box *box)
{
    if (!box)
        return;
    EVP_CIPHER_CTX_free(box->sealer);
    EVP_CIPHER_CTX_free(box->opener);
    OPENSSL_cleanse(box, sizeof *box);
    free(box);
}

void od_box_key_id(const struct od_box *box, char out[9])
{
    static const char hex[] = "0123456789abcdef";
    for (unsigned i = 0; i < ID; i++) {
        out[2 * i] = hex[box->id[i] >> 4];
        out[2 * i + 1] = hex[box->id[i] & 15];
    }
    out[8] = 0;
}

/* ---- sealing ---- */

/* The nonce is the count behind four zero bytes; the associated data come before the text. */
static bool begin(EVP_CIPHER_CTX *ctx, const uint8_t *head, const char *context, bool seals)
{
    uint8_t nonce[12] = {0};
    int n;
    memcpy(nonce + 4, head + 1 + ID + SALT, COUNT);
    return EVP_CipherInit_ex(ctx, NULL, NULL, NULL, nonce, seals) == 1 &&
           EVP_CipherUpdate(ctx, NULL, &n, head, 1 + ID) == 1 &&
           EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)context, (int)strlen(context)) == 1;
}

static void head_write(struct od_box *box, uint8_t *head)
{
    uint64_t count = ++box->count;
    *head++ = VERSION;
    memcpy(head, box->id, ID);
    memcpy(head + ID, box->salt, SALT);
    for (int i = COUNT - 1; i >= 0; i--, count >>= 8)
        head[ID + SALT + i] = (uint8_t)count;
}

static int box_seal(void *ctx, const char *context, struct od_text plain, char *out, size_t size,
                    size_t *used)
{
    struct od_box *box = ctx;
    int n = 0, rest = 0;
    *used = 0;
    if (plain.bytes > OD_BOX_SEALED_MAX || size < OD_BOX_SEALED_BYTES(plain.bytes))
        return OD_ETOOBIG;
    size_t bytes = HEAD + plain.bytes + TAG;
    uint8_t *raw = malloc(bytes);
    if (!raw)
        return OD_ENOMEM;
    head_write(box, raw);
    bool good =
        begin(box->sealer, raw, context, true) &&
        EVP_EncryptUpdate(box->sealer, raw + HEAD, &n, (const uint8_t *)plain.at,
                          (int)plain.bytes) == 1 &&
        EVP_EncryptFinal_ex(box->sealer, raw + HEAD + n, &rest) == 1 &&
        EVP_CIPHER_CTX_ctrl(box->sealer, EVP_CTRL_GCM_GET_TAG, TAG, raw + HEAD + plain.bytes) == 1;
    if (good) {
        memcpy(out, prefix, 4);
        *used = 4 + encode(out + 4, raw, bytes);
    }
    free(raw);
    return good ? 0 : OD_ENOMEM; /* AES itself can't fail */
}

/* ---- opening ---- */

static bool opener_ready(struct od_box *box, const uint8_t salt[SALT])
{
    if (box->can_open && memcmp(box->open_salt, salt, SALT) == 0)
        return true;
    memcpy(box->open_salt, salt, SALT);
    box->can_open = set_key(box->opener, box, salt, false);
    return box->can_open;
}

static int open_raw(struct od_box *box, const char *context, uint8_t *raw, size_t bytes, char *out,
                    size_t size, size_t *used)
{
    int n = 0, rest = 0;
    if (bytes < HEAD + TAG || raw[0] != VERSION)
        return OD_EINVAL;
    size_t plain = bytes - HEAD - TAG;
    if (memcmp(raw + 1, box->id, ID) != 0)
        return OD_EDENIED;
    if (plain >= size)
        return OD_ETOOBIG;
    if (!opener_ready(box, raw + 1 + ID))
        return OD_ENOMEM;
    bool good =
        begin(box->opener, raw, context, false) &&
        EVP_DecryptUpdate(box->opener, (uint8_t *)out, &n, raw + HEAD, (int)plain) == 1 &&
        EVP_CIPHER_CTX_ctrl(box->opener, EVP_CTRL_GCM_SET_TAG, TAG, raw + HEAD + plain) == 1 &&
        EVP_DecryptFinal_ex(box->opener, (uint8_t *)out + n, &rest) == 1;
    if (!good) {
        OPENSSL_cleanse(out, plain);
        return OD_EDENIED;
    }
    out[plain] = 0;
    *used = plain;
    return 0;
}

static int box_open(void *ctx, const char *context, struct od_text sealed, char *out, size_t size,
                    size_t *used)
{
    size_t bytes = 0;
    int err;
    *used = 0;
    if (sealed.bytes <= 4 || memcmp(sealed.at, prefix, 4) != 0)
        return OD_EINVAL;
    if (sealed.bytes > OD_BOX_SEALED_BYTES(OD_BOX_SEALED_MAX))
        return OD_ETOOBIG;
    uint8_t *raw = decode(sealed.at + 4, sealed.bytes - 4, &bytes, &err);
    if (!raw)
        return err;
    err = open_raw(ctx, context, raw, bytes, out, size, used);
    free(raw);
    return err;
}

static void box_derive(void *ctx, const char *label, const void *data, size_t bytes,
                       uint8_t out[32])
{
    struct od_box *box = ctx;
    hmac(box->key, label, data, bytes, out);
}

struct od_box_port od_box_port(struct od_box *box)
{
    return (struct od_box_port){
        .ctx = box, .seal = box_seal, .open = box_open, .derive = box_derive};
}
