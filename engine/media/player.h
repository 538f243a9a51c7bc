/*
 * player - a queue of mu-law clips turned into 20 ms frames, without a gap between clips and with
 * silence when there is nothing to play. Pure; borrows the clips, copies nothing but frames.
 *
 * Lifetime: a clip is borrowed from push() until od_player_next_done() has named it or clear() was
 * called.
 */
#ifndef ENGINE_MEDIA_PLAYER_H
#define ENGINE_MEDIA_PLAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/media/g711.h"

enum { OD_PLAYER_CLIPS_MAX = 8 };

struct od_player_clip {
    const uint8_t *ulaw;
    size_t bytes;
    uint32_t tag; /* the caller's name for it */
};

struct od_player { /* private */
    struct od_player_clip clips[OD_PLAYER_CLIPS_MAX];
    uint32_t first, count; /* clips[first .. first+count), as a ring; the first `done` are over */
    uint32_t done;
    size_t offset; /* into the first clip that is not done */
};

void od_player_init(struct od_player *player);

/* OD_EBUSY: the queue is full. A clip of no bytes is done with the next frame. */
int od_player_push(struct od_player *player, const uint8_t *ulaw, size_t bytes, uint32_t tag);

/* Fills the next frame. Returns how many of its bytes came from clips; the rest is silence. */
size_t od_player_frame(struct od_player *player, uint8_t out[OD_FRAME_BYTES]);

/* Names a clip whose last sample was handed out, oldest first, and forgets it. False: none. */
bool od_player_next_done(struct od_player *player, uint32_t *tag);

/* Forgets everything that was queued. */
void od_player_clear(struct od_player *player);

/* True when no sample is left to hand out. */
bool od_player_idle(const struct od_player *player);

#endif
