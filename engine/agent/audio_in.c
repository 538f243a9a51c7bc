/*
 * audio_in - see audio_in.h.
 */
#include "engine/agent/audio_in.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/base64.h"
#include "engine/media/resample.h"
#include "outdial/err.h"

enum {
    PIECE_SAMPLES = 480, /* converted at a time */
    PIECE_CHARS = 4096,  /* decoded at a time, where they have to be copied first */
};

struct od_audio_linear {
    struct od_resample down;
    uint32_t rate; /* 0: not set up */
    uint8_t half;  /* of a sample that was cut between two messages */
    bool has_half;
};

void od_audio_in_deinit(struct od_audio_in *in)
{
    free(in->linear);
    *in = (struct od_audio_in){0};
}

/* Ready to take linear audio of that rate. */
static int need_linear(struct od_audio_in *in, uint32_t rate)
{
    if (rate % 8000 || rate == 0 || rate / 8000 > OD_RESAMPLE_FACTOR_MAX)
        return OD_EINVAL;
    if (!in->linear && !(in->linear = calloc(1, sizeof *in->linear)))
        return OD_ENOMEM;
    if (in->linear->rate != rate) {
        od_resample_init(&in->linear->down, rate / 8000);
        in->linear->rate = rate;
        in->linear->has_half = false;
    }
    return 0;
}

/* Linear little-endian samples, cut anywhere. */
static bool put_linear(struct od_audio_in *in, struct od_playout *playout, const uint8_t *at,
                       size_t bytes)
{
    struct od_audio_linear *linear = in->linear;
    int16_t wide[PIECE_SAMPLES], narrow[PIECE_SAMPLES];
    uint8_t ulaw[PIECE_SAMPLES];
    bool fits = true;
    while (bytes) {
        size_t count = 0;
        while (count < PIECE_SAMPLES && bytes) {
            if (!linear->has_half) {
                linear->half = *at;
                linear->has_half = true;
            } else {
                wide[count++] = (int16_t)(uint16_t)(linear->half | (unsigned)*at << 8);
                linear->has_half = false;
            }
            at++;
            bytes--;
        }
        size_t made = od_resample_down(&linear->down, wide, count, narrow);
        for (size_t i = 0; i < made; i++)
            ulaw[i] = od_ulaw_encode(narrow[i]);
        fits = od_playout_put(playout, ulaw, made) && fits;
    }
    return fits;
}

static bool put_alaw(struct od_playout *playout, const uint8_t *at, size_t bytes)
{
    uint8_t ulaw[PIECE_SAMPLES];
    bool fits = true;
    while (bytes) {
        size_t take = bytes < sizeof ulaw ? bytes : sizeof ulaw;
        od_alaw_to_ulaw(ulaw, at, take);
        fits = od_playout_put(playout, ulaw, take) && fits;
        at += take;
        bytes -= take;
    }
    return fits;
}

/* Whole groups of characters, but at the end of all; their number is at most PIECE_CHARS where they
 * are linear. */
static void put_chars(struct od_audio_in *in, struct od_playout *playout, const char *text,
                      size_t chars)
{
    uint8_t piece[PIECE_CHARS / 4 * 3 + 2];
    if (in->codec == OD_WIRE_ULAW) {
        int put = od_playout_put_base64(playout, text, chars);
        in->bad = put < 0;
        in->cut = put == 0;
        return;
    }
    size_t got = od_base64_decode(piece, text, chars);
    in->bad = got == SIZE_MAX;
    in->cut = !in->bad && !put_linear(in, playout, piece, got);
}

/* A part of a payload, `chars` of it or a few more. Returns those that were taken. */
static size_t put_base64(struct od_audio_in *in, struct od_playout *playout, size_t chars)
{
    char plain[PIECE_CHARS];
    size_t at = 0;
    bool messy = in->escapes && memchr(in->at, '\\', chars);
    while (at < chars && !in->bad && !in->cut) {
        size_t room = in->codec == OD_WIRE_ULAW && !messy ? chars : PIECE_CHARS;
        size_t taken = chars - at < room ? chars - at : room, count = taken;
        uint64_t before = playout->put;
        if (messy)
            count = od_payload_plain(plain, sizeof plain, in->at + at, in->left - at, &taken);
        put_chars(in, playout, messy ? plain : in->at + at, count);
        if (in->bad && !messy) { /* it may be in lines: from the group on that wasn't one */
            taken = (size_t)(playout->put - before) / 3 * 4;
            messy = true;
            in->bad = false;
        }
        at += taken;
    }
    return at;
}

/* What so many bytes of the piece are as mu-law. */
static uint64_t ulaw_bytes(const struct od_audio_in *in, size_t bytes)
{
    uint64_t raw = in->base64 ? bytes / 4 * 3 : bytes;
    return in->codec == OD_WIRE_L16 ? raw / 2 / (in->rate / 8000) : raw;
}

static void leave_out(struct od_audio_in *in, struct od_playout *playout)
{
    od_playout_drop(playout, ulaw_bytes(in, in->left));
    in->left = 0;
}

static void take_part(struct od_audio_in *in, struct od_playout *playout, size_t bytes)
{
    size_t taken = bytes < in->left ? bytes : in->left;
    if (in->base64)
        taken = put_base64(in, playout, taken);
    else if (in->codec == OD_WIRE_ULAW)
        in->cut = !od_playout_put(playout, (const uint8_t *)in->at, taken);
    else if (in->codec == OD_WIRE_ALAW)
        in->cut = !put_alaw(playout, (const uint8_t *)in->at, taken);
    else
        in->cut = !put_linear(in, playout, (const uint8_t *)in->at, taken);
    in->at += taken;
    in->left -= taken;
    if (in->bad)
        in->left = 0;
    else if (in->cut)
        leave_out(in, playout);
}

int od_audio_in_begin(struct od_audio_in *in, struct od_playout *playout,
                      const struct od_stream_command *command, const struct od_wire_media *media)
{
    uint32_t rate = command->audio_rate ? command->audio_rate : media->rate;
    uint8_t codec = command->audio_codec == OD_WIRE_AGREED ? media->codec : command->audio_codec;
    int err = codec == OD_WIRE_L16 ? need_linear(in, rate) : 0;
    if (err)
        return err;
    in->bad = in->cut = false;
    in->at = command->audio;
    in->left = command->audio_bytes;
    in->rate = rate;
    in->codec = codec;
    in->base64 = command->base64;
    in->escapes = command->escapes;
    take_part(in, playout, command->stays ? OD_AUDIO_PART_BYTES : SIZE_MAX);
    return 0;
}

void od_audio_in_go_on(struct od_audio_in *in, struct od_playout *playout)
{
    take_part(in, playout, OD_AUDIO_PART_BYTES);
}

void od_audio_in_drop(struct od_audio_in *in, struct od_playout *playout)
{
    leave_out(in, playout);
    if (in->linear)
        in->linear->has_half = false;
}
