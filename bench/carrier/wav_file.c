/* wav_file: see wav_file.h. */
#include "bench/carrier/wav_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HEADER = 44, SAMPLES_MAX = 3600 * 8000, PUT_MAX = 1024 };

int od_wav_file_open(struct od_wav_file *wav, const char *dir, const char *name)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s.wav", dir, name);
    *wav = (struct od_wav_file){.fd = -1};
    if (n < 0 || (size_t)n >= sizeof path)
        return -ENAMETOOLONG;
    char *end = path + n - 4;
    for (char *p = end - strlen(name); p < end; p++) {
        if (!strchr("0123456789+-_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", *p))
            *p = '_';
    }
    wav->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return wav->fd < 0 ? -errno : 0;
}

void od_wav_file_put(struct od_wav_file *wav, uint32_t at, const int16_t *samples, size_t count)
{
    uint8_t bytes[PUT_MAX * 2];
    if (wav->fd < 0 || count > PUT_MAX || at > SAMPLES_MAX - PUT_MAX)
        return;
    for (size_t i = 0; i < count; i++) {
        bytes[2 * i] = (uint8_t)((uint16_t)samples[i] & 0xff);
        bytes[2 * i + 1] = (uint8_t)((uint16_t)samples[i] >> 8);
    }
    if (pwrite(wav->fd, bytes, 2 * count, HEADER + (off_t)at * 2) < 0)
        return; /* a full disk ends the recording, not the call */
    if (at + count > wav->samples)
        wav->samples = at + (uint32_t)count;
}

static uint8_t *put_number(uint8_t *at, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *at++ = (uint8_t)(value >> (8 * i));
    return at;
}

void od_wav_file_close(struct od_wav_file *wav)
{
    if (wav->fd < 0)
        return;
    uint8_t header[HEADER], *p = header;
    memcpy(p, "RIFF", 4);
    p = put_number(p + 4, 36 + wav->samples * 2, 4);
    memcpy(p, "WAVEfmt ", 8);
    p = put_number(p + 8, 16, 4);
    p = put_number(p, 1, 2);     /* PCM */
    p = put_number(p, 1, 2);     /* mono */
    p = put_number(p, 8000, 4);  /* samples a second */
    p = put_number(p, 16000, 4); /* bytes a second */
    p = put_number(p, 2, 2);     /* bytes a sample */
    p = put_number(p, 16, 2);    /* bits a sample */
    memcpy(p, "data", 4);
    put_number(p + 4, wav->samples * 2, 4);
    if (pwrite(wav->fd, header, sizeof header, 0) < 0)
        wav->samples = 0;
    close(wav->fd);
    wav->fd = -1;
}
