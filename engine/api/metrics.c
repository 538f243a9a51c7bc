/*
 * The metrics page in Prometheus' text format 0.0.4. No number, call or campaign is ever a label:
 * what has no bound doesn't belong there. Trunk names come from the configuration.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/api/metrics_page.h"
#include "engine/api/native.h"
#include "outdial/err.h"

enum { PAGE_BYTES = 16 * 1024, TRUNK_BYTES = 12 * 1024 };

static void put_engine(struct od_metrics_page *page, const struct od_engine_stats *stats)
{
    const struct {
        const char *state;
        uint32_t now;
    } states[] = {{"queued", stats->queued},   {"armed", stats->armed},
                  {"dialing", stats->dialing}, {"ringing", stats->ringing},
                  {"talking", stats->talking}, {"clearing", stats->clearing}};
    od_metrics_family(page, "outdial_calls_active", "gauge", "Calls in memory by state.");
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        od_metrics_line(page, "outdial_calls_active{state=\"%s\"} %u\n", states[i].state,
                        states[i].now);
    od_metrics_single(page, "outdial_calls_claimed_total", "counter", "Calls taken from the queue.",
                      stats->claimed);
    od_metrics_single(page, "outdial_invites_total", "counter", "INVITEs handed to the transport.",
                      stats->invited);
    od_metrics_single(page, "outdial_calls_answered_total", "counter", "Calls answered.",
                      stats->answered);
    od_metrics_single(page, "outdial_engine_late_total", "counter",
                      "Events about calls that were over.", stats->late);
    od_metrics_single(page, "outdial_engine_odd_total", "counter",
                      "Events that surprised the call's state.", stats->odd);
    od_metrics_single(page, "outdial_engine_full_total", "counter",
                      "Events refused for want of room.", stats->full);
}

static void put_breakers(struct od_metrics_page *page, const struct od_breaker_stats *stats)
{
    od_metrics_family(page, "outdial_breakers", "gauge",
                      "Breakers that hold calls back, by what they watch.");
    for (unsigned axis = 0; axis < OD_BREAKER_AXIS_COUNT; axis++)
        for (unsigned state = OD_BREAKER_HALF_OPEN; state < OD_BREAKER_STATE_COUNT; state++)
            od_metrics_line(page, "outdial_breakers{per=\"%s\",state=\"%s\"} %u\n",
                            od_breaker_axis_name((enum od_breaker_axis)axis),
                            od_breaker_state_name((enum od_breaker_state)state),
                            stats->now[axis][state]);
    od_metrics_family(page, "outdial_breakers_opened_total", "counter",
                      "Times that breakers have opened.");
    for (unsigned axis = 0; axis < OD_BREAKER_AXIS_COUNT; axis++)
        od_metrics_line(page, "outdial_breakers_opened_total{per=\"%s\"} %llu\n",
                        od_breaker_axis_name((enum od_breaker_axis)axis),
                        (unsigned long long)stats->opened[axis]);
    od_metrics_single(page, "outdial_breakers_kept", "gauge",
                      "Breakers that are known of, closed ones too.", stats->kept);
    od_metrics_single(page, "outdial_breakers_uncounted_total", "counter",
                      "Calls that no breaker had room for.", stats->full);
}

enum trunk_value {
    USABLE,
    HEALTH,
    IN_USE,
    RATE,
    INVITES,
    ANSWERS,
    FAILURES,
    REFUSALS,
    PINGS,
    PINGS_BAD,
    BREAKER,
};

static unsigned long long trunk_value(const struct od_api_trunk *trunk, enum trunk_value which)
{
    switch (which) {
    case USABLE:
        return trunk->usable;
    case HEALTH:
        return OD_HEALTH_DOWN - trunk->health;
    case IN_USE:
        return trunk->in_use;
    case RATE:
        return trunk->working_milli ? trunk->working_milli : trunk->cps_milli;
    case INVITES:
        return trunk->invites;
    case ANSWERS:
        return trunk->answers;
    case FAILURES:
        return trunk->failures;
    case REFUSALS:
        return trunk->refusals;
    case PINGS:
        return trunk->pings;
    case PINGS_BAD:
        return trunk->pings_bad;
    case BREAKER:
        return trunk->breaker;
    }
    return 0;
}

static void put_trunks(struct od_metrics_page *page, const struct od_api_trunk *trunks,
                       size_t count)
{
    static const struct {
        const char *name, *type, *help;
    } families[] = {
        [USABLE] = {"outdial_trunk_usable", "gauge", "1 when the trunk can be dialled through."},
        [HEALTH] = {"outdial_trunk_health", "gauge", "2 up, 1 probing, 0 down."},
        [RATE] = {"outdial_trunk_rate_calls_per_second", "gauge",
                  "Calls that the trunk may be sent now; 0: no limit."},
        [REFUSALS] = {"outdial_trunk_refusals_total", "counter",
                      "INVITEs refused for rate or capacity."},
        [PINGS] = {"outdial_trunk_pings_total", "counter", "OPTIONS sent."},
        [PINGS_BAD] = {"outdial_trunk_pings_bad_total", "counter",
                       "OPTIONS not answered, or by a server that is not well."},
        [IN_USE] = {"outdial_trunk_calls_active", "gauge", "Calls on the trunk."},
        [BREAKER] = {"outdial_trunk_breaker", "gauge", "0 closed, 1 half open, 2 open."},
        [INVITES] = {"outdial_trunk_invites_total", "counter", "INVITEs sent through the trunk."},
        [ANSWERS] = {"outdial_trunk_answers_total", "counter", "Calls answered on the trunk."},
        [FAILURES] = {"outdial_trunk_failures_total", "counter", "Failures that were the trunk's."},
    };
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        od_metrics_family(page, families[f].name, families[f].type, families[f].help);
        for (size_t i = 0; i < count; i++) {
            char label[2 * OD_NAME_MAX + 4];
            od_metrics_label(label, sizeof label, trunks[i].name);
            unsigned long long value = trunk_value(&trunks[i], (enum trunk_value)f);
            if (f == RATE) /* counted in thousandths */
                od_metrics_line(page, "%s{trunk=\"%s\"} %g\n", families[f].name, label,
                                (double)value / 1000);
            else
                od_metrics_line(page, "%s{trunk=\"%s\"} %llu\n", families[f].name, label, value);
        }
    }
}

void od_ops_metrics(struct od_request *q)
{
    const struct od_api_host *host = &q->api->host;
    char why[256] = "";
    size_t count = 0;
    struct od_engine_stats stats = {0};
    struct od_api_trunk *trunks = od_ops_trunk_table(q->api, &count);
    struct od_metrics_page page = {.size = PAGE_BYTES + count * TRUNK_BYTES + OD_API_MORE_METRICS};
    page.text = trunks ? malloc(page.size) : NULL;
    if (!page.text) {
        free(trunks);
        od_request_err(q, OD_ENOMEM, "page");
        return;
    }
    host->stats(host->ctx, &stats);
    od_metrics_family(&page, "outdial_build_info", "gauge", "Always 1; what this is built of.");
    od_metrics_line(&page, "outdial_build_info{version=\"%s\"} 1\n", OUTDIAL_VERSION);
    od_metrics_single(&page, "outdial_ready", "gauge", "1 when calls can be made, as /readyz says.",
                      host->ready(host->ctx, why, sizeof why) && !q->api->draining);
    put_engine(&page, &stats);
    put_trunks(&page, trunks, count);
    if (host->breakers) {
        struct od_breaker_stats breakers;
        host->breaker_stats(host->ctx, &breakers);
        put_breakers(&page, &breakers);
    }
    od_metrics_family(&page, "outdial_http_answers_total", "counter",
                      "HTTP answers by class of status.");
    for (unsigned i = 2; i < 6; i++)
        od_metrics_line(&page, "outdial_http_answers_total{class=\"%uxx\"} %llu\n", i,
                        (unsigned long long)q->api->answered[i]);
    if (host->more_metrics) {
        size_t room = page.size - page.used;
        size_t used = host->more_metrics(host->ctx, page.text + page.used, room);
        page.used += used < room ? used : 0;
    }
    free(trunks);
    od_request_answer_text(q, 200, "text/plain; version=0.0.4; charset=utf-8", page.text,
                           page.used);
    free(page.text);
}
