/*
 * breaker_glue - breakers as people see them: in the API, in the reasons of waiting calls and in
 * the log.
 */
#include <stdio.h>
#include <string.h>

#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "engine/host/host.h"
#include "engine/host/log.h"

enum { VIEWS_MAX = 1024 }; /* looked through for one answer */

void od_host_breaker_says(const struct od_host *host, const struct od_breaker_view *view, char *out,
                          size_t size)
{
    char what[2 * OD_NAME_MAX + 64] = "";
    const char *trunk = od_catalog_trunk_name(host->catalog, view->trunk);
    switch ((enum od_breaker_axis)view->axis) {
    case OD_BREAKER_TRUNK:
        snprintf(what, sizeof what, "this trunk (%s)", trunk);
        break;
    case OD_BREAKER_PREFIX:
        snprintf(what, sizeof what, "this prefix (%s) on this trunk (%s)", view->name, trunk);
        break;
    case OD_BREAKER_CALLER:
        snprintf(what, sizeof what, "this number (%s)", view->name);
        break;
    case OD_BREAKER_CAMPAIGN:
    case OD_BREAKER_AXIS_COUNT:
        snprintf(what, sizeof what, "this list");
        break;
    }
    snprintf(out, size, "%s: %s%s", what, view->reason,
             view->state == OD_BREAKER_HALF_OPEN ? "; a few calls find out" : "");
}

static int64_t on_the_wall(struct od_now now, uint64_t at_ns)
{
    if (!at_ns)
        return 0;
    return now.wall_ms + ((int64_t)at_ns - (int64_t)now.mono_ns) / (int64_t)OD_NS_PER_MS;
}

/* A number or a list is its org's; trunks are everybody's. */
static bool may_see(const struct od_host *host, const char *org, const struct od_breaker_view *view)
{
    if (view->axis == OD_BREAKER_TRUNK || view->axis == OD_BREAKER_PREFIX)
        return true;
    const struct od_lane_info *lane = od_catalog_find_lane(host->catalog, view->lane);
    return lane && strcmp(lane->org, org) == 0;
}

static void fill(const struct od_host *host, const struct od_breaker_view *view,
                 struct od_api_breaker *out)
{
    struct od_now now = od_turn_now();
    const struct od_breaker_rule *rule = &host->config->breakers[view->rule].rule;
    *out = (struct od_api_breaker){
        .axis = view->axis,
        .state = view->state,
        .campaign = view->campaign,
        .since_ms = on_the_wall(now, view->since_ns),
        .until_ms = on_the_wall(now, view->until_ns),
        .calls = view->calls,
        .answered = view->answered,
        .shorts = view->shorts,
        .failed = view->failed,
        .probes = rule->probes,
        .probes_out = view->probes_out,
    };
    const char *trunk = od_catalog_trunk_name(host->catalog, view->trunk);
    od_str_copy(out->trunk, sizeof out->trunk, trunk, strlen(trunk));
    memcpy(out->name, view->name, sizeof out->name);
    memcpy(out->reason, view->reason, sizeof out->reason);
    od_host_breaker_says(host, view, out->said, sizeof out->said);
}

size_t od_host_breakers(void *ctx, const char *org, struct od_api_breaker *out, size_t max)
{
    static struct od_breaker_view views[VIEWS_MAX]; /* one loop, one thread */
    const struct od_host *host = ctx;
    size_t there = od_engine_breakers(host->engine, views, VIEWS_MAX), count = 0;
    for (size_t i = 0; i < there && i < VIEWS_MAX && count < max; i++)
        if (may_see(host, org, &views[i]))
            fill(host, &views[i], &out[count++]);
    return count;
}

void od_host_breaker_stats(void *ctx, struct od_breaker_stats *out)
{
    const struct od_host *host = ctx;
    od_engine_breaker_stats(host->engine, out);
}

void od_host_breaker_moved(void *ctx, struct od_now now, const struct od_breaker_view *view)
{
    const struct od_host *host = ctx;
    char number[OD_CALLER_MAX] = "", campaign[OD_UID_TEXT] = "";
    bool open = view->state == OD_BREAKER_OPEN;
    if (view->axis == OD_BREAKER_CALLER && !od_log_enabled(OD_CONFIG_LOG_DEBUG))
        od_str_mask_number(number, sizeof number, view->name);
    else
        memcpy(number, view->name, sizeof number);
    if (!od_uid_none(&view->campaign))
        od_uid_text(&view->campaign, campaign);
    od_log_fields(
        open ? OD_CONFIG_LOG_WARN : OD_CONFIG_LOG_INFO, "breaker",
        open                                  ? "a breaker has opened"
        : view->state == OD_BREAKER_HALF_OPEN ? "a breaker lets a few calls through"
                                              : "a breaker has closed",
        (struct od_log_field[]){
            OD_LOG_TEXT("per", od_breaker_axis_name((enum od_breaker_axis)view->axis)),
            OD_LOG_TEXT("trunk", od_catalog_trunk_name(host->catalog, view->trunk)),
            OD_LOG_TEXT("name", number),
            OD_LOG_TEXT("campaign_id", campaign),
            OD_LOG_TEXT("reason", view->state == OD_BREAKER_CLOSED ? "" : view->reason),
            OD_LOG_NUMBER("for_ms", open ? (view->until_ns - now.mono_ns) / OD_NS_PER_MS : 0),
            {0}});
}
