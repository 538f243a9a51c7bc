/*
 * wav - a bounded reader of RIFF/WAVE files (16-bit PCM, mu-law, A-law; any rate and number of
 * channels within the limits below) and the writer of a header. Pure: bytes in memory. Files come
 * from outside: every length in them is checked against the bytes there are.
 */
#ifndef ENGINE_MEDIA_WAV_H
#define ENGINE_MEDIA_WAV_H

#include <stddef.h>
#include <stdint.h>

enum od_wav_format {                 /* the format tags of the file */
                     OD_WAV_PCM = 1, /* 16 bits, little endian */
                     OD_WAV_ALAW = 6,
                     OD_WAV_ULAW = 7,
};

enum {
    OD_WAV_HEADER_BYTES = 58, /* what od_wav_header() writes */
    OD_WAV_CHANNELS_MAX = 32,
    OD_WAV_RATE_MIN = 4000,
    OD_WAV_RATE_MAX = 192000,
};

struct od_wav {
    uint16_t format;     /* enum od_wav_format */
    uint16_t channels;   /* 1.. */
    uint32_t rate;       /* Hz */
    const uint8_t *data; /* borrowed from the file's bytes */
    size_t frames;       /* samples per channel that are really there */
};

/* OD_EPROTO: not a WAV file, or broken; OD_EINVAL: a WAV file of a kind that isn't read here. */
int od_wav_parse(const uint8_t *bytes, size_t count, struct od_wav *out);

/* Sample `frame` (< frames) with all channels averaged. */
int16_t od_wav_sample(const struct od_wav *wav, size_t frame);

/* Writes a header for one channel and data_bytes of data. */
void od_wav_header(uint8_t out[OD_WAV_HEADER_BYTES], enum od_wav_format format, uint32_t rate,
                   uint32_t data_bytes);
/* And for several. */
void od_wav_header_of(uint8_t out[OD_WAV_HEADER_BYTES], enum od_wav_format format,
                      uint16_t channels, uint32_t rate, uint32_t data_bytes);

#endif
