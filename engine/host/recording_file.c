/*
 * recording_file - see recording_file.h.
 */
#include "engine/host/recording_file.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "engine/media/wav.h"
#include "proto/voice/opus_file.h"

enum { RATE = 8000, SIDES = 2 };

static bool write_all(int fd, const void *bytes, size_t count, off_t at)
{
    const uint8_t *from = bytes;
    while (count) {
        ssize_t n = pwrite(fd, from, count, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n ? errno : ENOSPC;
            return false;
        }
        from += n;
        at += n;
        count -= (size_t)n;
    }
    return true;
}

/* ---- WAV: samples first, then the header that counts them ---- */

static bool write_header(int fd, uint64_t file_bytes)
{
    uint8_t header[OD_WAV_HEADER_BYTES];
    od_wav_header_of(header, OD_WAV_PCM, SIDES, RATE, (uint32_t)(file_bytes - OD_WAV_HEADER_BYTES));
    return write_all(fd, header, sizeof header, 0);
}

static bool write_wav(struct od_recording_file *file, const int16_t *stereo, size_t samples)
{
    uint16_t little[2048];
    uint64_t end = file->bytes;
    for (size_t i = 0, n = 0; i < SIDES * samples; i++) {
        little[n++] = htole16((uint16_t)stereo[i]);
        if (n < sizeof little / sizeof *little && i + 1 < SIDES * samples)
            continue;
        if (!write_all(file->fd, little, n * sizeof *little, (off_t)end))
            return false;
        end += n * sizeof *little;
        n = 0;
    }
    if (!write_header(file->fd, end))
        return false;
    file->bytes = end;
    return true;
}

/* ---- Ogg Opus: whole pages ---- */

static bool on_pages(void *ctx, const uint8_t *bytes, size_t count)
{
    struct od_recording_file *file = ctx;
    if (!write_all(file->fd, bytes, count, (off_t)file->bytes))
        return false;
    file->bytes += count;
    return true;
}

/* ---- both ---- */

static bool begin(struct od_recording_file *file, const char *path)
{
    file->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file->fd < 0)
        return false;
    if (file->as_opus)
        return od_opus_file_open(&file->opus, on_pages, file) == 0;
    file->bytes = OD_WAV_HEADER_BYTES;
    return write_header(file->fd, file->bytes);
}

static bool put(struct od_recording_file *file, const int16_t *stereo, size_t samples)
{
    return file->as_opus ? od_opus_file_put(file->opus, stereo, samples) == 0
                         : write_wav(file, stereo, samples);
}

bool od_recording_file_write(struct od_recording_file *file, const char *path,
                             const int16_t *stereo, size_t samples)
{
    errno = 0;
    if ((file->fd >= 0 || begin(file, path)) && put(file, stereo, samples))
        return true;
    int err = errno ? errno : EIO;
    if (file->fd >= 0 && ftruncate(file->fd, (off_t)file->bytes))
        err = errno; /* trailing bytes that nothing counts do no harm */
    errno = err;
    return false;
}

void od_recording_file_close(struct od_recording_file *file)
{
    od_opus_file_close(file->opus);
    file->opus = NULL;
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}
