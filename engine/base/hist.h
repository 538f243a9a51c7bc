/*
 * hist - a log-linear histogram of durations: 32 steps per power of two, so a value is kept to
 * within 3.2 %, from 1 to 2^40 (of whatever unit the owner counts in; 18 minutes in ns). Fixed
 * memory, no allocation; values outside are counted in the first or last step.
 */
#ifndef ENGINE_BASE_HIST_H
#define ENGINE_BASE_HIST_H

#include <stdint.h>

enum { OD_HIST_STEPS = 32, OD_HIST_POWERS = 41, OD_HIST_CELLS = OD_HIST_STEPS * OD_HIST_POWERS };

struct od_hist {
    uint64_t count, sum, max;
    uint64_t cells[OD_HIST_CELLS];
};

void od_hist_add(struct od_hist *hist, uint64_t value);

/* The value that `share` (0..1) of all values do not exceed, at the upper edge of its step; 0 when
 * the histogram is empty. */
uint64_t od_hist_quantile(const struct od_hist *hist, double share);

void od_hist_merge(struct od_hist *into, const struct od_hist *from);

#endif
