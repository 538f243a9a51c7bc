/*
 * ringback - see ringback.h.
 */
#include "engine/media/ringback.h"

#include <math.h>
#include <string.h>

#define TWO_PI 6.283185307179586

enum { SAMPLES_PER_MS = 8, PARTS = 4 };

/* Each of two tones at -19 dBm0. */
static const double AMPLITUDE = 2570;

struct od_ring_tone {
    const char *prefix;      /* of a number in E.164 */
    uint16_t hz[2];          /* 0: one tone alone */
    uint16_t part_ms[PARTS]; /* sound, pause, sound, pause */
};

/* The last one is everybody else's. */
static const struct od_ring_tone tones[] = {
    {"+1", {440, 480}, {2000, 4000, 0, 0}},      /* North America */
    {"+44", {400, 450}, {400, 200, 400, 2000}},  /* United Kingdom */
    {"+61", {400, 425}, {400, 200, 400, 2000}},  /* Australia */
    {"+64", {400, 450}, {400, 200, 400, 2000}},  /* New Zealand */
    {"+353", {400, 450}, {400, 200, 400, 2000}}, /* Ireland */
    {"+33", {440, 0}, {1500, 3500, 0, 0}},       /* France */
    {"+81", {400, 0}, {1000, 2000, 0, 0}},       /* Japan */
    {"+", {425, 0}, {1000, 4000, 0, 0}},
};

/* A number without a country's code is taken for one of North America. */
static const struct od_ring_tone *tone_of(const char *number)
{
    const struct od_ring_tone *tone = tones;
    if (*number != '+')
        return tone;
    while (strncmp(number, tone->prefix, strlen(tone->prefix)) != 0)
        tone++;
    return tone;
}

void od_ringback_begin(struct od_ringback *ringback, const char *number)
{
    *ringback = (struct od_ringback){.tone = tone_of(number)};
}

/* Whether it sounds at that place of the cadence. */
static bool sounds(const struct od_ring_tone *tone, uint32_t at)
{
    for (unsigned part = 0; part < PARTS; part++) {
        uint32_t samples = (uint32_t)tone->part_ms[part] * SAMPLES_PER_MS;
        if (at < samples)
            return part % 2 == 0;
        at -= samples;
    }
    return false;
}

static uint32_t cadence(const struct od_ring_tone *tone)
{
    uint32_t ms = 0;
    for (unsigned part = 0; part < PARTS; part++)
        ms += tone->part_ms[part];
    return ms * SAMPLES_PER_MS;
}

/* All parts begin and end with a frame, so a frame sounds throughout or not at all. */
void od_ringback_frame(struct od_ringback *ringback, uint8_t ulaw[OD_FRAME_BYTES])
{
    const struct od_ring_tone *tone = ringback->tone;
    if (!tone || !sounds(tone, ringback->at)) {
        memset(ulaw, OD_ULAW_SILENCE, OD_FRAME_BYTES);
    } else {
        for (unsigned i = 0; i < OD_FRAME_BYTES; i++) {
            double t = TWO_PI * (ringback->at + i) / (1000.0 * SAMPLES_PER_MS);
            double x = sin(tone->hz[0] * t) + (tone->hz[1] ? sin(tone->hz[1] * t) : 0);
            ulaw[i] = od_ulaw_encode((int16_t)(AMPLITUDE * x));
        }
    }
    if (tone)
        ringback->at = (ringback->at + OD_FRAME_BYTES) % cadence(tone);
}
