/*
 * tone - see tone.h.
 */
#include "engine/media/tone.h"

#include <math.h>
#include <string.h>

#include "engine/media/level.h"

enum {
    FLOOR_DBOV = 45, /* softer than that is no signal of the network (ITU-T E.180: -25 dBm0 ...) */
    HZ_MIN = 300,
    HZ_MAX = 3000,
    STEP_HZ = 50,
    STEPS = 4000 / STEP_HZ + 1,
};

/* The least part of the power that stands at the frequency. Speech vowels reach 0.7 now and then,
 * a tone with noise 12 dB below it has 0.94. */
static const float SHARE_MIN = 0.88f;

/* 2 cos(2 pi f / 8000) falls steadily with f: the frequency by a search over a coarse table and a
 * straight line between its entries. */
static uint16_t frequency(float factor)
{
    static const float two_pi = 6.28318530718f;
    uint32_t low = 0, high = STEPS - 1;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (2.0f * cosf(two_pi * (float)(middle * STEP_HZ) / 8000.0f) >= factor)
            low = middle;
        else
            high = middle;
    }
    float at_low = 2.0f * cosf(two_pi * (float)(low * STEP_HZ) / 8000.0f);
    float at_high = 2.0f * cosf(two_pi * (float)(high * STEP_HZ) / 8000.0f);
    float part = (at_low - factor) / (at_low - at_high);
    if (part < 0.0f)
        part = 0.0f;
    if (part > 1.0f)
        part = 1.0f;
    return (uint16_t)((float)(low * STEP_HZ) + part * (float)STEP_HZ + 0.5f);
}

void od_tone_measure(const uint8_t ulaw[OD_FRAME_BYTES], struct od_tone_frame *out)
{
    float x[OD_FRAME_BYTES];
    float power = 0.0f, cross = 0.0f, square = 0.0f;
    memset(out, 0, sizeof *out);
    for (unsigned i = 0; i < OD_FRAME_BYTES; i++) {
        x[i] = (float)od_ulaw_decode(ulaw[i]);
        power += x[i] * x[i];
    }
    out->power = (uint32_t)(power / (float)OD_FRAME_BYTES);
    out->dbov = od_level_dbov_of(out->power);
    if (out->dbov > FLOOR_DBOV)
        return;
    for (unsigned i = 2; i < OD_FRAME_BYTES; i++) {
        cross += x[i - 1] * (x[i] + x[i - 2]);
        square += x[i - 1] * x[i - 1];
    }
    float factor = square > 0.0f ? cross / square : 2.0f;
    if (factor >= 2.0f || factor <= -2.0f)
        return;
    float s1 = 0.0f, s2 = 0.0f;
    for (unsigned i = 0; i < OD_FRAME_BYTES; i++) {
        float s = x[i] + factor * s1 - s2;
        s2 = s1;
        s1 = s;
    }
    float at = s1 * s1 + s2 * s2 - factor * s1 * s2;
    float share = 2.0f * at / ((float)OD_FRAME_BYTES * power);
    if (share < SHARE_MIN)
        return;
    out->hz = frequency(factor);
    out->tone = out->hz >= HZ_MIN && out->hz <= HZ_MAX;
}

void od_tone_init(struct od_tone *tone)
{
    memset(tone, 0, sizeof *tone);
    tone->run.over = true;
}

bool od_tone_near(uint32_t hz, uint32_t other)
{
    uint32_t apart = hz > other ? hz - other : other - hz;
    return apart <= 12 + other / 50;
}

static void begin(struct od_tone *t, const struct od_tone_frame *frame)
{
    t->run = (struct od_tone_run){
        .hz = frame->hz, .frames = 1, .dbov = frame->dbov, .dbov_low = frame->dbov};
    t->hz_sum = frame->hz;
    t->hz_count = 1;
    t->missing = 0;
    t->last_dbov = frame->dbov;
}

static void go_on(struct od_tone *t, const struct od_tone_frame *frame)
{
    t->run.frames = (uint16_t)(t->run.frames + t->missing + 1);
    t->missing = 0;
    if (t->hz_count < 500) {
        t->hz_sum += frame->hz;
        t->hz_count++;
        t->run.hz = (uint16_t)(t->hz_sum / t->hz_count);
    }
    if (frame->dbov < t->run.dbov)
        t->run.dbov = frame->dbov;
    /* The frame before this one is no edge: neither the first nor the last. */
    if (t->run.frames > 2 && t->last_dbov > t->run.dbov_low)
        t->run.dbov_low = t->last_dbov;
    if (t->run.frames == 2)
        t->run.dbov_low = frame->dbov; /* the first frame may be filled in part */
    t->last_dbov = frame->dbov;
}

bool od_tone_put(struct od_tone *tone, const struct od_tone_frame *frame)
{
    if (tone->run.over) {
        if (frame->tone)
            begin(tone, frame);
        return false;
    }
    if (frame->tone && od_tone_near(frame->hz, tone->run.hz)) {
        go_on(tone, frame);
        return false;
    }
    /* Another tone ends the run at once, anything else after a moment: a packet may be missing. */
    if (!frame->tone && ++tone->missing <= OD_TONE_BRIDGE)
        return false;
    tone->run.over = true;
    if (frame->tone) {
        /* the next begins with the next frame: this one may hold both */
        tone->missing = 0;
    }
    return true;
}
