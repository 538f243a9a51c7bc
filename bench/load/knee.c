/* knee - see knee.h. */
#include "bench/load/knee.h"

static const double narrow = 0.05, least_cps = 0.1;

void od_knee_init(struct od_knee *k, double cps_first, double cps_most)
{
    *k = (struct od_knee){.cps = cps_first < cps_most ? cps_first : cps_most, .cps_most = cps_most};
}

bool od_knee_take(struct od_knee *k, bool met)
{
    if (met && k->cps > k->held)
        k->held = k->cps;
    if (!met && (k->missed == 0 || k->cps < k->missed))
        k->missed = k->cps;
    if (k->missed == 0) {
        k->cps = k->held * 2 < k->cps_most ? k->held * 2 : k->cps_most;
        return k->held < k->cps_most;
    }
    k->cps = (k->held + k->missed) / 2;
    return k->missed - k->held > k->missed * narrow && k->cps > least_cps;
}
