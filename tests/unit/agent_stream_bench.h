/*
 * agent_stream_bench - what the tests of streams to outside agents share: a stream whose messages
 * are kept, driven by hand, 20 ms at a time.
 */
#ifndef TESTS_UNIT_AGENT_STREAM_BENCH_H
#define TESTS_UNIT_AGENT_STREAM_BENCH_H

#include "engine/agent/stream.h"

enum { SAID_MAX = 10000, TEXT_MAX = 8192 };

struct said {
    bool text;
    size_t bytes;
    char *at;
};

struct world {
    struct od_chunk_pool pool;
    struct od_stream *stream;
    struct said said[SAID_MAX];
    unsigned count;
    size_t queued;
    unsigned done, orders, odds;
    uint8_t order;
    char order_text[200], order_json[400], odd[200];
};

/* As a format has the call and its stream. */
#define STREAM "MZ01a1282326807db8afd9ccd2df2bdfd2"
#define CALL "CA01a2282326807db8afd9ccd2df2bdfd2"

/* rate 0: the format's own. */
struct world *begin(const char *format, uint32_t rate);
/* The same, and the call has been answered; what was told so far is forgotten. */
struct world *begin_talk(const char *format, uint32_t rate);
void forget(struct world *w);
void end(struct world *w);

/* Returns the parts it was taken in. */
unsigned say_bytes(struct world *w, bool text, const void *at, size_t bytes);
void say(struct world *w, const char *text);
void say_audio(struct world *w, const uint8_t *ulaw, size_t bytes); /* Twilio's */
void mark(struct world *w, const char *name);                       /* Twilio's */

/* 20 ms both ways: the callee says `code`; what it hears goes to frame (may be NULL). */
size_t tick(struct world *w, uint8_t code, uint8_t frame[OD_FRAME_BYTES]);

const char *last(const struct world *w);
/* Counts messages that hold both words. */
unsigned told(const struct world *w, const char *one, const char *other);

#endif
