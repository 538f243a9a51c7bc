/*
 * voice_codec - speech at 8,000 Hz to and from the codecs that aren't tables: G.722 (spandsp) and
 * Opus (libopus), which are included here only. Both can speak 8 kHz themselves, so nothing is
 * resampled. One per call. No I/O.
 */
#ifndef PROTO_VOICE_VOICE_CODEC_H
#define PROTO_VOICE_VOICE_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "outdial/voice.h"

struct od_voice_codec;

enum {
    OD_VOICE_FRAME = 160,       /* samples of 20 ms */
    OD_VOICE_PACKET_MAX = 320,  /* bytes that encode() writes at most */
    OD_VOICE_SAMPLES_MAX = 960, /* samples that decode() writes at most: 120 ms */
};

/* OD_EINVAL: not one of the two; OD_ENOMEM. */
int od_voice_codec_create(struct od_voice_codec **out, enum od_voice voice);
void od_voice_codec_destroy(struct od_voice_codec *codec); /* NULL is fine */

/* Timestamp units of the wire per sample of ours: 1, or 6 (Opus, RFC 7587 section 4.1). */
uint32_t od_voice_codec_scale(enum od_voice voice);

/* 20 ms into a packet's payload; its bytes. */
size_t od_voice_codec_encode(struct od_voice_codec *codec, const int16_t pcm[OD_VOICE_FRAME],
                             uint8_t out[OD_VOICE_PACKET_MAX]);

/* A payload into samples; how many, 0 for one that can't be read. */
size_t od_voice_codec_decode(struct od_voice_codec *codec, const uint8_t *payload, size_t bytes,
                             int16_t out[OD_VOICE_SAMPLES_MAX]);

#endif
