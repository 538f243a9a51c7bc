/*
 * ring - a bounded queue of equal items, first in, first out.
 *
 * Lifetime: init takes the memory, deinit gives it back. A pointer from od_ring_first() or
 * od_ring_room() is good until the next call that changes the ring.
 */
#ifndef ENGINE_BASE_RING_H
#define ENGINE_BASE_RING_H

#include <stddef.h>
#include <stdint.h>

struct od_ring {
    uint32_t size; /* read by caller; a power of two */

    /* private; head and tail run free and wrap */
    uint32_t head, tail;
    size_t item_bytes;
    unsigned char *items;
};

/* size: a power of two up to 2^31. OD_EINVAL, OD_ENOMEM. */
int od_ring_init(struct od_ring *ring, uint32_t size, size_t item_bytes);
void od_ring_deinit(struct od_ring *ring); /* all zero is fine */

static inline uint32_t od_ring_count(const struct od_ring *ring)
{
    return ring->tail - ring->head;
}

/* Where the next item goes; od_ring_push() makes it part of the ring. NULL when full. */
static inline void *od_ring_room(const struct od_ring *ring)
{
    if (od_ring_count(ring) == ring->size)
        return NULL;
    return ring->items + (size_t)(ring->tail & (ring->size - 1)) * ring->item_bytes;
}

static inline void od_ring_push(struct od_ring *ring)
{
    ring->tail++;
}

/* NULL when empty. */
static inline void *od_ring_first(const struct od_ring *ring)
{
    if (ring->head == ring->tail)
        return NULL;
    return ring->items + (size_t)(ring->head & (ring->size - 1)) * ring->item_bytes;
}

/* Drops the first item. The ring must not be empty. */
static inline void od_ring_pop(struct od_ring *ring)
{
    ring->head++;
}

#endif
