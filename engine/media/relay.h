/*
 * relay - frames of one leg on their way to the other. Both legs are played by the same clock in
 * slots of their own, so one frame comes and one goes in each 20 ms; a few places take up what a
 * late turn of the loop brings together. Pure.
 *
 * Lifetime: plain memory of the owner's.
 */
#ifndef ENGINE_MEDIA_RELAY_H
#define ENGINE_MEDIA_RELAY_H

#include "engine/media/g711.h"

enum { OD_RELAY_FRAMES = 4 }; /* 80 ms: more would be heard as delay for the rest of the call */

struct od_relay {
    uint8_t frames[OD_RELAY_FRAMES][OD_FRAME_BYTES];
    uint8_t first, count;
    uint64_t dropped; /* frames that found no room: the oldest went */
    uint64_t missed;  /* silence given for want of a frame */
};

/* All zero is an empty one. */
void od_relay_put(struct od_relay *relay, const uint8_t ulaw[OD_FRAME_BYTES]);
void od_relay_get(struct od_relay *relay, uint8_t ulaw[OD_FRAME_BYTES]);

#endif
