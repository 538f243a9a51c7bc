/*
 * amd_sounds - see amd_sounds.h. Synthesised texts are kept for the life of the process, since many
 * items of the corpus share them.
 */
#include "tests/corpus/amd_sounds.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/media/wav.h"

#define PROMPTS "/usr/share/asterisk/sounds/en_US_f_Allison"
static const double TWO_PI = 6.283185307179586;

static void need(struct sound *s, size_t more)
{
    if (s->count + more <= s->room)
        return;
    s->room = (s->count + more) * 2;
    s->at = realloc(s->at, s->room * sizeof *s->at);
    if (!s->at)
        abort();
}

void sound_clear(struct sound *sound)
{
    sound->count = 0;
}

void sound_free(struct sound *sound)
{
    free(sound->at);
    *sound = (struct sound){0};
}

uint32_t sound_random(uint64_t *seed, uint32_t n)
{
    uint64_t x = *seed;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *seed = x;
    return (uint32_t)((x * UINT64_C(2685821657736338717)) >> 33) % n;
}

double sound_between(uint64_t *seed, double low, double high)
{
    return low + (high - low) * sound_random(seed, 1u << 24) / (double)(1u << 24);
}

static int16_t clip(double value)
{
    return (int16_t)(value > 32767 ? 32767 : value < -32768 ? -32768 : lrint(value));
}

static double amplitude(double dbov) /* of a sinusoid; 0 dBov is its full scale */
{
    return 32767.0 * pow(10.0, dbov / 20.0);
}

void sound_silence(struct sound *sound, unsigned ms)
{
    size_t n = (size_t)ms * 8;
    need(sound, n);
    memset(sound->at + sound->count, 0, n * sizeof *sound->at);
    sound->count += n;
}

/* To 8 kHz: a windowed-sinc low pass of 33 taps at 3.6 kHz, read at the new instants. */
static void add_wav(struct sound *sound, const struct od_wav *wav, double gain)
{
    enum { HALF = 48 };
    double ratio = wav->rate / 8000.0;
    double cutoff = wav->rate > 8000 ? 3600.0 / wav->rate : 0.5;
    size_t n = (size_t)((double)wav->frames / ratio);
    need(sound, n);
    for (size_t i = 0; i < n; i++) {
        double at = (double)i * ratio, sum = 0.0;
        long middle = lrint(at);
        if (wav->rate == 8000) {
            sum = od_wav_sample(wav, i);
        } else {
            for (long k = middle - HALF; k <= middle + HALF; k++) {
                if (k < 0 || (size_t)k >= wav->frames)
                    continue;
                double x = (double)k - at;
                double sinc = fabs(x) < 1e-9 ? 2 * cutoff : sin(TWO_PI * cutoff * x) / (M_PI * x);
                double window = 0.5 + 0.5 * cos(M_PI * x / (HALF + 1));
                sum += od_wav_sample(wav, (size_t)k) * sinc * window;
            }
        }
        sound->at[sound->count++] = clip(sum * gain);
    }
}

static bool add_bytes(struct sound *sound, uint8_t *bytes, size_t count, double gain)
{
    struct od_wav wav;
    bool good = bytes && !od_wav_parse(bytes, count, &wav);
    if (good)
        add_wav(sound, &wav, gain);
    return good;
}

static uint8_t *slurp(FILE *from, size_t *count)
{
    size_t room = 1 << 16, got;
    uint8_t *bytes = malloc(room);
    *count = 0;
    while (bytes && (got = fread(bytes + *count, 1, room - *count, from)) > 0) {
        *count += got;
        if (*count == room)
            bytes = realloc(bytes, room *= 2);
    }
    return bytes;
}

bool sound_prompt(struct sound *sound, const char *name, double gain)
{
    char path[200];
    size_t count;
    snprintf(path, sizeof path, PROMPTS "/%s.wav", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    uint8_t *bytes = slurp(file, &count);
    fclose(file);
    bool good = add_bytes(sound, bytes, count, gain);
    free(bytes);
    return good;
}

/* ---- speech ---- */

struct spoken {
    char *key;
    struct sound sound;
};
static struct spoken *cache;
static size_t cached;

static bool synthesise(const char *voice, unsigned rate, const char *text, struct sound *out)
{
    int ends[2];
    char speed[16];
    size_t count;
    int status = 0;
    snprintf(speed, sizeof speed, "%u", rate);
    if (pipe(ends))
        return false;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        execlp("espeak-ng", "espeak-ng", "-v", voice, "-s", speed, "--stdout", text, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *from = fdopen(ends[0], "rb");
    uint8_t *bytes = slurp(from, &count);
    fclose(from);
    bool good = child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
                WEXITSTATUS(status) == 0 && add_bytes(out, bytes, count, 1.0);
    free(bytes);
    /* The synthesiser frames speech with silence of its own: the corpus sets the times. */
    size_t first = 0, last = out->count;
    while (first < last && abs(out->at[first]) < 100)
        first++;
    while (last > first && abs(out->at[last - 1]) < 100)
        last--;
    memmove(out->at, out->at + first, (last - first) * sizeof *out->at);
    out->count = last - first;
    return good && out->count > 0;
}

bool sound_say(struct sound *sound, const char *voice, unsigned words_per_minute, const char *text,
               double gain)
{
    char key[600];
    size_t i = 0;
    snprintf(key, sizeof key, "%s/%u/%s", voice, words_per_minute, text);
    while (i < cached && strcmp(cache[i].key, key) != 0)
        i++;
    if (i == cached) {
        struct sound made = {0};
        if (!synthesise(voice, words_per_minute, text, &made)) {
            sound_free(&made);
            return false;
        }
        cache = realloc(cache, (cached + 1) * sizeof *cache);
        if (!cache)
            abort();
        cache[cached++] = (struct spoken){strdup(key), made};
    }
    const struct sound *from = &cache[i].sound;
    need(sound, from->count);
    for (size_t k = 0; k < from->count; k++)
        sound->at[sound->count++] = clip(from->at[k] * gain);
    return true;
}

/* ---- tones and music ---- */

void sound_tones(struct sound *sound, double hz1, double hz2, double dbov, unsigned ms)
{
    size_t n = (size_t)ms * 8;
    double loud = amplitude(dbov);
    need(sound, n);
    for (size_t i = 0; i < n; i++) {
        double edge = i < 32 ? i / 32.0 : n - i < 32 ? (double)(n - i) / 32.0 : 1.0;
        double x = sin(TWO_PI * hz1 * (double)i / 8000.0);
        if (hz2 > 0)
            x += sin(TWO_PI * hz2 * (double)i / 8000.0);
        sound->at[sound->count++] = clip(x * loud * edge);
    }
}

static double note_hz(uint64_t *seed)
{
    static const int scale[] = {0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 17, 19};
    return 261.63 * pow(2.0, scale[sound_random(seed, 12)] / 12.0);
}

void sound_music(struct sound *sound, uint64_t *seed, unsigned ms, bool pure)
{
    size_t end = sound->count + (size_t)ms * 8;
    need(sound, (size_t)ms * 8);
    while (sound->count < end) {
        double hz = note_hz(seed);
        size_t length = (size_t)(sound_between(seed, 0.12, 0.7) * 8000);
        size_t rest = sound_random(seed, 4) ? 0 : (size_t)(sound_between(seed, 0.05, 0.5) * 8000);
        double vibrato = sound_between(seed, 0.0, 0.006), phase = 0.0;
        double loud = amplitude(sound_between(seed, -26, -14));
        for (size_t i = 0; i < length + rest && sound->count < end; i++) {
            double t = (double)i / 8000.0, x = 0.0;
            phase += TWO_PI * hz * (1.0 + (pure ? 0.0 : vibrato * sin(TWO_PI * 5.5 * t))) / 8000.0;
            if (i < length && pure)
                x = sin(phase);
            else if (i < length)
                x = (sin(phase) + 0.5 * sin(2 * phase) + 0.3 * sin(3 * phase)) * exp(-3.0 * t);
            sound->at[sound->count++] = clip(x * loud);
        }
    }
}

void sound_chords(struct sound *sound, uint64_t *seed, unsigned ms)
{
    size_t from = sound->count;
    struct sound voice = {0};
    sound_silence(sound, ms);
    for (unsigned v = 0; v < 3; v++) {
        sound_clear(&voice);
        sound_music(&voice, seed, ms, false);
        for (size_t i = 0; i < voice.count; i++)
            sound->at[from + i] = clip(sound->at[from + i] + voice.at[i]);
    }
    sound_free(&voice);
}

/* ---- the line ---- */

void sound_noise(struct sound *sound, uint64_t *seed, double dbov)
{
    double loud = amplitude(dbov) * 1.2, last = 0.0; /* uniform, slightly low-passed: about dbov */
    for (size_t i = 0; i < sound->count; i++) {
        last = 0.4 * last + 0.6 * sound_between(seed, -loud, loud) * 1.6;
        sound->at[i] = clip(sound->at[i] + last);
    }
}

void sound_loss(struct sound *sound, uint64_t *seed, double part)
{
    bool before = false;
    for (size_t i = 160; i + 160 <= sound->count; i += 160) {
        bool lost = sound_between(seed, 0, 1) < part;
        for (size_t k = 0; lost && k < 160; k++)
            sound->at[i + k] = before ? 0 : (int16_t)(sound->at[i + k - 160] * 3 / 4);
        before = lost;
    }
}
