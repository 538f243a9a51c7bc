/*
 * tone - what of a stream of 20 ms frames is a single steady tone: how loud, at what frequency, how
 * pure; and the runs that such frames make. Signals of the telephone network (the beep of an
 * answering machine, special information tones, the answer of a fax) are told from such runs, in
 * beep.h and amd.h. Pure; a fraction of a microsecond per frame.
 *
 * Method: a sinusoid is the only signal with x[n] + x[n-2] = 2 cos(w) x[n-1]. The least-squares
 * value of that factor names the frequency; the share of the frame's power that stands at that
 * frequency (Goertzel) says whether it was one. Two tones at once, speech and noise leave too much
 * beside it.
 */
#ifndef ENGINE_MEDIA_TONE_H
#define ENGINE_MEDIA_TONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/media/g711.h"

struct od_tone_frame {
    uint8_t dbov;   /* level, 0 loudest .. 127 silence */
    bool tone;      /* one sinusoid and little else */
    uint16_t hz;    /* when tone */
    uint32_t power; /* mean square */
};

void od_tone_measure(const uint8_t ulaw[OD_FRAME_BYTES], struct od_tone_frame *out);

/* A run of frames of one tone. */
struct od_tone_run {
    uint16_t hz;
    uint16_t frames;  /* up to now; those bridged (a lost packet) included */
    uint8_t dbov;     /* of its loudest frame */
    uint8_t dbov_low; /* of its softest whole frame, edges left out */
    bool over;
};

enum { OD_TONE_BRIDGE = 2 }; /* frames that may be missing within a run */

struct od_tone {            /* private but for `run` */
    struct od_tone_run run; /* frames 0: none yet */
    uint32_t hz_sum;
    uint16_t hz_count;
    uint8_t missing; /* frames since the last of the run */
    uint8_t last_dbov;
};

void od_tone_init(struct od_tone *tone);

/* Takes the next frame's measure. True when the run that stands in `run` has just ended (over is
 * set; it stays readable until the next one begins). */
bool od_tone_put(struct od_tone *tone, const struct od_tone_frame *frame);

/* Within 2 % and 12 Hz. */
bool od_tone_near(uint32_t hz, uint32_t other);

#endif
