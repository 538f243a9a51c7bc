/*
 * voice_keys - see voice_keys.h.
 */
#include "proto/voice/voice_keys.h"

#include <spandsp.h>
#include <stdlib.h>

struct od_voice_keys {
    dtmf_rx_state_t *rx;
};

struct od_voice_keys *od_voice_keys_create(void)
{
    struct od_voice_keys *keys = calloc(1, sizeof *keys);
    if (keys)
        keys->rx = dtmf_rx_init(NULL, NULL, NULL);
    if (keys && !keys->rx) {
        free(keys);
        return NULL;
    }
    return keys;
}

void od_voice_keys_destroy(struct od_voice_keys *keys)
{
    if (!keys)
        return;
    dtmf_rx_free(keys->rx);
    free(keys);
}

size_t od_voice_keys_put(struct od_voice_keys *keys, const int16_t *pcm, size_t samples,
                         char out[8])
{
    dtmf_rx(keys->rx, pcm, (int)samples);
    return dtmf_rx_get(keys->rx, out, 7);
}
