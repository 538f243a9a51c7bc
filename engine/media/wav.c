/*
 * wav - see wav.h. A program that writes WAV to a pipe can't know its length and writes a huge one
 * (or 0) into the header; so the data chunk is cut to the bytes there are.
 */
#include "engine/media/wav.h"

#include <stdbool.h>
#include <string.h>

#include "engine/media/g711.h"
#include "outdial/err.h"

enum { WAV_EXTENSIBLE = 0xfffe, CHUNKS_MAX = 64, FMT_BYTES = 18 };

static uint32_t get_u16(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t get_u32(const uint8_t *at)
{
    return get_u16(at) | get_u16(at + 2) << 16;
}

static void put_u16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static void put_u32(uint8_t *at, uint32_t value)
{
    put_u16(at, value & 0xffffu);
    put_u16(at + 2, value >> 16);
}

static size_t sample_bytes(const struct od_wav *wav)
{
    return wav->format == OD_WAV_PCM ? 2 : 1;
}

static int read_format(const uint8_t *at, size_t bytes, struct od_wav *out)
{
    if (bytes < 16)
        return OD_EPROTO;
    uint32_t format = get_u16(at);
    uint32_t bits = get_u16(at + 14);
    /* The extensible form keeps the real tag in the first bytes of its GUID. */
    if (format == WAV_EXTENSIBLE) {
        if (bytes < 40)
            return OD_EPROTO;
        format = get_u16(at + 24);
    }
    out->format = (uint16_t)format;
    out->channels = (uint16_t)get_u16(at + 2);
    out->rate = get_u32(at + 4);
    if (out->channels == 0)
        return OD_EPROTO;
    bool known = (format == OD_WAV_PCM && bits == 16) ||
                 ((format == OD_WAV_ULAW || format == OD_WAV_ALAW) && bits == 8);
    if (!known || out->channels > OD_WAV_CHANNELS_MAX || out->rate < OD_WAV_RATE_MIN ||
        out->rate > OD_WAV_RATE_MAX)
        return OD_EINVAL;
    return 0;
}

int od_wav_parse(const uint8_t *bytes, size_t count, struct od_wav *out)
{
    memset(out, 0, sizeof *out);
    if (count < 12 || memcmp(bytes, "RIFF", 4) || memcmp(bytes + 8, "WAVE", 4))
        return OD_EPROTO;
    size_t at = 12;
    for (unsigned chunk = 0; chunk < CHUNKS_MAX && count - at >= 8; chunk++) {
        const uint8_t *head = bytes + at;
        size_t length = get_u32(head + 4);
        at += 8;
        size_t there = length < count - at ? length : count - at;
        if (!memcmp(head, "fmt ", 4)) {
            int err = read_format(bytes + at, there, out);
            if (err)
                return err;
        } else if (!memcmp(head, "data", 4)) {
            if (out->channels == 0)
                return OD_EPROTO; /* samples before their format */
            if (length == 0)
                there = count - at;
            out->data = bytes + at;
            out->frames = there / (sample_bytes(out) * out->channels);
            return 0;
        }
        if (there < length)
            break;
        at += length;
        if ((length & 1u) && at < count)
            at++; /* chunks are padded to even lengths */
    }
    return OD_EPROTO;
}

int16_t od_wav_sample(const struct od_wav *wav, size_t frame)
{
    int32_t sum = 0;
    const uint8_t *at = wav->data + frame * wav->channels * sample_bytes(wav);
    for (uint32_t c = 0; c < wav->channels; c++) {
        if (wav->format == OD_WAV_PCM)
            sum += (int16_t)(uint16_t)get_u16(at + 2 * c);
        else
            sum += wav->format == OD_WAV_ULAW ? od_ulaw_decode(at[c]) : od_alaw_decode(at[c]);
    }
    return (int16_t)(sum / (int32_t)wav->channels);
}

void od_wav_header(uint8_t out[OD_WAV_HEADER_BYTES], enum od_wav_format format, uint32_t rate,
                   uint32_t data_bytes)
{
    od_wav_header_of(out, format, 1, rate, data_bytes);
}

void od_wav_header_of(uint8_t out[OD_WAV_HEADER_BYTES], enum od_wav_format format,
                      uint16_t channels, uint32_t rate, uint32_t data_bytes)
{
    uint32_t bits = format == OD_WAV_PCM ? 16 : 8, width = bits / 8 * channels;
    memcpy(out, "RIFF", 4);
    put_u32(out + 4, OD_WAV_HEADER_BYTES - 8 + data_bytes);
    memcpy(out + 8, "WAVEfmt ", 8);
    put_u32(out + 16, FMT_BYTES);
    put_u16(out + 20, (uint32_t)format);
    put_u16(out + 22, channels);
    put_u32(out + 24, rate);
    put_u32(out + 28, rate * width);
    put_u16(out + 32, width);
    put_u16(out + 34, bits);
    put_u16(out + 36, 0); /* no extension; compressed formats must say so */
    memcpy(out + 38, "fact", 4);
    put_u32(out + 42, 4);
    put_u32(out + 46, data_bytes / width);
    memcpy(out + 50, "data", 4);
    put_u32(out + 54, data_bytes);
}
