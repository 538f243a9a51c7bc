/*
 * media_hello - the first message of either side of media.v1, [0, 0, {..}]: what the engine can,
 * and what of it the agent wants on this connection. Both are read from one table, so that what is
 * offered is what is taken. Pure.
 */
#ifndef ENGINE_AGENT_MEDIA_HELLO_H
#define ENGINE_AGENT_MEDIA_HELLO_H

#include "engine/agent/dialect.h"
#include "engine/agent/mpack.h"
#include "engine/media/g711.h"

enum { OD_MEDIA_HELLO_BYTES = 160, OD_MEDIA_HELLO_WRONG_MAX = 120 };

struct od_media_hello {
    uint32_t max_calls; /* at once; UINT32_MAX: it doesn't say */
    struct od_wire_media media;
    char wrong[OD_MEDIA_HELLO_WRONG_MAX]; /* what can't be had, and what can; empty: all is well */
};

/* The engine's own, whole: OD_MEDIA_HELLO_BYTES are enough. */
void od_media_hello_write(struct od_buf *buf);

/* The agent's map. Members that are missing or nil have their defaults (pcmu, 8000, 20 ms), unknown
 * ones mean nothing. */
void od_media_hello_read(struct od_mpack *mpack, struct od_media_hello *out);

/* "pcmu", "pcma", "l16" */
const char *od_media_codec_name(uint8_t codec);

#endif
