/*
 * voice_keys - telephone keys that come as tones in the audio (spandsp's detector), for peers that
 * don't send them as events. One per call. No I/O.
 */
#ifndef PROTO_VOICE_VOICE_KEYS_H
#define PROTO_VOICE_VOICE_KEYS_H

#include <stddef.h>
#include <stdint.h>

struct od_voice_keys;

/* NULL: no memory. */
struct od_voice_keys *od_voice_keys_create(void);
void od_voice_keys_destroy(struct od_voice_keys *keys); /* NULL is fine */

/* Hears samples of 8,000 Hz; returns how many keys they completed, at most 8. */
size_t od_voice_keys_put(struct od_voice_keys *keys, const int16_t *pcm, size_t samples,
                         char out[8]);

#endif
