/*
 * plc - see plc.h. The pitch is where the newest 10 ms look most like something 5 to 15 ms before
 * (66 to 200 Hz; of a higher voice two or three periods). That stretch is repeated, its end faded
 * into its beginning, so the repetition has no edge.
 */
#include "engine/media/plc.h"

#include <string.h>

enum {
    PITCH_MIN = 40,
    PITCH_MAX = 120,
    WINDOW = 80,
    STEADY = 80, /* samples before the fading begins */
    FADED = 480, /* 60 ms: longer repetition sounds like a robot */
};

void od_plc_init(struct od_plc *plc)
{
    memset(plc, 0, sizeof *plc);
    memset(plc->history, OD_ULAW_SILENCE, sizeof plc->history);
}

static void remember(struct od_plc *plc, const uint8_t frame[OD_FRAME_BYTES])
{
    memmove(plc->history, plc->history + OD_FRAME_BYTES, OD_PLC_HISTORY - OD_FRAME_BYTES);
    memcpy(plc->history + OD_PLC_HISTORY - OD_FRAME_BYTES, frame, OD_FRAME_BYTES);
}

static uint16_t pitch_of(const int16_t *pcm, uint32_t count)
{
    const int16_t *now = pcm + count - WINDOW;
    float best = 0.0f;
    uint16_t lag_best = PITCH_MAX;
    for (uint16_t lag = PITCH_MIN; lag <= PITCH_MAX; lag++) {
        const int16_t *then = now - lag;
        float cross = 0.0f, power = 1.0f;
        for (uint32_t i = 0; i < WINDOW; i++) {
            cross += (float)now[i] * (float)then[i];
            power += (float)then[i] * (float)then[i];
        }
        float score = cross > 0.0f ? cross * cross / power : 0.0f;
        if (score > best) {
            best = score;
            lag_best = lag;
        }
    }
    return lag_best;
}

static void begin(struct od_plc *plc)
{
    int16_t pcm[OD_PLC_HISTORY];
    for (uint32_t i = 0; i < OD_PLC_HISTORY; i++)
        pcm[i] = od_ulaw_decode(plc->history[i]);
    uint16_t length = pitch_of(pcm, OD_PLC_HISTORY);
    const int16_t *last = pcm + OD_PLC_HISTORY - length;
    uint16_t join = length / 4;
    for (uint16_t i = 0; i < length; i++) {
        int32_t value = last[i];
        if (i + join >= length) { /* fades into what came before the stretch: its own lead-in */
            int32_t part = i + join - length + 1;
            value = (value * (join - part) + last[i - length] * part) / join;
        }
        plc->period[i] = (int16_t)value;
    }
    plc->length = length;
    plc->at = 0;
    plc->filled = 0;
}

static int16_t next_sample(struct od_plc *plc)
{
    int32_t value = plc->period[plc->at];
    plc->at = (uint16_t)((plc->at + 1) % plc->length);
    if (plc->filled >= FADED)
        return 0;
    if (plc->filled > STEADY)
        value = value * (FADED - plc->filled) / (FADED - STEADY);
    plc->filled++;
    return (int16_t)value;
}

bool od_plc_fill(struct od_plc *plc, uint8_t out[OD_FRAME_BYTES])
{
    if (!plc->length)
        begin(plc);
    if (plc->filled >= FADED) {
        memset(out, OD_ULAW_SILENCE, OD_FRAME_BYTES);
        remember(plc, out);
        return false;
    }
    for (uint32_t i = 0; i < OD_FRAME_BYTES; i++)
        out[i] = od_ulaw_encode(next_sample(plc));
    remember(plc, out);
    return true;
}

bool od_plc_good(struct od_plc *plc, uint8_t frame[OD_FRAME_BYTES])
{
    bool joined = plc->length > 0;
    if (joined) {
        for (int32_t i = 0; i < OD_PLC_JOIN; i++) {
            int32_t came = od_ulaw_decode(frame[i]), made = next_sample(plc);
            frame[i] = od_ulaw_encode(
                (int16_t)((came * (i + 1) + made * (OD_PLC_JOIN - i - 1)) / OD_PLC_JOIN));
        }
        plc->length = 0;
    }
    remember(plc, frame);
    return joined;
}
