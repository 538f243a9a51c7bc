/*
 * pool - a fixed number of equal items, taken and given back in O(1), named by index and
 * generation. A name outlives its item harmlessly: asking for it then gives NULL.
 *
 * Lifetime: init takes all memory, deinit gives it back; items stay where they are. Memory that
 * was never used is never touched, so a generous limit costs address space only.
 */
#ifndef ENGINE_BASE_POOL_H
#define ENGINE_BASE_POOL_H

#include <stddef.h>
#include <stdint.h>

struct od_pool_slot;

struct od_pool {
    uint32_t count; /* read by caller: places in all */
    uint32_t used;  /* read by caller: items alive */

    /* private */
    uint32_t fresh; /* places from here on were never used */
    uint32_t spare; /* head of the given-back places, UINT32_MAX: none */
    size_t item_bytes;
    struct od_pool_slot *slots;
    unsigned char *items;
};

/* count 1..UINT32_MAX - 1. OD_ENOMEM, OD_EINVAL. */
int od_pool_init(struct od_pool *pool, uint32_t count, size_t item_bytes);
void od_pool_deinit(struct od_pool *pool); /* all zero is fine */

/* Takes an item; its bytes are whatever its last owner left, zero at first. NULL when the pool is
 * empty. gen is never 0. index and gen may be NULL. */
void *od_pool_get(struct od_pool *pool, uint32_t *index, uint32_t *gen);

/* Gives an item back. It must be alive. */
void od_pool_put(struct od_pool *pool, void *item);

/* The item of that name; NULL when it is not alive any more, or never was. */
void *od_pool_at(const struct od_pool *pool, uint32_t index, uint32_t gen);

#endif
