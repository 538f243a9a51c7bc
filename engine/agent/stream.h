/*
 * stream - one call as an outside agent sees it, whatever the format: what is told (start, audio,
 * keys, marks, stop), what the agent wants (audio, marks, clear, goodbye, ...) and what it has said
 * that the callee hasn't heard yet. A pure state machine: messages and 20 ms frames in, messages
 * and frames out; it knows no socket and no clock.
 *
 * Media time: the n-th 20 ms of the callee after the start has the timestamp n x 20 ms, whatever
 * the network did; what was lost is filled in before it gets here, so that audio never pauses. When
 * the agent takes its messages too slowly the oldest audio that waits is dropped.
 *
 * A long piece of the agent's audio is taken in parts, so that nobody's megabytes are a turn's
 * work.
 *
 * The end: a goodbye of the agent, or its closing the connection in order, lets what it has said be
 * heard to the end and then says done; audio that it sends behind its goodbye is left out.
 *
 * Lifetime: owned by its creator; the pool and what the port's ctx points to outlive it.
 */
#ifndef ENGINE_AGENT_STREAM_H
#define ENGINE_AGENT_STREAM_H

#include "engine/agent/dialect.h"
#include "engine/agent/playout.h"
#include "engine/agent/sid.h"
#include "outdial/types.h"

enum {
    OD_STREAM_TAIL_FRAMES = 10, /* 200 ms between the last sample and done */
    /* Bytes on the way to the agent above which audio waits: of a connection of its own, and of one
     * that other calls use, too. */
    OD_STREAM_QUEUED_HIGH = 16 * 1024,
    OD_STREAM_SHARED_HIGH = 64 * 1024,
    OD_STREAM_HELD_FRAMES = 100,      /* 2 s of audio that wait; then the oldest is dropped */
    OD_STREAM_RESULT_MAX = 60 * 1024, /* bytes of the result */
    OD_STREAM_TRANSCRIPT_MAX = 48 * 1024,
    OD_STREAM_MARKS_AT_ONCE = 256, /* told in a frame; those of thousands take their time */
};

struct od_stream;

/* Port functions never call the stream. */
struct od_stream_port {
    void *ctx;
    void (*send)(void *ctx, bool text, const char *at, size_t bytes);
    size_t (*queued)(void *ctx); /* bytes on their way to the agent */
    void (*done)(void *ctx);     /* all was said: hang up */
    /* TRANSFER, SEND_DTMF, TOOL_CALL, ACCEPT, REJECT, HELLO */
    void (*order)(void *ctx, const struct od_stream_command *command);
    /* Something odd, for the log; each kind once per stream. */
    void (*odd)(void *ctx, const char *what);
};

/* Texts are copied. */
struct od_stream_setup {
    const struct od_dialect *dialect;
    uint32_t rate; /* Hz: of what the dialect carries until set_media() */
    uint32_t buffer_s;
    struct od_chunk_pool *pool;
    struct od_uid call;
    uint16_t attempt;
    const char *org, *from, *to;
    const char *params, *details; /* JSON objects */
    struct od_uid campaign;       /* all zero: none */
    const char *amd;              /* a JSON object (od_stream_words) */
    struct od_stream_port port;
};

struct od_stream_stats {
    uint64_t heard;                       /* frames told to the agent */
    uint64_t dropped_heard;               /* frames it was too slow for */
    uint64_t spoken_bytes, dropped_bytes; /* of its audio, at 8,000 a second */
    uint64_t clears, marks, bad;
};

int od_stream_create(struct od_stream **out, const struct od_stream_setup *setup); /* OD_ENOMEM */
void od_stream_destroy(struct od_stream *stream); /* NULL is fine */

/* Of a shared connection, before opened(): the number of this call there. */
void od_stream_set_sid(struct od_stream *stream, uint32_t sid);
/* Before opened(): what the connection carries, where the agent has a choice. OD_ENOMEM. */
int od_stream_set_media(struct od_stream *stream, const struct od_wire_media *media);
/* The connection stands. */
void od_stream_opened(struct od_stream *stream);
/* The callee has answered; before or after opened(). */
void od_stream_start(struct od_stream *stream);
/* A message of the agent. False: it is a long one and not done with; it must stay where it is, and
 * no other come, until go_on() has returned true. Never of one of up to OD_AUDIO_PART_BYTES. */
bool od_stream_message(struct od_stream *stream, bool text, const uint8_t *at, size_t bytes);
/* The same, read already. */
bool od_stream_command(struct od_stream *stream, const struct od_stream_command *command);
/* The next part of it. True: it is done with. */
bool od_stream_go_on(struct od_stream *stream);
/* The connection is gone, and a message that was not done with. */
void od_stream_closed(struct od_stream *stream);
/* The agent takes bytes again. */
void od_stream_room(struct od_stream *stream);
/* It was the agent that closed it, in order: as if it had said goodbye. */
void od_stream_left(struct od_stream *stream);

/* 20 ms each way. after(): the frame is on the wire. */
void od_stream_heard(struct od_stream *stream, const uint8_t ulaw[OD_FRAME_BYTES]);
size_t od_stream_frame(struct od_stream *stream, uint8_t ulaw[OD_FRAME_BYTES]);
void od_stream_after(struct od_stream *stream);
void od_stream_digit(struct od_stream *stream, char digit);

/* One of our own events: name {..}. */
void od_stream_notice(struct od_stream *stream, const char *name, const char *json);
void od_stream_tool_result(struct od_stream *stream, const char *json);

/* The call is over. */
void od_stream_stop(struct od_stream *stream, const char *reason, uint16_t sip_status);

bool od_stream_talking(const struct od_stream *stream); /* audio of the agent is waiting */
/* JSON to be freed by the caller; NULL: none. */
char *od_stream_result(const struct od_stream *stream, size_t *bytes);     /* an object */
char *od_stream_transcript(const struct od_stream *stream, size_t *bytes); /* an array */
void od_stream_stats(const struct od_stream *stream, struct od_stream_stats *out);

#endif
