/*
 * index - a hash table from a hash to small numbers: where to look for a thing whose key lies
 * elsewhere. The caller compares keys. Its order means nothing and can't be asked for.
 *
 * Lifetime: all memory is taken at init; it holds at most as many numbers as init was told.
 */
#ifndef ENGINE_BASE_INDEX_H
#define ENGINE_BASE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

struct od_index_cell {
    uint32_t hash, value; /* value: 1 + the number, 0 for an empty cell */
};

struct od_index {
    uint32_t count; /* read by caller */

    /* private */
    uint32_t most, mask;
    struct od_index_cell *cells;
};

/* most: 1..2^30. OD_EINVAL, OD_ENOMEM. */
int od_index_init(struct od_index *index, uint32_t most);
void od_index_deinit(struct od_index *index); /* all zero is fine */

/* There must be room. A hash may be added with several numbers. */
void od_index_add(struct od_index *index, uint64_t hash, uint32_t value);

/* The pair must be there. */
void od_index_remove(struct od_index *index, uint64_t hash, uint32_t value);

/* Walks the numbers added with `hash` (and, rarely, with others): *place is 0 at first. False when
 * there are no more. Not while the index changes. */
bool od_index_find(const struct od_index *index, uint64_t hash, uint32_t *place, uint32_t *value);

#endif
