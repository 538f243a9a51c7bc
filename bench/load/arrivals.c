/*
 * arrivals - see arrivals.h. A pace is a rate r(t); the k-th call is due where the integral of r
 * reaches k (even), or the sum of k exponential draws (Poisson, by the time-change theorem). The
 * integral is inverted exactly for each of the three shapes.
 */
#include "bench/load/arrivals.h"

#include <math.h>

/* Where the integral of the pace reaches `units`. */
static double time_of(const struct od_arrivals_plan *p, double units)
{
    if (p->ramp_s > 0) {
        double in_ramp = p->cps * p->ramp_s / 2; /* the triangle's area */
        if (units <= in_ramp)
            return sqrt(2 * units * p->ramp_s / p->cps);
        return p->ramp_s + (units - in_ramp) / p->cps;
    }
    if (p->step_cps <= 0)
        return units / p->cps;
    double at = 0;
    for (double pace = p->step_cps; pace < p->cps; pace += p->step_cps) {
        if (units <= pace * p->step_s)
            return at + units / pace;
        units -= pace * p->step_s;
        at += p->step_s;
    }
    return at + units / p->cps;
}

double od_arrivals_pace(const struct od_arrivals_plan *p, double at_s)
{
    if (p->ramp_s > 0 && at_s < p->ramp_s)
        return p->cps * at_s / p->ramp_s;
    if (p->step_cps <= 0)
        return p->cps;
    double pace = p->step_cps * (1 + floor(at_s / p->step_s));
    return pace < p->cps ? pace : p->cps;
}

/* Poisson gaps of mean 1; even ones stand in the middle of their unit, so that a ramp that begins
 * at 0 has its first call where half a call is due, not at an edge. */
static void advance(struct od_arrivals *a)
{
    if (a->plan.poisson)
        a->units += -log1p(-od_rng_unit(&a->rng));
    else
        a->units = (double)a->given + 0.5;
}

void od_arrivals_init(struct od_arrivals *a, const struct od_arrivals_plan *plan)
{
    *a = (struct od_arrivals){.plan = *plan, .rng = {plan->seed}};
    advance(a);
}

double od_arrivals_next(const struct od_arrivals *a)
{
    if (a->plan.calls_max && a->given >= a->plan.calls_max)
        return -1;
    double at = time_of(&a->plan, a->units);
    return at < a->plan.duration_s ? at : -1;
}

void od_arrivals_take(struct od_arrivals *a)
{
    a->given++;
    advance(a);
}
