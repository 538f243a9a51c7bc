/*
 * catalog - agents live in a small hash table by uid; lanes in an array by the store's index, each
 * knowing its agent's uid, so that a changed agent finds its lanes. Trunk names are resolved at the
 * start and again every few minutes; until the first answer the trunk isn't usable.
 */
#include "engine/host/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "engine/agent/dialect.h"
#include "engine/api/hook_start.h"
#include "engine/api/secret_fields.h"
#include "engine/base/uid.h"
#include "engine/host/log.h"
#include "engine/host/resolve.h"
#include "engine/host/turn.h"
#include "engine/host/ways.h"
#include "outdial/err.h"

enum {
    RESOLVE_AGAIN_MS = 5 * 60 * 1000, /* a usual TTL of carriers' A records */
    RESOLVE_RETRY_MS = 5 * 1000,
    REFUSALS_MAX = 3,    /* of the credentials, in a row, before the trunk is held */
    WARN_MS = 60 * 1000, /* between two lines about one trunk's credentials */
    HOLD_MS_FIRST = 30 * 1000,
    HOLD_MS_MAX = 10 * 60 * 1000,
    RING_MS_DEFAULT = 45 * 1000,
    TALK_MS_DEFAULT = 3600 * 1000,
    NEVER_LOOK_MS = 3600 * 1000, /* a schedule that never opens is looked at again */
};

/* One reading of an agent's document. It lives while it is the agent's latest or a call holds it.
 */
struct version {
    struct od_agent_def *def;
    uint32_t holds;
    bool latest;
    UT_hash_handle hh; /* by def, to find it when it is released */
};

struct agent {
    struct od_uid uid;
    uint32_t rotor;
    uint32_t capacity;       /* calls at once that it said it can take; 0: it said nothing */
    struct version *version; /* NULL: deleted or unreadable */
    UT_hash_handle hh;
};

/* What was changed of a trunk while it ran. */
struct live {
    bool has_cps, has_max, has_priority, has_adaptive;
    struct od_shape shape;
    uint32_t max_calls;
    uint16_t priority, weight; /* weight 0: as configured */
    bool adaptive;
};

struct trunk {
    struct live live;
    struct od_trunk_entry entry;
    struct od_catalog *catalog;
    uint16_t index;
    uv_timer_t timer;
    bool asking;
    bool gone;             /* what it was made of was deleted */
    bool again;            /* its definition changed while its name was looked up */
    uint16_t rate_from;    /* 1 + the trunk whose rate it shares; 0: its own */
    uint16_t rate_of;      /* the trunk whose shapes its rate has: itself, but for a shared one */
    uv_timer_t hold_timer; /* runs while the trunk is held */
    unsigned refusals;     /* of its credentials, since one was accepted */
    uint32_t hold_ms;      /* of the latest hold; 0: none */
    uint64_t warned_ms;    /* by the loop's clock; 0: never */
};

struct od_catalog {
    uv_loop_t *loop;
    const struct od_config *config;
    struct od_catalog_events events;
    const struct od_box_port *box; /* NULL: secrets are read as they are stored */
    struct agent *agents;
    struct version *versions;
    uint32_t rotors;
    struct od_lane_info *lanes;
    uint32_t lane_count;
    struct trunk *trunks; /* the configuration's, then those of stored credentials */
    size_t trunk_count;
    struct od_ways *ways;
    struct od_hours_book *book; /* NULL: schedules are not kept */
    int64_t stale_ms;           /* when the first lane's window is used up */
    int64_t ticked_ms;
    unsigned pending; /* look-ups and timer handles that close() waits for */
    void (*closed)(void *ctx);
    void *closed_ctx;
};

/* ---- trunks ---- */

static void ask(struct trunk *trunk);

static void finish_close(struct od_catalog *catalog)
{
    struct agent *agent, *next;
    struct version *version, *next_version;
    if (!catalog->closed || catalog->pending)
        return;
    HASH_ITER(hh, catalog->agents, agent, next)
    {
        HASH_DEL(catalog->agents, agent);
        free(agent);
    }
    HASH_ITER(hh, catalog->versions, version, next_version)
    {
        HASH_DEL(catalog->versions, version);
        od_agent_def_destroy(version->def);
        free(version);
    }
    void (*fn)(void *) = catalog->closed;
    void *ctx = catalog->closed_ctx;
    od_ways_destroy(catalog->ways);
    free(catalog->trunks);
    free(catalog->lanes);
    free(catalog);
    fn(ctx);
}

/* The configuration, and over it what was changed while it ran. */
static void live_def(struct trunk *trunk, struct od_trunk_def *def)
{
    const struct trunk *rate = &trunk->catalog->trunks[trunk->rate_of];
    const struct live *live = &trunk->live;
    *def = trunk->entry.config->def;
    def->rate_from = trunk->rate_from;
    memcpy(def->shapes, rate->entry.config->def.shapes, sizeof def->shapes);
    if (live->has_cps) {
        memset(def->shapes, 0, sizeof def->shapes);
        def->shapes[0] = live->shape;
    }
    if (live->has_max)
        def->max_calls = live->max_calls;
    if (live->has_priority)
        def->priority = live->priority;
    if (live->weight)
        def->weight = live->weight;
    if (live->has_adaptive)
        def->adaptive = live->adaptive;
    def->usable =
        trunk->entry.addr.family != 0 && !trunk->entry.held && !trunk->entry.paused && !trunk->gone;
}

static void announce(struct trunk *trunk)
{
    live_def(trunk, &trunk->entry.def);
    trunk->catalog->events.trunk(trunk->catalog->events.ctx, trunk->index, &trunk->entry.def);
}

static void on_ask_again(uv_timer_t *timer)
{
    ask(timer->data);
}

static void on_resolved(void *ctx, int err, const struct od_addr *addr, const char *why)
{
    struct trunk *trunk = ctx;
    struct od_catalog *catalog = trunk->catalog;
    trunk->asking = false;
    catalog->pending--;
    if (catalog->closed) {
        finish_close(catalog);
        return;
    }
    if (trunk->again) {
        trunk->again = false;
        ask(trunk);
        return;
    }
    if (err) {
        /* An address that was good stays in use: a resolver's trouble is not the carrier's. */
        od_log(OD_CONFIG_LOG_WARN, "trunk", "%s: %s can't be resolved: %s",
               trunk->entry.config->name, trunk->entry.config->host, why);
        if (!trunk->entry.addr.family)
            snprintf(trunk->entry.reason, sizeof trunk->entry.reason, "name not resolved: %s", why);
        uv_timer_start(&trunk->timer, on_ask_again, RESOLVE_RETRY_MS, 0);
        return;
    }
    bool first = !trunk->entry.addr.family;
    trunk->entry.addr = *addr;
    if (!trunk->entry.held)
        trunk->entry.reason[0] = 0;
    if (first) {
        char text[64];
        od_addr_text(addr, text, sizeof text);
        od_log(OD_CONFIG_LOG_INFO, "trunk", "%s: INVITEs go to %s", trunk->entry.config->name,
               text);
        announce(trunk);
    }
    uv_timer_start(&trunk->timer, on_ask_again, RESOLVE_AGAIN_MS, 0);
}

static void ask(struct trunk *trunk)
{
    const struct od_config_trunk *config = trunk->entry.config;
    struct od_addr addr;
    if (od_addr_parse(config->host, config->port, &addr)) {
        trunk->entry.addr = addr;
        trunk->entry.reason[0] = 0;
        announce(trunk);
        return;
    }
    if (od_resolve(trunk->catalog->loop, config->host, config->port, on_resolved, trunk)) {
        uv_timer_start(&trunk->timer, on_ask_again, RESOLVE_RETRY_MS, 0);
        return;
    }
    trunk->asking = true;
    trunk->catalog->pending++;
}

static uint16_t add_trunk(struct od_catalog *catalog, const struct od_config_trunk *config)
{
    uint16_t index = (uint16_t)catalog->trunk_count++;
    struct trunk *trunk = &catalog->trunks[index];
    trunk->catalog = catalog;
    trunk->index = trunk->rate_of = index;
    trunk->entry.config = config;
    snprintf(trunk->entry.reason, sizeof trunk->entry.reason, "name not resolved yet");
    uv_timer_init(catalog->loop, &trunk->timer);
    trunk->timer.data = trunk;
    uv_timer_init(catalog->loop, &trunk->hold_timer);
    trunk->hold_timer.data = trunk;
    catalog->pending += 2;
    announce(trunk);
    ask(trunk);
    return index;
}

/* ---- trunks of stored credentials ---- */

static uint16_t ways_add(void *ctx, const struct od_config_trunk *config)
{
    struct od_catalog *catalog = ctx;
    if (catalog->closed || catalog->trunk_count >= catalog->config->trunk_count + OD_WAYS_MAX)
        return UINT16_MAX;
    return add_trunk(catalog, config);
}

static void ways_change(void *ctx, uint16_t index, const struct od_config_trunk *config)
{
    struct od_catalog *catalog = ctx;
    struct trunk *trunk = &catalog->trunks[index];
    if (catalog->closed)
        return;
    trunk->gone = !config;
    if (config) {
        trunk->entry.config = config;
        trunk->entry.addr.family = 0;
        trunk->entry.held = false;
        trunk->refusals = 0;
        trunk->hold_ms = 0;
        uv_timer_stop(&trunk->timer);
        uv_timer_stop(&trunk->hold_timer);
        snprintf(trunk->entry.reason, sizeof trunk->entry.reason, "name not resolved yet");
    }
    announce(trunk);
    if (config && trunk->asking)
        trunk->again = true;
    else if (config)
        ask(trunk);
}

static uint16_t ways_named(void *ctx, const char *name)
{
    const struct od_catalog *catalog = ctx;
    for (size_t i = 0; i < catalog->config->trunk_count; i++)
        if (strcmp(catalog->config->trunks[i].name, name) == 0)
            return (uint16_t)i;
    return UINT16_MAX;
}

/* The slowest of a trunk's shapes in thousandths of a call per second; UINT64_MAX: no limit. */
static uint64_t slowest_milli(const struct od_trunk_def *def)
{
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < OD_SHAPES_MAX && def->shapes[i].kind != OD_SHAPE_NONE; i++) {
        uint64_t milli = def->shapes[i].count * 1000 * OD_NS_PER_S / def->shapes[i].window_ns;
        if (milli < least)
            least = milli;
    }
    return least;
}

/* Trunks of one key share the rate of the slowest of them, which the first one of the file keeps
 * for all. */
static void share_rates(struct od_catalog *catalog)
{
    const struct od_config_trunk *all = catalog->config->trunks;
    for (size_t i = 0; i < catalog->config->trunk_count; i++) {
        size_t first = 0, slowest = i;
        bool differ = false;
        while (*all[i].cps_key && strcmp(all[first].cps_key, all[i].cps_key) != 0)
            first++;
        if (!*all[i].cps_key || first < i) {
            catalog->trunks[i].rate_from = *all[i].cps_key ? (uint16_t)(first + 1) : 0;
            continue;
        }
        for (size_t k = i + 1; k < catalog->config->trunk_count; k++) {
            if (strcmp(all[k].cps_key, all[i].cps_key) != 0)
                continue;
            differ |= slowest_milli(&all[k].def) != slowest_milli(&all[i].def);
            if (slowest_milli(&all[k].def) < slowest_milli(&all[slowest].def))
                slowest = k;
        }
        catalog->trunks[i].rate_of = (uint16_t)slowest;
        if (differ)
            od_log(OD_CONFIG_LOG_WARN, "trunk",
                   "cps_key %s: its trunks have different limits; the lowest, %s's, rules",
                   all[i].cps_key, all[slowest].name);
    }
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
    catalog->trunks = calloc(config->trunk_count + OD_WAYS_MAX, sizeof(struct trunk));
    if (!catalog->trunks || od_ways_create(&catalog->ways, &port)) {
        free(catalog->trunks);
        free(catalog);
        return OD_ENOMEM;
    }
    for (size_t i = 0; i < config->trunk_count; i++)
        add_trunk(catalog, &config->trunks[i]);
    share_rates(catalog);
    for (size_t i = 0; i < config->trunk_count; i++)
        if (*config->trunks[i].cps_key)
            announce(&catalog->trunks[i]);
    *out = catalog;
    return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct trunk *trunk = handle->data;
    trunk->catalog->pending--;
    finish_close(trunk->catalog);
}

void od_catalog_box(struct od_catalog *catalog, const struct od_box_port *box)
{
    catalog->box = box;
}

void od_catalog_close(struct od_catalog *catalog, void (*fn)(void *ctx), void *ctx)
{
    catalog->closed = fn;
    catalog->closed_ctx = ctx;
    if (!catalog->trunk_count) {
        finish_close(catalog);
        return;
    }
    for (size_t i = 0; i < catalog->trunk_count; i++) {
        uv_close((uv_handle_t *)&catalog->trunks[i].timer, on_timer_closed);
        uv_close((uv_handle_t *)&catalog->trunks[i].hold_timer, on_timer_closed);
    }
}

/* ---- credentials ---- */

static void on_hold_over(uv_timer_t *timer)
{
    struct trunk *trunk = timer->data;
    trunk->entry.held = false;
    trunk->entry.reason[0] = 0;
    /* one more refusal holds it again: these calls only find out */
    trunk->refusals = REFUSALS_MAX - 1;
    announce(trunk);
}

static void hold(struct trunk *trunk, const char *why)
{
    trunk->hold_ms = trunk->hold_ms ? trunk->hold_ms * 2 : HOLD_MS_FIRST;
    if (trunk->hold_ms > HOLD_MS_MAX)
        trunk->hold_ms = HOLD_MS_MAX;
    trunk->entry.held = true;
    snprintf(trunk->entry.reason, sizeof trunk->entry.reason, "held for %u s: %s",
             (unsigned)(trunk->hold_ms / 1000), why);
    uv_timer_start(&trunk->hold_timer, on_hold_over, trunk->hold_ms, 0);
    announce(trunk);
}

static void warn(struct trunk *trunk, const char *why)
{
    uint64_t now_ms = uv_now(trunk->catalog->loop);
    if (trunk->warned_ms && now_ms - trunk->warned_ms < WARN_MS)
        return;
    trunk->warned_ms = now_ms;
    od_log(OD_CONFIG_LOG_WARN, "trunk", "%s: %s", trunk->entry.config->name, why);
}

void od_catalog_credentials(struct od_catalog *catalog, uint16_t index, const char *why)
{
    struct trunk *trunk = index < catalog->trunk_count ? &catalog->trunks[index] : NULL;
    if (!trunk || catalog->closed)
        return;
    if (!why) {
        trunk->refusals = 0;
        trunk->hold_ms = 0;
        return;
    }
    warn(trunk, why);
    if (!trunk->entry.held && ++trunk->refusals >= REFUSALS_MAX)
        hold(trunk, why);
}

/* ---- live changes ---- */

static uint32_t gcd(uint32_t a, uint32_t b);

/* Thousandths of a call per second, as the smallest whole "count per window". */
static struct od_shape even_shape(uint32_t cps_milli)
{
    uint32_t divisor = gcd(cps_milli, 1000);
    return (struct od_shape){.kind = OD_SHAPE_EVEN,
                             .count = cps_milli / divisor,
                             .window_ns = 1000 / divisor * OD_NS_PER_S};
}

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

static void set_live(struct trunk *trunk, const struct od_api_trunk_change *change)
{
    struct live *live = &trunk->live;
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
    struct trunk *trunk = &catalog->trunks[i];
    set_live(trunk, change);
    if (change->cps_milli != UINT32_MAX) { /* of a shared rate: for all that share it */
        struct trunk *rate = trunk->rate_from ? &catalog->trunks[trunk->rate_from - 1] : trunk;
        rate->live.has_cps = change->cps_milli != 0;
        if (rate->live.has_cps)
            rate->live.shape = even_shape(change->cps_milli);
        if (rate != trunk)
            announce(rate);
    }
    write_down(&trunk->entry, change, wall_ms);
    announce(trunk);
    return 0;
}

const struct od_trunk_entry *od_catalog_trunk(const struct od_catalog *catalog, uint16_t index)
{
    return index < catalog->trunk_count ? &catalog->trunks[index].entry : NULL;
}

size_t od_catalog_trunk_count(const struct od_catalog *catalog)
{
    return catalog->config->trunk_count;
}

const char *od_catalog_trunk_name(const struct od_catalog *catalog, uint16_t index)
{
    const struct od_trunk_entry *entry = od_catalog_trunk(catalog, index);
    return entry ? entry->config->name : "";
}

/* ---- lanes ---- */

static uint32_t gcd(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Where the agent's number or its own server leads; false: the document says nothing of it. */
static bool lane_way(const struct od_catalog *catalog, const struct od_uid *uid,
                     const struct od_agent_def *agent, uint16_t out[OD_TRUNKS_PER_LANE])
{
    bool known = false;
    if (agent->trunk_count) /* the operator's word is the last */
        return false;
    uint16_t trunk = od_ways_of(catalog->ways, uid, od_agent_def_root(agent), &known);
    out[0] = trunk;
    if (trunk != UINT16_MAX)
        out[1] = UINT16_MAX;
    return known;
}

/* The agent's trunks by name; names that the configuration doesn't know are told once per load. */
static void lane_trunks(const struct od_catalog *catalog, const struct od_agent_def *agent,
                        uint16_t out[OD_TRUNKS_PER_LANE])
{
    size_t n = 0;
    for (size_t i = 0; i < catalog->config->trunk_count && n < OD_TRUNKS_PER_LANE; i++) {
        bool wanted = agent->trunk_count == 0;
        for (unsigned k = 0; k < agent->trunk_count && !wanted; k++)
            wanted = strcmp(agent->trunks[k], catalog->config->trunks[i].name) == 0;
        if (wanted)
            out[n++] = (uint16_t)i;
    }
    if (n < OD_TRUNKS_PER_LANE)
        out[n] = UINT16_MAX;
}

/* What the engine is told of a lane at that moment. */
static struct od_lane_def make_lane(const struct od_catalog *catalog,
                                    const struct od_lane_info *info, int64_t wall_ms)
{
    struct agent *agent;
    struct od_lane_def def = {
        .priority = info->priority,
        .max_calls = info->max_calls,
        .ring_ms = RING_MS_DEFAULT,
        .talk_ms_max = TALK_MS_DEFAULT,
        .trunks = {UINT16_MAX},
    };
    HASH_FIND(hh, catalog->agents, &info->agent, sizeof info->agent, agent);
    if (info->cps_milli) {
        /* Thousandths of a call per second, as the smallest whole "count per window". */
        uint32_t divisor = gcd(info->cps_milli, 1000);
        def.shape.kind = OD_SHAPE_EVEN;
        def.shape.count = info->cps_milli / divisor;
        def.shape.window_ns = 1000 / divisor * OD_NS_PER_S;
    }
    if (agent && agent->version) {
        const struct od_agent_def *doc = agent->version->def;
        def.open = info->open && doc->enabled;
        def.rotor = agent->rotor;
        if (doc->ring_timeout_s)
            def.ring_ms = doc->ring_timeout_s * 1000;
        if (doc->max_duration_s)
            def.talk_ms_max = doc->max_duration_s * 1000;
        def.hook = od_agent_needs_admission(doc);
        if (agent->capacity && (!def.max_calls || agent->capacity < def.max_calls))
            def.max_calls = agent->capacity;
        if (!lane_way(catalog, &info->agent, doc, def.trunks))
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
static void announce_lane(struct od_catalog *catalog, const struct od_lane_info *info)
{
    int64_t wall_ms = od_turn_now().wall_ms;
    struct od_lane_def def = make_lane(catalog, info, wall_ms);
    int64_t stale_ms = def.window.close_ms;
    if (def.window.open_ms == INT64_MAX)
        stale_ms = wall_ms + NEVER_LOOK_MS;
    if (stale_ms && stale_ms < catalog->stale_ms)
        catalog->stale_ms = stale_ms;
    catalog->events.lane(catalog->events.ctx, info->lane, &def);
}

void od_catalog_hours(struct od_catalog *catalog, struct od_hours_book *book)
{
    catalog->book = book;
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
            announce_lane(catalog, &catalog->lanes[i]);
    }
}

void od_catalog_lane_hold(const struct od_catalog *catalog, const struct od_uid *agent,
                          const struct od_uid *campaign, int32_t priority, struct od_lane_hold *out)
{
    const struct od_agent_def *doc = od_catalog_find_agent(catalog, agent);
    *out = (struct od_lane_hold){.disabled = !doc || !doc->enabled};
    for (uint32_t i = 0; i < catalog->lane_count; i++) {
        const struct od_lane_info *info = &catalog->lanes[i];
        if (!info->org[0] || info->priority != priority || !od_uid_equal(&info->agent, agent) ||
            !od_uid_equal(&info->campaign, campaign))
            continue;
        out->known = true;
        out->lane = info->lane;
        out->paused = !info->open;
        out->def = make_lane(catalog, info, od_turn_now().wall_ms);
        return;
    }
}

bool od_catalog_lane_retries(const struct od_catalog *catalog, uint32_t lane)
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
        if (!lanes) {
            od_log(OD_CONFIG_LOG_ERROR, "catalog", "out of memory for lane %u", info->lane);
            return;
        }
        memset(lanes + catalog->lane_count, 0,
               (count - catalog->lane_count) * sizeof *catalog->lanes);
        catalog->lanes = lanes;
        catalog->lane_count = count;
    }
    catalog->lanes[info->lane] = *info;
    announce_lane(catalog, info);
}

const struct od_lane_info *od_catalog_find_lane(const struct od_catalog *catalog, uint32_t lane)
{
    if (lane >= catalog->lane_count || !catalog->lanes[lane].org[0])
        return NULL;
    return &catalog->lanes[lane];
}

/* ---- agents ---- */

static void warn_unknown_trunks(const struct od_catalog *catalog, const struct od_agent_def *def)
{
    for (unsigned k = 0; k < def->trunk_count; k++) {
        bool known = false;
        for (size_t i = 0; i < catalog->config->trunk_count && !known; i++)
            known = strcmp(def->trunks[k], catalog->config->trunks[i].name) == 0;
        if (!known)
            od_log(OD_CONFIG_LOG_WARN, "agent",
                   "%s: names trunk '%s', which is not configured here", def->name, def->trunks[k]);
    }
}

static void drop_version(struct od_catalog *catalog, struct version *version)
{
    if (version->latest || version->holds)
        return;
    HASH_DEL(catalog->versions, version);
    od_agent_def_destroy(version->def);
    free(version);
}

static struct agent *take_agent(struct od_catalog *catalog, const struct od_uid *uid)
{
    struct agent *agent;
    HASH_FIND(hh, catalog->agents, uid, sizeof *uid, agent);
    if (agent)
        return agent;
    agent = calloc(1, sizeof *agent);
    if (!agent)
        return NULL;
    agent->uid = *uid;
    agent->rotor = catalog->rotors++;
    HASH_ADD(hh, catalog->agents, uid, sizeof agent->uid, agent);
    return agent;
}

/* The document with its secrets as they are used. NULL: it stays as it is. */
static char *open_secrets(const struct od_catalog *catalog, const char *org,
                          const struct od_agent_rec *rec, size_t *bytes)
{
    char context[OD_NAME_MAX + 16];
    int err = 0;
    snprintf(context, sizeof context, "%s agent", org);
    char *text = od_secrets_open_text(catalog->box, context, rec->doc, bytes, &err);
    if (err)
        od_log(OD_CONFIG_LOG_WARN, "agent", "%s: a secret of it can't be opened: %s", rec->name,
               od_err_text(err));
    return text;
}

/* What agents that name no endpoint of their own talk through. */
static void take_default(const struct od_catalog *catalog, struct od_agent_def *def)
{
    const struct od_config *config = catalog->config;
    const char *format = config->agent_default.format ? config->agent_default.format : "";
    struct od_agent_stream fallback = {.dialect = od_dialect_find(format, strlen(format)),
                                       .buffer_s = OD_AGENT_BUFFER_S};
    if (!fallback.dialect || !config->agent_default.url || !*config->agent_default.url)
        return;
    fallback.url = config->agent_default.url;
    fallback.rate = od_dialect_rate(fallback.dialect);
    if (*config->agent_default.auth_token)
        fallback.auth_token = config->agent_default.auth_token;
    if (*config->agent_default.bearer)
        fallback.bearer = config->agent_default.bearer;
    od_agent_def_default(def, &fallback);
}

/* NULL: the document can't be read (told in the log), or no memory. */
static struct version *read_version(struct od_catalog *catalog, const char *org,
                                    const struct od_agent_rec *rec)
{
    struct od_agent_problem problem;
    struct od_agent_def *def;
    char *open_doc = NULL;
    struct od_text text = rec->doc;
    size_t open_bytes = 0;
    if (catalog->box)
        open_doc = open_secrets(catalog, org, rec, &open_bytes);
    if (open_doc)
        text = (struct od_text){open_doc, open_bytes};
    int err = od_agent_def_parse(text.at, text.bytes, &def, &problem);
    free(open_doc); /* the def has its own */
    if (err) {
        od_log(OD_CONFIG_LOG_WARN, "agent",
               "%s: %s: expected %s, found %s; nothing is dialled for it", rec->name,
               problem.pointer, problem.expected, problem.found);
        return NULL;
    }
    take_default(catalog, def);
    struct version *version = calloc(1, sizeof *version);
    if (!version) {
        od_agent_def_destroy(def);
        return NULL;
    }
    version->def = def;
    version->latest = true;
    HASH_ADD_PTR(catalog->versions, def, version);
    warn_unknown_trunks(catalog, def);
    return version;
}

void od_catalog_thing(struct od_catalog *catalog, const char *org, enum od_thing_kind kind,
                      const struct od_thing_rec *rec, bool deleted)
{
    od_ways_thing(catalog->ways, catalog->box, org, kind, rec, deleted);
    for (uint32_t i = 0; i < catalog->lane_count; i++)
        if (catalog->lanes[i].org[0])
            announce_lane(catalog, &catalog->lanes[i]);
}

void od_catalog_agent(struct od_catalog *catalog, const char *org, const struct od_agent_rec *rec,
                      bool deleted)
{
    struct agent *agent = take_agent(catalog, &rec->id);
    if (!agent) {
        od_log(OD_CONFIG_LOG_ERROR, "catalog", "out of memory for agent %s", rec->name);
        return;
    }
    struct version *before = agent->version;
    agent->version = deleted ? NULL : read_version(catalog, org, rec);
    if (before) {
        before->latest = false;
        drop_version(catalog, before);
    }
    od_ways_agent(catalog->ways, &rec->id,
                  agent->version ? od_agent_def_root(agent->version->def) : NULL);
    for (uint32_t i = 0; i < catalog->lane_count; i++)
        if (catalog->lanes[i].org[0] && od_uid_equal(&catalog->lanes[i].agent, &rec->id))
            announce_lane(catalog, &catalog->lanes[i]);
}

void od_catalog_capacity(struct od_catalog *catalog, const char *url, uint32_t calls)
{
    struct agent *agent, *next;
    HASH_ITER(hh, catalog->agents, agent, next)
    {
        const struct od_agent_def *def = agent->version ? agent->version->def : NULL;
        bool there = def && def->kind == OD_AGENT_STREAM && def->stream.url &&
                     strcmp(def->stream.url, url) == 0;
        uint32_t capacity = calls == UINT32_MAX ? 0 : calls ? calls : 1;
        if (!there || agent->capacity == capacity)
            continue;
        agent->capacity = capacity;
        for (uint32_t i = 0; i < catalog->lane_count; i++) {
            if (catalog->lanes[i].org[0] && od_uid_equal(&catalog->lanes[i].agent, &agent->uid))
                announce_lane(catalog, &catalog->lanes[i]);
        }
    }
}

static struct version *find_version(const struct od_catalog *catalog, const struct od_uid *uid)
{
    struct agent *agent;
    HASH_FIND(hh, catalog->agents, uid, sizeof *uid, agent);
    return agent ? agent->version : NULL;
}

const struct od_agent_def *od_catalog_find_agent(const struct od_catalog *catalog,
                                                 const struct od_uid *agent)
{
    struct version *version = find_version(catalog, agent);
    return version ? version->def : NULL;
}

const struct od_agent_def *od_catalog_hold_agent(struct od_catalog *catalog,
                                                 const struct od_uid *agent)
{
    struct version *version = find_version(catalog, agent);
    if (!version)
        return NULL;
    version->holds++;
    return version->def;
}

void od_catalog_release_agent(struct od_catalog *catalog, const struct od_agent_def *def)
{
    struct version *version;
    if (!def)
        return;
    HASH_FIND_PTR(catalog->versions, &def, version);
    version->holds--;
    drop_version(catalog, version);
}
