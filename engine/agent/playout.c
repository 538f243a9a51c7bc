/*
 * playout - see playout.h. Places are byte counts since init; clear() moves the place of what was
 * put back to what was taken and marks the marks beyond it as cleared.
 */
#include "engine/agent/playout.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/base64.h"
#include "outdial/err.h"

enum { FREE_KEPT = 4096 }; /* chunks kept for the next burst: 15 MiB */

struct od_chunk {
    struct od_chunk *next;
    uint8_t bytes[OD_CHUNK_BYTES];
};

struct od_mark {
    struct od_mark *next;
    uint64_t at;         /* place */
    uint64_t from;       /* place of the mark before it */
    uint32_t cleared_ms; /* when cleared: what had been played of it */
    bool cleared, due;
    uint8_t tag;
    size_t bytes;
    char name[];
};

void od_chunk_pool_init(struct od_chunk_pool *pool, size_t bytes_max)
{
    *pool = (struct od_chunk_pool){.used_max = bytes_max / sizeof(struct od_chunk)};
}

void od_chunk_pool_deinit(struct od_chunk_pool *pool)
{
    while (pool->free) {
        struct od_chunk *chunk = pool->free;
        pool->free = chunk->next;
        free(chunk);
    }
}

static struct od_chunk *chunk_get(struct od_chunk_pool *pool)
{
    struct od_chunk *chunk = pool->free;
    if (pool->used_count >= pool->used_max)
        return NULL;
    if (chunk) {
        pool->free = chunk->next;
        pool->free_count--;
    } else {
        chunk = malloc(sizeof *chunk);
    }
    if (chunk) {
        chunk->next = NULL;
        pool->used_count++;
    }
    return chunk;
}

/* A chain of them. */
static void chunks_put(struct od_chunk_pool *pool, struct od_chunk *first, struct od_chunk *last,
                       size_t count)
{
    last->next = pool->free;
    pool->free = first;
    pool->free_count += count;
    pool->used_count -= count;
    if (pool->free_count > FREE_KEPT && pool->spare)
        pool->spare(pool->ctx);
}

bool od_chunk_pool_trim(struct od_chunk_pool *pool, size_t chunks)
{
    for (; chunks && pool->free_count > FREE_KEPT; chunks--) {
        struct od_chunk *chunk = pool->free;
        pool->free = chunk->next;
        pool->free_count--;
        free(chunk);
    }
    return pool->free_count > FREE_KEPT;
}

void od_playout_init(struct od_playout *playout, struct od_chunk_pool *pool, uint64_t bytes_max)
{
    *playout = (struct od_playout){.pool = pool, .bytes_max = bytes_max};
}

static void drop_chunks(struct od_playout *playout)
{
    if (playout->first)
        chunks_put(playout->pool, playout->first, playout->last, playout->chunks);
    playout->first = playout->last = NULL;
    playout->chunks = 0;
    playout->first_at = playout->last_used = 0;
}

void od_playout_deinit(struct od_playout *playout)
{
    drop_chunks(playout);
    free(playout->shown);
    while (playout->mark_first) {
        struct od_mark *mark = playout->mark_first;
        playout->mark_first = mark->next;
        free(mark);
    }
    *playout = (struct od_playout){0};
}

/* Room at the end of the chain; NULL: there may be no more. */
static uint8_t *room(struct od_playout *playout, size_t *bytes)
{
    uint64_t waiting = od_playout_waiting(playout);
    if (waiting >= playout->bytes_max)
        return NULL;
    if (!playout->last || playout->last_used == OD_CHUNK_BYTES) {
        struct od_chunk *chunk = chunk_get(playout->pool);
        if (!chunk)
            return NULL;
        if (playout->last)
            playout->last->next = chunk;
        else
            playout->first = chunk;
        playout->last = chunk;
        playout->last_used = 0;
        playout->chunks++;
    }
    *bytes = OD_CHUNK_BYTES - playout->last_used;
    return playout->last->bytes + playout->last_used;
}

static void filled(struct od_playout *playout, size_t bytes)
{
    playout->last_used += bytes;
    playout->put += bytes;
}

bool od_playout_put(struct od_playout *playout, const uint8_t *ulaw, size_t bytes)
{
    while (bytes) {
        size_t space;
        uint8_t *at = room(playout, &space);
        if (!at) {
            playout->dropped += bytes;
            return false;
        }
        size_t take = bytes < space ? bytes : space;
        memcpy(at, ulaw, take);
        filled(playout, take);
        ulaw += take;
        bytes -= take;
    }
    return true;
}

int od_playout_put_base64(struct od_playout *playout, const char *text, size_t chars)
{
    uint8_t piece[OD_CHUNK_BYTES + 2];
    while (chars) {
        size_t space;
        uint8_t *at = room(playout, &space);
        size_t groups = at ? space / 3 : 0;
        if (!at) {
            playout->dropped += chars / 4 * 3;
            return 0;
        }
        /* The last group writes through a piece of its own: it may be padded. So does a group that
         * lies across two chunks. */
        if (groups && chars > 4) {
            size_t take = (chars - 1) / 4 < groups ? (chars - 1) / 4 * 4 : groups * 4;
            size_t got = od_base64_decode(at, text, take);
            if (got != take / 4 * 3)
                return -1;
            filled(playout, got);
            text += take;
            chars -= take;
            continue;
        }
        size_t take = chars < 4 ? chars : 4;
        size_t got = od_base64_decode(piece, text, take);
        if (got == SIZE_MAX)
            return -1;
        text += take;
        chars -= take;
        if (!od_playout_put(playout, piece, got))
            return 0;
    }
    return 1;
}

int od_playout_mark(struct od_playout *playout, const char *name, size_t bytes, uint8_t tag)
{
    if (playout->marks >= OD_MARKS_MAX)
        return OD_ETOOBIG;
    struct od_mark *mark = malloc(sizeof *mark + bytes);
    if (!mark)
        return OD_ENOMEM;
    *mark = (struct od_mark){.at = playout->put, .tag = tag, .bytes = bytes};
    mark->from = playout->mark_last ? playout->mark_last->at : playout->mark_before;
    if (mark->from < playout->cleared_at)
        mark->from = playout->cleared_at;
    memcpy(mark->name, name, bytes);
    if (playout->mark_last)
        playout->mark_last->next = mark;
    else
        playout->mark_first = mark;
    playout->mark_last = mark;
    playout->marks++;
    return 0;
}

size_t od_playout_frame(struct od_playout *playout, uint8_t out[OD_FRAME_BYTES])
{
    size_t have = 0;
    while (have < OD_FRAME_BYTES && playout->first) {
        struct od_chunk *chunk = playout->first;
        size_t end = chunk == playout->last ? playout->last_used : OD_CHUNK_BYTES;
        size_t left = end - playout->first_at;
        size_t take = left < OD_FRAME_BYTES - have ? left : OD_FRAME_BYTES - have;
        memcpy(out + have, chunk->bytes + playout->first_at, take);
        have += take;
        playout->first_at += take;
        if (playout->first_at < end)
            break;
        playout->first = chunk->next;
        if (!playout->first) {
            playout->last = NULL;
            playout->last_used = 0;
        }
        playout->first_at = 0;
        playout->chunks--;
        chunks_put(playout->pool, chunk, chunk, 1);
    }
    memset(out + have, OD_ULAW_SILENCE, OD_FRAME_BYTES - have);
    playout->taken += have;
    return have;
}

bool od_playout_marked(const struct od_playout *playout)
{
    return playout->mark_last && playout->mark_last->at == playout->put;
}

static uint32_t ms_of(uint64_t bytes)
{
    return (uint32_t)(bytes / 8);
}

bool od_playout_due(struct od_playout *playout, struct od_mark_due *due)
{
    struct od_mark *mark = playout->mark_first;
    free(playout->shown);
    playout->shown = NULL;
    if (!mark || (!mark->due && mark->at > playout->taken))
        return false;
    playout->mark_first = mark->next;
    if (!mark->next)
        playout->mark_last = NULL;
    playout->marks--;
    playout->mark_before = mark->at;
    playout->shown = mark;
    *due = (struct od_mark_due){.name = mark->name,
                                .name_bytes = mark->bytes,
                                .tag = mark->tag,
                                .cleared = mark->cleared,
                                .of_ms = ms_of(mark->at - mark->from)};
    due->played_ms = mark->cleared ? mark->cleared_ms : due->of_ms;
    return true;
}

void od_playout_clear_marks(struct od_playout *playout)
{
    for (struct od_mark *mark = playout->mark_first; mark; mark = mark->next) {
        mark->due = true;
        if (mark->cleared || mark->at <= playout->taken)
            continue;
        mark->cleared = true;
        mark->cleared_ms = playout->taken > mark->from ? ms_of(playout->taken - mark->from) : 0;
    }
}

void od_playout_clear(struct od_playout *playout)
{
    od_playout_clear_marks(playout);
    drop_chunks(playout);
    playout->cleared_at = playout->put;
    playout->taken = playout->put; /* places only grow: later marks lie behind the cleared ones */
}
