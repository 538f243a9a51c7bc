/*
 * pool - see pool.h. A place's generation is odd while its item is alive and even while it is not;
 * each get and put adds one, so a stale name fails by one comparison.
 */
#include "engine/base/pool.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "outdial/err.h"

#define NO_SLOT UINT32_MAX

struct od_pool_slot {
    uint32_t gen;
    uint32_t next; /* of the spare ones */
};

int od_pool_init(struct od_pool *pool, uint32_t count, size_t item_bytes)
{
    *pool = (struct od_pool){.count = count, .spare = NO_SLOT, .item_bytes = item_bytes};
    if (!count || count == NO_SLOT || !item_bytes)
        return OD_EINVAL;
    pool->slots = calloc(count, sizeof *pool->slots);
    pool->items = calloc(count, item_bytes);
    if (!pool->slots || !pool->items) {
        od_pool_deinit(pool);
        return OD_ENOMEM;
    }
    return 0;
}

void od_pool_deinit(struct od_pool *pool)
{
    free(pool->slots);
    free(pool->items);
    *pool = (struct od_pool){0};
}

void *od_pool_get(struct od_pool *pool, uint32_t *index, uint32_t *gen)
{
    uint32_t at = pool->spare;

    if (at != NO_SLOT)
        pool->spare = pool->slots[at].next;
    else if (pool->fresh < pool->count)
        at = pool->fresh++;
    else
        return NULL;
    pool->used++;
    pool->slots[at].gen++;
    if (index)
        *index = at;
    if (gen)
        *gen = pool->slots[at].gen;
    return pool->items + (size_t)at * pool->item_bytes;
}

void od_pool_put(struct od_pool *pool, void *item)
{
    size_t offset = (size_t)((unsigned char *)item - pool->items);
    uint32_t at = (uint32_t)(offset / pool->item_bytes);

    OD_ASSERT(at < pool->fresh && offset % pool->item_bytes == 0);
    OD_ASSERT(pool->slots[at].gen & 1);
    pool->slots[at].gen++;
    pool->slots[at].next = pool->spare;
    pool->spare = at;
    pool->used--;
}

void *od_pool_at(const struct od_pool *pool, uint32_t index, uint32_t gen)
{
    if (index >= pool->fresh || !(gen & 1) || pool->slots[index].gen != gen)
        return NULL;
    return pool->items + (size_t)index * pool->item_bytes;
}
