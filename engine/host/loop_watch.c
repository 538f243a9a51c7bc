/*
 * loop_watch - see the header. libuv itself counts the time it sleeps (UV_METRICS_IDLE_TIME).
 */
#include "engine/host/loop_watch.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const double bounds_ms[OD_LOOP_BUCKETS] = {1, 2, 5, 10, 20, 50, 100};

static uint64_t cpu_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct od_loop_watch *watch = prepare->data;
    uint64_t now_ns = uv_hrtime(), idle_ns = uv_metrics_idle_time(prepare->loop);
    uint64_t cpu_ns = cpu_now_ns();
    if (watch->begun_ns) {
        uint64_t all = now_ns - watch->begun_ns, slept = idle_ns - watch->idle_ns;
        uint64_t took = all > slept ? all - slept : 0;
        watch->turns++;
        watch->sum_ns += took;
        if (took > watch->longest_ns)
            watch->longest_ns = took;
        /* What the kernel does in our name while we sleep is no turn's. */
        uint64_t cpu = cpu_ns - watch->begun_cpu_ns;
        cpu = cpu < took ? cpu : took;
        if (cpu > watch->longest_cpu_ns)
            watch->longest_cpu_ns = cpu;
        for (unsigned i = 0; i < OD_LOOP_BUCKETS; i++)
            watch->buckets[i] += (double)took <= bounds_ms[i] * 1e6;
    }
    watch->begun_ns = now_ns;
    watch->idle_ns = idle_ns;
    watch->begun_cpu_ns = cpu_ns;
}

void od_loop_watch_start(struct od_loop_watch *watch, uv_loop_t *loop)
{
    memset(watch, 0, sizeof *watch);
    uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
    uv_prepare_init(loop, &watch->prepare);
    watch->prepare.data = watch;
    uv_prepare_start(&watch->prepare, on_prepare);
}

void od_loop_watch_reset(struct od_loop_watch *watch)
{
    watch->begun_ns = 0;
    watch->turns = watch->sum_ns = watch->longest_ns = watch->longest_cpu_ns = 0;
    memset(watch->buckets, 0, sizeof watch->buckets);
}

static void on_closed(uv_handle_t *handle)
{
    (void)handle;
}

void od_loop_watch_stop(struct od_loop_watch *watch)
{
    uv_close((uv_handle_t *)&watch->prepare, on_closed);
}

size_t od_loop_watch_metrics(const struct od_loop_watch *watch, char *out, size_t size)
{
    static const char name[] = "outdial_loop_turn_seconds";
    size_t used = 0;
    int n = snprintf(out, size,
                     "# HELP %s How long the loop's turns take, sleep left out.\n"
                     "# TYPE %s histogram\n",
                     name, name);
    for (unsigned i = 0; n > 0 && used + (size_t)n < size && i < OD_LOOP_BUCKETS; i++) {
        used += (size_t)n;
        n = snprintf(out + used, size - used, "%s_bucket{le=\"%g\"} %llu\n", name,
                     bounds_ms[i] / 1000, (unsigned long long)watch->buckets[i]);
    }
    if (n > 0 && used + (size_t)n < size) {
        used += (size_t)n;
        n = snprintf(out + used, size - used,
                     "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9f\n%s_count %llu\n"
                     "# HELP outdial_loop_turn_max_seconds The longest turn since it is ready.\n"
                     "# TYPE outdial_loop_turn_max_seconds gauge\n"
                     "outdial_loop_turn_max_seconds %.9f\n"
                     "# HELP outdial_loop_turn_cpu_max_seconds What a turn took of the CPU at "
                     "most.\n"
                     "# TYPE outdial_loop_turn_cpu_max_seconds gauge\n"
                     "outdial_loop_turn_cpu_max_seconds %.9f\n",
                     name, (unsigned long long)watch->turns, name, (double)watch->sum_ns / 1e9,
                     name, (unsigned long long)watch->turns, (double)watch->longest_ns / 1e9,
                     (double)watch->longest_cpu_ns / 1e9);
    }
    return n > 0 && used + (size_t)n < size ? used + (size_t)n : 0;
}
