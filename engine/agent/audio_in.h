/*
 * audio_in - a piece of audio as an agent's message has it (either law or linear at some rate,
 * plain or in base64) on its way into a playout. One that is long goes in parts, each a fraction of
 * a millisecond's work: ten minutes at once, or linear audio to be resampled, would be a turn's
 * that all calls wait for. Pure.
 *
 * Lifetime: embedded in a stream; init by zero, deinit(). What waits of a piece is borrowed from
 * the message.
 */
#ifndef ENGINE_AGENT_AUDIO_IN_H
#define ENGINE_AGENT_AUDIO_IN_H

#include "engine/agent/dialect.h"
#include "engine/agent/playout.h"

enum { OD_AUDIO_PART_BYTES = 32 * 1024 }; /* of a message; whole groups of base64 and samples */

struct od_audio_linear;

struct od_audio_in {
    /* read by the owner, of the last piece */
    bool bad;    /* some of it wasn't base64: what came before it is kept */
    bool cut;    /* there was no room for some of it; the rest is left out */
    size_t left; /* bytes of the message that wait for go_on() */

    /* private */
    const char *at;
    uint32_t rate;
    uint8_t codec;
    bool base64, escapes;
    struct od_audio_linear *linear; /* NULL: never spoken */
};

void od_audio_in_deinit(struct od_audio_in *in);

/* Takes on a command's audio, of its stream's media where it says nothing else: all of it, or of a
 * long piece that stays where it is the first part. OD_EINVAL: the rate is no multiple of 8,000 up
 * to 48,000; OD_ENOMEM. */
int od_audio_in_begin(struct od_audio_in *in, struct od_playout *playout,
                      const struct od_stream_command *command, const struct od_wire_media *media);
/* The next part. */
void od_audio_in_go_on(struct od_audio_in *in, struct od_playout *playout);
/* Leaves out what waits, and half a sample that waits for its other half. */
void od_audio_in_drop(struct od_audio_in *in, struct od_playout *playout);

#endif
