/*
 * clip - see clip.h. Resampling is libspeexdsp's.
 */
#include "engine/host/clip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <speex/speex_resampler.h>

#include "engine/base/assert.h"
#include "engine/media/g711.h"
#include "engine/media/wav.h"
#include "outdial/err.h"

enum {
    RATE = 8000,
    QUALITY = 6,      /* of 10: past this, telephone audio sounds no better */
    CHUNK = 4096,     /* samples resampled at a time */
    QUIET = 200,      /* of 32767: what a synthesiser calls silence */
    LEAD_KEPT = 40,   /* 5 ms */
    TAIL_KEPT = 1200, /* 150 ms, so that sentences don't run into each other */
    SECONDS_MAX = 5 * 60,
};

struct od_clip *od_clip_create(size_t bytes)
{
    struct od_clip *clip = malloc(sizeof *clip + bytes);
    if (!clip)
        return NULL;
    clip->holders = 1;
    clip->bytes = bytes;
    return clip;
}

struct od_clip *od_clip_hold(struct od_clip *clip)
{
    clip->holders++;
    return clip;
}

void od_clip_release(struct od_clip *clip)
{
    if (!clip)
        return;
    OD_ASSERT(clip->holders > 0);
    if (--clip->holders == 0)
        free(clip);
}

/* Fills out[] (of room samples) with the file at 8,000 Hz; returns how many. The filter keeps the
 * last few samples to itself until zeros push them out. */
static size_t resample(SpeexResamplerState *state, const struct od_wav *wav, int16_t *out,
                       size_t room)
{
    int16_t chunk[CHUNK];
    size_t at = 0, made = 0;
    size_t end = wav->frames + (size_t)speex_resampler_get_input_latency(state);
    while (at < end && made < room) {
        spx_uint32_t in = 0;
        for (; in < CHUNK && at + in < end; in++)
            chunk[in] = at + in < wav->frames ? od_wav_sample(wav, at + in) : 0;
        spx_uint32_t produced = (spx_uint32_t)(room - made), taken = in;
        if (speex_resampler_process_int(state, 0, chunk, &taken, out + made, &produced) ||
            (!taken && !produced))
            break;
        at += taken;
        made += produced;
    }
    return made;
}

/* The file's samples at 8,000 Hz, to be freed by the caller. NULL: no memory. */
static int16_t *read_samples(const struct od_wav *wav, size_t *count)
{
    size_t room = (size_t)((uint64_t)wav->frames * RATE / wav->rate);
    int16_t *pcm = malloc((room + 1) * sizeof *pcm);
    if (!pcm)
        return NULL;
    if (wav->rate == RATE) {
        for (size_t i = 0; i < room; i++)
            pcm[i] = od_wav_sample(wav, i);
        *count = room;
        return pcm;
    }
    int failed = 0;
    SpeexResamplerState *state = speex_resampler_init(1, wav->rate, RATE, QUALITY, &failed);
    if (!state) {
        free(pcm);
        return NULL;
    }
    speex_resampler_skip_zeros(state);
    *count = resample(state, wav, pcm, room);
    speex_resampler_destroy(state);
    return pcm;
}

static int is_quiet(int16_t sample)
{
    return sample > -QUIET && sample < QUIET;
}

static struct od_clip *encode(const int16_t *pcm, size_t count, int trim)
{
    size_t first = 0, end = count;
    if (trim) {
        while (first < count && is_quiet(pcm[first]))
            first++;
        while (end > first && is_quiet(pcm[end - 1]))
            end--;
        first -= first < LEAD_KEPT ? first : LEAD_KEPT;
        end += count - end < TAIL_KEPT ? count - end : TAIL_KEPT;
    }
    struct od_clip *clip = od_clip_create(end - first);
    for (size_t i = first; clip && i < end; i++)
        clip->ulaw[i - first] = od_ulaw_encode(pcm[i]);
    return clip;
}

int od_clip_from_wav(const uint8_t *bytes, size_t count, int trim, struct od_clip **out,
                     char why[OD_CLIP_WHY_MAX])
{
    struct od_wav wav;
    *out = NULL;
    int err = od_wav_parse(bytes, count, &wav);
    if (err) {
        snprintf(why, OD_CLIP_WHY_MAX, "%s",
                 err == OD_EINVAL ? "a WAV file, but not of 16-bit PCM, mu-law or A-law"
                                  : "not a WAV file");
        return OD_EPROTO;
    }
    if (wav.frames / wav.rate >= SECONDS_MAX) {
        snprintf(why, OD_CLIP_WHY_MAX, "longer than 5 minutes");
        return OD_ETOOBIG;
    }
    if (wav.rate == RATE && wav.channels == 1 && wav.format == OD_WAV_ULAW && !trim) {
        *out = od_clip_create(wav.frames); /* bit for bit */
        if (*out)
            memcpy((*out)->ulaw, wav.data, wav.frames);
        return *out ? 0 : OD_ENOMEM;
    }

    size_t samples = 0;
    int16_t *pcm = read_samples(&wav, &samples);
    if (pcm)
        *out = encode(pcm, samples, trim);
    free(pcm);
    if (!*out)
        snprintf(why, OD_CLIP_WHY_MAX, "no memory");
    return *out ? 0 : OD_ENOMEM;
}

static int write_all(int fd, const uint8_t *bytes, size_t count)
{
    while (count) {
        ssize_t n = write(fd, bytes, count);
        if (n < 0 && errno != EINTR)
            return OD_EIO;
        if (n > 0) {
            bytes += n;
            count -= (size_t)n;
        }
    }
    return 0;
}

int od_clip_save(const struct od_clip *clip, const char *path)
{
    uint8_t header[OD_WAV_HEADER_BYTES];
    char partial[4096];
    int length = snprintf(partial, sizeof partial, "%s.tmp", path);
    if (length < 0 || (size_t)length >= sizeof partial) {
        errno = ENAMETOOLONG;
        return OD_EIO;
    }
    int fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return OD_EIO;
    od_wav_header(header, OD_WAV_ULAW, RATE, (uint32_t)clip->bytes);
    int err = write_all(fd, header, sizeof header);
    if (!err)
        err = write_all(fd, clip->ulaw, clip->bytes);
    if (close(fd) && !err)
        err = OD_EIO;
    if (!err && rename(partial, path))
        err = OD_EIO;
    if (err) {
        int saved = errno;
        unlink(partial);
        errno = saved;
    }
    return err;
}

int od_clip_read_file(const char *path, size_t bytes_max, uint8_t **out, size_t *bytes)
{
    struct stat st;
    *out = NULL;
    *bytes = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold the thread */
    if (fd < 0)
        return errno == ENOENT ? OD_ENOENT : OD_EIO;
    int err = 0;
    if (fstat(fd, &st))
        err = OD_EIO;
    else if (!S_ISREG(st.st_mode))
        err = OD_EINVAL;
    else if ((uint64_t)st.st_size > bytes_max)
        err = OD_ETOOBIG;
    uint8_t *data = err ? NULL : malloc((size_t)st.st_size + 1);
    if (!err && !data)
        err = OD_ENOMEM;
    size_t have = 0;
    while (!err && have < (size_t)st.st_size) {
        ssize_t n = read(fd, data + have, (size_t)st.st_size - have);
        if (n == 0)
            break; /* it shrank meanwhile */
        if (n > 0)
            have += (size_t)n;
        else if (errno != EINTR)
            err = OD_EIO;
    }
    close(fd);
    if (err) {
        free(data);
        return err;
    }
    *out = data;
    *bytes = have;
    return 0;
}
