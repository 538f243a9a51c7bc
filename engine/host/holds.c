/*
 * holds - why a call that could be dialled is not, as this process sees it: its agent, its lane's
 * hours, its callee's, the trunks it may take, their slots and rates.
 */
#include "engine/base/uid.h"
#include "engine/core/hours.h"
#include "engine/core/route.h"
#include "engine/host/host.h"

struct list {
    struct od_api_hold *out;
    size_t count, max;
};

static void add(struct list *list, const char *reason, int64_t until_ms, const char *detail)
{
    if (list->count < list->max)
        list->out[list->count++] =
            (struct od_api_hold){.reason = reason, .until_ms = until_ms, .detail = detail};
}

static void add_breaker(struct list *list, const struct od_host *host, struct od_now now,
                        const struct od_breaker_view *view)
{
    if (list->count == list->max)
        return;
    struct od_api_hold *hold = &list->out[list->count];
    int64_t until_ms = view->until_ns > now.mono_ns
                           ? now.wall_ms + (int64_t)((view->until_ns - now.mono_ns) / OD_NS_PER_MS)
                           : 0;
    add(list, "breaker", until_ms, NULL);
    od_host_breaker_says(host, view, hold->own, sizeof hold->own);
}

/* Breakers that hold the lane, and those that leave none of its trunks to the call. */
static void ask_breakers(const struct od_host *host, const struct od_lane_hold *lane,
                         const struct od_call_rec *rec, struct od_now now, struct list *list)
{
    struct od_breaker_view view, nearest = {.until_ns = UINT64_MAX};
    bool held = false, free = false;
    for (int i = 0; i < OD_TRUNKS_PER_LANE && lane->def.trunks[i] != OD_NO_TRUNK; i++) {
        uint32_t trunk = lane->def.trunks[i];
        const struct od_trunk_entry *entry = od_catalog_trunk(host->catalog, trunk);
        if (!entry || !od_route_match(&entry->def, rec->to) || !entry->def.usable)
            continue;
        if (!od_engine_breakers_of(host->engine, lane->lane, trunk, rec->to, rec->from, &view, 1)) {
            free = true;
            continue;
        }
        held = true;
        if (view.until_ns < nearest.until_ns)
            nearest = view;
    }
    if (held && !free)
        add_breaker(list, host, now, &nearest);
}

/* When a closed window opens; 0: not known. */
static int64_t opens_at(const struct od_window *window, int64_t wall_ms)
{
    if (wall_ms < window->open_ms)
        return window->open_ms == INT64_MAX ? 0 : window->open_ms;
    return window->next_ms;
}

/* What the trunks of the lane say together: one that can take the call now is enough. */
static void ask_trunks(const struct od_host *host, const struct od_lane_def *def, const char *to,
                       struct od_now now, struct list *list)
{
    bool takes = false, usable = false, slot = false, rate = false;
    uint64_t next_ns = UINT64_MAX;
    for (int i = 0; i < OD_TRUNKS_PER_LANE && def->trunks[i] != OD_NO_TRUNK; i++) {
        const struct od_trunk_entry *entry = od_catalog_trunk(host->catalog, def->trunks[i]);
        struct od_trunk_stats stats;
        if (!entry || od_engine_trunk_stats(host->engine, def->trunks[i], &stats) ||
            !od_route_match(&entry->def, to))
            continue;
        uint32_t most = entry->def.max_calls;
        takes = true;
        if (!od_host_trunk_usable(host, def->trunks[i]))
            continue;
        usable = true;
        if ((most && stats.in_use >= most) || od_places_trunk_full(host->places, def->trunks[i]))
            continue;
        slot = true;
        if (stats.next_send_ns <= now.mono_ns)
            rate = true;
        else if (stats.next_send_ns < next_ns)
            next_ns = stats.next_send_ns;
    }
    if (!takes)
        add(list, "no trunk", 0, "no trunk of the agent takes this number");
    else if (!usable)
        add(list, "no trunk", 0, "no trunk of the agent is usable");
    else if (!slot)
        add(list, "slot", 0, "every trunk has as many calls as it may");
    else if (!rate)
        add(list, "rate", now.wall_ms + (int64_t)((next_ns - now.mono_ns) / OD_NS_PER_MS),
            "the trunks' rate");
}

size_t od_host_holds(void *ctx, const struct od_call_rec *rec, struct od_api_hold *out, size_t max)
{
    const struct od_host *host = ctx;
    struct list list = {out, 0, max};
    struct od_now now = od_turn_now();
    struct od_lane_hold lane;
    struct od_lane_stats stats;
    struct od_engine_stats node;

    struct od_lane_info of = {.agent = rec->agent,
                              .campaign = rec->campaign,
                              .via = rec->via,
                              .priority = rec->priority,
                              .open = true};
    od_catalog_lane_hold(host->catalog, &of, &lane);
    if (lane.disabled)
        add(&list, "disabled agent", 0, "its agent is disabled, deleted or can't be read");
    if (lane.agent_paused)
        add(&list, "agent paused", 0, "its agent is paused, or drains");
    if (!od_window_open(&lane.def.window, now.wall_ms))
        add(&list, "schedule", opens_at(&lane.def.window, now.wall_ms),
            "outside its agent's schedule");
    if (!lane.known)
        return list.count; /* no worker here serves it yet: nothing is known of its trunks */
    if (!od_uid_none(&rec->campaign)) {
        struct od_window window =
            od_hours_book_callee(host->hours, rec->to, rec->timezone, now.wall_ms);
        if (!od_window_open(&window, now.wall_ms))
            add(&list, "legal hours", opens_at(&window, now.wall_ms),
                "outside the hours in which its callee may be called");
    }
    ask_breakers(host, &lane, rec, now, &list);
    ask_trunks(host, &lane.def, rec->to, now, &list);
    const struct od_lane_info *info = od_catalog_find_lane(host->catalog, lane.lane);
    const char *full =
        info ? od_places_full(host->places, info->org, &rec->agent, rec->from) : NULL;
    if (full)
        add(&list, "slot", 0, full);
    if (od_engine_lane_stats(host->engine, lane.lane, &stats) == 0) {
        if (lane.def.max_calls && stats.in_use >= lane.def.max_calls)
            add(&list, "slot", 0, "its campaign has as many calls as it may");
        if (stats.next_send_ns == OD_NEVER)
            add(&list, "rate", 0, "another process dials at its campaign's or agent's rate");
        else if (stats.next_send_ns > now.mono_ns)
            add(&list, "rate",
                now.wall_ms + (int64_t)((stats.next_send_ns - now.mono_ns) / OD_NS_PER_MS),
                "its campaign's or agent's rate");
    }
    od_engine_stats(host->engine, &node);
    if (node.armed + node.dialing + node.ringing + node.talking + node.clearing >=
        host->config->limits.calls_max)
        add(&list, "slot", 0, "this node has as many calls as it may");
    return list.count;
}
