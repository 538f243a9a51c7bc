/*
 * amd_sounds - see amd_sounds.h. Synthesised texts are kept for the life of the process, since many
 * items of the corpus share them.
 */
#include "tests/corpus/amd_sounds.h"

#include <dirent.h>
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

enum { HALF = 48, TAPS = 2 * HALF + 1 };

static unsigned common_divisor(unsigned a, unsigned b)
{
    return b ? common_divisor(b, a % b) : a;
}

/* The taps for the instants between two samples that recur: `phases` rows of TAPS. */
static double *make_taps(unsigned rate, unsigned phases)
{
    double ratio = rate / 8000.0, cutoff = rate > 8000 ? 3600.0 / rate : 0.5;
    double *taps = malloc((size_t)phases * TAPS * sizeof *taps);
    if (!taps)
        abort();
    for (unsigned phase = 0; phase < phases; phase++) {
        double at = phase * ratio;
        for (int k = -HALF; k <= HALF; k++) {
            double x = (double)(lrint(at) + k) - at;
            double sinc = fabs(x) < 1e-9 ? 2 * cutoff : sin(TWO_PI * cutoff * x) / (M_PI * x);
            taps[phase * TAPS + (unsigned)(k + HALF)] =
                sinc * (0.5 + 0.5 * cos(M_PI * x / (HALF + 1)));
        }
    }
    return taps;
}

/* To 8 kHz: a windowed-sinc low pass of 97 taps at 3.6 kHz, read at the new instants. */
static void add_wav(struct sound *sound, const struct od_wav *wav, double gain)
{
    unsigned divisor = common_divisor(wav->rate, 8000);
    unsigned phases = 8000 / divisor, step = wav->rate / divisor; /* samples per all phases */
    size_t n = (size_t)((double)wav->frames / (wav->rate / 8000.0));
    double *taps = make_taps(wav->rate, phases);
    need(sound, n);
    for (size_t i = 0; i < n; i++) {
        size_t phase = i % phases;
        long middle = (long)(i / phases * step) + lrint((double)phase * wav->rate / 8000.0);
        double sum = 0.0;
        for (int k = -HALF; k <= HALF && wav->rate != 8000; k++) {
            long at = middle + k;
            if (at >= 0 && (size_t)at < wav->frames)
                sum += od_wav_sample(wav, (size_t)at) * taps[phase * TAPS + (size_t)(k + HALF)];
        }
        if (wav->rate == 8000)
            sum = od_wav_sample(wav, i);
        sound->at[sound->count++] = clip(sum * gain);
    }
    free(taps);
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

static bool add_file(struct sound *sound, const char *path, double gain)
{
    size_t count;
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    uint8_t *bytes = slurp(file, &count);
    fclose(file);
    bool good = add_bytes(sound, bytes, count, gain);
    free(bytes);
    return good;
}

bool sound_prompt(struct sound *sound, const char *name, double gain)
{
    char path[200];
    snprintf(path, sizeof path, PROMPTS "/%s.wav", name);
    return add_file(sound, path, gain);
}

/* Recorders and synthesisers frame speech with silence of their own: the corpus sets the times. */
static void trim_from(struct sound *sound, size_t from)
{
    size_t first = from, last = sound->count;
    while (first < last && abs(sound->at[first]) < 100)
        first++;
    while (last > first && abs(sound->at[last - 1]) < 100)
        last--;
    memmove(sound->at + from, sound->at + first, (last - first) * sizeof *sound->at);
    sound->count = from + last - first;
}

enum { SPEAKERS_MAX = 16 };
static char speakers[SPEAKERS_MAX][300];
static uint32_t speaker_count;

static int by_path(const void *a, const void *b)
{
    return strcmp(a, b);
}

uint32_t sound_recordings(const char *directory)
{
    struct dirent *entry;
    DIR *dir = directory ? opendir(directory) : NULL;
    if (!dir)
        return speaker_count;
    speaker_count = 0;
    while ((entry = readdir(dir)) && speaker_count < SPEAKERS_MAX) {
        if (strchr(entry->d_name, '_')) /* "en_US_f_Allison" */
            snprintf(speakers[speaker_count++], sizeof speakers[0], "%s/%s", directory,
                     entry->d_name);
    }
    closedir(dir);
    qsort(speakers, speaker_count, sizeof speakers[0], by_path);
    return speaker_count;
}

bool sound_recording(struct sound *sound, uint32_t speaker, const char *name, double gain,
                     bool trim)
{
    char path[400];
    size_t from = sound->count;
    snprintf(path, sizeof path, "%s/%s.wav", speakers[speaker], name);
    if (!add_file(sound, path, gain))
        return false;
    if (trim)
        trim_from(sound, from);
    return true;
}

/* ---- speech ---- */

struct spoken {
    char *key;
    struct sound sound;
};
static struct spoken *cache;
static size_t cached;

static const char FLITE[] = "flite:";

static void run_espeak(const char *voice, unsigned rate, const char *text)
{
    char speed[16];
    snprintf(speed, sizeof speed, "%u", rate);
    execlp("espeak-ng", "espeak-ng", "-v", voice, "-s", speed, "--stdout", text, (char *)NULL);
}

static void run_flite(const char *voice, unsigned rate, const char *text)
{
    char stretch[40];
    snprintf(stretch, sizeof stretch, "duration_stretch=%.2f", 165.0 / rate);
    execlp("flite", "flite", "-voice", voice, "--setf", stretch, "-t", text, "-o", "/dev/stdout",
           (char *)NULL);
}

static bool synthesise(const char *voice, unsigned rate, const char *text, struct sound *out)
{
    int ends[2];
    size_t count;
    int status = 0;
    if (pipe(ends))
        return false;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        if (strncmp(voice, FLITE, sizeof FLITE - 1) == 0)
            run_flite(voice + sizeof FLITE - 1, rate, text);
        else
            run_espeak(voice, rate, text);
        _exit(127);
    }
    close(ends[1]);
    FILE *from = fdopen(ends[0], "rb");
    uint8_t *bytes = slurp(from, &count);
    fclose(from);
    bool good = child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
                WEXITSTATUS(status) == 0 && add_bytes(out, bytes, count, 1.0);
    free(bytes);
    trim_from(out, 0);
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
