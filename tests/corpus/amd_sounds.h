/*
 * amd_sounds - the sounds of the answering machine corpus: a growing line of 16-bit samples at 8
 * kHz onto which speech, tones, music and noise are put. Speech comes from espeak-ng (the same
 * text, voice and rate give the same samples) and from recorded prompts; all else is computed. For
 * tests.
 */
#ifndef TESTS_CORPUS_AMD_SOUNDS_H
#define TESTS_CORPUS_AMD_SOUNDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sound {
    int16_t *at;
    size_t count, room;
};

void sound_clear(struct sound *sound); /* keeps the memory */
void sound_free(struct sound *sound);

void sound_silence(struct sound *sound, unsigned ms);

/* `gain` 1.0: as it is. False when the synthesiser or the file is not there. Voices are those of
 * espeak-ng; "flite:slt" is one of flite. */
bool sound_say(struct sound *sound, const char *voice, unsigned words_per_minute, const char *text,
               double gain);
bool sound_prompt(struct sound *sound, const char *name, double gain); /* "vm-intro" */

/* Where recordings of several speakers are, a directory each; how many speakers there are. NULL:
 * the number again. A recording by one of them (0 .. n - 1, by name); trim: without the silence
 * around it. False when the speaker has no such recording. */
uint32_t sound_recordings(const char *directory);
bool sound_recording(struct sound *sound, uint32_t speaker, const char *name, double gain,
                     bool trim);

/* One or two tones (hz2 0: one), each of the given level in dBov, with 4 ms edges. */
void sound_tones(struct sound *sound, double hz1, double hz2, double dbov, unsigned ms);

/* Notes of a simple synthesiser: harmonics, attack and decay. pure: sinusoids without either. */
void sound_music(struct sound *sound, uint64_t *seed, unsigned ms, bool pure);

/* A random melody-like hum of several voices at once. */
void sound_chords(struct sound *sound, uint64_t *seed, unsigned ms);

/* Over everything there is: noise of the level, and packets that are lost (20 ms each, the first
 * replaced by the frame before, softer, the next by silence, as a jitter buffer does). */
void sound_noise(struct sound *sound, uint64_t *seed, double dbov);
void sound_loss(struct sound *sound, uint64_t *seed, double part);

/* xorshift64*; below n. */
uint32_t sound_random(uint64_t *seed, uint32_t n);
double sound_between(uint64_t *seed, double low, double high);

#endif
