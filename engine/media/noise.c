/*
 * noise - see noise.h. White noise through a leaky integrator and a slow swell. The loop's last
 * second fades into what would come before its first sample, so that it can go round.
 */
#include "engine/media/noise.h"

#include <math.h>

#include "engine/base/rng.h"

enum { FADE = 8000 };

static float next_sample(struct od_rng *rng, float *state)
{
    float white = (float)(od_rng_unit(rng) * 2 - 1);
    *state = 0.96f * *state + 0.2f * white;
    return *state;
}

void od_noise_make(int16_t out[OD_NOISE_SAMPLES], uint64_t seed)
{
    struct od_rng rng = {seed};
    float state = 0, lead[FADE];
    for (unsigned i = 0; i < FADE; i++)
        lead[i] = next_sample(&rng, &state);
    for (unsigned i = 0; i < OD_NOISE_SAMPLES; i++) {
        float sample = next_sample(&rng, &state);
        unsigned left = OD_NOISE_SAMPLES - i;
        if (left <= FADE) { /* towards `lead`, which leads into the first sample */
            float share = (float)(FADE - left + 1) / (float)FADE;
            sample = sample * (1 - share) + lead[FADE - left] * share;
        }
        float value = sample * 16000.0f;
        out[i] = (int16_t)lrintf(value > 32000.0f    ? 32000.0f
                                 : value < -32000.0f ? -32000.0f
                                                     : value);
    }
}

void od_noise_mix(uint8_t ulaw[OD_FRAME_BYTES], const int16_t loop[OD_NOISE_SAMPLES], float level,
                  uint32_t *at)
{
    int32_t gain = (int32_t)lrintf(level * 256.0f);
    for (unsigned i = 0; i < OD_FRAME_BYTES; i++) {
        int32_t sum = od_ulaw_decode(ulaw[i]) + loop[*at + i] * gain / 256 / 4;
        ulaw[i] = od_ulaw_encode((int16_t)(sum > 32767 ? 32767 : sum < -32768 ? -32768 : sum));
    }
    *at = (*at + OD_FRAME_BYTES) % OD_NOISE_SAMPLES;
}
