/*
 * arena - blocks of 4 KiB in a list, filled from the front; a request that does not fit the newest
 * block gets a new one of at least its own size.
 */
#include "proto/yaml/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 4096 };

struct od_arena_block {
    struct od_arena_block *older;
    size_t used, bytes;
    alignas(max_align_t) unsigned char data[];
};

void od_arena_init(struct od_arena *arena)
{
    arena->newest = NULL;
}

void od_arena_deinit(struct od_arena *arena)
{
    struct od_arena_block *block = arena->newest;
    while (block) {
        struct od_arena_block *older = block->older;
        explicit_bzero(block->data, block->used);
        free(block);
        block = older;
    }
    arena->newest = NULL;
}

void *od_arena_get(struct od_arena *arena, size_t bytes)
{
    const size_t grain = alignof(max_align_t);
    if (bytes > (size_t)1 << 30)
        return NULL;
    bytes = (bytes + grain - 1) / grain * grain;

    struct od_arena_block *block = arena->newest;
    if (!block || block->bytes - block->used < bytes) {
        size_t room = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        block = calloc(1, sizeof *block + room);
        if (!block)
            return NULL;
        block->bytes = room;
        block->older = arena->newest;
        arena->newest = block;
    }
    void *got = block->data + block->used;
    block->used += bytes;
    return got;
}

char *od_arena_text(struct od_arena *arena, const char *text, size_t bytes)
{
    char *copy = od_arena_get(arena, bytes + 1);
    if (copy && bytes)
        memcpy(copy, text, bytes);
    return copy;
}
