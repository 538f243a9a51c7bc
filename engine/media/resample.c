/*
 * resample - see the header. The prototype is a sinc at 3,700 Hz under a Blackman window: what a
 * telephone carries passes, what would fold back is about 50 dB down.
 */
#include "engine/media/resample.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846

void od_resample_init(struct od_resample *resample, unsigned factor)
{
    memset(resample, 0, sizeof *resample);
    resample->factor = factor;
    resample->taps_count = OD_RESAMPLE_TAPS * factor;
    double cut = 3700.0 / (8000.0 * factor); /* of the high rate */
    double middle = (resample->taps_count - 1) / 2.0, sum = 0;
    for (unsigned i = 0; i < resample->taps_count; i++) {
        double x = i - middle, turn = 2 * PI * i / (resample->taps_count - 1);
        double window = 0.42 - 0.5 * cos(turn) + 0.08 * cos(2 * turn);
        double sinc = fabs(x) < 1e-9 ? 2 * cut : sin(2 * PI * cut * x) / (PI * x);
        resample->taps[i] = (float)(sinc * window);
        sum += sinc * window;
    }
    for (unsigned i = 0; i < resample->taps_count; i++)
        resample->taps[i] = (float)((double)resample->taps[i] / sum);
}

static int16_t to_pcm(float value)
{
    if (value > 32767.0f)
        return 32767;
    if (value < -32768.0f)
        return -32768;
    return (int16_t)lrintf(value);
}

/* The newest sample is history[at]; older ones follow it. */
static const float *push(struct od_resample *resample, float sample, unsigned length)
{
    resample->at = resample->at ? resample->at - 1 : length - 1;
    resample->history[resample->at] = resample->history[resample->at + length] = sample;
    return resample->history + resample->at;
}

void od_resample_up(struct od_resample *resample, const int16_t *in, size_t count, int16_t *out)
{
    unsigned factor = resample->factor;
    if (factor == 1) {
        memcpy(out, in, count * sizeof *out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const float *recent = push(resample, in[i], OD_RESAMPLE_TAPS);
        for (unsigned phase = 0; phase < factor; phase++) {
            float sum = 0;
            for (unsigned k = 0; k < OD_RESAMPLE_TAPS; k++)
                sum += recent[k] * resample->taps[phase + k * factor];
            *out++ = to_pcm(sum * (float)factor);
        }
    }
}

size_t od_resample_down(struct od_resample *resample, const int16_t *in, size_t count, int16_t *out)
{
    unsigned factor = resample->factor, length = resample->taps_count;
    size_t made = 0;
    if (factor == 1) {
        memcpy(out, in, count * sizeof *out);
        return count;
    }
    for (size_t i = 0; i < count; i++) {
        const float *recent = push(resample, in[i], length);
        if (++resample->phase < factor)
            continue;
        resample->phase = 0;
        float sum = 0;
        for (unsigned k = 0; k < length; k++)
            sum += recent[k] * resample->taps[k];
        out[made++] = to_pcm(sum);
    }
    return made;
}
