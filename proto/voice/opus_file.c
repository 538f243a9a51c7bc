/*
 * opus_file - see opus_file.h.
 */
#include "proto/voice/opus_file.h"

#include <stdlib.h>

#include <opusenc.h>

#include "outdial/err.h"

enum {
    RATE = 8000,
    CHANNELS = 2,
    FAMILY = 0,           /* RFC 7845 section 5.1.1.1: mono or stereo */
    BITRATE = 32000,      /* two voices of a telephone */
    COMPLEXITY = 5,       /* half of the CPU of 10, and not to be heard on 8 kHz speech */
    PAGE_SAMPLES = 48000, /* at Opus' 48 kHz: a page a second */
};

struct od_opus_file {
    OggOpusEnc *encoder;
    OggOpusComments *comments;
    od_opus_file_write_fn write;
    void *ctx;
    bool failed;
};

static int on_write(void *user, const unsigned char *bytes, opus_int32 count)
{
    struct od_opus_file *file = user;
    file->failed = file->failed || !file->write(file->ctx, bytes, (size_t)count);
    return file->failed;
}

static int on_close(void *user)
{
    (void)user;
    return 0;
}

static bool settle(OggOpusEnc *encoder)
{
    return !ope_encoder_ctl(encoder, OPE_SET_MUXING_DELAY(PAGE_SAMPLES)) &&
           !ope_encoder_ctl(encoder, OPE_SET_DECISION_DELAY(0)) &&
           !ope_encoder_ctl(encoder, OPUS_SET_BITRATE(BITRATE)) &&
           !ope_encoder_ctl(encoder, OPUS_SET_COMPLEXITY(COMPLEXITY)) &&
           !ope_encoder_flush_header(encoder);
}

int od_opus_file_open(struct od_opus_file **out, od_opus_file_write_fn write, void *ctx)
{
    static const OpusEncCallbacks callbacks = {on_write, on_close};
    struct od_opus_file *file = calloc(1, sizeof *file);
    int err = 0;
    *out = NULL;
    if (!file)
        return OD_ENOMEM;
    file->write = write;
    file->ctx = ctx;
    file->comments = ope_comments_create();
    if (file->comments)
        file->encoder = ope_encoder_create_callbacks(&callbacks, file, file->comments, RATE,
                                                     CHANNELS, FAMILY, &err);
    if (!file->encoder || !settle(file->encoder)) {
        err = file->failed ? OD_EIO : OD_ENOMEM;
        file->failed = true;
        od_opus_file_close(file);
        return err;
    }
    *out = file;
    return 0;
}

int od_opus_file_put(struct od_opus_file *file, const int16_t *stereo, size_t samples)
{
    if (!file->failed && ope_encoder_write(file->encoder, stereo, (int)samples))
        file->failed = true;
    return file->failed ? OD_EIO : 0;
}

void od_opus_file_close(struct od_opus_file *file)
{
    if (!file)
        return;
    if (file->encoder) {
        if (!file->failed)
            ope_encoder_drain(file->encoder);
        ope_encoder_destroy(file->encoder);
    }
    if (file->comments)
        ope_comments_destroy(file->comments);
    free(file);
}
