/*
 * catalog_trunks - trunks as the engine is told of them: the configuration's and those of stored
 * credentials, their shared rates, addresses and credentials. Names are resolved at the start and
 * again every few minutes; until the first answer the trunk isn't usable.
 */
#include <stdio.h>
#include <string.h>

#include "engine/host/catalog_inner.h"
#include "engine/host/log.h"
#include "engine/host/options_check.h"
#include "engine/host/resolve.h"
#include "engine/host/resolve_sip.h"
#include "outdial/err.h"

enum {
    RESOLVE_AGAIN_MS = 5 * 60 * 1000, /* a usual TTL of carriers' A records */
    RESOLVE_RETRY_MS = 5 * 1000,
    REST_MS = OD_SERVER_REST_NS / OD_NS_PER_MS + 100,
    REFUSALS_MAX = 3,    /* of the credentials, in a row, before the trunk is held */
    WARN_MS = 60 * 1000, /* between two lines about one trunk's credentials */
    HOLD_MS_FIRST = 30 * 1000,
    HOLD_MS_MAX = 10 * 60 * 1000,
};

static void ask(struct catalog_trunk *trunk);

/* The configuration, and over it what was changed while it ran. */
static void live_def(struct catalog_trunk *trunk, struct od_trunk_def *def)
{
    const struct catalog_trunk *rate = &trunk->catalog->trunks[trunk->rate_of];
    const struct catalog_live *live = &trunk->live;
    *def = trunk->entry.config->def;
    def->rate_from = trunk->rate_from;
    const char *redis = trunk->catalog->config->redis.url;
    def->shared = redis && *redis && !trunk->gone; /* else the Redis is ours alone */
    memcpy(def->shapes, rate->entry.config->def.shapes, sizeof def->shapes);
    def->inbound = rate->entry.config->def.inbound;
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

void od_catalog_announce_trunk(struct catalog_trunk *trunk)
{
    live_def(trunk, &trunk->entry.def);
    trunk->catalog->events.trunk(trunk->catalog->events.ctx, trunk->index, &trunk->entry.def);
}

/* False, with a reason: a trunk by TLS can't be reached that way. */
static bool take_address(struct catalog_trunk *trunk, const struct od_addr *addr)
{
    const struct od_catalog_events *events = &trunk->catalog->events;
    const struct od_config_trunk *config = trunk->entry.config;
    int err = 0;
    if (config->transport == OD_CONFIG_TLS)
        err = events->secure(events->ctx, config->host, addr, &trunk->entry.hop);
    if (err) {
        snprintf(trunk->entry.reason, sizeof trunk->entry.reason, "no TLS: %s", od_err_text(err));
        od_log(OD_CONFIG_LOG_ERROR, "trunk", "%s: %s", config->name, trunk->entry.reason);
        return false;
    }
    trunk->entry.addr = *addr;
    if (!trunk->entry.held)
        trunk->entry.reason[0] = 0;
    return true;
}

static void on_ask_again(uv_timer_t *timer)
{
    ask(timer->data);
}

/* The server in use, if it is another than before, becomes the trunk's. */
static void use_server(struct catalog_trunk *trunk)
{
    const struct od_addr *addr = &trunk->servers.all[trunk->servers.at].addr;
    bool first = !trunk->entry.addr.family;
    char text[64];
    if (memcmp(&trunk->entry.addr, addr, sizeof *addr) == 0 || !take_address(trunk, addr))
        return;
    od_addr_text(addr, text, sizeof text);
    od_log(OD_CONFIG_LOG_INFO, "trunk", "%s: INVITEs go to %s", trunk->entry.config->name, text);
    if (first)
        od_catalog_announce_trunk(trunk);
}

static void on_resolved(void *ctx, int err, const struct od_addr *list, size_t count,
                        const char *why)
{
    struct catalog_trunk *trunk = ctx;
    struct od_catalog *catalog = trunk->catalog;
    trunk->asking = false;
    catalog->pending--;
    if (catalog->closed) {
        od_catalog_finish_close(catalog);
        return;
    }
    if (trunk->again) {
        trunk->again = false;
        ask(trunk);
        return;
    }
    if (err) {
        /* An address that was good stays in use: a resolver's trouble is not the carrier's. */
        if (!trunk->unresolved) /* told once, not with every try */
            od_log(OD_CONFIG_LOG_WARN, "trunk", "%s: %s can't be resolved: %s",
                   trunk->entry.config->name, trunk->entry.config->host, why);
        trunk->unresolved = true;
        if (!trunk->entry.addr.family)
            snprintf(trunk->entry.reason, sizeof trunk->entry.reason, "name not resolved: %s", why);
        uv_timer_start(&trunk->timer, on_ask_again, RESOLVE_RETRY_MS, 0);
        return;
    }
    if (trunk->unresolved)
        od_log(OD_CONFIG_LOG_INFO, "trunk", "%s: %s is resolved again", trunk->entry.config->name,
               trunk->entry.config->host);
    trunk->unresolved = false;
    od_servers_set(&trunk->servers, list, count, uv_hrtime());
    use_server(trunk);
    uv_timer_start(&trunk->timer, on_ask_again,
                   od_servers_resting(&trunk->servers, uv_hrtime()) ? REST_MS : RESOLVE_AGAIN_MS,
                   0);
}

bool od_catalog_server_failed(struct od_catalog *catalog, uint32_t index,
                              const struct od_addr *server)
{
    struct catalog_trunk *trunk = index < catalog->trunk_count ? &catalog->trunks[index] : NULL;
    char text[64];
    if (!trunk || catalog->closed || trunk->servers.count < 2)
        return false;
    size_t before = trunk->servers.at;
    if (!od_servers_failed(&trunk->servers, server, uv_hrtime()))
        return false;
    if (trunk->servers.at == before)
        return true;
    od_addr_text(server, text, sizeof text);
    od_log(OD_CONFIG_LOG_WARN, "trunk",
           "%s: %s is not fit for use: the next of its %zu servers is tried",
           trunk->entry.config->name, text, trunk->servers.count);
    use_server(trunk);
    if (!trunk->asking) /* with the rest's end the name's first servers are tried again */
        uv_timer_start(&trunk->timer, on_ask_again, REST_MS, 0);
    return true;
}

bool od_catalog_server_of(const struct od_catalog *catalog, uint32_t index,
                          const struct od_addr *addr)
{
    const struct catalog_trunk *trunk = &catalog->trunks[index];
    return od_servers_have(&trunk->servers, addr);
}

static void ask(struct catalog_trunk *trunk)
{
    const struct od_config_trunk *config = trunk->entry.config;
    struct od_addr addr, nameserver;
    const char *whom = trunk->catalog->config->sip.nameserver;
    uint16_t port = config->by_service ? od_sip_usual_port(config->transport) : config->port;
    if (od_addr_parse(config->host, port, &addr)) {
        od_servers_set(&trunk->servers, &addr, 1, uv_hrtime());
        if (take_address(trunk, &addr))
            od_catalog_announce_trunk(trunk);
        return;
    }
    int err = od_resolve_sip(trunk->catalog->loop, config->host,
                             config->by_service ? 0 : config->port, config->transport,
                             whom && od_check_nameserver(whom, &nameserver) ? &nameserver : NULL,
                             on_resolved, trunk);
    if (err) {
        uv_timer_start(&trunk->timer, on_ask_again, RESOLVE_RETRY_MS, 0);
        return;
    }
    trunk->asking = true;
    trunk->catalog->pending++;
}

/* A trunk without a key is the same trunk wherever it has the same name. */
void od_catalog_name_rate(struct catalog_trunk *trunk)
{
    const struct od_config_trunk *config = trunk->entry.config;
    bool keyed = *config->cps_key;
    snprintf(trunk->rate_key, sizeof trunk->rate_key, "%c:%s", keyed ? 'k' : 't',
             keyed ? config->cps_key : config->name);
}

const char *od_catalog_rate_key(const struct od_catalog *catalog, uint32_t rate)
{
    if (rate >= catalog->trunks_max)
        return od_catalog_pace_key(catalog, rate - catalog->trunks_max);
    return rate < catalog->trunk_count ? catalog->trunks[rate].rate_key : "";
}

static struct catalog_trunk *init_trunk(struct od_catalog *catalog,
                                        const struct od_config_trunk *config)
{
    uint32_t index = (uint32_t)catalog->trunk_count++;
    struct catalog_trunk *trunk = &catalog->trunks[index];
    trunk->catalog = catalog;
    trunk->index = trunk->rate_of = index;
    trunk->entry.config = config;
    od_catalog_name_rate(trunk);
    snprintf(trunk->entry.reason, sizeof trunk->entry.reason, "name not resolved yet");
    uv_timer_init(catalog->loop, &trunk->timer);
    trunk->timer.data = trunk;
    uv_timer_init(catalog->loop, &trunk->hold_timer);
    trunk->hold_timer.data = trunk;
    catalog->pending += 2;
    return trunk;
}

uint32_t od_catalog_add_trunk(struct od_catalog *catalog, const struct od_config_trunk *config)
{
    struct catalog_trunk *trunk = init_trunk(catalog, config);
    od_catalog_announce_trunk(trunk);
    ask(trunk);
    return trunk->index;
}

void od_catalog_spare_trunk(struct od_catalog *catalog)
{
    static const struct od_config_trunk nobody = {
        .name = "", .server = "", .host = "", .cps_key = "", .domain = ""};
    init_trunk(catalog, &nobody)->gone = true;
}

uint32_t od_catalog_named(const struct od_catalog *catalog, const char *name)
{
    for (uint32_t i = 0; i < catalog->named; i++)
        if (strcmp(catalog->trunks[i].entry.config->name, name) == 0)
            return i;
    return OD_NO_TRUNK;
}

void od_catalog_change_trunk(struct od_catalog *catalog, uint32_t index,
                             const struct od_config_trunk *config)
{
    struct catalog_trunk *trunk = &catalog->trunks[index];
    if (catalog->closed)
        return;
    trunk->gone = trunk->entry.removed = !config;
    if (config) {
        trunk->entry.config = config;
        od_catalog_name_rate(trunk);
        trunk->entry.addr.family = 0;
        trunk->entry.held = false;
        trunk->refusals = 0;
        trunk->hold_ms = 0;
        uv_timer_stop(&trunk->timer);
        uv_timer_stop(&trunk->hold_timer);
        snprintf(trunk->entry.reason, sizeof trunk->entry.reason, "name not resolved yet");
    }
    od_catalog_share_rates(catalog);
    od_catalog_announce_trunk(trunk);
    if (config && trunk->asking)
        trunk->again = true;
    else if (config)
        ask(trunk);
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

/* The first trunk of a key, whose rate the others use, and its limits' source: the slowest. */
static void lead_rate(struct od_catalog *catalog, size_t first)
{
    struct catalog_trunk *all = catalog->trunks;
    const char *key = all[first].entry.config->cps_key;
    size_t slowest = first;
    bool differ = false;
    for (size_t k = first + 1; k < catalog->trunk_count; k++) {
        const struct od_trunk_def *def = &all[k].entry.config->def;
        if (all[k].gone || strcmp(all[k].entry.config->cps_key, key) != 0)
            continue;
        differ |= slowest_milli(def) != slowest_milli(&all[first].entry.config->def);
        if (slowest_milli(def) < slowest_milli(&all[slowest].entry.config->def))
            slowest = k;
    }
    if (differ && all[first].rate_warned != slowest + 1)
        od_log(OD_CONFIG_LOG_WARN, "trunk",
               "cps_key %s: its trunks have different limits; the lowest, %s's, rules", key,
               all[slowest].entry.config->name);
    all[first].rate_warned = differ ? slowest + 1 : 0;
    all[first].rate_of = (uint32_t)slowest;
    all[first].rate_from = 0;
}

/* Trunks of one key share the rate of the slowest of them, which the first one keeps for all: the
 * configuration's and those of stored credentials. */
void od_catalog_share_rates(struct od_catalog *catalog)
{
    struct catalog_trunk *all = catalog->trunks;
    for (size_t i = 0; i < catalog->trunk_count; i++) {
        const char *key = all[i].entry.config->cps_key;
        size_t first = 0;
        all[i].rate_of = (uint32_t)i;
        all[i].rate_from = 0;
        if (!*key || all[i].gone)
            continue;
        while (all[first].gone || strcmp(all[first].entry.config->cps_key, key) != 0)
            first++;
        if (first == i)
            lead_rate(catalog, i);
        else
            all[i].rate_from = (uint32_t)(first + 1);
    }
    for (size_t i = 0; i < catalog->trunk_count; i++)
        if (*all[i].entry.config->cps_key && !all[i].gone)
            od_catalog_announce_trunk(&all[i]);
}

/* ---- credentials ---- */

static void on_hold_over(uv_timer_t *timer)
{
    struct catalog_trunk *trunk = timer->data;
    trunk->entry.held = false;
    trunk->entry.reason[0] = 0;
    /* one more refusal holds it again: these calls only find out */
    trunk->refusals = REFUSALS_MAX - 1;
    od_catalog_announce_trunk(trunk);
}

static void hold(struct catalog_trunk *trunk, const char *why)
{
    trunk->hold_ms = trunk->hold_ms ? trunk->hold_ms * 2 : HOLD_MS_FIRST;
    if (trunk->hold_ms > HOLD_MS_MAX)
        trunk->hold_ms = HOLD_MS_MAX;
    trunk->entry.held = true;
    snprintf(trunk->entry.reason, sizeof trunk->entry.reason, "held for %u s: %s",
             (unsigned)(trunk->hold_ms / 1000), why);
    uv_timer_start(&trunk->hold_timer, on_hold_over, trunk->hold_ms, 0);
    od_catalog_announce_trunk(trunk);
}

static void warn(struct catalog_trunk *trunk, const char *why)
{
    uint64_t now_ms = uv_now(trunk->catalog->loop);
    if (trunk->warned_ms && now_ms - trunk->warned_ms < WARN_MS)
        return;
    trunk->warned_ms = now_ms;
    od_log(OD_CONFIG_LOG_WARN, "trunk", "%s: %s", trunk->entry.config->name, why);
}

void od_catalog_credentials(struct od_catalog *catalog, uint32_t index, const char *why)
{
    struct catalog_trunk *trunk = index < catalog->trunk_count ? &catalog->trunks[index] : NULL;
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

const struct od_trunk_entry *od_catalog_trunk(const struct od_catalog *catalog, uint32_t index)
{
    return index < catalog->trunk_count ? &catalog->trunks[index].entry : NULL;
}

const struct od_trunk_entry *od_catalog_way(const struct od_catalog *catalog,
                                            const struct od_uid *via)
{
    return od_catalog_trunk(catalog, od_ways_by(catalog->ways, via));
}

size_t od_catalog_trunk_count(const struct od_catalog *catalog)
{
    return catalog->named;
}

const char *od_catalog_trunk_name(const struct od_catalog *catalog, uint32_t index)
{
    const struct od_trunk_entry *entry = od_catalog_trunk(catalog, index);
    return entry ? entry->config->name : "";
}
