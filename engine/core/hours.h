/*
 * hours - weekly hours in time zones as windows of absolute time. Pure: what is known of zones
 * comes through a port. Open is what a clock on the wall of that zone says: minutes that daylight
 * saving leaves out never come, minutes it repeats come twice.
 *
 * Called by the host when it sets up lanes and hands over jobs, and by the API to explain.
 */
#ifndef ENGINE_CORE_HOURS_H
#define ENGINE_CORE_HOURS_H

#include "outdial/rules.h"

/* Where hours hold: one zone's, or the same hours in several zones at once. */
struct od_hours_rule {
    const struct od_hours *hours; /* hours->zone counts only when `zones` is empty */
    const char *const *zones;     /* each must be open; NULL: hours->zone alone */
    size_t zone_count;
};

/* The window at wall_ms: open_ms <= wall_ms when it is open then, otherwise the next opening.
 * open_ms is INT64_MAX when none comes within 15 days (hours of zones that are never open
 * together). Zones that are not known are left out; OD_ENOENT when that leaves none. */
int od_hours_window(const struct od_hours_rule *rule, const struct od_zone_port *port,
                    int64_t wall_ms, struct od_window *out);

/* True when there is a closed minute in the week. */
bool od_hours_any(const struct od_hours *hours);

/* The same block each day: "08:00-21:00", an end of 23:59 or 24:00 being the end of the day; "":
 * always open. False: neither. zone is left empty. */
bool od_hours_daily(const char *text, struct od_hours *out);

/* Open at that moment, of a window that was computed before it. */
static inline bool od_window_open(const struct od_window *window, int64_t wall_ms)
{
    return wall_ms >= window->open_ms && (!window->close_ms || wall_ms < window->close_ms);
}

#endif
