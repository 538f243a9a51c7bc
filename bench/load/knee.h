/*
 * knee - the search for the highest pace at which the objectives hold: doubles until they don't,
 * then halves the interval until it is narrower than a twentieth of its upper end. Pure.
 */
#ifndef OD_BENCH_LOAD_KNEE_H
#define OD_BENCH_LOAD_KNEE_H

#include <stdbool.h>

struct od_knee {
    double cps;      /* read by caller: the pace to try next */
    double held;     /* read by caller: the highest that held so far, 0: none */
    double missed;   /* read by caller: the lowest that did not, 0: none */
    double cps_most; /* set by init */
};

void od_knee_init(struct od_knee *, double cps_first, double cps_most);

/* Takes the result at `cps`. False: the search is over. */
bool od_knee_take(struct od_knee *, bool met);

#endif
