/*
 * zone - see zone.h. GLib tells the offset at a moment and the number of the interval it lies in,
 * but not where an interval ends: that is found by bisection, once per interval and zone.
 */
#include "proto/zone/zone.h"

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"

/* How far an interval's end is looked for. Intervals are half a year where there is daylight
 * saving; one that ends beyond is looked at again later. */
#define LOOK_S (INT64_C(400) * 24 * 3600)

enum { BUCKETS = 512, ZONES_MAX = 2048 }; /* the database has about 600 names */

struct zone {
    struct zone *next;
    GTimeZone *tz; /* NULL: there is no such zone */
    int32_t offset_s;
    int64_t from_s, until_s; /* of the interval asked for last; equal: none yet */
    char name[OD_ZONE_MAX];
};

struct od_zones {
    struct od_zone_port port;
    struct zone *buckets[BUCKETS];
    unsigned count;
};

static unsigned hash(const char *name)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h % BUCKETS;
}

/* A name of the database, not a path out of it nor one of the forms GLib reads as an offset. */
static bool name_ok(const char *name)
{
    size_t bytes = strnlen(name, OD_ZONE_MAX);
    if (bytes == 0 || bytes == OD_ZONE_MAX || !g_ascii_isalpha(name[0]))
        return false;
    for (const char *c = name; *c; c++)
        if (!g_ascii_isalnum(*c) && strchr("_+-/", *c) == NULL)
            return false;
    return strstr(name, "//") == NULL && name[bytes - 1] != '/';
}

/* GLib also takes rules like "EST5EDT4,M3.2.0" or anything it can make an offset of: a zone is what
 * it knows by the name it was asked for. */
static GTimeZone *open_zone(const char *name)
{
    GTimeZone *tz = g_time_zone_new_identifier(name);
    if (tz != NULL && strcmp(g_time_zone_get_identifier(tz), name) != 0) {
        g_time_zone_unref(tz);
        return NULL;
    }
    return tz;
}

static struct zone *find(struct od_zones *zones, const char *name)
{
    if (!name_ok(name))
        return NULL;
    struct zone **bucket = &zones->buckets[hash(name)];
    for (struct zone *zone = *bucket; zone != NULL; zone = zone->next)
        if (strcmp(zone->name, name) == 0)
            return zone->tz == NULL ? NULL : zone;
    GTimeZone *tz = open_zone(name);
    if (tz == NULL)
        return NULL; /* not kept: names that are none come from outside and have no end */
    struct zone *zone = zones->count < ZONES_MAX ? calloc(1, sizeof *zone) : NULL;
    if (zone == NULL) {
        g_time_zone_unref(tz);
        return NULL;
    }
    zone->tz = tz;
    strcpy(zone->name, name);
    zone->next = *bucket;
    *bucket = zone;
    zones->count++;
    return zone;
}

static int interval_of(const struct zone *zone, int64_t s)
{
    return g_time_zone_find_interval(zone->tz, G_TIME_TYPE_UNIVERSAL, s);
}

/* The last second towards `far` that is still in the interval of `at`. */
static int64_t edge(const struct zone *zone, int64_t at, int64_t far)
{
    int interval = interval_of(zone, at);
    if (interval_of(zone, far) == interval)
        return far;
    while (far - at > 1 || at - far > 1) {
        int64_t middle = at + (far - at) / 2;
        if (interval_of(zone, middle) == interval)
            at = middle;
        else
            far = middle;
    }
    return at;
}

static bool port_known(void *ctx, const char *name)
{
    return find(ctx, name) != NULL;
}

static bool port_offset(void *ctx, const char *name, int64_t wall_ms, int32_t *offset_s,
                        int64_t *from_ms, int64_t *until_ms)
{
    struct zone *zone = find(ctx, name);
    if (zone == NULL)
        return false;
    int64_t s = wall_ms / 1000 - (wall_ms % 1000 < 0);
    if (s < zone->from_s || s >= zone->until_s) {
        zone->offset_s = g_time_zone_get_offset(zone->tz, interval_of(zone, s));
        zone->from_s = edge(zone, s, s - LOOK_S);
        zone->until_s = edge(zone, s, s + LOOK_S) + 1;
    }
    *offset_s = zone->offset_s;
    *from_ms = zone->from_s * 1000;
    *until_ms = zone->until_s * 1000;
    return true;
}

int od_zones_create(struct od_zones **out)
{
    struct od_zones *zones = calloc(1, sizeof *zones);
    *out = zones;
    if (zones == NULL)
        return OD_ENOMEM;
    zones->port = (struct od_zone_port){zones, port_known, port_offset};
    return 0;
}

void od_zones_destroy(struct od_zones *zones)
{
    if (zones == NULL)
        return;
    for (unsigned i = 0; i < BUCKETS; i++) {
        struct zone *zone = zones->buckets[i];
        while (zone != NULL) {
            struct zone *next = zone->next;
            g_time_zone_unref(zone->tz);
            free(zone);
            zone = next;
        }
    }
    free(zones);
}

const struct od_zone_port *od_zones_port(struct od_zones *zones)
{
    return &zones->port;
}
