/*
 * time_text - wall times as RFC 3339 text and back. Pure; no time zone database, no C library time.
 */
#ifndef ENGINE_API_TIME_TEXT_H
#define ENGINE_API_TIME_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OD_TIME_TEXT = 25 }; /* "2025-01-31T23:59:59.123Z" and a NUL */

/* UTC with milliseconds; what lies outside the years 1970..9999 is clamped to them. */
void od_time_text(int64_t wall_ms, char out[OD_TIME_TEXT]);

/* date-time of RFC 3339 section 5.6, with any offset; a leap second is read as the next second,
 * digits after the milliseconds are dropped. False when it is anything else or before 1970. */
bool od_time_parse(const char *text, size_t bytes, int64_t *wall_ms);

#endif
