/*
 * level - how loud a frame is, in the unit of RFC 6465: decibels below the loudest sample there can
 * be, 0 (overload) to 127 (digital silence). Pure.
 */
#ifndef ENGINE_MEDIA_LEVEL_H
#define ENGINE_MEDIA_LEVEL_H

#include <stddef.h>
#include <stdint.h>

/* The mean square of the samples; 0 for no samples. */
uint32_t od_level_mean_square(const uint8_t *ulaw, size_t bytes);

/* -dBov of a mean square, within half a decibel. */
uint8_t od_level_dbov_of(uint32_t mean_square);

/* -dBov, within half a decibel. */
uint8_t od_level_dbov(const uint8_t *ulaw, size_t bytes);

#endif
