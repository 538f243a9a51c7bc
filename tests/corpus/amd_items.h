/*
 * amd_items - what takes a call, as sound with a label: persons, voicemail greetings with their
 * beep, screening robots, faxes, announcements, ringback, nothing. Each item is made from a seed.
 *
 * The texts and voices come in sets. "fitted" is what the detector was made with and is judged by.
 * "voices" has other texts, voices, rates and languages: the table of the provisional verdict is
 * fitted on it too, nothing else. On another synthesiser ("flite") and on recorded speakers
 * ("recorded") nothing is fitted. For tests.
 */
#ifndef TESTS_CORPUS_AMD_ITEMS_H
#define TESTS_CORPUS_AMD_ITEMS_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/corpus/amd_sounds.h"

enum truth { PERSON, VOICEMAIL, SCREEN, FAXED, NETWORK, RINGING, NOTHING, TRUTHS };

const char *truth_name(enum truth truth);

struct item {
    enum truth truth;
    bool beep;        /* there is one */
    uint32_t beep_ms; /* when it is over */
    char text[64];
};

struct amd_set;

/* NULL when there is none of the name. */
const struct amd_set *amd_set_of(const char *name);

/* False when what it needs is not installed: flite. `sounds`: where recorded prompts are, a
 * directory with one of a speaker each in it. */
bool amd_set_ready(const struct amd_set *set, const char *sounds);

/* Of a hundred items so many are of each kind: about as an outbound campaign meets them. */
extern const unsigned AMD_SHARES[TRUTHS];

/* Makes the item's sound, without the line's noise and losses. Ends the process when a synthesiser
 * or a recording is missing. */
void amd_item_make(const struct amd_set *set, enum truth truth, struct sound *s, uint64_t *seed,
                   struct item *item);

/* A short text, then ringback or busy tones, or music: no beep is in it. `kind` 0 .. 3. */
void amd_item_hold(const struct amd_set *set, unsigned kind, struct sound *s, uint64_t *seed);

#endif
