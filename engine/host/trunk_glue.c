/*
 * trunk_glue - a trunk as the API shows it: what the configuration says, what the catalog knows of
 * its address and credentials, and what the engine has learnt from its calls and pings.
 */
#include <string.h>

#include "engine/base/str.h"
#include "engine/host/host.h"

static void copy(char *out, size_t size, const char *text)
{
    od_str_copy(out, size, text, strlen(text));
}

/* The slowest of a trunk's shapes, in thousandths of a call per second; 0: no limit. */
static uint32_t rate_of(const struct od_trunk_def *def)
{
    uint64_t least = 0;
    for (unsigned i = 0; i < OD_SHAPES_MAX && def->shapes[i].kind != OD_SHAPE_NONE; i++) {
        uint64_t milli = def->shapes[i].count * 1000 * OD_NS_PER_S / def->shapes[i].window_ns;
        if (!least || milli < least)
            least = milli;
    }
    return (uint32_t)least;
}

/* A moment of the engine's clock on the wall; 0 stays 0. */
static int64_t on_the_wall(struct od_now now, uint64_t at_ns)
{
    if (!at_ns)
        return 0;
    return now.wall_ms + ((int64_t)at_ns - (int64_t)now.mono_ns) / (int64_t)OD_NS_PER_MS;
}

static void fill_learnt(struct od_api_trunk *out, const struct od_trunk_stats *stats)
{
    struct od_now now = od_turn_now();
    out->in_use = stats->in_use;
    out->invites = stats->invites;
    out->answers = stats->answers;
    out->failures = stats->failures;
    out->health = stats->health;
    copy(out->health_reason, sizeof out->health_reason, stats->health_reason);
    out->health_since_ms = on_the_wall(now, stats->health_since_ns);
    out->held_until_ms = on_the_wall(now, stats->held_until_ns);
    out->working_milli = stats->working_milli;
    copy(out->rate_reason, sizeof out->rate_reason, stats->rate_reason);
    out->rate_since_ms = on_the_wall(now, stats->rate_since_ns);
    out->delay_ms = stats->delay_ms;
    out->refusals = stats->refusals;
    out->breaker = stats->breaker;
    copy(out->breaker_reason, sizeof out->breaker_reason, stats->breaker_reason);
    out->breaker_until_ms = on_the_wall(now, stats->breaker_until_ns);
    out->pings = stats->pings;
    out->pings_bad = stats->pings_bad;
}

bool od_host_trunk_usable(const struct od_host *host, uint32_t index)
{
    const struct od_trunk_entry *entry = od_catalog_trunk(host->catalog, index);
    struct od_trunk_stats stats = {0};
    od_engine_trunk_stats(host->engine, index, &stats);
    return entry->def.usable && stats.health != OD_HEALTH_DOWN && stats.breaker != OD_BREAKER_OPEN;
}

static void tell_reason(struct od_api_trunk *out, const struct od_trunk_entry *entry,
                        const struct od_trunk_stats *stats)
{
    const char *why = entry->reason;
    if (entry->draining)
        why = stats->in_use ? "draining" : "drained";
    else if (entry->paused)
        why = "paused";
    else if (!*why && stats->health == OD_HEALTH_DOWN)
        why = stats->health_reason;
    else if (!*why && stats->breaker == OD_BREAKER_OPEN)
        why = stats->breaker_reason;
    copy(out->reason, sizeof out->reason, why);
}

const char *od_host_trunk_server(void *ctx, const char *name)
{
    const struct od_host *host = ctx;
    size_t count = od_catalog_trunk_count(host->catalog);
    for (size_t i = 0; i < count; i++) {
        const struct od_config_trunk *trunk = od_catalog_trunk(host->catalog, i)->config;
        if (strcmp(trunk->name, name) == 0)
            return trunk->server;
    }
    return NULL;
}

int od_host_trunk_change(void *ctx, const char *name, const struct od_api_trunk_change *change)
{
    struct od_host *host = ctx;
    return od_catalog_trunk_change(host->catalog, name, change, od_turn_now().wall_ms);
}

size_t od_host_trunks(void *ctx, struct od_api_trunk *out, size_t max)
{
    struct od_host *host = ctx;
    size_t count = od_catalog_trunk_count(host->catalog);
    for (size_t i = 0; i < count && i < max; i++) {
        const struct od_trunk_entry *entry = od_catalog_trunk(host->catalog, i);
        const struct od_trunk_def *def = &entry->def;
        struct od_trunk_stats stats = {0};
        struct od_api_trunk *trunk = &out[i];
        od_engine_trunk_stats(host->engine, i, &stats);
        memset(trunk, 0, sizeof *trunk);
        copy(trunk->name, sizeof trunk->name, entry->config->name);
        copy(trunk->server, sizeof trunk->server, entry->config->server);
        copy(trunk->cps_key, sizeof trunk->cps_key, entry->config->cps_key);
        od_registrations_of_trunk(host->registrations, entry->config->name, &trunk->registration);
        trunk->usable = od_host_trunk_usable(host, i);
        fill_learnt(trunk, &stats);
        tell_reason(trunk, entry, &stats);
        trunk->order = entry->draining ? OD_API_TRUNK_DRAIN
                       : entry->paused ? OD_API_TRUNK_PAUSE
                                       : OD_API_TRUNK_RESUME;
        memcpy(trunk->notes, entry->notes, sizeof trunk->notes);
        trunk->max_calls = def->max_calls;
        trunk->cps_milli = rate_of(def);
        trunk->priority = def->priority;
        trunk->weight = def->weight;
        trunk->adaptive = def->adaptive;
    }
    return count;
}
