/*
 * voice: the sounds of a telephone at 8 kHz, 20 ms at a time, and G.711 (ITU-T G.711) both ways.
 * What it says is no language, only what a detector listens for: voiced harmonics in syllables.
 * Made once at start and read by all callees.
 */
#ifndef OD_BENCH_CARRIER_VOICE_H
#define OD_BENCH_CARRIER_VOICE_H

#include <stddef.h>
#include <stdint.h>

enum {
    OD_VOICE_FRAME = 160,    /* samples of 20 ms */
    OD_VOICE_SPEECH = 32000, /* samples of speech before it repeats */
    OD_VOICE_RINGBACK = 200  /* five periods of 40 Hz, which divides 440 and 480 Hz */
};

enum od_voice_law { OD_VOICE_ULAW, OD_VOICE_ALAW, OD_VOICE_LAWS };

struct od_voice {
    uint8_t speech[OD_VOICE_LAWS][OD_VOICE_SPEECH];
    uint8_t ringback[OD_VOICE_LAWS][OD_VOICE_RINGBACK];
    int16_t linear[OD_VOICE_LAWS][256]; /* decoding tables */
};

void od_voice_init(struct od_voice *);

uint8_t od_voice_encode(enum od_voice_law, int16_t sample);

/* A frame of silence, of speech from sample `at` on, of ringback from sample `at` on. */
void od_voice_silence(enum od_voice_law, uint8_t out[OD_VOICE_FRAME]);
void od_voice_speech(const struct od_voice *, enum od_voice_law, uint64_t at,
                     uint8_t out[OD_VOICE_FRAME]);
void od_voice_ringback(const struct od_voice *, enum od_voice_law, uint64_t at,
                       uint8_t out[OD_VOICE_FRAME]);

/* A frame of two tones (one when the second is 0) that began `at` samples ago. */
struct od_voice_tones {
    double low_hz, high_hz;
};
void od_voice_tones(struct od_voice_tones, enum od_voice_law, uint64_t at,
                    uint8_t out[OD_VOICE_FRAME]);

/* The tones of a key (ITU-T Q.23) and its event number (RFC 4733 3.2); -1: no such key. */
int od_voice_key(char key, struct od_voice_tones *);

/* Mean loudness of encoded bytes: the mean of the samples' magnitudes, 0..32767. */
unsigned od_voice_loudness(const struct od_voice *, enum od_voice_law, const uint8_t *bytes,
                           size_t count);

#endif
