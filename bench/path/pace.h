/*
 * pace - what the yardstick callers share: the open-loop schedule, the account of CPU time, and the
 * closing line. Header-only, for the benchmark programs in this folder.
 */
#ifndef BENCH_PATH_PACE_H
#define BENCH_PATH_PACE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

struct pace {
    uint32_t calls;    /* to make in all */
    uint32_t rate_cps; /* 0: as fast as `window` calls in flight allow */
    uint32_t window;
    uint32_t started, done, failed;
    uint64_t start_ns;
};

static inline uint64_t pace_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* How many calls are due to be started now. */
static inline uint32_t pace_due(const struct pace *pace, uint64_t now_ns)
{
    uint32_t left = pace->calls - pace->started;
    uint32_t flying = pace->started - pace->done;
    uint32_t due = pace->window > flying ? pace->window - flying : 0;
    if (pace->rate_cps) {
        uint64_t scheduled = (now_ns - pace->start_ns) * pace->rate_cps / 1000000000u + 1;
        due = scheduled > pace->started ? (uint32_t)(scheduled - pace->started) : 0;
    }
    return due < left ? due : left;
}

/* When the next call is due, UINT64_MAX when an answer must come first. */
static inline uint64_t pace_next_ns(const struct pace *pace)
{
    if (!pace->rate_cps || pace->started == pace->calls)
        return UINT64_MAX;
    return pace->start_ns + (uint64_t)pace->started * 1000000000u / pace->rate_cps;
}

static inline long pace_resident_kib(void)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f)
        return 0;
    if (fscanf(f, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    fclose(f);
    return resident * 4;
}

/* One JSON line; exit status 0 when no call failed. */
static inline int pace_report(const struct pace *pace, const char *name)
{
    struct rusage used;
    double wall_s = (double)(pace_now_ns() - pace->start_ns) / 1e9;
    getrusage(RUSAGE_SELF, &used);
    double cpu_us = (double)used.ru_utime.tv_sec * 1e6 + (double)used.ru_utime.tv_usec +
                    (double)used.ru_stime.tv_sec * 1e6 + (double)used.ru_stime.tv_usec;
    printf("{\"name\":\"%s\",\"calls\":%u,\"failed\":%u,\"wall_s\":%.2f,\"calls_per_s\":%.0f,"
           "\"cpu_us_per_call\":%.2f,\"resident_kib\":%ld}\n",
           name, pace->done, pace->failed, wall_s, pace->done / wall_s, cpu_us / pace->done,
           pace_resident_kib());
    return pace->failed ? 1 : 0;
}

/* CALLS RATE WINDOW from argv[from..]. */
static inline int pace_read(struct pace *pace, int argc, char **argv, int from)
{
    memset(pace, 0, sizeof *pace);
    if (argc < from + 3)
        return -1;
    pace->calls = (uint32_t)strtoul(argv[from], NULL, 10);
    pace->rate_cps = (uint32_t)strtoul(argv[from + 1], NULL, 10);
    pace->window = (uint32_t)strtoul(argv[from + 2], NULL, 10);
    return pace->calls && pace->window ? 0 : -1;
}

#endif
