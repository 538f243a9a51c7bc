/*
 * rng - one seeded generator (splitmix64; Steele, Lea, Flood, "Fast splittable pseudorandom number
 * generators", 2014). Not for secrets.
 */
#ifndef ENGINE_BASE_RNG_H
#define ENGINE_BASE_RNG_H

#include <stdint.h>

struct od_rng {
    uint64_t state;
};

static inline uint64_t od_rng_next(struct od_rng *rng)
{
    uint64_t z = (rng->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0..n-1, n >= 1. The bias is below n / 2^64, far under what any use here could see. */
static inline uint64_t od_rng_below(struct od_rng *rng, uint64_t n)
{
    return od_rng_next(rng) % n;
}

/* 0 <= x < 1 */
static inline double od_rng_unit(struct od_rng *rng)
{
    return (double)(od_rng_next(rng) >> 11) * (1.0 / 9007199254740992.0); /* 2^-53 */
}

#endif
