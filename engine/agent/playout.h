/*
 * playout - what an agent has said and the callee hasn't heard yet: mu-law audio in a chain of
 * chunks, and marks at places in it. A mark is due when the last sample before it has been handed
 * out, at once when nothing is waiting; clear() empties the chain and makes every mark due. Pure.
 *
 * Chunks come from a pool that all calls share, so that a call that is silent holds nothing and ten
 * minutes at once are no matter; the pool and each call have a cap, beyond which audio is dropped
 * and counted. What is thrown away goes back in one piece, however long it is, and from the pool to
 * the system little by little.
 *
 * Lifetime: embedded; init() to deinit(). The pool outlives its users.
 */
#ifndef ENGINE_AGENT_PLAYOUT_H
#define ENGINE_AGENT_PLAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/media/g711.h"

/* Whole groups of base64 and whole frames. */
enum { OD_CHUNK_BYTES = 3840, OD_MARKS_MAX = 4096 };

struct od_chunk;

struct od_chunk_pool {
    struct od_chunk *free;
    size_t free_count, used_count; /* chunks */
    size_t used_max;               /* chunks in use at most */

    /* set by the owner: more are free than a burst needs: it should trim() by and by. May be NULL
     */
    void (*spare)(void *ctx);
    void *ctx;
};

void od_chunk_pool_init(struct od_chunk_pool *pool, size_t bytes_max);
void od_chunk_pool_deinit(struct od_chunk_pool *pool); /* nothing may be in use */
/* Gives at most so many of the spare chunks back to the system. False: none is left. */
bool od_chunk_pool_trim(struct od_chunk_pool *pool, size_t chunks);

/* A mark whose time has come. Borrowed until the next call of any function here. */
struct od_mark_due {
    const char *name;
    size_t name_bytes;
    uint8_t tag;               /* the caller's */
    bool cleared;              /* not all before it was played */
    uint32_t played_ms, of_ms; /* of the audio since the mark before */
};

struct od_mark;

struct od_playout {
    /* read by the owner */
    uint64_t put, taken; /* bytes since init; put - taken are waiting */
    uint64_t dropped;    /* bytes there was no room for */
    uint32_t marks;      /* waiting */

    /* private */
    struct od_chunk_pool *pool;
    uint64_t bytes_max;
    struct od_chunk *first, *last;
    size_t chunks;              /* from first to last */
    size_t first_at, last_used; /* within first and last */
    struct od_mark *mark_first, *mark_last, *shown;
    uint64_t mark_before; /* place of the mark before the first */
    uint64_t cleared_at;  /* place of the last clear */
};

void od_playout_init(struct od_playout *playout, struct od_chunk_pool *pool, uint64_t bytes_max);
void od_playout_deinit(struct od_playout *playout);

/* Appends. False when some of it was dropped. */
bool od_playout_put(struct od_playout *playout, const uint8_t *ulaw, size_t bytes);
/* The same from base64, decoded in place. -1: not base64 (what came before is kept); 0: some was
 * dropped; 1. */
int od_playout_put_base64(struct od_playout *playout, const char *text, size_t chars);

/* So many bytes more had no room. */
static inline void od_playout_drop(struct od_playout *playout, uint64_t bytes)
{
    playout->dropped += bytes;
}

/* OD_ETOOBIG: OD_MARKS_MAX are waiting; OD_ENOMEM. */
int od_playout_mark(struct od_playout *playout, const char *name, size_t bytes, uint8_t tag);

/* The next 20 ms, silence where there is nothing. Returns the bytes that were audio. */
size_t od_playout_frame(struct od_playout *playout, uint8_t out[OD_FRAME_BYTES]);

/* A mark stands behind the last sample: what was said is complete. */
bool od_playout_marked(const struct od_playout *playout);

/* The next mark that is due, in order. */
bool od_playout_due(struct od_playout *playout, struct od_mark_due *due);

/* Throws the audio away; every mark is due. */
void od_playout_clear(struct od_playout *playout);
/* Every mark is due; the audio stays. */
void od_playout_clear_marks(struct od_playout *playout);

static inline uint64_t od_playout_waiting(const struct od_playout *playout)
{
    return playout->put - playout->taken;
}

#endif
