/*
 * voice_codec - see voice_codec.h.
 */
#include "proto/voice/voice_codec.h"

#include <opus/opus.h>
#include <spandsp.h>
#include <stdlib.h>

#include "outdial/err.h"

enum { G722_RATE = 64000, OPUS_BITS_PER_S = 24000, RATE = 8000 };

struct od_voice_codec {
    enum od_voice voice;
    g722_encode_state_t *g722_out;
    g722_decode_state_t *g722_in;
    OpusEncoder *opus_out;
    OpusDecoder *opus_in;
};

uint32_t od_voice_codec_scale(enum od_voice voice)
{
    return voice == OD_VOICE_OPUS ? 6 : 1;
}

int od_voice_codec_create(struct od_voice_codec **out, enum od_voice voice)
{
    struct od_voice_codec *codec;
    bool good;
    int err;
    *out = NULL;
    if (voice != OD_VOICE_G722 && voice != OD_VOICE_OPUS)
        return OD_EINVAL;
    codec = calloc(1, sizeof *codec);
    if (!codec)
        return OD_ENOMEM;
    codec->voice = voice;
    if (voice == OD_VOICE_G722) {
        /* the lower half-band alone is 8 kHz speech */
        codec->g722_out = g722_encode_init(NULL, G722_RATE, G722_SAMPLE_RATE_8000);
        codec->g722_in = g722_decode_init(NULL, G722_RATE, G722_SAMPLE_RATE_8000);
        good = codec->g722_out && codec->g722_in;
    } else {
        /* not VOIP: its high-pass shifts a voice's fundamental against the rest */
        codec->opus_out = opus_encoder_create(RATE, 1, OPUS_APPLICATION_AUDIO, &err);
        codec->opus_in = opus_decoder_create(RATE, 1, &err);
        good = codec->opus_out && codec->opus_in;
        if (good) {
            opus_encoder_ctl(codec->opus_out, OPUS_SET_BITRATE(OPUS_BITS_PER_S));
            opus_encoder_ctl(codec->opus_out, OPUS_SET_COMPLEXITY(3)); /* a third of the CPU of 9 */
            opus_encoder_ctl(codec->opus_out, OPUS_SET_INBAND_FEC(1));
            opus_encoder_ctl(codec->opus_out, OPUS_SET_PACKET_LOSS_PERC(3));
        }
    }
    if (!good) {
        od_voice_codec_destroy(codec);
        return OD_ENOMEM;
    }
    *out = codec;
    return 0;
}

void od_voice_codec_destroy(struct od_voice_codec *codec)
{
    if (!codec)
        return;
    if (codec->g722_out)
        g722_encode_free(codec->g722_out);
    if (codec->g722_in)
        g722_decode_free(codec->g722_in);
    if (codec->opus_out)
        opus_encoder_destroy(codec->opus_out);
    if (codec->opus_in)
        opus_decoder_destroy(codec->opus_in);
    free(codec);
}

size_t od_voice_codec_encode(struct od_voice_codec *codec, const int16_t pcm[OD_VOICE_FRAME],
                             uint8_t out[OD_VOICE_PACKET_MAX])
{
    int bytes;
    if (codec->voice == OD_VOICE_G722)
        bytes = g722_encode(codec->g722_out, out, pcm, OD_VOICE_FRAME);
    else
        bytes = opus_encode(codec->opus_out, pcm, OD_VOICE_FRAME, out, OD_VOICE_PACKET_MAX);
    return bytes > 0 ? (size_t)bytes : 0;
}

size_t od_voice_codec_decode(struct od_voice_codec *codec, const uint8_t *payload, size_t bytes,
                             int16_t out[OD_VOICE_SAMPLES_MAX])
{
    int samples = 0;
    if (codec->voice == OD_VOICE_G722) {
        if (bytes && bytes <= OD_VOICE_SAMPLES_MAX) /* a byte is a sample of 8 kHz */
            samples = g722_decode(codec->g722_in, out, payload, (int)bytes);
    } else if (bytes && bytes <= 1500) {
        samples =
            opus_decode(codec->opus_in, payload, (opus_int32)bytes, out, OD_VOICE_SAMPLES_MAX, 0);
    }
    return samples > 0 ? (size_t)samples : 0;
}
