/*
 * index - see index.h. Linear probing at a load of at most one half; a removal moves later cells
 * back, so there are no tombstones and no rebuild.
 */
#include "engine/base/index.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "outdial/err.h"

int od_index_init(struct od_index *index, uint32_t most)
{
    uint32_t cells = 4;

    *index = (struct od_index){.most = most};
    if (!most || most > 1u << 30)
        return OD_EINVAL;
    while (cells < 2 * most)
        cells *= 2;
    index->mask = cells - 1;
    index->cells = calloc(cells, sizeof *index->cells);
    return index->cells ? 0 : OD_ENOMEM;
}

void od_index_deinit(struct od_index *index)
{
    free(index->cells);
    *index = (struct od_index){0};
}

void od_index_add(struct od_index *index, uint64_t hash, uint32_t value)
{
    uint32_t at = (uint32_t)hash & index->mask;

    OD_ASSERT(index->count < index->most && value < UINT32_MAX);
    while (index->cells[at].value)
        at = (at + 1) & index->mask;
    index->cells[at] = (struct od_index_cell){(uint32_t)hash, value + 1};
    index->count++;
}

void od_index_remove(struct od_index *index, uint64_t hash, uint32_t value)
{
    uint32_t hole = (uint32_t)hash & index->mask, at;

    while (index->cells[hole].hash != (uint32_t)hash || index->cells[hole].value != value + 1) {
        OD_ASSERT(index->cells[hole].value);
        hole = (hole + 1) & index->mask;
    }
    for (at = (hole + 1) & index->mask; index->cells[at].value; at = (at + 1) & index->mask) {
        uint32_t home = index->cells[at].hash & index->mask;
        /* The cell may fill the hole unless its home lies after the hole, going round. */
        if (((at - home) & index->mask) >= ((at - hole) & index->mask)) {
            index->cells[hole] = index->cells[at];
            hole = at;
        }
    }
    index->cells[hole] = (struct od_index_cell){0};
    index->count--;
}

bool od_index_find(const struct od_index *index, uint64_t hash, uint32_t *place, uint32_t *value)
{
    for (;; ++*place) {
        const struct od_index_cell *cell = &index->cells[((uint32_t)hash + *place) & index->mask];
        if (!cell->value)
            return false;
        if (cell->hash == (uint32_t)hash) {
            *value = cell->value - 1;
            ++*place;
            return true;
        }
    }
}
