/*
 * base64 - the standard alphabet with padding (RFC 4648 section 4), in pieces if need be.
 */
#ifndef ENGINE_BASE_BASE64_H
#define ENGINE_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Characters that n bytes become, without a NUL. */
#define OD_BASE64_CHARS(n) (((n) + 2) / 3 * 4)

/* Writes OD_BASE64_CHARS(bytes) characters and no NUL. Returns their number. */
size_t od_base64_encode(char *out, const uint8_t *data, size_t bytes);

/* Reads whole groups of four characters; the last one may be padded, or its padding missing.
 * `out` has room for chars / 4 * 3 + 2 bytes. Returns the bytes, or SIZE_MAX when a character is
 * none of the alphabet. White space is none. */
size_t od_base64_decode(uint8_t *out, const char *text, size_t chars);

#endif
