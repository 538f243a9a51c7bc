/* voice: see voice.h. */
#include "bench/carrier/voice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double two_pi = 6.283185307179586;

/* G.711 mu-law: bias 33 (132 in 16-bit samples), eight segments, all bits inverted. */
static uint8_t encode_ulaw(int16_t sample)
{
    int sign = sample < 0 ? 0x80 : 0;
    int magnitude = (sample < 0 ? -(int)sample : sample) + 132;
    if (magnitude > 32767)
        magnitude = 32767;
    int segment = 7;
    for (int bit = 0x4000; segment > 0 && !(magnitude & bit); bit >>= 1)
        segment--;
    int mantissa = (magnitude >> (segment + 3)) & 0x0f;
    return (uint8_t) ~(sign | segment << 4 | mantissa);
}

static int16_t decode_ulaw(uint8_t byte)
{
    int bits = (uint8_t)~byte;
    int magnitude = ((bits & 0x0f) << 3) + 132;
    magnitude = (magnitude << (bits >> 4 & 7)) - 132;
    return (int16_t)(bits & 0x80 ? -magnitude : magnitude);
}

/* G.711 A-law: 13-bit samples, even bits inverted. */
static uint8_t encode_alaw(int16_t sample)
{
    int sign = sample < 0 ? 0 : 0x80;
    int magnitude = (sample < 0 ? -(int)sample - 1 : sample) >> 3;
    int segment = 0;
    while (segment < 7 && magnitude >= 0x20 << segment)
        segment++;
    int mantissa = (segment < 2 ? magnitude >> 1 : magnitude >> segment) & 0x0f;
    return (uint8_t)((sign | segment << 4 | mantissa) ^ 0x55);
}

static int16_t decode_alaw(uint8_t byte)
{
    int bits = byte ^ 0x55;
    int segment = bits >> 4 & 7;
    int magnitude = ((bits & 0x0f) << 4) + 8;
    if (segment > 0)
        magnitude = (magnitude + 0x100) << (segment - 1);
    return (int16_t)(bits & 0x80 ? magnitude : -magnitude);
}

uint8_t od_voice_encode(enum od_voice_law law, int16_t sample)
{
    return law == OD_VOICE_ULAW ? encode_ulaw(sample) : encode_alaw(sample);
}

/* Harmonics of a gliding pitch, louder around two formants, in syllables of about 4 Hz. */
static int16_t speech_sample(unsigned at, double *phase)
{
    double t = at / 8000.0;
    double pitch_hz = 125 + 25 * sin(two_pi * 0.7 * t) + 4 * sin(two_pi * 5.1 * t);
    *phase += two_pi * pitch_hz / 8000;
    double open = 0.5 - 0.5 * cos(two_pi * 4.25 * t);
    double formant1_hz = 500 + 220 * sin(two_pi * 1.3 * t);
    double formant2_hz = 1500 + 500 * sin(two_pi * 0.9 * t + 1);
    double sum = 0;
    for (int k = 1; k * pitch_hz < 3400; k++) {
        double off1 = (k * pitch_hz - formant1_hz) / 180, off2 = (k * pitch_hz - formant2_hz) / 260;
        sum += (1 / (1 + off1 * off1) + 0.5 / (1 + off2 * off2)) * sin(k * *phase);
    }
    return (int16_t)(3200 * (0.15 + 0.85 * open) * sum);
}

void od_voice_init(struct od_voice *v)
{
    for (int byte = 0; byte < 256; byte++) {
        v->linear[OD_VOICE_ULAW][byte] = decode_ulaw((uint8_t)byte);
        v->linear[OD_VOICE_ALAW][byte] = decode_alaw((uint8_t)byte);
    }
    double phase = 0;
    for (unsigned i = 0; i < OD_VOICE_SPEECH; i++) {
        int16_t sample = speech_sample(i, &phase);
        for (int law = 0; law < OD_VOICE_LAWS; law++)
            v->speech[law][i] = od_voice_encode((enum od_voice_law)law, sample);
    }
    for (unsigned i = 0; i < OD_VOICE_RINGBACK; i++) {
        double t = i / 8000.0;
        int16_t sample = (int16_t)(3000 * (sin(two_pi * 440 * t) + sin(two_pi * 480 * t)));
        for (int law = 0; law < OD_VOICE_LAWS; law++)
            v->ringback[law][i] = od_voice_encode((enum od_voice_law)law, sample);
    }
}

void od_voice_silence(enum od_voice_law law, uint8_t out[OD_VOICE_FRAME])
{
    memset(out, od_voice_encode(law, 0), OD_VOICE_FRAME);
}

static void copy_loop(const uint8_t *loop, size_t length, uint64_t at, uint8_t *out)
{
    size_t from = (size_t)(at % length);
    for (size_t done = 0; done < OD_VOICE_FRAME;) {
        size_t take = length - from < OD_VOICE_FRAME - done ? length - from : OD_VOICE_FRAME - done;
        memcpy(out + done, loop + from, take);
        done += take;
        from = 0;
    }
}

void od_voice_speech(const struct od_voice *v, enum od_voice_law law, uint64_t at,
                     uint8_t out[OD_VOICE_FRAME])
{
    copy_loop(v->speech[law], OD_VOICE_SPEECH, at, out);
}

void od_voice_ringback(const struct od_voice *v, enum od_voice_law law, uint64_t at,
                       uint8_t out[OD_VOICE_FRAME])
{
    copy_loop(v->ringback[law], OD_VOICE_RINGBACK, at, out);
}

void od_voice_tones(struct od_voice_tones tones, enum od_voice_law law, uint64_t at,
                    uint8_t out[OD_VOICE_FRAME])
{
    for (unsigned i = 0; i < OD_VOICE_FRAME; i++) {
        double t = (double)(at + i) / 8000;
        double sum = sin(two_pi * tones.low_hz * t);
        if (tones.high_hz > 0)
            sum += sin(two_pi * tones.high_hz * t);
        out[i] = od_voice_encode(law, (int16_t)(5000 * sum));
    }
}

int od_voice_key(char key, struct od_voice_tones *tones)
{
    static const char pad[] = "123A456B789C*0#D", events[] = "0123456789*#ABCD";
    static const double rows[] = {697, 770, 852, 941}, columns[] = {1209, 1336, 1477, 1633};
    const char *place = key ? strchr(pad, key) : NULL;
    if (!place)
        return -1;
    *tones = (struct od_voice_tones){rows[(place - pad) / 4], columns[(place - pad) % 4]};
    return (int)(strchr(events, key) - events);
}

unsigned od_voice_loudness(const struct od_voice *v, enum od_voice_law law, const uint8_t *bytes,
                           size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (uint64_t)abs(v->linear[law][bytes[i]]);
    return count ? (unsigned)(sum / count) : 0;
}
