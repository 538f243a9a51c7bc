/*
 * uid - UUIDv7 (RFC 9562 section 5.7): made from a wall time and random bytes that the caller
 * brings, written and read as text.
 */
#ifndef ENGINE_BASE_UID_H
#define ENGINE_BASE_UID_H

#include "outdial/types.h"

enum { OD_UID_TEXT = 37 }; /* 36 characters and a NUL */

/* wall_ms: 0..2^48-1. random: 10 bytes, of which 74 bits are used. */
struct od_uid od_uid_make(int64_t wall_ms, const uint8_t random[10]);

void od_uid_text(const struct od_uid *uid, char out[OD_UID_TEXT]);

/* Reads the 36-character form, either case. False when it is anything else. */
bool od_uid_parse(const char *text, size_t bytes, struct od_uid *out);

bool od_uid_equal(const struct od_uid *a, const struct od_uid *b);
bool od_uid_none(const struct od_uid *uid);

#endif
