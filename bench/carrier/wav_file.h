/*
 * wav_file: what a callee heard, as 16-bit mono at 8 kHz. Samples are placed by their time, so loss
 * shows as silence; holes cost no disk space. Written by rtp_talk only.
 */
#ifndef OD_BENCH_CARRIER_WAV_FILE_H
#define OD_BENCH_CARRIER_WAV_FILE_H

#include <stddef.h>
#include <stdint.h>

struct od_wav_file {
    int fd;           /* -1: none */
    uint32_t samples; /* length so far */
};

/* Makes DIR/NAME.wav, every byte of NAME that isn't a letter, digit, +, - or _ replaced. 0 or
 * -errno. */
int od_wav_file_open(struct od_wav_file *, const char *dir, const char *name);

/* Places samples at `at`; beyond an hour they are dropped. count <= 1024. */
void od_wav_file_put(struct od_wav_file *, uint32_t at, const int16_t *samples, size_t count);

/* Writes the header and closes. */
void od_wav_file_close(struct od_wav_file *);

#endif
