/*
 * loop_watch - how long the loop's turns take: from one look at the kernel to the next, less the
 * time slept. A turn in which everything waits is what a caller hears as a gap, so the longest ones
 * are worth knowing; of the longest, too, how much of our own it was: what a turn took of the CPU
 * is our doing, the rest is the machine's, which had us wait.
 *
 * Lifetime: embedded in the host; start before the loop runs, reset when it is ready, stop before
 * it is closed.
 */
#ifndef ENGINE_HOST_LOOP_WATCH_H
#define ENGINE_HOST_LOOP_WATCH_H

#include <uv.h>

enum { OD_LOOP_BUCKETS = 7 };

struct od_loop_watch {
    uv_prepare_t prepare;
    uint64_t begun_ns, idle_ns; /* at the last turn's beginning */
    uint64_t begun_cpu_ns;      /* of this thread */
    uint64_t turns, sum_ns, longest_ns, longest_cpu_ns;
    uint64_t buckets[OD_LOOP_BUCKETS]; /* turns of at most so long; loop_watch.c */
};

void od_loop_watch_start(struct od_loop_watch *watch, uv_loop_t *loop);
/* Counts anew from the next turn on: what it took to begin is nobody's gap. */
void od_loop_watch_reset(struct od_loop_watch *watch);
void od_loop_watch_stop(struct od_loop_watch *watch);

/* A histogram and the longest, in Prometheus' text format; returns the bytes written. */
size_t od_loop_watch_metrics(const struct od_loop_watch *watch, char *out, size_t size);

#endif
