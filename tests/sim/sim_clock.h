/*
 * sim_clock - the virtual clock of a simulated world: what happens next, in order of (time, order
 * of asking), and the first thing that went wrong. There is no other time in a simulation.
 *
 * Lifetime: owned by the world.
 */
#ifndef TESTS_SIM_SIM_CLOCK_H
#define TESTS_SIM_SIM_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void (*sim_fn)(void *ctx, uint64_t a, uint64_t b);

struct sim_happening;

struct sim_clock {
    uint64_t now_ns;      /* read by all */
    int64_t wall_base_ms; /* set by the world, at any time: a wall clock can jump */
    char wrong[256];      /* the first violation; empty: none */

    /* private */
    uint64_t asked;
    size_t count, size;
    struct sim_happening *heap;
};

void sim_clock_init(struct sim_clock *clock, uint64_t now_ns);
void sim_clock_deinit(struct sim_clock *clock);

int64_t sim_wall_ms(const struct sim_clock *clock);

/* fn(ctx, a, b) happens in_ns from now. */
void sim_after(struct sim_clock *clock, uint64_t in_ns, sim_fn fn, void *ctx, uint64_t a,
               uint64_t b);

/* When the next thing happens; OD_NEVER: nothing will. */
uint64_t sim_next(const struct sim_clock *clock);

/* Sets the time and lets everything happen that is due by then. Time never goes back. */
void sim_advance(struct sim_clock *clock, uint64_t to_ns);

/* A violation: kept with its time if it is the first. */
void sim_wrong(struct sim_clock *clock, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
