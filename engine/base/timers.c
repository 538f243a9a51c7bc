/*
 * timers - see timers.h. The keys sit in the heap beside the pointers, so that finding a place
 * touches no owner's memory; four children per node halve the height of a binary heap.
 */
#include "engine/base/timers.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "outdial/err.h"
#include "outdial/types.h"

struct od_timers_entry {
    uint64_t at_ns, order;
    struct od_timer *timer;
};

static bool before(const struct od_timers_entry *a, const struct od_timers_entry *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void place(struct od_timers *timers, uint32_t at, struct od_timers_entry entry)
{
    timers->heap[at] = entry;
    entry.timer->place = at + 1;
}

static void sift_up(struct od_timers *timers, uint32_t at, struct od_timers_entry entry)
{
    while (at) {
        uint32_t parent = (at - 1) / 4;
        if (!before(&entry, &timers->heap[parent]))
            break;
        place(timers, at, timers->heap[parent]);
        at = parent;
    }
    place(timers, at, entry);
}

static void sift_down(struct od_timers *timers, uint32_t at, struct od_timers_entry entry)
{
    for (;;) {
        uint32_t first = 4 * at + 1, best, end;
        if (first >= timers->count)
            break;
        best = first;
        end = first + 4 < timers->count ? first + 4 : timers->count;
        for (uint32_t child = first + 1; child < end; child++)
            if (before(&timers->heap[child], &timers->heap[best]))
                best = child;
        if (!before(&timers->heap[best], &entry))
            break;
        place(timers, at, timers->heap[best]);
        at = best;
    }
    place(timers, at, entry);
}

/* Puts `entry` where place `at` has become free. */
static void settle(struct od_timers *timers, uint32_t at, struct od_timers_entry entry)
{
    if (at && before(&entry, &timers->heap[(at - 1) / 4]))
        sift_up(timers, at, entry);
    else
        sift_down(timers, at, entry);
}

int od_timers_init(struct od_timers *timers, uint32_t size)
{
    *timers = (struct od_timers){.size = size};
    if (!size || size > UINT32_MAX / 8)
        return OD_EINVAL;
    timers->heap = calloc(size, sizeof *timers->heap);
    return timers->heap ? 0 : OD_ENOMEM;
}

void od_timers_deinit(struct od_timers *timers)
{
    free(timers->heap);
    *timers = (struct od_timers){0};
}

void od_timers_start(struct od_timers *timers, struct od_timer *timer, uint64_t at_ns)
{
    struct od_timers_entry entry = {at_ns, timers->started++, timer};

    if (timer->place) {
        settle(timers, timer->place - 1, entry);
        return;
    }
    OD_ASSERT(timers->count < timers->size);
    sift_up(timers, timers->count++, entry);
}

void od_timers_stop(struct od_timers *timers, struct od_timer *timer)
{
    uint32_t at = timer->place;

    if (!at--)
        return;
    OD_ASSERT(timers->heap[at].timer == timer);
    timer->place = 0;
    if (at != --timers->count)
        settle(timers, at, timers->heap[timers->count]);
}

uint64_t od_timers_next(const struct od_timers *timers)
{
    return timers->count ? timers->heap[0].at_ns : OD_NEVER;
}

struct od_timer *od_timers_fire(struct od_timers *timers, uint64_t now_ns)
{
    struct od_timer *timer;

    if (!timers->count || timers->heap[0].at_ns > now_ns)
        return NULL;
    timer = timers->heap[0].timer;
    od_timers_stop(timers, timer);
    return timer;
}
