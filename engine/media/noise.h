/*
 * noise - the sound of a room under an agent's voice: a loop of soft, brown-tinted noise made from
 * a seed, and mixing it in. Pure.
 */
#ifndef ENGINE_MEDIA_NOISE_H
#define ENGINE_MEDIA_NOISE_H

#include <stddef.h>
#include <stdint.h>

#include "engine/media/g711.h"

enum { OD_NOISE_SAMPLES = 8 * 8000 }; /* of the loop: 8 s, whole frames */

/* A loop without a seam, its loudest sample at about full scale. */
void od_noise_make(int16_t out[OD_NOISE_SAMPLES], uint64_t seed);

/* Adds 20 ms of the loop from *at on, at level 0..1, and moves *at on. */
void od_noise_mix(uint8_t ulaw[OD_FRAME_BYTES], const int16_t loop[OD_NOISE_SAMPLES], float level,
                  uint32_t *at);

#endif
