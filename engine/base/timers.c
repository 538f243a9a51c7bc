/*
 * timers - see timers.h. In the heap the keys sit beside the pointers, so that finding a place
 * touches no owner's memory; four children per node halve the height of a binary heap.
 */
#include "engine/base/timers.h"

#include <stdlib.h>

#include "engine/base/assert.h"
#include "outdial/err.h"
#include "outdial/types.h"

#define IN_QUEUE UINT32_MAX

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
        if (first >= timers->used)
            break;
        best = first;
        end = first + 4 < timers->used ? first + 4 : timers->used;
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

int od_timers_init(struct od_timers *timers, uint32_t size)
{
    *timers = (struct od_timers){.size = size};
    if (!size || size > UINT32_MAX / 8)
        return OD_EINVAL;
    for (int i = 0; i < OD_TIMER_QUEUES; i++)
        od_list_init(&timers->queues[i]);
    timers->heap = calloc(size, sizeof *timers->heap);
    return timers->heap ? 0 : OD_ENOMEM;
}

void od_timers_deinit(struct od_timers *timers)
{
    free(timers->heap);
    *timers = (struct od_timers){0};
}

static struct od_timer *timer_of(const struct od_list *node)
{
    return OD_OWNER(node, struct od_timer, node);
}

void od_timers_start(struct od_timers *timers, struct od_timer *timer, uint64_t at_ns)
{
    struct od_list *queue = &timers->queues[timer->queue];

    if (timer->place && timer->at_ns == at_ns)
        return;
    od_timers_stop(timers, timer);
    OD_ASSERT(timers->count < timers->size && timer->queue < OD_TIMER_QUEUES);
    timers->count++;
    if (timers->earliest && at_ns < timers->earliest->at_ns)
        timers->earliest = timer;
    timer->at_ns = at_ns;
    timer->order = timers->started++;
    if (timer->queue && (od_list_empty(queue) || timer_of(queue->prev)->at_ns <= at_ns)) {
        od_list_push(queue, &timer->node);
        timer->place = IN_QUEUE;
        timers->waiting |= 1u << timer->queue;
    } else {
        sift_up(timers, timers->used++,
                (struct od_timers_entry){timer->at_ns, timer->order, timer});
    }
}

static void leave_heap(struct od_timers *timers, uint32_t at)
{
    struct od_timers_entry last = timers->heap[--timers->used];

    if (at == timers->used)
        return;
    if (at && before(&last, &timers->heap[(at - 1) / 4]))
        sift_up(timers, at, last);
    else
        sift_down(timers, at, last);
}

void od_timers_stop(struct od_timers *timers, struct od_timer *timer)
{
    if (!timer->place)
        return;
    if (timer->place == IN_QUEUE) {
        od_list_remove(&timer->node);
        if (od_list_empty(&timers->queues[timer->queue]))
            timers->waiting &= ~(1u << timer->queue);
    } else {
        OD_ASSERT(timers->heap[timer->place - 1].timer == timer);
        leave_heap(timers, timer->place - 1);
    }
    timer->place = 0;
    timers->count--;
    if (timers->earliest == timer)
        timers->earliest = NULL;
}

void od_timers_set(struct od_timers *timers, struct od_timer *timer, uint64_t at_ns)
{
    if (at_ns == OD_NEVER)
        od_timers_stop(timers, timer);
    else
        od_timers_start(timers, timer, at_ns);
}

/* The first of the heap and of all queues, remembered until it stops; NULL when nothing runs. */
static struct od_timer *first(struct od_timers *timers)
{
    struct od_timer *best = timers->used ? timers->heap[0].timer : NULL;

    if (timers->earliest)
        return timers->earliest;
    for (uint32_t left = timers->waiting; left; left &= left - 1) {
        const struct od_list *queue = &timers->queues[__builtin_ctz(left)];
        struct od_timer *timer = timer_of(queue->next);
        if (!best || timer->at_ns < best->at_ns ||
            (timer->at_ns == best->at_ns && timer->order < best->order))
            best = timer;
    }
    timers->earliest = best;
    return best;
}

uint64_t od_timers_next(struct od_timers *timers)
{
    const struct od_timer *timer = first(timers);

    return timer ? timer->at_ns : OD_NEVER;
}

struct od_timer *od_timers_fire(struct od_timers *timers, uint64_t now_ns)
{
    struct od_timer *timer = first(timers);

    if (!timer || timer->at_ns > now_ns)
        return NULL;
    od_timers_stop(timers, timer);
    return timer;
}
