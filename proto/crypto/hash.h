/*
 * hash - SHA-256 of what comes in pieces.
 */
#ifndef PROTO_CRYPTO_HASH_H
#define PROTO_CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>

void *od_hash_begin(void); /* NULL: no memory */
void od_hash_add(void *hash, const void *data, size_t bytes);
void od_hash_end(void *hash, uint8_t out[32]); /* frees it */

#endif
