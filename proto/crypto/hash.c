/*
 * hash - see the header.
 */
#include "proto/crypto/hash.h"

#include <string.h>

#include <openssl/evp.h>

void *od_hash_begin(void)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1)
        return ctx;
    EVP_MD_CTX_free(ctx);
    return NULL;
}

void od_hash_add(void *hash, const void *data, size_t bytes)
{
    EVP_DigestUpdate(hash, data, bytes);
}

void od_hash_end(void *hash, uint8_t out[32])
{
    unsigned size = 32;
    if (EVP_DigestFinal_ex(hash, out, &size) != 1)
        memset(out, 0, 32);
    EVP_MD_CTX_free(hash);
}
