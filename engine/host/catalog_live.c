/*
 * catalog_live - what is changed of a running trunk, over what the configuration says, and who did.
 */
#include <stdio.h>
#include <string.h>

#include "engine/base/str.h"
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

static struct catalog_trunk *find(struct od_catalog *catalog, const char *name)
{
    uint32_t index = od_catalog_named(catalog, name);
    return index == OD_NO_TRUNK || catalog->trunks[index].gone ? NULL : &catalog->trunks[index];
}

/* The trunk whose limits rule this one's rate. */
static struct catalog_trunk *rate_of(struct catalog_trunk *trunk)
{
    return trunk->rate_from ? &trunk->catalog->trunks[trunk->rate_from - 1] : trunk;
}

static bool same(const struct catalog_live *a, const struct catalog_live *b)
{
    return a->has_cps == b->has_cps && a->has_max == b->has_max &&
           a->has_priority == b->has_priority && a->has_adaptive == b->has_adaptive &&
           a->shape.kind == b->shape.kind && a->shape.count == b->shape.count &&
           a->shape.window_ns == b->shape.window_ns && a->max_calls == b->max_calls &&
           a->priority == b->priority && a->weight == b->weight && a->adaptive == b->adaptive;
}

/* True when the change changed anything. */
static bool apply(struct catalog_trunk *trunk, const struct od_api_trunk_change *change)
{
    struct catalog_trunk *rate = rate_of(trunk);
    struct catalog_live live = trunk->live, rate_live = rate->live;
    bool paused = trunk->entry.paused, draining = trunk->entry.draining;
    set_live(trunk, change);
    if (change->cps_milli != UINT32_MAX) { /* of a shared rate: for all that share it */
        rate->live.has_cps = change->cps_milli != 0;
        rate->live.shape = (struct od_shape){0};
        if (rate->live.has_cps)
            rate->live.shape = od_catalog_even_shape(change->cps_milli);
    }
    bool rate_changed = !same(&rate_live, &rate->live);
    bool changed = rate_changed || !same(&live, &trunk->live) || paused != trunk->entry.paused ||
                   draining != trunk->entry.draining;
    if (rate_changed && rate != trunk)
        od_catalog_announce_trunk(rate);
    if (changed)
        od_catalog_announce_trunk(trunk);
    return changed;
}

/* ---- told to the other processes, and by them ---- */

static void tell_number(struct catalog_trunk *trunk, const char *name, uint64_t value)
{
    const struct od_catalog_events *events = &trunk->catalog->events;
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    if (events->live)
        events->live(events->ctx, trunk->entry.config->name, name, text);
}

/* A line for each note: when, who, what. */
static void tell_notes(struct catalog_trunk *trunk)
{
    const struct od_catalog_events *events = &trunk->catalog->events;
    char text[OD_API_TRUNK_NOTES * 192];
    size_t used = 0;
    for (size_t i = 0; i < OD_API_TRUNK_NOTES && trunk->entry.notes[i].at_ms; i++) {
        const struct od_api_trunk_note *note = &trunk->entry.notes[i];
        used += (size_t)snprintf(text + used, sizeof text - used, "%lld\t%s\t%s\n",
                                 (long long)note->at_ms, note->who, note->what);
    }
    if (events->live)
        events->live(events->ctx, trunk->entry.config->name, "notes", text);
}

static void tell_change(struct catalog_trunk *trunk, const struct od_api_trunk_change *change)
{
    if (change->cps_milli != UINT32_MAX)
        tell_number(rate_of(trunk), "cps_milli", change->cps_milli);
    if (change->max_calls != UINT32_MAX)
        tell_number(trunk, "max_calls", change->max_calls);
    if (change->priority != UINT32_MAX)
        tell_number(trunk, "priority", change->priority);
    if (change->weight != UINT32_MAX)
        tell_number(trunk, "weight", change->weight);
    if (change->adaptive >= 0)
        tell_number(trunk, "adaptive", (uint64_t)change->adaptive);
    if (change->order != OD_API_TRUNK_KEEP)
        tell_number(trunk, "order", change->order);
    tell_notes(trunk);
}

static void read_notes(struct od_trunk_entry *entry, const char *text)
{
    memset(entry->notes, 0, sizeof entry->notes);
    for (size_t i = 0; i < OD_API_TRUNK_NOTES && *text; i++) {
        struct od_api_trunk_note *note = &entry->notes[i];
        long long at_ms;
        size_t line = strcspn(text, "\n");
        if (sscanf(text, "%lld\t%63[^\t\n]\t%95[^\t\n]", &at_ms, note->who, note->what) != 3)
            *note = (struct od_api_trunk_note){0};
        else
            note->at_ms = at_ms;
        text += line + (text[line] == '\n');
    }
}

void od_catalog_trunk_told(struct od_catalog *catalog, const char *name, const char *value_name,
                           const char *value)
{
    struct od_api_trunk_change change = {.cps_milli = UINT32_MAX,
                                         .max_calls = UINT32_MAX,
                                         .priority = UINT32_MAX,
                                         .weight = UINT32_MAX,
                                         .adaptive = -1};
    struct catalog_trunk *trunk = find(catalog, name);
    uint64_t number = 0;
    if (!trunk)
        return; /* it is another process's alone */
    if (strcmp(value_name, "notes") == 0) {
        read_notes(&trunk->entry, value);
        return;
    }
    if (!od_str_u64(value, strlen(value), UINT32_MAX - 1, &number))
        return;
    if (strcmp(value_name, "cps_milli") == 0)
        change.cps_milli = (uint32_t)number;
    else if (strcmp(value_name, "max_calls") == 0)
        change.max_calls = (uint32_t)number;
    else if (strcmp(value_name, "priority") == 0 && number <= UINT16_MAX)
        change.priority = (uint32_t)number;
    else if (strcmp(value_name, "weight") == 0 && number >= 1 && number <= UINT16_MAX)
        change.weight = (uint32_t)number;
    else if (strcmp(value_name, "adaptive") == 0)
        change.adaptive = number != 0;
    else if (strcmp(value_name, "order") == 0 && number <= OD_API_TRUNK_RESUME)
        change.order = (uint8_t)number;
    if (apply(trunk, &change)) {
        char what[sizeof trunk->entry.notes[0].what] = "";
        describe(what, sizeof what, &change);
        od_log(OD_CONFIG_LOG_INFO, "trunk", "%s: %s, as it was changed", name, what);
    }
}

int od_catalog_trunk_change(struct od_catalog *catalog, const char *name,
                            const struct od_api_trunk_change *change, int64_t wall_ms)
{
    struct catalog_trunk *trunk = find(catalog, name);
    if (!trunk)
        return OD_ENOENT;
    apply(trunk, change);
    write_down(&trunk->entry, change, wall_ms);
    tell_change(trunk, change);
    return 0;
}
