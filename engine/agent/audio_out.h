/*
 * audio_out - the callee's audio as an agent's connection carries it: frames of 20 ms as mu-law,
 * A-law or 16-bit little-endian samples, one or more in a message. Pure. Mu-law in single frames is
 * no matter of this module: it is sent as it is.
 *
 * Lifetime: its creator's, ended with free().
 */
#ifndef ENGINE_AGENT_AUDIO_OUT_H
#define ENGINE_AGENT_AUDIO_OUT_H

#include "engine/agent/dialect.h"
#include "engine/media/g711.h"
#include "engine/media/resample.h"

struct od_audio_out {
    /* read by the owner */
    uint64_t first;  /* number of the oldest frame gathered */
    uint32_t frames; /* gathered */
    size_t bytes;    /* in at[] */

    /* private */
    struct od_wire_media media;
    struct od_resample up;
    uint8_t at[];
};

/* Whether frames go as they are, and this isn't needed. */
bool od_audio_out_plain(const struct od_wire_media *media);

/* NULL: no memory. */
struct od_audio_out *od_audio_out_create(const struct od_wire_media *media);
/* Whether the frame of that number follows on what is gathered; if not, that must go first. */
bool od_audio_out_follows(const struct od_audio_out *out, uint64_t frame);
/* True: what is gathered is a whole message. */
bool od_audio_out_add(struct od_audio_out *out, uint64_t frame, const uint8_t ulaw[OD_FRAME_BYTES]);
/* What was gathered has been sent. */
void od_audio_out_sent(struct od_audio_out *out);

#endif
