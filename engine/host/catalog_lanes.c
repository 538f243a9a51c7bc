/*
 * catalog_lanes - lanes as the engine is told of them: in an array by the store's index, each
 * knowing its agent's uid, so that a changed agent finds its lanes.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/api/hook_start.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "engine/host/catalog_inner.h"
#include "engine/host/log.h"
#include "engine/host/turn.h"

enum {
    RING_MS_DEFAULT = 45 * 1000,
    TALK_MS_DEFAULT = 3600 * 1000,
    NEVER_LOOK_MS = 3600 * 1000, /* a schedule that never opens is looked at again */
};

/* Where the calls' own way, the agent's number or its own server leads; false: nothing is said of
 * one. */
static bool lane_way(const struct od_catalog *catalog, const struct od_lane_info *info,
                     const struct od_agent_def *agent, uint32_t out[OD_TRUNKS_PER_LANE])
{
    bool known = !od_uid_none(&info->via);
    if (!known && agent->trunk_count) /* the operator's word is the last */
        return false;
    uint32_t trunk =
        known ? od_ways_by(catalog->ways, &info->via)
              : od_ways_of(catalog->ways, &info->agent, od_agent_def_root(agent), &known);
    out[0] = trunk;
    if (trunk != OD_NO_TRUNK)
        out[1] = OD_NO_TRUNK;
    return known;
}

/* The agent's trunks by name; names that the configuration doesn't know are told once per load. */
static void lane_trunks(const struct od_catalog *catalog, const struct od_agent_def *agent,
                        uint32_t out[OD_TRUNKS_PER_LANE])
{
    size_t n = 0;
    for (uint32_t i = 0; i < catalog->named && n < OD_TRUNKS_PER_LANE; i++) {
        if (catalog->trunks[i].gone)
            continue;
        bool wanted = agent->trunk_count == 0;
        for (unsigned k = 0; k < agent->trunk_count && !wanted; k++)
            wanted = strcmp(agent->trunks[k], catalog->trunks[i].entry.config->name) == 0;
        if (wanted)
            out[n++] = i;
    }
    if (n < OD_TRUNKS_PER_LANE)
        out[n] = OD_NO_TRUNK;
}

/* What the engine is told of a lane at that moment. */
static struct od_lane_def make_lane(struct od_catalog *catalog, const struct od_lane_info *info,
                                    int64_t wall_ms)
{
    struct catalog_agent *agent;
    struct od_lane_def def = {
        .priority = info->priority,
        .max_calls = info->max_calls,
        .ring_ms = RING_MS_DEFAULT,
        .talk_ms_max = TALK_MS_DEFAULT,
        .trunks = {OD_NO_TRUNK},
        .campaign = info->campaign,
    };
    HASH_FIND(hh, catalog->agents, &info->agent, sizeof info->agent, agent);
    const struct od_agent_def *doc = od_catalog_find_agent(catalog, &info->agent);
    if (agent && doc) {
        def.open = info->open && doc->enabled && agent->order == OD_AGENT_ACTIVE;
        def.rotor = agent->rotor;
        od_str_copy(def.caller, sizeof def.caller, doc->number, strlen(doc->number));
        if (doc->ring_timeout_s)
            def.ring_ms = doc->ring_timeout_s * 1000;
        if (doc->max_duration_s)
            def.talk_ms_max = doc->max_duration_s * 1000;
        def.hook = od_agent_needs_admission(doc);
        if (agent->capacity && (!def.max_calls || agent->capacity < def.max_calls))
            def.max_calls = agent->capacity;
        if (!lane_way(catalog, info, doc, def.trunks))
            lane_trunks(catalog, doc, def.trunks);
        struct od_start_hook start;
        def.hook |= od_start_hook_read(od_agent_def_root(doc), &start);
        def.retry = info->has_retry ? info->retry : doc->retry;
        if (catalog->book && doc->has_hours)
            def.window = od_hours_book_schedule(catalog->book, &doc->hours, wall_ms);
    }
    return def;
}

/* The engine opens and closes the lane by itself until its window is used up. */
void od_catalog_announce_lane(struct od_catalog *catalog, const struct od_lane_info *info)
{
    int64_t wall_ms = od_turn_now().wall_ms;
    struct od_lane_def def = make_lane(catalog, info, wall_ms);
    od_catalog_pace_lane(catalog, info, &def);
    int64_t stale_ms = def.window.close_ms;
    if (def.window.open_ms == INT64_MAX)
        stale_ms = wall_ms + NEVER_LOOK_MS;
    if (stale_ms && stale_ms < catalog->stale_ms)
        catalog->stale_ms = stale_ms;
    catalog->events.lane(catalog->events.ctx, info->lane, &def);
}

void od_catalog_announce_lanes(struct od_catalog *catalog, const struct od_uid *agent)
{
    for (uint32_t i = 0; i < catalog->lane_count; i++)
        if (catalog->lanes[i].org[0] && (!agent || od_uid_equal(&catalog->lanes[i].agent, agent)))
            od_catalog_announce_lane(catalog, &catalog->lanes[i]);
}

void od_catalog_tick(struct od_catalog *catalog, int64_t wall_ms)
{
    bool set_back = wall_ms < catalog->ticked_ms - 1000; /* windows lie in the future then */
    catalog->ticked_ms = wall_ms;
    if (wall_ms < catalog->stale_ms && !set_back)
        return;
    catalog->stale_ms = INT64_MAX;
    for (uint32_t i = 0; i < catalog->lane_count; i++) {
        const struct od_agent_def *doc =
            catalog->lanes[i].org[0] ? od_catalog_find_agent(catalog, &catalog->lanes[i].agent)
                                     : NULL;
        if (doc && doc->has_hours)
            od_catalog_announce_lane(catalog, &catalog->lanes[i]);
    }
}

void od_catalog_lane_hold(struct od_catalog *catalog, const struct od_lane_info *of,
                          struct od_lane_hold *out)
{
    const struct od_agent_def *doc = od_catalog_find_agent(catalog, &of->agent);
    int64_t wall_ms = od_turn_now().wall_ms;
    struct catalog_agent *agent;
    HASH_FIND(hh, catalog->agents, &of->agent, sizeof of->agent, agent);
    *out = (struct od_lane_hold){.disabled = !doc || !doc->enabled,
                                 .agent_paused = agent && agent->order != OD_AGENT_ACTIVE};
    for (uint32_t i = 0; i < catalog->lane_count; i++) {
        const struct od_lane_info *info = &catalog->lanes[i];
        if (!info->org[0] || info->priority != of->priority ||
            !od_uid_equal(&info->agent, &of->agent) ||
            !od_uid_equal(&info->campaign, &of->campaign) || !od_uid_equal(&info->via, &of->via))
            continue;
        out->known = true;
        out->lane = info->lane;
        out->paused = !info->open;
        out->def = make_lane(catalog, info, wall_ms);
        return;
    }
    out->def = make_lane(catalog, of, wall_ms);
}

bool od_catalog_lane_retries(struct od_catalog *catalog, uint32_t lane)
{
    const struct od_lane_info *info = od_catalog_find_lane(catalog, lane);
    const struct od_agent_def *doc = info ? od_catalog_find_agent(catalog, &info->agent) : NULL;
    if (!info)
        return false;
    return (info->has_retry ? info->retry.attempts_max : doc ? doc->retry.attempts_max : 0) > 1;
}

void od_catalog_lane(struct od_catalog *catalog, const struct od_lane_info *info)
{
    if (info->lane >= catalog->lane_count) {
        uint32_t count = info->lane + 64;
        struct od_lane_info *lanes = realloc(catalog->lanes, count * sizeof *lanes);
        uint32_t(*paces)[OD_PACES_PER_LANE] = realloc(catalog->lane_paces, count * sizeof *paces);
        catalog->lanes = lanes ? lanes : catalog->lanes;
        catalog->lane_paces = paces ? paces : catalog->lane_paces;
        if (!lanes || !paces) {
            od_log(OD_CONFIG_LOG_ERROR, "catalog", "out of memory for lane %u", info->lane);
            return;
        }
        memset(lanes + catalog->lane_count, 0,
               (count - catalog->lane_count) * sizeof *catalog->lanes);
        memset(paces + catalog->lane_count, 0, (count - catalog->lane_count) * sizeof *paces);
        catalog->lane_count = count;
    }
    catalog->lanes[info->lane] = *info;
    od_catalog_announce_lane(catalog, info);
}

const struct od_lane_info *od_catalog_find_lane(const struct od_catalog *catalog, uint32_t lane)
{
    if (lane >= catalog->lane_count || !catalog->lanes[lane].org[0])
        return NULL;
    return &catalog->lanes[lane];
}
