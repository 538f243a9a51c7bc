/*
 * call_meter - see the header. A call's times are kept by its slot in the engine: the step that
 * begins a call finds what the last one in the slot left, and sets it anew.
 */
#include "engine/host/call_meter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/metrics_page.h"
#include "outdial/err.h"

static const char *const methods[] = {"INVITE", "CANCEL", "BYE",   "OPTIONS",
                                      "REFER",  "PRACK",  "UPDATE"};
enum { METHODS = sizeof methods / sizeof *methods, STEPS = 10, LABEL_BYTES = 160 };
static const uint16_t step_ms[STEPS] = {50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000};

struct waits {
    uint64_t up_to[STEPS], count, sum_ns;
};

struct response {
    uint16_t status;
    uint8_t method;
    uint64_t count;
};

struct trunk_meter {
    uint64_t ended[OD_CAUSE_COUNT];
    struct response responses[OD_METER_CODES]; /* in order of their first coming */
    uint16_t kinds;
    uint64_t others;
};

struct call_times {
    uint64_t dialed_ns, ringing_ns; /* 0: not yet */
};

struct od_call_meter {
    uint32_t calls_max, trunks_max;
    struct call_times *calls;
    struct trunk_meter **trunks;      /* by index, made at the first use */
    uint64_t nowhere[OD_CAUSE_COUNT]; /* calls that ended before they had a trunk */
    struct waits ringing, answer;
};

int od_call_meter_create(struct od_call_meter **out, uint32_t calls_max, uint32_t trunks_max)
{
    struct od_call_meter *meter = *out = calloc(1, sizeof *meter);
    if (!meter)
        return OD_ENOMEM;
    meter->calls_max = calls_max;
    meter->trunks_max = trunks_max;
    meter->calls = calloc(calls_max, sizeof *meter->calls);
    meter->trunks = calloc(trunks_max, sizeof(struct trunk_meter *));
    return meter->calls && meter->trunks ? 0 : OD_ENOMEM;
}

void od_call_meter_destroy(struct od_call_meter *meter)
{
    if (!meter)
        return;
    for (uint32_t i = 0; meter->trunks && i < meter->trunks_max; i++)
        free(meter->trunks[i]);
    free(meter->trunks);
    free(meter->calls);
    free(meter);
}

/* NULL: no such trunk, or no memory: it is not counted then. */
static struct trunk_meter *trunk_of(struct od_call_meter *meter, uint32_t trunk)
{
    if (trunk >= meter->trunks_max)
        return NULL;
    if (!meter->trunks[trunk])
        meter->trunks[trunk] = calloc(1, sizeof *meter->trunks[trunk]);
    return meter->trunks[trunk];
}

static void wait_add(struct waits *waits, uint64_t ns)
{
    waits->count++;
    waits->sum_ns += ns;
    for (unsigned i = 0; i < STEPS; i++)
        waits->up_to[i] += ns <= step_ms[i] * OD_NS_PER_MS;
}

void od_call_meter_step(struct od_call_meter *meter, struct od_now now,
                        const struct od_step_view *view)
{
    if (view->first.gen || view->call.index >= meter->calls_max)
        return;
    struct call_times *times = &meter->calls[view->call.index];
    if (strcmp(view->to, "dialing") == 0) {
        *times = (struct call_times){.dialed_ns = now.mono_ns};
    } else if (strcmp(view->to, "ringing") == 0 && strcmp(view->from, "dialing") == 0) {
        times->ringing_ns = now.mono_ns;
        wait_add(&meter->ringing, now.mono_ns - times->dialed_ns);
    } else if (strcmp(view->to, "talking") == 0 && times->ringing_ns) {
        wait_add(&meter->answer, now.mono_ns - times->ringing_ns);
    } else if (strcmp(view->to, "ended") == 0) {
        struct trunk_meter *trunk = trunk_of(meter, view->trunk);
        uint64_t *ended = trunk ? trunk->ended : meter->nowhere;
        ended[view->cause]++;
        *times = (struct call_times){0};
    }
}

static unsigned method_of(const char *name)
{
    unsigned i = 0;
    while (i < METHODS && strcmp(methods[i], name) != 0)
        i++;
    return i;
}

void od_call_meter_response(struct od_call_meter *meter, uint32_t trunk, const char *method,
                            uint16_t status)
{
    struct trunk_meter *counts = trunk_of(meter, trunk);
    unsigned which = method_of(method), i = 0;
    if (!counts || which == METHODS)
        return;
    while (i < counts->kinds &&
           (counts->responses[i].method != which || counts->responses[i].status != status))
        i++;
    if (i == OD_METER_CODES) {
        counts->others++;
        return;
    }
    if (i == counts->kinds)
        counts->responses[counts->kinds++] =
            (struct response){.status = status, .method = (uint8_t)which};
    counts->responses[i].count++;
}

/* ---- the page ---- */

static void put_outcomes(struct od_metrics_page *page, const uint64_t ended[OD_CAUSE_COUNT],
                         const char *trunk)
{
    for (unsigned i = OD_CAUSE_NONE + 1; i < OD_CAUSE_COUNT; i++)
        od_metrics_line(page, "outdial_calls_total{trunk=\"%s\",outcome=\"%s\"} %llu\n", trunk,
                        od_cause_name((enum od_cause)i), (unsigned long long)ended[i]);
}

static void put_responses(struct od_metrics_page *page, const struct trunk_meter *trunk,
                          const char *name)
{
    for (unsigned i = 0; i < trunk->kinds; i++)
        od_metrics_line(
            page, "outdial_sip_responses_total{trunk=\"%s\",method=\"%s\",code=\"%u\"} %llu\n",
            name, methods[trunk->responses[i].method], trunk->responses[i].status,
            (unsigned long long)trunk->responses[i].count);
    if (trunk->others)
        od_metrics_line(
            page, "outdial_sip_responses_total{trunk=\"%s\",method=\"any\",code=\"other\"} %llu\n",
            name, (unsigned long long)trunk->others);
}

static void put_waits(struct od_metrics_page *page, const struct waits *waits, const char *name,
                      const char *help)
{
    od_metrics_family(page, name, "histogram", help);
    for (unsigned i = 0; i < STEPS; i++)
        od_metrics_line(page, "%s_bucket{le=\"%g\"} %llu\n", name, step_ms[i] / 1000.0,
                        (unsigned long long)waits->up_to[i]);
    od_metrics_line(page, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.6f\n%s_count %llu\n", name,
                    (unsigned long long)waits->count, name, (double)waits->sum_ns / OD_NS_PER_S,
                    name, (unsigned long long)waits->count);
}

/* The trunk's meter and its name as a label; false: there are no more. */
static bool next_trunk(const struct od_call_meter *meter, uint32_t i,
                       const char *(*name)(void *ctx, uint32_t trunk), void *ctx,
                       const struct trunk_meter **trunk, char label[LABEL_BYTES])
{
    static const struct trunk_meter none;
    const char *text = i < meter->trunks_max ? name(ctx, i) : NULL;
    if (!text)
        return false;
    od_metrics_label(label, LABEL_BYTES, text);
    *trunk = meter->trunks[i] ? meter->trunks[i] : &none;
    return true;
}

size_t od_call_meter_metrics(const struct od_call_meter *meter,
                             const char *(*name)(void *ctx, uint32_t trunk), void *ctx, char *out,
                             size_t size)
{
    struct od_metrics_page page = {out, size, 0};
    const struct trunk_meter *trunk;
    char label[LABEL_BYTES];
    od_metrics_family(&page, "outdial_calls_total", "counter",
                      "Calls ended, by trunk (empty: they had none) and outcome.");
    put_outcomes(&page, meter->nowhere, "");
    for (uint32_t i = 0; next_trunk(meter, i, name, ctx, &trunk, label); i++)
        put_outcomes(&page, trunk->ended, label);
    od_metrics_family(&page, "outdial_sip_responses_total", "counter",
                      "SIP responses that came, by the request's method and the code.");
    for (uint32_t i = 0; next_trunk(meter, i, name, ctx, &trunk, label); i++)
        put_responses(&page, trunk, label);
    put_waits(&page, &meter->ringing, "outdial_post_dial_delay_seconds",
              "From the INVITE to the first ringing.");
    put_waits(&page, &meter->answer, "outdial_ring_seconds",
              "From the first ringing to the answer.");
    return page.used;
}
