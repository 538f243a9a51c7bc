/*
 * rate_window: how many events fall into any rolling window, from their stamps. Used twice: to
 * refuse INVITEs above a carrier's limit, and to report the most that arrived in any second.
 * Bounded by its room; beyond that the oldest is forgotten and the count saturates.
 */
#ifndef OD_BENCH_CARRIER_RATE_WINDOW_H
#define OD_BENCH_CARRIER_RATE_WINDOW_H

#include <stddef.h>
#include <stdint.h>

struct od_rate_window {
    int64_t *stamps_ns;
    size_t room, first, n;
    int64_t window_ns;
    size_t most; /* read by the caller: the largest n there ever was */
};

/* 0 or -1: out of memory. room >= 1. */
int od_rate_window_init(struct od_rate_window *, size_t room, int64_t window_ns);
void od_rate_window_deinit(struct od_rate_window *);

/* How many events the half-open window (now - window, now] holds before this one. */
size_t od_rate_window_count(struct od_rate_window *, int64_t now_ns);
void od_rate_window_add(struct od_rate_window *, int64_t now_ns);

#endif
