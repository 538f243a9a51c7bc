/*
 * places - a hash table of what the store says is in use, by org and name.
 */
#include "engine/host/places.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "engine/host/host.h"
#include "outdial/err.h"

enum { KEY_MAX = OD_NAME_MAX + OD_PLACE_NAME_MAX };

struct use {
    char key[KEY_MAX]; /* "org name"; of trunks: " name" */
    uint32_t calls;
    bool told;
    UT_hash_handle hh;
};

struct od_places {
    struct od_host *host;
    struct use *uses;
    bool changed;
};

int od_places_create(struct od_places **out, struct od_host *host)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return OD_ENOMEM;
    (*out)->host = host;
    return 0;
}

void od_places_destroy(struct od_places *places)
{
    struct use *use, *next;
    if (!places)
        return;
    HASH_ITER(hh, places->uses, use, next)
    {
        HASH_DEL(places->uses, use);
        free(use);
    }
    free(places);
}

/* ---- what caps there are ---- */

static void take(struct od_place *place, char kind, const char *name, uint32_t max_calls)
{
    struct od_buf text;
    od_buf_init(&text, place->name, sizeof place->name);
    od_buf_char(&text, kind);
    od_buf_char(&text, ':');
    od_buf_str(&text, name);
    place->max_calls = max_calls ? max_calls : OD_PLACE_UNCAPPED;
}

static bool shared(const struct od_places *places)
{
    return *places->host->config->redis.url;
}

/* The configuration's, or as it was changed live; 0: none that others could use up. */
static uint32_t trunk_cap(const struct od_places *places, uint32_t index)
{
    const struct od_trunk_entry *entry =
        places->host->catalog ? od_catalog_trunk(places->host->catalog, index) : NULL;
    return entry && shared(places) ? entry->def.max_calls : 0;
}

static uint32_t org_cap(const struct od_places *places, const char *org)
{
    const struct od_config *config = places->host->config;
    for (size_t i = 0; i < config->org_count; i++)
        if (strcmp(config->orgs[i].name, org) == 0)
            return config->orgs[i].max_calls;
    return 0;
}

static uint32_t number_cap(const struct od_places *places, const char *number)
{
    const struct od_config *config = places->host->config;
    for (size_t i = 0; number && i < config->number_count; i++)
        if (strcmp(config->numbers[i].number, number) == 0)
            return config->numbers[i].max_calls;
    return 0;
}

/* Of an org, an agent and a caller number. */
static size_t places_of(const struct od_places *places, const char *org, const struct od_uid *agent,
                        const char *from, struct od_place *out)
{
    const struct od_agent_def *def = od_catalog_find_agent(places->host->catalog, agent);
    const char *number = from && *from ? from : def ? def->number : NULL;
    size_t count = 0;
    char uid[OD_UID_TEXT];
    if (def) {
        od_uid_text(agent, uid);
        take(&out[count++], 'a', uid, def->max_calls);
    }
    take(&out[count++], 'o', org, org_cap(places, org));
    if (number && *number)
        take(&out[count++], 'n', number, number_cap(places, number));
    return count;
}

/* Of a campaign. */
static size_t place_of_lane(const struct od_lane_info *lane, struct od_place *out)
{
    char uid[OD_UID_TEXT];
    if (!lane || od_uid_none(&lane->campaign))
        return 0;
    od_uid_text(&lane->campaign, uid);
    take(out, 'c', uid, lane->max_calls);
    return 1;
}

size_t od_places_of(const struct od_places *places, const struct od_job *job, uint32_t trunk,
                    struct od_place *out)
{
    size_t count = places_of(places, job->org, &job->agent, job->from, out);
    count += place_of_lane(od_catalog_find_lane(places->host->catalog, job->lane), &out[count]);
    if (shared(places) && trunk != OD_NO_TRUNK) /* else the engine's own count is all */
        take(&out[count++], 't', od_catalog_trunk_name(places->host->catalog, trunk),
             trunk_cap(places, trunk));
    return count;
}

/* ---- what is in use ---- */

static void write_key(char key[KEY_MAX], const char *org, const char *name)
{
    struct od_buf text;
    od_buf_init(&text, key, KEY_MAX);
    od_buf_str(&text, org ? org : "");
    od_buf_char(&text, ' ');
    od_buf_str(&text, name);
}

static struct use *find(const struct od_places *places, const char *org, const char *name)
{
    char key[KEY_MAX];
    struct use *use;
    write_key(key, org, name);
    HASH_FIND_STR(places->uses, key, use);
    return use;
}

static uint32_t in_use(const struct od_places *places, const char *org, const char *name)
{
    const struct use *use = find(places, org, name);
    return use ? use->calls : 0;
}

void od_places_use(struct od_places *places, const char *org, const char *name, uint32_t calls)
{
    struct use *use = find(places, org, name);
    if (!use) {
        use = calloc(1, sizeof *use);
        if (!use)
            return; /* the script decides all the same */
        write_key(use->key, org, name);
        HASH_ADD_STR(places->uses, key, use);
    }
    places->changed |= use->calls != calls;
    use->calls = calls;
    use->told = true;
}

void od_places_told(struct od_places *places, const char *org)
{
    struct use *use, *next;
    size_t bytes = org ? strlen(org) : 0;
    HASH_ITER(hh, places->uses, use, next)
    {
        if (strncmp(use->key, org ? org : "", bytes) != 0 || use->key[bytes] != ' ')
            continue;
        if (!use->told) {
            places->changed = true;
            HASH_DEL(places->uses, use);
            free(use);
            continue;
        }
        use->told = false;
    }
    if (places->changed && places->host->catalog)
        od_catalog_announce(places->host->catalog, org);
    places->changed = false;
}

/* ---- what is left ---- */

/* Of a cap, beside our own calls; one call may always try. */
static uint32_t left(uint32_t cap, uint32_t used, uint32_t own)
{
    uint32_t others = used > own ? used - own : 0;
    return cap > others ? cap - others : 1;
}

void od_places_cap_trunk(const struct od_places *places, uint32_t index, struct od_trunk_def *def)
{
    struct od_trunk_stats stats = {0};
    struct od_place place;
    if (!def->max_calls || !trunk_cap(places, index) ||
        od_engine_trunk_stats(places->host->engine, index, &stats))
        return;
    take(&place, 't', def->name, def->max_calls);
    def->max_calls = left(def->max_calls, in_use(places, NULL, place.name), stats.in_use);
}

void od_places_cap_lane(const struct od_places *places, uint32_t lane, struct od_lane_def *def)
{
    const struct od_lane_info *info =
        places->host->catalog ? od_catalog_find_lane(places->host->catalog, lane) : NULL;
    struct od_place all[OD_PLACES_MAX];
    struct od_lane_stats stats = {0};
    if (!info || od_engine_lane_stats(places->host->engine, lane, &stats))
        return;
    uint32_t own = stats.in_use - stats.ready; /* those that are counted, about */
    size_t count = places_of(places, info->org, &info->agent, NULL, all);
    count += place_of_lane(info, &all[count]);
    for (size_t i = 0; i < count; i++) {
        if (all[i].max_calls == OD_PLACE_UNCAPPED)
            continue;
        uint32_t most = left(all[i].max_calls, in_use(places, info->org, all[i].name), own);
        if (!def->max_calls || most < def->max_calls)
            def->max_calls = most;
    }
}

bool od_places_trunk_full(const struct od_places *places, uint32_t index)
{
    uint32_t cap = trunk_cap(places, index);
    struct od_place place;
    take(&place, 't', od_catalog_trunk_name(places->host->catalog, index), cap);
    return cap && in_use(places, NULL, place.name) >= cap;
}

const char *od_places_full(const struct od_places *places, const char *org,
                           const struct od_uid *agent, const char *from)
{
    struct od_place all[OD_PLACES_MAX];
    size_t count = places_of(places, org, agent, from, all);
    for (size_t i = 0; i < count; i++) {
        if (all[i].max_calls == OD_PLACE_UNCAPPED ||
            in_use(places, org, all[i].name) < all[i].max_calls)
            continue;
        return all[i].name[0] == 'a'   ? "its agent has as many calls as it may"
               : all[i].name[0] == 'o' ? "its org has as many calls as it may"
                                       : "its caller number has as many calls as it may";
    }
    return NULL;
}
