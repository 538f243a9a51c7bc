/*
 * hours - see hours.h. The walk goes from edge to edge: within a stretch of constant offset the
 * local clock is a straight line, so the next edge is an opening's end, the next opening, midnight,
 * or the end of the stretch.
 */
#include "engine/core/hours.h"

#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"

#define MINUTE_MS INT64_C(60000)
#define DAY_MS (OD_DAY_MINUTES * MINUTE_MS)

/* How far ahead is looked for an opening: hours repeat weekly, and a week may lose its only opening
 * to the start of daylight saving. */
#define HORIZON_MS (15 * DAY_MS)

enum {
    EDGES_MAX = 1024,  /* of one zone's walk: 15 days of 12 openings stay below */
    ROUNDS_MAX = 4096, /* of all zones' walk together */
    THURSDAY = 3,      /* 1970-01-01 */
};

bool od_hours_any(const struct od_hours *hours)
{
    unsigned blocks = 0;
    bool all = true;

    for (unsigned d = 0; d < 7; d++) {
        const struct od_hours_day *day = &hours->days[d];
        blocks += day->count;
        all = all && day->count == 1 && day->blocks[0].from == 0 &&
              day->blocks[0].to == OD_DAY_MINUTES;
    }
    return blocks && !all;
}

/* What holds at a moment, and until when at least. */
struct stretch {
    bool open;
    int64_t until_ms;
};

static struct stretch local_stretch(const struct od_hours *hours, int64_t wall_ms,
                                    int64_t offset_ms)
{
    int64_t local_ms = wall_ms + offset_ms;
    int64_t day = local_ms / DAY_MS - (local_ms % DAY_MS < 0);
    int64_t in_day_ms = local_ms - day * DAY_MS;
    int64_t weekday = (day + THURSDAY) % 7;
    const struct od_hours_day *of = &hours->days[weekday < 0 ? weekday + 7 : weekday];
    int64_t midnight_ms = wall_ms - in_day_ms;

    for (unsigned i = 0; i < of->count; i++) {
        int64_t from_ms = of->blocks[i].from * MINUTE_MS, to_ms = of->blocks[i].to * MINUTE_MS;
        if (in_day_ms < from_ms)
            return (struct stretch){false, midnight_ms + from_ms};
        if (in_day_ms < to_ms)
            return (struct stretch){true, midnight_ms + to_ms};
    }
    return (struct stretch){false, midnight_ms + DAY_MS};
}

/* The longest stretch of one kind from wall_ms on, in one zone. until_ms is INT64_MAX when it goes
 * on beyond the horizon. False: no such zone. */
static bool zone_stretch(const struct od_hours *hours, const char *zone,
                         const struct od_zone_port *port, int64_t wall_ms, struct stretch *out)
{
    int64_t at_ms = wall_ms;

    for (unsigned i = 0; i < EDGES_MAX && at_ms < wall_ms + HORIZON_MS; i++) {
        int64_t from_ms, until_ms;
        int32_t offset_s;
        struct stretch next;
        if (!port->offset(port->ctx, zone, at_ms, &offset_s, &from_ms, &until_ms) ||
            until_ms <= at_ms)
            return false;
        next = local_stretch(hours, at_ms, (int64_t)offset_s * 1000);
        if (i && next.open != out->open)
            return true;
        if (next.until_ms > until_ms)
            next.until_ms = until_ms; /* the clock is set then: look again */
        *out = next;
        at_ms = next.until_ms;
    }
    out->until_ms = INT64_MAX;
    return true;
}

/* All zones together: open when each is. */
static int joint_stretch(const struct od_hours_rule *rule, const struct od_zone_port *port,
                         int64_t wall_ms, struct stretch *out)
{
    bool single = !rule->zones;
    size_t count = single ? 1 : rule->zone_count, known = 0;
    struct stretch open = {true, INT64_MAX}, closed = {false, wall_ms};

    for (size_t i = 0; i < count; i++) {
        struct stretch one;
        if (!zone_stretch(rule->hours, single ? rule->hours->zone : rule->zones[i], port, wall_ms,
                          &one))
            continue;
        known++;
        if (one.open && one.until_ms < open.until_ms)
            open.until_ms = one.until_ms;
        if (!one.open) {
            open.open = false;
            if (one.until_ms > closed.until_ms)
                closed.until_ms = one.until_ms;
        }
    }
    *out = open.open ? open : closed;
    return known ? 0 : OD_ENOENT;
}

/* The next moment from wall_ms on at which all are open (or, `open` false, one is closed). */
static int find(const struct od_hours_rule *rule, const struct od_zone_port *port, int64_t wall_ms,
                bool open, int64_t *out)
{
    int64_t at_ms = wall_ms;

    for (unsigned i = 0; i < ROUNDS_MAX && at_ms < wall_ms + HORIZON_MS; i++) {
        struct stretch now;
        int err = joint_stretch(rule, port, at_ms, &now);
        if (err)
            return err;
        if (now.open == open) {
            *out = at_ms;
            return 0;
        }
        at_ms = now.until_ms;
    }
    *out = INT64_MAX;
    return 0;
}

int od_hours_window(const struct od_hours_rule *rule, const struct od_zone_port *port,
                    int64_t wall_ms, struct od_window *out)
{
    int err;

    *out = (struct od_window){0};
    if (!od_hours_any(rule->hours))
        return 0;
    err = find(rule, port, wall_ms, true, &out->open_ms);
    if (err || out->open_ms == INT64_MAX)
        return err;
    err = find(rule, port, out->open_ms, false, &out->close_ms);
    if (err || out->close_ms == INT64_MAX) {
        out->close_ms = 0;
        return err;
    }
    err = find(rule, port, out->close_ms, true, &out->next_ms);
    if (out->next_ms == INT64_MAX)
        out->next_ms = 0;
    return err;
}

/* "HH:MM" */
static bool read_clock(const char *text, uint16_t *out)
{
    unsigned n[4];

    for (unsigned i = 0; i < 4; i++) {
        char c = text[i + (i >= 2)];
        if (c < '0' || c > '9')
            return false;
        n[i] = (unsigned)(c - '0');
    }
    if (text[2] != ':' || n[2] > 5)
        return false;
    *out = (uint16_t)(60 * (10 * n[0] + n[1]) + 10 * n[2] + n[3]);
    return *out <= OD_DAY_MINUTES;
}

bool od_hours_daily(const char *text, struct od_hours *out)
{
    struct od_hours_block block;

    memset(out, 0, sizeof *out);
    if (!*text)
        return true;
    if (strlen(text) != 11 || text[5] != '-' || !read_clock(text, &block.from) ||
        !read_clock(text + 6, &block.to))
        return false;
    if (block.to == OD_DAY_MINUTES - 1)
        block.to = OD_DAY_MINUTES;
    if (block.from >= block.to)
        return false;
    for (unsigned d = 0; d < 7; d++) {
        out->days[d].count = 1;
        out->days[d].blocks[0] = block;
    }
    return true;
}
