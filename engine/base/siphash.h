/*
 * siphash - SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for names that outsiders must
 * not guess and tables whose keys outsiders choose.
 */
#ifndef ENGINE_BASE_SIPHASH_H
#define ENGINE_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t od_siphash(const uint8_t key[16], const void *data, size_t bytes);

#endif
