/*
 * objective - service level objectives as text, "setup_p99<200ms,failed<0.1%", and whether a tally
 * meets them. Pure.
 */
#ifndef OD_BENCH_LOAD_OBJECTIVE_H
#define OD_BENCH_LOAD_OBJECTIVE_H

#include "bench/load/tally.h"

enum { OD_OBJECTIVES_MAX = 16, OD_OBJECTIVE_BYTES = 64 };

struct od_objective {
    char text[OD_OBJECTIVE_BYTES]; /* as it was written */
    enum od_objective_what {
        OD_OBJECTIVE_METRIC,
        OD_OBJECTIVE_FAILED,
        OD_OBJECTIVE_ASR,
        OD_OBJECTIVE_LOSS
    } what;
    enum od_load_metric metric; /* of OD_OBJECTIVE_METRIC */
    double quantile;            /* 0..1; 2: the mean */
    bool above, or_equal;       /* ">" or ">="; else "<" or "<=" */
    double bound;               /* microseconds or percent */
};

struct od_objectives {
    size_t count;
    struct od_objective list[OD_OBJECTIVES_MAX];
};

/* Adds what the text says to the list. False: `problem` says what was expected where. */
bool od_objectives_read(struct od_objectives *, const char *text, char *problem,
                        size_t problem_bytes);

/* The measured value in the objective's unit. */
double od_objective_value(const struct od_objective *, const struct od_load_tally *);
/* A metric of which nothing was measured meets no objective. */
bool od_objective_met(const struct od_objective *, const struct od_load_tally *);
bool od_objectives_met(const struct od_objectives *, const struct od_load_tally *);

#endif
