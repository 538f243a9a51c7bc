/*
 * ringback - the tone that tells a caller that a phone is ringing, for one who waits while somebody
 * else is dialled for them: that of the dialled number's country, as far as it differs (ITU-T
 * E.180, supplement 2), else the one of most countries. Pure.
 *
 * Lifetime: plain memory of the owner's.
 */
#ifndef ENGINE_MEDIA_RINGBACK_H
#define ENGINE_MEDIA_RINGBACK_H

#include "engine/media/g711.h"

struct od_ring_tone;

struct od_ringback {
    const struct od_ring_tone *tone; /* NULL: not begun */
    uint32_t at;                     /* samples into the cadence */
};

/* From the beginning of its first ring. number: in E.164 or any other form. */
void od_ringback_begin(struct od_ringback *ringback, const char *number);

void od_ringback_frame(struct od_ringback *ringback, uint8_t ulaw[OD_FRAME_BYTES]);

#endif
