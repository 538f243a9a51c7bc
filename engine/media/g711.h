/*
 * g711 - mu-law and A-law (ITU-T G.711), to and from 16-bit linear samples and into each other.
 * Pure. Inside outdial audio is mu-law at 8,000 Hz; A-law exists only at the edge of a call that
 * negotiated it.
 */
#ifndef ENGINE_MEDIA_G711_H
#define ENGINE_MEDIA_G711_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OD_FRAME_MS = 20,
    OD_FRAME_BYTES = 160,   /* a 20 ms frame of either law */
    OD_ULAW_SILENCE = 0xff, /* the code of +0 */
    OD_ALAW_SILENCE = 0xd5,
};

uint8_t od_ulaw_encode(int16_t pcm);
int16_t od_ulaw_decode(uint8_t code);
uint8_t od_alaw_encode(int16_t pcm);
int16_t od_alaw_decode(uint8_t code);

/* Whether some sample's magnitude, the seven bits of its code from 0 (silence) to 127, is at least
 * that. */
bool od_ulaw_reaches(const uint8_t *ulaw, size_t bytes, uint8_t magnitude);

/* out may be in. */
void od_ulaw_to_alaw(uint8_t *out, const uint8_t *in, size_t bytes);
void od_alaw_to_ulaw(uint8_t *out, const uint8_t *in, size_t bytes);

#endif
