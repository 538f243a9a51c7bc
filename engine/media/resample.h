/*
 * resample - 8,000 Hz to a whole multiple of it and back (16, 24, 32, 40, 48 kHz): a windowed-sinc
 * low pass in polyphase form, for agents that speak linear audio at such a rate. Pure; a stream of
 * one direction per struct.
 */
#ifndef ENGINE_MEDIA_RESAMPLE_H
#define ENGINE_MEDIA_RESAMPLE_H

#include <stddef.h>
#include <stdint.h>

enum { OD_RESAMPLE_FACTOR_MAX = 6, OD_RESAMPLE_TAPS = 16 /* per phase */ };

struct od_resample { /* private */
    unsigned factor, phase;
    unsigned taps_count, at;
    float taps[OD_RESAMPLE_TAPS * OD_RESAMPLE_FACTOR_MAX];
    float history[2 * OD_RESAMPLE_TAPS * OD_RESAMPLE_FACTOR_MAX]; /* twice, to read it in a row */
};

/* factor 1..OD_RESAMPLE_FACTOR_MAX */
void od_resample_init(struct od_resample *resample, unsigned factor);

/* Writes count * factor samples. */
void od_resample_up(struct od_resample *resample, const int16_t *in, size_t count, int16_t *out);
/* Writes count / factor samples, one more or less as the phase has it. Returns their number. */
size_t od_resample_down(struct od_resample *resample, const int16_t *in, size_t count,
                        int16_t *out);

#endif
