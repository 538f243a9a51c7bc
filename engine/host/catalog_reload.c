/*
 * catalog_reload - another configuration's trunks in the place of the first one's.
 */
#include <stdio.h>
#include <string.h>

#include "engine/host/catalog_inner.h"
#include "engine/host/log.h"
#include "engine/host/options_change.h"

/* Where and as whom INVITEs go: what is known of the old place says nothing of the new one. */
static bool same_place(const struct od_config_trunk *a, const struct od_config_trunk *b)
{
    return strcmp(a->host, b->host) == 0 && a->port == b->port && a->transport == b->transport &&
           strcmp(a->auth_user, b->auth_user) == 0 && strcmp(a->password, b->password) == 0;
}

static bool same_default(const struct od_config *a, const struct od_config *b)
{
    return strcmp(a->agent_default.url, b->agent_default.url) == 0 &&
           strcmp(a->agent_default.format, b->agent_default.format) == 0 &&
           strcmp(a->agent_default.auth_token, b->agent_default.auth_token) == 0 &&
           strcmp(a->agent_default.bearer, b->agent_default.bearer) == 0;
}

static void take(struct od_catalog *catalog, uint32_t index, const struct od_config_trunk *config)
{
    struct catalog_trunk *trunk = &catalog->trunks[index];
    const struct od_config_trunk *before = trunk->entry.config;
    bool fresh = trunk->gone, changed = fresh || !od_config_trunk_same(before, config);
    if (fresh || !same_place(before, config)) {
        od_catalog_change_trunk(catalog, index, config);
    } else {
        trunk->entry.config = config;
        od_catalog_name_rate(trunk);
    }
    if (changed)
        od_log(OD_CONFIG_LOG_INFO, "reload", "trunk %s: %s", config->name,
               fresh ? "new" : "changed");
    if (changed && !fresh && (trunk->live.has_cps || trunk->live.has_max))
        od_log(OD_CONFIG_LOG_WARN, "reload",
               "trunk %s: its rate or cap was changed while it ran, and that still counts",
               config->name);
}

static void leave_out(struct od_catalog *catalog, uint32_t index)
{
    struct catalog_trunk *trunk = &catalog->trunks[index];
    od_catalog_change_trunk(catalog, index, NULL);
    snprintf(trunk->entry.reason, sizeof trunk->entry.reason, "not in the configuration any more");
    od_log(OD_CONFIG_LOG_INFO, "reload", "trunk %s: takes no more calls",
           trunk->entry.config->name);
}

unsigned od_catalog_reload(struct od_catalog *catalog, const struct od_config *config)
{
    unsigned left_out = 0;
    if (!same_default(catalog->config, config))
        catalog->default_turn++; /* agents that live by it are read again when they are looked at */
    catalog->config = config;
    for (size_t i = 0; i < config->trunk_count; i++) {
        uint32_t index = od_catalog_named(catalog, config->trunks[i].name);
        if (index == OD_NO_TRUNK && catalog->named < catalog->named_max)
            index = (uint32_t)catalog->named++;
        if (index != OD_NO_TRUNK) {
            take(catalog, index, &config->trunks[i]);
            continue;
        }
        left_out++;
        od_log(OD_CONFIG_LOG_WARN, "reload", "trunk %s: needs a restart: there is no room for it",
               config->trunks[i].name);
    }
    for (uint32_t i = 0; i < catalog->named; i++) {
        bool named = false;
        for (size_t k = 0; k < config->trunk_count && !named; k++)
            named = strcmp(config->trunks[k].name, catalog->trunks[i].entry.config->name) == 0;
        if (!named && !catalog->trunks[i].gone)
            leave_out(catalog, i);
    }
    od_catalog_share_rates(catalog);
    for (uint32_t i = 0; i < catalog->named; i++)
        if (!catalog->trunks[i].gone)
            od_catalog_announce_trunk(&catalog->trunks[i]);
    od_catalog_announce_lanes(catalog, NULL);
    return left_out;
}
