/* objective - see objective.h. */
#include "bench/load/objective.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char expected_name[] =
    "setup, pdd, answer, bye, jitter, late or loop with _p50 .. _p99.9, _max or _mean, or failed, "
    "asr, loss";

static const double mean = 2;

/* "p99", "p99.9", "max", "mean" */
static bool read_quantile(const char *text, double *quantile)
{
    char *end;
    if (strcmp(text, "max") == 0)
        *quantile = 1;
    else if (strcmp(text, "mean") == 0)
        *quantile = mean;
    else if (text[0] != 'p' || !isdigit((unsigned char)text[1]))
        return false;
    else
        *quantile = strtod(text + 1, &end) / 100;
    return (text[0] == 'm' || !*end) && *quantile >= 0 && (*quantile <= 1 || *quantile == mean);
}

static bool read_name(struct od_objective *o, char *name)
{
    static const struct {
        const char *name;
        enum od_objective_what what;
    } shares[] = {
        {"failed", OD_OBJECTIVE_FAILED}, {"asr", OD_OBJECTIVE_ASR}, {"loss", OD_OBJECTIVE_LOSS}};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        if (strcmp(name, shares[i].name) == 0) {
            o->what = shares[i].what;
            return true;
        }
    }
    char *line = strchr(name, '_');
    if (!line || !read_quantile(line + 1, &o->quantile))
        return false;
    *line = 0;
    o->what = OD_OBJECTIVE_METRIC;
    for (int i = 0; i < OD_LOAD_METRICS; i++) {
        o->metric = (enum od_load_metric)i;
        if (strcmp(name, od_load_metric_name(o->metric)) == 0)
            return true;
    }
    return false;
}

static bool read_bound(struct od_objective *o, const char *text)
{
    static const struct {
        const char *unit;
        double us;
    } times[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}};
    char *end;
    if (!isdigit((unsigned char)*text))
        return false;
    o->bound = strtod(text, &end);
    if (o->what != OD_OBJECTIVE_METRIC)
        return strcmp(end, "%") == 0;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        if (strcmp(end, times[i].unit) == 0) {
            o->bound *= times[i].us;
            return true;
        }
    }
    return false;
}

static bool read_one(struct od_objective *o, const char *text, size_t bytes, char *problem,
                     size_t problem_bytes)
{
    char copy[OD_OBJECTIVE_BYTES];
    if (bytes == 0 || bytes >= sizeof copy) {
        snprintf(problem, problem_bytes, "expected METRIC<VALUE, found '%.*s'",
                 bytes < 40 ? (int)bytes : 40, text);
        return false;
    }
    memcpy(o->text, text, bytes);
    o->text[bytes] = 0;
    memcpy(copy, o->text, bytes + 1);
    size_t at = strcspn(copy, "<>");
    if (!copy[at]) {
        snprintf(problem, problem_bytes, "'%s': expected <, <=, > or >= and a value", o->text);
        return false;
    }
    o->above = copy[at] == '>';
    o->or_equal = copy[at + 1] == '=';
    const char *bound = copy + at + 1 + o->or_equal;
    copy[at] = 0;
    if (!read_name(o, copy)) {
        snprintf(problem, problem_bytes, "'%s': expected %s", o->text, expected_name);
        return false;
    }
    if (!read_bound(o, bound)) {
        snprintf(problem, problem_bytes, "'%s': expected a value in %s", o->text,
                 o->what == OD_OBJECTIVE_METRIC ? "us, ms or s" : "%");
        return false;
    }
    return true;
}

bool od_objectives_read(struct od_objectives *list, const char *text, char *problem,
                        size_t problem_bytes)
{
    for (;;) {
        size_t bytes = strcspn(text, ",");
        if (list->count == OD_OBJECTIVES_MAX) {
            snprintf(problem, problem_bytes, "more than %d objectives", OD_OBJECTIVES_MAX);
            return false;
        }
        struct od_objective *o = &list->list[list->count];
        *o = (struct od_objective){0};
        if (!read_one(o, text, bytes, problem, problem_bytes))
            return false;
        list->count++;
        if (!text[bytes])
            return true;
        text += bytes + 1;
    }
}

double od_objective_value(const struct od_objective *o, const struct od_load_tally *t)
{
    const struct od_hist *hist = &t->metrics[o->metric];
    switch (o->what) {
    case OD_OBJECTIVE_FAILED:
        return od_load_tally_failed(t);
    case OD_OBJECTIVE_ASR:
        return od_load_tally_asr(t);
    case OD_OBJECTIVE_LOSS:
        return od_load_tally_loss(t);
    case OD_OBJECTIVE_METRIC:
        break;
    }
    if (o->quantile == mean)
        return hist->count ? (double)hist->sum / (double)hist->count : 0;
    return o->quantile == 1 ? (double)hist->max : (double)od_hist_quantile(hist, o->quantile);
}

bool od_objective_met(const struct od_objective *o, const struct od_load_tally *t)
{
    bool measured = o->what != OD_OBJECTIVE_METRIC || t->metrics[o->metric].count;
    double value = od_objective_value(o, t);
    if (!measured)
        return false;
    if (value == o->bound)
        return o->or_equal;
    return o->above ? value > o->bound : value < o->bound;
}

bool od_objectives_met(const struct od_objectives *list, const struct od_load_tally *t)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!od_objective_met(&list->list[i], t))
            return false;
    }
    return true;
}
