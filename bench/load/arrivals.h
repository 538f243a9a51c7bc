/*
 * arrivals - when each call of a stage is due: evenly spaced or as a Poisson process, at a pace
 * that is constant, rises linearly or goes up in steps. Pure; the same seed gives the same
 * arrivals.
 */
#ifndef OD_BENCH_LOAD_ARRIVALS_H
#define OD_BENCH_LOAD_ARRIVALS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/rng.h"

struct od_arrivals_plan {
    double cps;         /* calls per second at full pace, above 0 */
    double ramp_s;      /* > 0: rises from 0 to cps in so many seconds */
    double step_cps;    /* > 0: begins with so many and takes so many more ... */
    double step_s;      /* ... every so many seconds, up to cps */
    double duration_s;  /* the last call is due before this */
    uint64_t calls_max; /* 0: no limit */
    bool poisson;       /* exponential gaps, else even ones */
    uint64_t seed;
};

struct od_arrivals {
    struct od_arrivals_plan plan;
    uint64_t given; /* read by caller: how many were due so far */

    /* private */
    double units; /* expected number of arrivals up to the next one */
    struct od_rng rng;
};

void od_arrivals_init(struct od_arrivals *, const struct od_arrivals_plan *);

/* Seconds from the stage's begin at which the next call is due; negative when there is none. Asking
 * changes nothing; od_arrivals_take() goes on to the one behind it. */
double od_arrivals_next(const struct od_arrivals *);
void od_arrivals_take(struct od_arrivals *);

/* The pace at that time, calls per second. */
double od_arrivals_pace(const struct od_arrivals_plan *, double at_s);

#endif
