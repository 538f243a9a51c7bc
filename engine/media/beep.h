/*
 * beep - finds the signal tone after which an answering machine records, and nothing else: not the
 * tones of the network (ringback, busy, special information tones, a fax's answer), not music, not
 * speech. Pure.
 *
 * A beep is one steady tone that stands alone: something was said before it, no other tone for two
 * seconds, it neither swells nor fades, and quiet follows. Two or three equal ones in quick
 * succession count as one. Tones below 520 Hz, where networks have their ringback and busy tones
 * (ITU-T E.180), must be short.
 */
#ifndef ENGINE_MEDIA_BEEP_H
#define ENGINE_MEDIA_BEEP_H

#include "engine/media/tone.h"

struct od_beep {
    uint16_t hz;     /* read by the owner: of the beep that was found */
    uint16_t frames; /* its length */

    /* private */
    uint32_t now;        /* frames seen */
    uint32_t voice;      /* frames of sound that was no tone */
    uint32_t voice_last; /* when there was one last */
    uint32_t tone_last;  /* when the latest other run of tone ended; 0: never */
    struct od_tone_run candidate;
    uint32_t candidate_start, candidate_end; /* end 0: none */
    uint16_t quiet;
};

void od_beep_init(struct od_beep *beep);

/* The next frame and the tracker after it took that frame; ended: what od_tone_put() said. True
 * when a beep is over and has been found. */
bool od_beep_put(struct od_beep *beep, const struct od_tone_frame *frame,
                 const struct od_tone *tone, bool ended);

#endif
