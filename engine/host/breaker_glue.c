/*
 * breaker_glue - breakers as people see them: in the API, in the reasons of waiting calls and in
 * the log; and what an operator does about one. Each process has its own, so all are told.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "engine/base/siphash.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "engine/host/host.h"
#include "engine/host/log.h"
#include "outdial/err.h"

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

/* Not secret, only short: by it an operator names one, in any process. */
static void name_breaker(const struct od_host *host, const struct od_breaker_view *view,
                         char out[OD_API_BREAKER_ID])
{
    static const uint8_t key[16] = "outdial breaker";
    char text[OD_NAME_MAX + OD_CALLER_MAX + OD_UID_TEXT + 16], campaign[OD_UID_TEXT];
    od_uid_text(&view->campaign, campaign);
    int bytes = snprintf(text, sizeof text, "%u\n%s\n%s\n%s", view->axis,
                         od_catalog_trunk_name(host->catalog, view->trunk), view->name, campaign);
    snprintf(out, OD_API_BREAKER_ID, "%016" PRIx64, od_siphash(key, text, (size_t)bytes));
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
    name_breaker(host, view, out->id);
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

/* ---- an operator closes one ---- */

/* A rule more of one axis makes one more breaker of that id. */
static int reset_here(struct od_host *host, const char *org, const char *id)
{
    static struct od_breaker_view views[VIEWS_MAX];
    size_t there = od_engine_breakers(host->engine, views, VIEWS_MAX);
    int err = OD_ENOENT;
    for (size_t i = 0; i < there && i < VIEWS_MAX; i++) {
        char own[OD_API_BREAKER_ID];
        name_breaker(host, &views[i], own);
        if (strcmp(own, id) == 0 && may_see(host, org, &views[i]) &&
            od_engine_reset_breaker(host->engine, &views[i]) == 0)
            err = 0;
    }
    if (!err)
        od_turn_wake(&host->turn);
    return err;
}

/* What was last told of an id: when, by the teller's clock, and for which org. */
struct od_breaker_reset {
    char id[OD_API_BREAKER_ID];
    char value[OD_NAME_MAX + 24];
    UT_hash_handle hh;
};

/* True when it is news. */
static bool note_reset(struct od_host *host, const char *id, const char *value)
{
    struct od_breaker_reset *reset;
    HASH_FIND_STR(host->breaker_resets, id, reset);
    if (reset && strcmp(reset->value, value) == 0)
        return false;
    if (!reset) {
        reset = calloc(1, sizeof *reset);
        if (!reset)
            return false;
        snprintf(reset->id, sizeof reset->id, "%s", id);
        HASH_ADD_STR(host->breaker_resets, id, reset);
    }
    snprintf(reset->value, sizeof reset->value, "%s", value);
    return true;
}

static bool id_ok(const char *id)
{
    return strlen(id) == OD_API_BREAKER_ID - 1 &&
           strspn(id, "0123456789abcdef") == OD_API_BREAKER_ID - 1;
}

int od_host_breaker_reset(void *ctx, const char *org, const char *id)
{
    struct od_host *host = ctx;
    bool shared = *host->config->redis.url;
    char name[sizeof OD_HOST_BREAKER_RESET + OD_API_BREAKER_ID], value[OD_NAME_MAX + 24];
    int err = id_ok(id) ? reset_here(host, org, id) : OD_ENOENT;
    if (!id_ok(id) || (err && !shared))
        return err;
    snprintf(name, sizeof name, "%s%s", OD_HOST_BREAKER_RESET, id);
    snprintf(value, sizeof value, "%lld %s", (long long)od_turn_now().wall_ms, org);
    if (note_reset(host, id, value) && shared && od_store_live_put(host->store, "", name, value))
        od_log(OD_CONFIG_LOG_WARN, "breaker",
               "%s was closed here, other processes don't hear of it", id);
    return 0;
}

void od_host_breaker_told(struct od_host *host, const char *name, const char *value)
{
    size_t bytes = strlen(OD_HOST_BREAKER_RESET);
    const char *org = strchr(value, ' ');
    if (strncmp(name, OD_HOST_BREAKER_RESET, bytes) == 0 && id_ok(name + bytes) && org &&
        note_reset(host, name + bytes, value))
        reset_here(host, org + 1, name + bytes);
}

void od_host_breaker_forget(struct od_host *host)
{
    struct od_breaker_reset *reset, *next;
    HASH_ITER(hh, host->breaker_resets, reset, next)
    {
        HASH_DEL(host->breaker_resets, reset);
        free(reset);
    }
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
