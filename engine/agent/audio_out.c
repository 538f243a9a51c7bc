/*
 * audio_out - see the header. A message grows in place until it has its frames.
 */
#include "engine/agent/audio_out.h"

#include <stdlib.h>
#include <string.h>

bool od_audio_out_plain(const struct od_wire_media *media)
{
    return media->codec == OD_WIRE_ULAW && media->frames == 1;
}

static size_t frame_bytes(const struct od_wire_media *media)
{
    return media->codec == OD_WIRE_L16 ? OD_FRAME_BYTES * (media->rate / 8000) * 2 : OD_FRAME_BYTES;
}

struct od_audio_out *od_audio_out_create(const struct od_wire_media *media)
{
    struct od_audio_out *out = malloc(sizeof *out + frame_bytes(media) * media->frames);
    if (!out)
        return NULL;
    memset(out, 0, sizeof *out);
    out->media = *media;
    if (media->codec == OD_WIRE_L16)
        od_resample_init(&out->up, media->rate / 8000);
    return out;
}

bool od_audio_out_follows(const struct od_audio_out *out, uint64_t frame)
{
    return !out->frames || frame == out->first + out->frames;
}

static void add_linear(struct od_audio_out *out, const uint8_t ulaw[OD_FRAME_BYTES])
{
    int16_t narrow[OD_FRAME_BYTES], wide[OD_FRAME_BYTES * OD_RESAMPLE_FACTOR_MAX];
    size_t samples = OD_FRAME_BYTES * (out->media.rate / 8000);
    uint8_t *at = out->at + out->bytes;
    for (unsigned i = 0; i < OD_FRAME_BYTES; i++)
        narrow[i] = od_ulaw_decode(ulaw[i]);
    od_resample_up(&out->up, narrow, OD_FRAME_BYTES, wide);
    for (size_t i = 0; i < samples; i++) {
        *at++ = (uint8_t)wide[i];
        *at++ = (uint8_t)((uint16_t)wide[i] >> 8);
    }
}

bool od_audio_out_add(struct od_audio_out *out, uint64_t frame, const uint8_t ulaw[OD_FRAME_BYTES])
{
    if (!out->frames)
        out->first = frame;
    if (out->media.codec == OD_WIRE_L16)
        add_linear(out, ulaw);
    else if (out->media.codec == OD_WIRE_ALAW)
        od_ulaw_to_alaw(out->at + out->bytes, ulaw, OD_FRAME_BYTES);
    else
        memcpy(out->at + out->bytes, ulaw, OD_FRAME_BYTES);
    out->bytes += frame_bytes(&out->media);
    return ++out->frames == out->media.frames;
}

void od_audio_out_sent(struct od_audio_out *out)
{
    out->frames = 0;
    out->bytes = 0;
}
