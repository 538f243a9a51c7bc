/*
 * catalog_paces - the rates of campaigns and agents: each has one pace of the engine, which all its
 * lanes keep, and which processes on one Redis keep together under one key. A pace is given to
 * another when no lane keeps it any more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/uid.h"
#include "engine/host/catalog_inner.h"
#include "engine/host/log.h"

/* Two and a fortieth of a second's worth of calls may bunch up: when a trunk's turns are far
 * apart, what was not sent at one is made up for at the next. */
enum { BUNCH_PER_S = 40, MILLI = 1000 };

static uint32_t gcd(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

struct od_shape od_catalog_even_shape(uint32_t cps_milli)
{
    uint32_t divisor = gcd(cps_milli, MILLI);
    return (struct od_shape){.kind = OD_SHAPE_EVEN,
                             .count = cps_milli / divisor,
                             .window_ns = MILLI / divisor * OD_NS_PER_S};
}

/* Up to one a second exactly evenly; above that nearly so, and never more in any second. */
static void shape_pace(struct od_pace_def *def, uint32_t cps_milli)
{
    def->shapes[0] = od_catalog_even_shape(cps_milli);
    if (cps_milli < MILLI)
        return;
    def->shapes[0].kind = OD_SHAPE_BUCKET;
    def->shapes[0].burst = 2 + cps_milli / MILLI / BUNCH_PER_S;
    def->shapes[1] = (struct od_shape){.kind = OD_SHAPE_WINDOW,
                                       .count = (cps_milli + MILLI - 1) / MILLI,
                                       .window_ns = OD_NS_PER_S};
}

static void set_rate(struct od_catalog *catalog, struct catalog_pace *pace, uint32_t cps_milli)
{
    const char *redis = catalog->config->redis.url;
    struct od_pace_def def = {.shared = redis && *redis};
    pace->cps_milli = cps_milli;
    shape_pace(&def, cps_milli);
    catalog->events.pace(catalog->events.ctx, (uint32_t)(pace - catalog->paces), &def);
}

static struct catalog_pace *find_free(struct od_catalog *catalog)
{
    for (uint32_t i = 0; i < OD_CATALOG_PACES; i++)
        if (!catalog->paces[i].lanes)
            return &catalog->paces[i];
    return NULL;
}

static struct catalog_pace *take(struct od_catalog *catalog, const char *key)
{
    struct catalog_pace *pace;
    HASH_FIND_STR(catalog->paces_by_key, key, pace);
    if (pace)
        return pace;
    pace = find_free(catalog);
    if (!pace)
        return NULL;
    if (*pace->key)
        HASH_DEL(catalog->paces_by_key, pace);
    *pace = (struct catalog_pace){0};
    snprintf(pace->key, sizeof pace->key, "%s", key);
    HASH_ADD_STR(catalog->paces_by_key, key, pace);
    return pace;
}

/* 1 + the pace of a campaign ('c') or an agent ('a'), held by one lane more; 0: it has no rate of
 * its own. False: there are too many. */
static bool pace_of(struct od_catalog *catalog, char kind, const struct od_uid *uid,
                    uint32_t cps_milli, uint32_t *out)
{
    char key[sizeof((struct catalog_pace *)0)->key], text[OD_UID_TEXT];
    *out = 0;
    if (!cps_milli || od_uid_none(uid))
        return true;
    od_uid_text(uid, text);
    snprintf(key, sizeof key, "%c:%s", kind, text);
    struct catalog_pace *pace = take(catalog, key);
    if (!pace)
        return false;
    if (pace->cps_milli != cps_milli)
        set_rate(catalog, pace, cps_milli);
    pace->lanes++; /* at once: the next one looks for a free pace, too */
    *out = 1 + (uint32_t)(pace - catalog->paces);
    return true;
}

static void release(struct od_catalog *catalog, const uint32_t paces[OD_PACES_PER_LANE])
{
    for (int i = 0; i < OD_PACES_PER_LANE; i++)
        if (paces[i])
            catalog->paces[paces[i] - 1].lanes--;
}

void od_catalog_pace_lane(struct od_catalog *catalog, const struct od_lane_info *info,
                          struct od_lane_def *def)
{
    const struct od_agent_def *doc = od_catalog_find_agent(catalog, &info->agent);
    uint32_t *before = catalog->lane_paces[info->lane];
    uint32_t of_agent = 0, of_campaign = 0, count = 0;
    memset(def->paces, 0, sizeof def->paces);
    if (def->open && (!pace_of(catalog, 'a', &info->agent, doc ? doc->cps_milli : 0, &of_agent) ||
                      !pace_of(catalog, 'c', &info->campaign, info->cps_milli, &of_campaign))) {
        od_log(OD_CONFIG_LOG_ERROR, "catalog",
               "more than %d campaigns and agents with a rate of their own at once: lane %u waits",
               OD_CATALOG_PACES, info->lane);
        def->open = false;
        release(catalog, (uint32_t[OD_PACES_PER_LANE]){of_agent});
        of_agent = of_campaign = 0;
    }
    if (of_agent)
        def->paces[count++] = of_agent;
    if (of_campaign)
        def->paces[count++] = of_campaign;
    release(catalog, before);
    memcpy(before, def->paces, sizeof def->paces);
}

const char *od_catalog_pace_key(const struct od_catalog *catalog, uint32_t pace)
{
    return pace < OD_CATALOG_PACES ? catalog->paces[pace].key : "";
}
