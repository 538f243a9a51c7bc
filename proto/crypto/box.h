/*
 * box - seals and opens secrets with AES-256-GCM (OpenSSL): the implementation of outdial/box.h.
 *
 *   sealed text   "ob1." + base64url( 1 | key id (4) | salt (16) | count (8) | cipher text | tag
 *                 (16) )
 *   sub-key       HMAC-SHA256(key, "seal" | salt); the salt is drawn once per box, the count goes
 * up with every seal, so that no nonce is ever used twice under one sub-key, however many secrets a
 * process seals (random nonces of 96 bits would be good for 2^32) AAD           the version byte,
 * key id and the context
 *
 * Lifetime: owned by the host; used on the loop's thread only.
 */
#ifndef PROTO_CRYPTO_BOX_H
#define PROTO_CRYPTO_BOX_H

#include "outdial/box.h"

struct od_box;

/* The key of a text of any length: its SHA-256 under a label of ours. */
void od_box_key_of_text(const char *text, uint8_t key[32]);

/* The key is copied. OD_ENOMEM, OD_EIO: no random bytes. */
int od_box_create(struct od_box **out, const uint8_t key[32]);
void od_box_destroy(struct od_box *box); /* NULL is fine */

struct od_box_port od_box_port(struct od_box *box);

/* Names the key without telling it: 8 hex digits. */
void od_box_key_id(const struct od_box *box, char out[9]);

#endif
