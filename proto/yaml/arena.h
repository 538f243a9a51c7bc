/*
 * arena - memory that is given back all at once: what a configuration is built in. Blocks are
 * wiped before they are freed, because a configuration holds passwords.
 *
 * Lifetime: owned by the caller; everything got from it dies in deinit().
 */
#ifndef PROTO_YAML_ARENA_H
#define PROTO_YAML_ARENA_H

#include <stddef.h>

struct od_arena_block;
struct od_arena {
    struct od_arena_block *newest; /* private */
};

void od_arena_init(struct od_arena *arena);
void od_arena_deinit(struct od_arena *arena);

/* Zeroed and aligned for any type; NULL when there is no memory. bytes may be 0. */
void *od_arena_get(struct od_arena *arena, size_t bytes);

/* A copy of text with a NUL after it; NULL when there is no memory. */
char *od_arena_text(struct od_arena *arena, const char *text, size_t bytes);

#endif
