/*
 * script - the built-in agent: walks through an agent's steps on an answered call. A pure state
 * machine: time is an argument, frames are pulled from it, keys are pushed into it, and what it
 * wants from the world (speech, files, the end of the call) goes out through a port. It reads no
 * clock and opens nothing.
 *
 * Keys count from the moment they are pressed: one pressed while the text in front of a gather is
 * being spoken cuts the text short and is the gather's first key; keys pressed earlier wait.
 *
 * The end: after the last step the script goes on with silence for a moment, so that what was said
 * last has left the far end's jitter buffer, and then says done. Digits gathered so far are the
 * result at any time, also when the callee hangs up in the middle.
 *
 * Lifetime: owned by its creator, who keeps the definition alive for as long. Clips are borrowed
 * from od_script_clip() until the port's forget() for the same step, or destroy().
 */
#ifndef ENGINE_AGENT_SCRIPT_H
#define ENGINE_AGENT_SCRIPT_H

#include "engine/agent/agent_def.h"

enum {
    OD_SCRIPT_TAIL_FRAMES = 10,    /* 200 ms of silence between the last sample played and done */
    OD_SCRIPT_WALK_MAX = 1000,     /* steps that one call may walk through; loops end there */
    OD_SCRIPT_TRANSFER_MS = 60000, /* of a REFER; then the script goes on without it */
    OD_SCRIPT_AHEAD = 2,           /* steps whose audio may be held: the present one and the next */
};

struct od_script;

/* Port functions never call the script; answers come later. */
struct od_script_port {
    void *ctx;
    /* The audio of a step is wanted: answered once by od_script_clip() or od_script_no_clip(). */
    void (*speak)(void *ctx, uint32_t step, const char *text, size_t bytes);
    void (*play)(void *ctx, uint32_t step, const char *file);
    /* The step is over: its clip is not used any more, its answer not needed if still to come. */
    void (*forget)(void *ctx, uint32_t step);
    void (*done)(void *ctx); /* hang up */
    /* The callee is to be handed on, in that way; answered by od_script_transferred(). */
    void (*transfer)(void *ctx, const char *target, const struct od_transfer *how);
    void (*failed)(void *ctx, const char *why);
    /* The callee is recorded from now on, as the call's part 1, 2, ..; until record_end(). */
    void (*record)(void *ctx, uint8_t part);
    void (*record_end)(void *ctx);
};

/* context: the call's JSON object, for {{name}}; bytes 0: none. OD_EINVAL: it isn't one; OD_ENOMEM.
 */
int od_script_create(struct od_script **out, const struct od_agent_def *def, const char *context,
                     size_t bytes, const struct od_script_port *port);
/* forget() is called for what is still held. NULL is fine. */
void od_script_destroy(struct od_script *script);

/* Asks for the first audio; may be called again, and never has to be. */
void od_script_prepare(struct od_script *script);

/* The call is answered: the first step begins. */
void od_script_start(struct od_script *script, uint64_t now_ns);

void od_script_clip(struct od_script *script, uint32_t step, const uint8_t *ulaw, size_t bytes);
void od_script_no_clip(struct od_script *script, uint32_t step, const char *why);

/* 20 ms of the callee: silence ends a recording. */
void od_script_heard(struct od_script *script, const uint8_t ulaw[160]);

/* True while the callee is expected to press something. */
bool od_script_waits(const struct od_script *script);
/* Then: the prompt is said once more, if there is one; what was pressed counts on. */
void od_script_remind(struct od_script *script);

void od_script_digit(struct od_script *script, uint64_t now_ns, char digit);

/* The handing on is under way, and its end will be told: it isn't given up yet. */
void od_script_transfer_lasts(struct od_script *script, uint64_t now_ns);
/* It is over: it has failed, or (of a bridge) the two have talked and the other one has hung up.
 * The script goes on where its step says. (A call handed on by REFER just ends.) */
void od_script_transferred(struct od_script *script, uint64_t now_ns, bool talked);

/* The next 20 ms (160 bytes of mu-law); silence when there is nothing to say. */
void od_script_frame(struct od_script *script, uint64_t now_ns, uint8_t out[160]);

/* The gathered values as a JSON object, of recordings {"part": 1, "duration_ms": 4200}; to be freed
 * by the caller. NULL: the script gathers nothing, or there is no memory. A gather without an
 * answer is null; one not reached is left out. */
char *od_script_result(const struct od_script *script, size_t *bytes);

#endif
