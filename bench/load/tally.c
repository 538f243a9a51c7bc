/* tally - see tally.h. */
#include "bench/load/tally.h"

#include <stdlib.h>
#include <string.h>

const char *od_load_outcome_name(enum od_load_outcome outcome)
{
    static const char *const names[] = {"answered", "busy",   "no_answer", "declined",
                                        "refused",  "silent", "aborted",   "skipped"};
    return names[outcome];
}

const char *od_load_metric_name(enum od_load_metric metric)
{
    static const char *const names[] = {"setup", "pdd", "answer", "bye", "jitter", "late", "loop"};
    return names[metric];
}

bool od_load_tally_init(struct od_load_tally *t)
{
    *t = (struct od_load_tally){0};
    t->seconds = calloc(OD_LOAD_SECONDS_MAX, sizeof *t->seconds);
    return t->seconds;
}

void od_load_tally_deinit(struct od_load_tally *t)
{
    free(t->seconds);
    *t = (struct od_load_tally){0};
}

struct od_load_second *od_load_tally_second(struct od_load_tally *t)
{
    size_t last = OD_LOAD_SECONDS_MAX - 1;
    return &t->seconds[t->seconds_n < last ? t->seconds_n : last];
}

void od_load_tally_setup(struct od_load_tally *t, uint64_t us)
{
    od_hist_add(&t->metrics[OD_LOAD_SETUP], us);
    od_hist_add(&t->setup_now, us);
    od_load_tally_second(t)->answered++;
}

static bool is_failure(enum od_load_outcome outcome)
{
    return outcome == OD_LOAD_REFUSED || outcome == OD_LOAD_SILENT || outcome == OD_LOAD_SKIPPED;
}

void od_load_tally_end(struct od_load_tally *t, enum od_load_outcome outcome)
{
    t->outcomes[outcome]++;
    od_load_tally_second(t)->ended++;
    od_load_tally_second(t)->failed += is_failure(outcome);
}

void od_load_tally_tick(struct od_load_tally *t)
{
    struct od_load_second *second = od_load_tally_second(t);
    second->alive = t->alive;
    second->setup_p50_us = (uint32_t)od_hist_quantile(&t->setup_now, 0.5);
    second->setup_p99_us = (uint32_t)od_hist_quantile(&t->setup_now, 0.99);
    memset(&t->setup_now, 0, sizeof t->setup_now);
    if (t->seconds_n < OD_LOAD_SECONDS_MAX)
        t->seconds_n++;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? (double)part * 100 / (double)whole : 0;
}

double od_load_tally_failed(const struct od_load_tally *t)
{
    uint64_t failed = 0;
    for (int i = 0; i < OD_LOAD_OUTCOMES; i++)
        failed += is_failure((enum od_load_outcome)i) ? t->outcomes[i] : 0;
    return percent(failed, t->due);
}

double od_load_tally_asr(const struct od_load_tally *t)
{
    return percent(t->outcomes[OD_LOAD_ANSWERED], t->due);
}

double od_load_tally_loss(const struct od_load_tally *t)
{
    return percent(t->rtp_lost, t->rtp_lost + t->rtp_received);
}
