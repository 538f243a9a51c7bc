/* sim_clock - see sim_clock.h: a binary heap of happenings. */
#include "tests/sim/sim_clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/assert.h"
#include "outdial/types.h"

struct sim_happening {
    uint64_t at_ns, order;
    sim_fn fn;
    void *ctx;
    uint64_t a, b;
};

static bool before(const struct sim_happening *a, const struct sim_happening *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

void sim_clock_init(struct sim_clock *clock, uint64_t now_ns)
{
    *clock = (struct sim_clock){.now_ns = now_ns};
}

void sim_clock_deinit(struct sim_clock *clock)
{
    free(clock->heap);
    *clock = (struct sim_clock){0};
}

int64_t sim_wall_ms(const struct sim_clock *clock)
{
    return clock->wall_base_ms + (int64_t)(clock->now_ns / OD_NS_PER_MS);
}

void sim_after(struct sim_clock *clock, uint64_t in_ns, sim_fn fn, void *ctx, uint64_t a,
               uint64_t b)
{
    struct sim_happening new = {clock->now_ns + in_ns, clock->asked++, fn, ctx, a, b};
    size_t at = clock->count++;

    if (clock->count > clock->size) {
        clock->size = clock->size ? 2 * clock->size : 1024;
        clock->heap = realloc(clock->heap, clock->size * sizeof *clock->heap);
        OD_ASSERT(clock->heap);
    }
    for (; at && before(&new, &clock->heap[(at - 1) / 2]); at = (at - 1) / 2)
        clock->heap[at] = clock->heap[(at - 1) / 2];
    clock->heap[at] = new;
}

static struct sim_happening take(struct sim_clock *clock)
{
    struct sim_happening first = clock->heap[0], last = clock->heap[--clock->count];
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= clock->count)
            break;
        if (child + 1 < clock->count && before(&clock->heap[child + 1], &clock->heap[child]))
            child++;
        if (!before(&clock->heap[child], &last))
            break;
        clock->heap[at] = clock->heap[child];
        at = child;
    }
    clock->heap[at] = last;
    return first;
}

uint64_t sim_next(const struct sim_clock *clock)
{
    return clock->count ? clock->heap[0].at_ns : OD_NEVER;
}

void sim_advance(struct sim_clock *clock, uint64_t to_ns)
{
    OD_ASSERT(to_ns >= clock->now_ns);
    while (sim_next(clock) <= to_ns) {
        struct sim_happening next = take(clock);
        clock->now_ns = next.at_ns > clock->now_ns ? next.at_ns : clock->now_ns;
        next.fn(next.ctx, next.a, next.b);
    }
    if (to_ns > clock->now_ns) /* what happened may have taken time itself */
        clock->now_ns = to_ns;
}

void sim_wrong(struct sim_clock *clock, const char *format, ...)
{
    int used;
    va_list args;

    if (clock->wrong[0])
        return;
    used = snprintf(clock->wrong, sizeof clock->wrong,
                    "at %" PRIu64 ".%06" PRIu64 " s: ", clock->now_ns / OD_NS_PER_S,
                    clock->now_ns % OD_NS_PER_S / 1000);
    va_start(args, format);
    vsnprintf(clock->wrong + used, sizeof clock->wrong - (size_t)used, format, args);
    va_end(args);
}
