/*
 * store_glue - what the store tells, passed on: facts to the engine, agents and lanes to the
 * catalog.
 */
#include <stdio.h>
#include <string.h>

#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "engine/host/host.h"
#include "engine/host/log.h"
#include "outdial/err.h"
#include "proto/journal/journal.h"

static void on_post(void *ctx, const struct od_event *event)
{
    struct od_host *host = ctx;
    od_engine_post(host->engine, event);
    if (event->kind == OD_EV_STORE_UP) {
        host->store_up = true;
        od_host_store_is_up(host);
    } else if (event->kind == OD_EV_STORE_DOWN) {
        host->store_up = false;
    }
}

static void on_lane(void *ctx, const struct od_lane_info *info)
{
    struct od_host *host = ctx;
    od_catalog_lane(host->catalog, info);
}

static void on_thing(void *ctx, const char *org, enum od_thing_kind kind,
                     const struct od_thing_rec *rec, bool deleted)
{
    struct od_host *host = ctx;
    od_catalog_thing(host->catalog, org, kind, rec, deleted);
    if (kind == OD_THING_NUMBER)
        od_host_number_told(host, rec, deleted);
}

static void on_agent(void *ctx, const char *org, const struct od_agent_rec *rec, bool deleted)
{
    struct od_host *host = ctx;
    od_catalog_agent(host->catalog, org, rec, deleted);
}

static void on_stop(void *ctx, const struct od_uid *call, bool hangup)
{
    struct od_host *host = ctx;
    struct od_event event = {.kind = OD_EV_STOP, .call = od_engine_find(host->engine, call)};
    if (!event.call.gen)
        return; /* it ended on its own meanwhile */
    /* Hanging up a talking call is an ordinary end of it; anything before is a cancellation. */
    const char *state = od_engine_state(host->engine, event.call);
    bool talking = state && strcmp(state, "talking") == 0;
    event.u.stop.before_answer_only = !hangup;
    event.u.stop.cause = hangup && talking ? OD_CAUSE_COMPLETED : OD_CAUSE_CANCELED;
    od_engine_post(host->engine, &event);
}

/* Callees of campaigns are called by their own clocks; who asks for one call knows when. */
static void on_rules(void *ctx, const struct od_job *job, struct od_window *window, bool *shared)
{
    struct od_host *host = ctx;
    if (!od_uid_none(&job->campaign))
        *window = od_hours_book_callee(host->hours, job->to, job->timezone, od_turn_now().wall_ms);
    *shared = od_catalog_lane_retries(host->catalog, job->lane);
}

static const char *on_trunk(void *ctx, uint32_t trunk)
{
    struct od_host *host = ctx;
    return od_catalog_trunk_name(host->catalog, trunk);
}

static size_t on_places(void *ctx, const struct od_job *job, uint32_t trunk, struct od_place *out)
{
    struct od_host *host = ctx;
    return od_places_of(host->places, job, trunk, out);
}

static void on_use(void *ctx, const char *org, const char *name, uint32_t calls)
{
    struct od_host *host = ctx;
    od_places_use(host->places, org, name, calls);
}

static void on_use_told(void *ctx, const char *org)
{
    struct od_host *host = ctx;
    od_places_told(host->places, org);
}

/* Another process heard from the carrier when it may be asked again. */
static void hold_trunk(struct od_host *host, const char *name, const char *value)
{
    struct od_now now = od_turn_now();
    uint64_t wall_ms;
    if (!od_str_u64(value, strlen(value), INT64_MAX, &wall_ms) || (int64_t)wall_ms <= now.wall_ms)
        return;
    struct od_event event = {.kind = OD_EV_HELD};
    event.u.held.until_ns = now.mono_ns + (wall_ms - (uint64_t)now.wall_ms) * OD_NS_PER_MS;
    size_t count = od_catalog_trunk_count(host->catalog);
    while (event.u.held.trunk < count &&
           strcmp(od_catalog_trunk_name(host->catalog, event.u.held.trunk), name) != 0)
        event.u.held.trunk++;
    if (event.u.held.trunk < count)
        on_post(host, &event);
}

static void on_live(void *ctx, const char *trunk, const char *name, const char *value)
{
    struct od_host *host = ctx;
    if (host->catalog && strcmp(name, OD_STORE_LIVE_HELD) == 0)
        hold_trunk(host, trunk, value);
    else if (!*trunk)
        od_host_breaker_told(host, name, value);
    else if (host->catalog)
        od_catalog_trunk_told(host->catalog, trunk, name, value);
}

static const char *on_rate_key(void *ctx, uint32_t rate)
{
    struct od_host *host = ctx;
    return od_catalog_rate_key(host->catalog, rate);
}

static size_t on_leg(void *ctx, struct od_call_id call, const struct od_invite *invite, bool sent,
                     struct od_text before, char *out, size_t size)
{
    struct od_host *host = ctx;
    return od_legs_note(host->legs, call, invite, sent, before, out, size);
}

static void on_kept(void *ctx)
{
    struct od_host *host = ctx;
    od_legs_kept(host->legs);
}

static void on_orphan(void *ctx, const struct od_orphan *orphan)
{
    struct od_host *host = ctx;
    od_orphans_add(host->orphans, orphan, od_turn_now().mono_ns);
}

static void on_unfit(void *ctx, const char *why)
{
    char line[256];
    snprintf(line, sizeof line, "redis: %s", why);
    od_host_give_up(ctx, line);
}

static void on_log(void *ctx, bool trouble, const char *text)
{
    (void)ctx;
    od_log(trouble ? OD_CONFIG_LOG_WARN : OD_CONFIG_LOG_INFO, "store", "%s", text);
}

static void on_keys_watched(void *ctx, bool watched)
{
    struct od_host *host = ctx;
    host->keys_watched = watched;
    if (host->api)
        od_api_keys_watched(host->api, watched);
}

static void on_key_gone(void *ctx, const uint8_t *hash)
{
    struct od_host *host = ctx;
    if (host->api)
        od_api_key_gone(host->api, hash);
}

int od_host_open_store(struct od_host *host, const char *path_or_host, int port)
{
    if (od_places_create(&host->places, host))
        return OD_ENOMEM;
    const struct od_config *config = host->config;
    char dir[1024];
    snprintf(dir, sizeof dir, "%s/journal", config->data_dir);
    struct od_journal_config journal = {
        .dir = *config->journal.dir ? config->journal.dir : dir,
        .sync = config->journal.fsync,
        .keep_ms = config->journal.keep_ms,
        .bytes_max = (uint64_t)config->journal.size_mb * 1024 * 1024,
    };
    struct od_store_config store = {
        .journal = &journal,
        .path_or_host = path_or_host,
        .port = port,
        .password = host->redis_url.password,
        .db = host->redis_url.db,
        .worker = host->worker,
        .caps_calls = true,
        /* A job stays in its table after the engine is through with it, until its end is stored. */
        .jobs_max = 2 * config->limits.contacts_leased_max,
        .await_ms = config->redis.await_ms,
    };
    for (size_t i = 0; i < config->cap_count; i++)
        store.caps[i] = config->caps[i].cap;
    return od_store_open(&host->store, &host->loop, &store,
                         &(struct od_store_events){.ctx = host,
                                                   .post = on_post,
                                                   .lane = on_lane,
                                                   .agent = on_agent,
                                                   .thing = on_thing,
                                                   .rules = on_rules,
                                                   .stop = on_stop,
                                                   .trunk = on_trunk,
                                                   .places = on_places,
                                                   .use = on_use,
                                                   .use_told = on_use_told,
                                                   .live = on_live,
                                                   .rate_key = on_rate_key,
                                                   .leg = on_leg,
                                                   .kept = on_kept,
                                                   .orphan = on_orphan,
                                                   .unfit = on_unfit,
                                                   .keys_watched = on_keys_watched,
                                                   .key_gone = on_key_gone,
                                                   .log = on_log});
}
