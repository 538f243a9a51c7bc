/*
 * catalog_live - what is changed of a running trunk, over what the configuration says, and who did.
 */
#include <stdio.h>
#include <string.h>

#include "engine/host/catalog_inner.h"
#include "engine/host/log.h"
#include "outdial/err.h"

static void describe(char *out, size_t size, const struct od_api_trunk_change *change)
{
    static const char *const orders[] = {[OD_API_TRUNK_PAUSE] = "pause ",
                                         [OD_API_TRUNK_DRAIN] = "drain ",
                                         [OD_API_TRUNK_RESUME] = "resume "};
    size_t used = (size_t)snprintf(out, size, "%s", change->order ? orders[change->order] : "");
    if (change->cps_milli == 0)
        used += (size_t)snprintf(out + used, size - used, "cps as configured ");
    else if (change->cps_milli != UINT32_MAX)
        used += (size_t)snprintf(out + used, size - used, "cps %u.%03u ", change->cps_milli / 1000,
                                 change->cps_milli % 1000);
    if (change->max_calls != UINT32_MAX)
        used += (size_t)snprintf(out + used, size - used, "max_calls %u ", change->max_calls);
    if (change->priority != UINT32_MAX)
        used += (size_t)snprintf(out + used, size - used, "priority %u ", change->priority);
    if (change->weight != UINT32_MAX)
        used += (size_t)snprintf(out + used, size - used, "weight %u ", change->weight);
    if (change->adaptive >= 0)
        used += (size_t)snprintf(out + used, size - used, "adaptive %s ",
                                 change->adaptive ? "true" : "false");
    if (used)
        out[used - 1] = 0;
}

static void write_down(struct od_trunk_entry *entry, const struct od_api_trunk_change *change,
                       int64_t wall_ms)
{
    struct od_api_trunk_note note = {.at_ms = wall_ms};
    snprintf(note.who, sizeof note.who, "%.63s", change->who);
    describe(note.what, sizeof note.what, change);
    if (!*note.what)
        return;
    memmove(entry->notes + 1, entry->notes, sizeof entry->notes - sizeof *entry->notes);
    entry->notes[0] = note;
    od_log(OD_CONFIG_LOG_INFO, "trunk", "%s: %s, by %s", entry->config->name, note.what, note.who);
}

static void set_live(struct catalog_trunk *trunk, const struct od_api_trunk_change *change)
{
    struct catalog_live *live = &trunk->live;
    if (change->max_calls != UINT32_MAX) {
        live->has_max = true;
        live->max_calls = change->max_calls;
    }
    if (change->priority != UINT32_MAX) {
        live->has_priority = true;
        live->priority = (uint16_t)change->priority;
    }
    if (change->weight != UINT32_MAX)
        live->weight = (uint16_t)change->weight;
    if (change->adaptive >= 0) {
        live->has_adaptive = true;
        live->adaptive = change->adaptive;
    }
    if (change->order != OD_API_TRUNK_KEEP) {
        trunk->entry.paused = change->order != OD_API_TRUNK_RESUME;
        trunk->entry.draining = change->order == OD_API_TRUNK_DRAIN;
    }
}

int od_catalog_trunk_change(struct od_catalog *catalog, const char *name,
                            const struct od_api_trunk_change *change, int64_t wall_ms)
{
    size_t i = 0;
    while (i < catalog->config->trunk_count && strcmp(catalog->config->trunks[i].name, name) != 0)
        i++;
    if (i == catalog->config->trunk_count)
        return OD_ENOENT;
    struct catalog_trunk *trunk = &catalog->trunks[i];
    set_live(trunk, change);
    if (change->cps_milli != UINT32_MAX) { /* of a shared rate: for all that share it */
        struct catalog_trunk *rate =
            trunk->rate_from ? &catalog->trunks[trunk->rate_from - 1] : trunk;
        rate->live.has_cps = change->cps_milli != 0;
        if (rate->live.has_cps)
            rate->live.shape = od_catalog_even_shape(change->cps_milli);
        if (rate != trunk)
            od_catalog_announce_trunk(rate);
    }
    write_down(&trunk->entry, change, wall_ms);
    od_catalog_announce_trunk(trunk);
    return 0;
}
