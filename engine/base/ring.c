/* ring - see ring.h: the parts that need memory. */
#include "engine/base/ring.h"

#include <stdlib.h>

#include "outdial/err.h"

int od_ring_init(struct od_ring *ring, uint32_t size, size_t item_bytes)
{
    *ring = (struct od_ring){.size = size, .item_bytes = item_bytes};
    if (!size || (size & (size - 1)) || !item_bytes)
        return OD_EINVAL;
    ring->items = calloc(size, item_bytes);
    return ring->items ? 0 : OD_ENOMEM;
}

void od_ring_deinit(struct od_ring *ring)
{
    free(ring->items);
    *ring = (struct od_ring){0};
}
