/*
 * Log-linear histogram: the cell is the value's power of two and its next five bits.
 */
#include "engine/base/hist.h"

enum { STEP_BITS = 5 };

static unsigned power_of(uint64_t value)
{
    return 63u - (unsigned)__builtin_clzll(value | 1);
}

static unsigned cell_of(uint64_t value)
{
    unsigned power = power_of(value);
    if (power >= OD_HIST_POWERS)
        return OD_HIST_CELLS - 1;
    uint64_t rest = value - (UINT64_C(1) << power);
    unsigned step = power >= STEP_BITS ? (unsigned)(rest >> (power - STEP_BITS))
                                       : (unsigned)(rest << (STEP_BITS - power));
    if (value == 0)
        step = 0;
    return power * OD_HIST_STEPS + step;
}

static uint64_t upper_edge(unsigned cell)
{
    unsigned power = cell / OD_HIST_STEPS, step = cell % OD_HIST_STEPS;
    uint64_t base = UINT64_C(1) << power;
    if (power < STEP_BITS)
        return base + (((uint64_t)step + 1) >> (STEP_BITS - power)) - (step + 1 == OD_HIST_STEPS);
    return base + (((uint64_t)step + 1) << (power - STEP_BITS)) - 1;
}

void od_hist_add(struct od_hist *hist, uint64_t value)
{
    hist->cells[cell_of(value)]++;
    hist->count++;
    hist->sum += value;
    if (value > hist->max)
        hist->max = value;
}

uint64_t od_hist_quantile(const struct od_hist *hist, double share)
{
    uint64_t seen = 0;
    uint64_t wanted = (uint64_t)(share * (double)hist->count + 0.5);
    if (!hist->count)
        return 0;
    if (wanted < 1)
        wanted = 1;
    for (unsigned cell = 0; cell < OD_HIST_CELLS; cell++) {
        seen += hist->cells[cell];
        if (seen >= wanted) {
            uint64_t edge = upper_edge(cell);
            return edge < hist->max ? edge : hist->max;
        }
    }
    return hist->max;
}

void od_hist_merge(struct od_hist *into, const struct od_hist *from)
{
    for (unsigned cell = 0; cell < OD_HIST_CELLS; cell++)
        into->cells[cell] += from->cells[cell];
    into->count += from->count;
    into->sum += from->sum;
    if (from->max > into->max)
        into->max = from->max;
}
