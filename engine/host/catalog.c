/*
 * catalog - opening, closing, and what the store tells of things. The rest is in the files that
 * catalog_inner.h names.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/host/catalog_inner.h"
#include "outdial/err.h"

void od_catalog_finish_close(struct od_catalog *catalog)
{
    if (catalog->closed && !catalog->pending)
        catalog->closed(catalog->closed_ctx);
}

void od_catalog_destroy(struct od_catalog *catalog)
{
    if (!catalog)
        return;
    od_catalog_free_agents(catalog);
    od_ways_destroy(catalog->ways);
    free(catalog->trunks);
    free(catalog->lanes);
    free(catalog->lane_paces);
    HASH_CLEAR(hh, catalog->paces_by_key);
    free(catalog->paces);
    free(catalog);
}

static uint32_t ways_add(void *ctx, const struct od_config_trunk *config)
{
    struct od_catalog *catalog = ctx;
    if (catalog->closed || catalog->trunk_count >= catalog->named_max + OD_WAYS_MAX)
        return OD_NO_TRUNK;
    uint32_t index = od_catalog_add_trunk(catalog, config);
    od_catalog_share_rates(catalog);
    return index;
}

static void ways_change(void *ctx, uint32_t index, const struct od_config_trunk *config)
{
    od_catalog_change_trunk(ctx, index, config);
}

static uint32_t ways_named(void *ctx, const char *name)
{
    return od_catalog_named(ctx, name);
}

uint32_t od_catalog_trunks_max(const struct od_config *config)
{
    return (uint32_t)config->trunk_count + OD_CATALOG_SPARE + OD_WAYS_MAX;
}

int od_catalog_open(struct od_catalog **out, uv_loop_t *loop, const struct od_config *config,
                    const struct od_catalog_events *events)
{
    struct od_catalog *catalog = calloc(1, sizeof *catalog);
    if (!catalog)
        return OD_ENOMEM;
    catalog->loop = loop;
    catalog->config = config;
    catalog->events = *events;
    catalog->stale_ms = INT64_MAX;
    struct od_ways_port port = {
        .ctx = catalog, .add = ways_add, .change = ways_change, .named = ways_named};
    catalog->named = config->trunk_count;
    catalog->named_max = config->trunk_count + OD_CATALOG_SPARE;
    catalog->trunks_max = od_catalog_trunks_max(config);
    catalog->trunks = calloc(catalog->trunks_max, sizeof(struct catalog_trunk));
    catalog->paces = calloc(OD_CATALOG_PACES, sizeof *catalog->paces);
    if (!catalog->trunks || !catalog->paces || od_ways_create(&catalog->ways, &port)) {
        free(catalog->paces);
        free(catalog->trunks);
        free(catalog);
        return OD_ENOMEM;
    }
    for (size_t i = 0; i < config->trunk_count; i++)
        od_catalog_add_trunk(catalog, &config->trunks[i]);
    while (catalog->trunk_count < catalog->named_max)
        od_catalog_spare_trunk(catalog);
    od_catalog_share_rates(catalog);
    *out = catalog;
    return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct catalog_trunk *trunk = handle->data;
    trunk->catalog->pending--;
    od_catalog_finish_close(trunk->catalog);
}

void od_catalog_announce(struct od_catalog *catalog, const char *org)
{
    if (catalog->closed)
        return;
    for (size_t i = 0; !org && i < catalog->trunk_count; i++)
        if (!catalog->trunks[i].gone)
            od_catalog_announce_trunk(&catalog->trunks[i]);
    for (uint32_t i = 0; org && i < catalog->lane_count; i++)
        if (strcmp(catalog->lanes[i].org, org) == 0)
            od_catalog_announce_lane(catalog, &catalog->lanes[i]);
}

void od_catalog_box(struct od_catalog *catalog, const struct od_box_port *box)
{
    catalog->box = box;
}

void od_catalog_hours(struct od_catalog *catalog, struct od_hours_book *book)
{
    catalog->book = book;
}

void od_catalog_close(struct od_catalog *catalog, void (*fn)(void *ctx), void *ctx)
{
    catalog->closed = fn;
    catalog->closed_ctx = ctx;
    if (!catalog->trunk_count) {
        od_catalog_finish_close(catalog);
        return;
    }
    for (size_t i = 0; i < catalog->trunk_count; i++) {
        uv_close((uv_handle_t *)&catalog->trunks[i].timer, on_timer_closed);
        uv_close((uv_handle_t *)&catalog->trunks[i].hold_timer, on_timer_closed);
    }
}

const char *od_catalog_number_name(const struct od_catalog *catalog, const char *org,
                                   const char *number)
{
    return od_ways_name(catalog->ways, org, number);
}

void od_catalog_thing(struct od_catalog *catalog, const char *org, enum od_thing_kind kind,
                      const struct od_thing_rec *rec, bool deleted)
{
    od_ways_thing(catalog->ways, catalog->box, org, kind, rec, deleted);
    od_catalog_announce_lanes(catalog, NULL);
}
