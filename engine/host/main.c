/*
 * main - opens the parts from the outside in (what can be refused first: data_dir, ports), then the
 * store, then what needs it; closes them the other way round. Each step that ends later continues
 * in a callback, so the order below reads as the order of a life.
 */
#include "engine/host/main.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "engine/host/host.h"
#include "engine/host/log.h"
#include "engine/host/resolve.h"
#include "engine/host/ways.h"
#include "outdial/err.h"

enum {
    TICK_MS = 100,
    LEAVE_MS = 1000,        /* for registrars to answer that we leave */
    HANG_UP_MS = 5 * 1000,  /* after the drain: BYE, and this long for the answers */
    WEBHOOKS_MS = 3 * 1000, /* then this long for what is still to be told */
    LADDERS_KEPT = 512,
    BREAKERS_KEPT = 16384, /* half a kilobyte each, touched only with rules */
    TURN_BUDGET = 64,      /* facts and INVITEs cost 20 to 80 us each: a turn stays near 5 ms */
    COALESCE_US = 2000,    /* measured: bench/path */
};

/* ---- facts and orders ---- */

void od_host_post(void *ctx, const struct od_event *event)
{
    struct od_host *host = ctx;
    if (host->engine)
        od_engine_post(host->engine, event);
}

static void on_step(void *ctx, struct od_now now, const struct od_step_view *view)
{
    struct od_host *host = ctx;
    bool second = view->first.gen;
    struct od_ladder_step step = {view->from, view->event, view->to, second};
    od_ladder_add_step(host->ladder, second ? view->first : view->call,
                       second ? &(struct od_uid){{0}} : &view->uid, now.wall_ms, &step);
    if (od_log_enabled(OD_CONFIG_LOG_DEBUG)) {
        char uid[OD_UID_TEXT], text[96];
        struct od_buf buf;
        od_uid_text(&view->uid, uid);
        od_buf_init(&buf, text, sizeof text);
        od_ladder_step_text(&buf, &step);
        od_log_fields(view->odd ? OD_CONFIG_LOG_WARN : OD_CONFIG_LOG_DEBUG, "call", text,
                      (struct od_log_field[]){
                          OD_LOG_TEXT("call_id", uid),
                          OD_LOG_NUMBER("attempt", view->attempt),
                          OD_LOG_TEXT("trunk", od_catalog_trunk_name(host->catalog, view->trunk)),
                          {0}});
    }
    od_call_meter_step(host->meter, now, view);
    /* What was got ready for a call that was never dialled; of others it changes nothing. */
    if (!strcmp(view->to, "ended") || !strcmp(view->to, "waiting"))
        od_talk_forget(host->talk, view->call);
    if (!second && strcmp(view->to, "ended") == 0)
        od_ladder_end(host->ladder, view->call);
}

/* ---- opening ---- */

/* Why a listener could not be opened, and what to do where that is known. */
static void explain(const char *key, int err, const char *why)
{
    if (err == OD_EBUSY)
        od_log(OD_CONFIG_LOG_ERROR, key, "%s: end what listens there, or set %s.listen to another",
               why, key);
    else
        od_log(OD_CONFIG_LOG_ERROR, key, "%s", why);
}

static bool open_sip(struct od_host *host)
{
    const struct od_config *config = host->config;
    char why[256] = "";
    struct od_sip_config sip = {.advertise = *config->sip.advertise ? config->sip.advertise : NULL,
                                .user_agent = config->sip.user_agent,
                                .coalesce_us = COALESCE_US};
    for (unsigned i = 0; i < 4 && i < OD_CONFIG_LISTEN_MAX; i++)
        sip.listen[i] = config->sip.listen[i];
    struct od_sip_events events = od_legs_sip_events(host->legs);
    int err = od_sip_tls_open(&host->sip_tls, &host->loop, config->sip.ca_file, why, sizeof why);
    if (err) {
        od_log(OD_CONFIG_LOG_ERROR, "sip", "sip.ca_file: %s", why);
        return false;
    }
    err = od_sip_open(&host->sip, &host->loop, &sip, &events, why, sizeof why);
    if (err)
        explain("sip", err, why);
    return !err;
}

static void http_log(void *ctx, bool trouble, const char *text)
{
    (void)ctx;
    od_log(trouble ? OD_CONFIG_LOG_ERROR : OD_CONFIG_LOG_INFO, "http", "%s", text);
}

static bool open_http(struct od_host *host)
{
    char why[256] = "";
    struct od_http_handler handler = od_host_http_handler(host);
    const char *tls_cert = host->config->http.tls_cert;
    int err = od_http_server_open(
        &host->http, &host->loop,
        &(struct od_http_server_config){.listen = host->config->http.listen,
                                        .tls_cert = *tls_cert ? tls_cert : NULL,
                                        .tls_key = *tls_cert ? host->config->http.tls_key : NULL,
                                        .log = http_log},
        &handler, why, sizeof why);
    if (err)
        explain("http", err, why);
    return !err;
}

static bool open_outside(struct od_host *host)
{
    const struct od_config *config = host->config;
    if (od_ladder_create(&host->ladder, config->limits.contacts_leased_max, LADDERS_KEPT) ||
        od_call_meter_create(&host->meter, config->limits.contacts_leased_max,
                             od_catalog_trunks_max(config)) ||
        od_orphans_create(&host->orphans) ||
        od_legs_create(&host->legs,
                       &(struct od_legs_config){.calls_max = config->limits.contacts_leased_max,
                                                .ladder = host->ladder,
                                                .meter = host->meter,
                                                .post = od_host_post,
                                                .registered = od_host_registered,
                                                .ctx = host})) {
        od_log(OD_CONFIG_LOG_ERROR, "host", "out of memory; lower limits.contacts_leased_max");
        return false;
    }
    return od_host_open_client(host) && open_http(host) && open_sip(host) &&
           od_host_open_talk(host) && !od_host_open_start_hooks(host);
}

static void on_trunk_def(void *ctx, uint32_t index, const struct od_trunk_def *def)
{
    struct od_host *host = ctx;
    struct od_trunk_def capped = *def;
    od_places_cap_trunk(host->places, index, &capped);
    if (od_engine_set_trunk(host->engine, index, &capped))
        od_log(OD_CONFIG_LOG_ERROR, "engine", "trunk %s: a value is out of range", def->name);
    od_turn_wake(&host->turn);
}

static void on_live_change(void *ctx, const char *trunk, const char *name, const char *value)
{
    struct od_host *host = ctx;
    if (od_store_live_put(host->store, trunk, name, value))
        od_log(OD_CONFIG_LOG_WARN, "trunk",
               "%s: too much waits for Redis: the change of %s counts here alone", trunk, name);
}

static void on_lane_def(void *ctx, uint32_t lane, const struct od_lane_def *def)
{
    struct od_host *host = ctx;
    struct od_lane_def capped = *def;
    od_places_cap_lane(host->places, lane, &capped);
    if (od_engine_set_lane(host->engine, lane, &capped))
        od_log(OD_CONFIG_LOG_ERROR, "engine", "lane %u: a value is out of range", lane);
    od_turn_wake(&host->turn);
}

static void on_pace_def(void *ctx, uint32_t pace, const struct od_pace_def *def)
{
    struct od_host *host = ctx;
    if (od_engine_set_pace(host->engine, pace, def))
        od_log(OD_CONFIG_LOG_ERROR, "engine", "pace %u: a value is out of range", pace);
    od_turn_wake(&host->turn);
}

static int on_secure(void *ctx, const char *name, const struct od_addr *server, struct od_addr *hop)
{
    struct od_host *host = ctx;
    return od_sip_tls_way(host->sip_tls, name, server, hop);
}

bool od_host_set_breakers(struct od_host *host)
{
    struct od_breaker_rule rules[OD_BREAKERS_MAX];
    size_t count = host->config->breaker_count;
    for (size_t i = 0; i < count; i++)
        rules[i] = host->config->breakers[i].rule;
    if (!od_engine_set_breakers(host->engine, rules, (uint32_t)count))
        return true;
    od_log(OD_CONFIG_LOG_ERROR, "engine", "breakers: a value is out of range");
    return false;
}

static bool open_engine(struct od_host *host)
{
    const struct od_config *config = host->config;
    uint64_t seed;
    struct od_limits limits = {
        .calls_max = config->limits.contacts_leased_max,
        .dialled_max = config->limits.calls_max,
        .lanes_max = 100000,
        .trunks_max = od_catalog_trunks_max(config),
        .events_max = 65536,
        .turn_budget = TURN_BUDGET,
        .tries_max = (uint8_t)config->failover.tries,
        .tries_ms_max = config->failover.within_ms,
        .breakers_max = BREAKERS_KEPT,
        .paces_max = OD_CATALOG_PACES,
    };
    struct od_ports ports = {
        .store = *od_store_port(host->store),
        .sip = od_legs_port(host->legs),
        .talk = *od_start_hooks_port(host->start_hooks),
        .trace = {.ctx = host, .step = on_step, .breaker = od_host_breaker_moved},
    };
    if (*config->redis.url)
        ports.rate = *od_store_rate_port(host->store);
    if (limits.dialled_max > limits.calls_max)
        limits.dialled_max = limits.calls_max;
    if (od_host_ident_key(host, limits.ident_key) ||
        getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return false;
    if (od_engine_create(&host->engine, &limits, &ports, seed)) {
        od_log(OD_CONFIG_LOG_ERROR, "engine", "out of memory; lower limits.contacts_leased_max");
        return false;
    }
    if (!od_host_set_breakers(host))
        return false;
    if (od_turn_open(&host->turn, &host->loop, host->engine))
        return false;
    if (od_zones_create(&host->zones) ||
        od_hours_book_create(&host->hours, od_zones_port(host->zones), &config->hours.daily) ||
        od_catalog_open(&host->catalog, &host->loop, config,
                        &(struct od_catalog_events){.ctx = host,
                                                    .trunk = on_trunk_def,
                                                    .lane = on_lane_def,
                                                    .pace = on_pace_def,
                                                    .live = on_live_change,
                                                    .secure = on_secure}) ||
        od_host_open_registrations(host, seed)) {
        od_log(OD_CONFIG_LOG_ERROR, "host", "out of memory");
        return false;
    }
    od_catalog_box(host->catalog, &host->box_port);
    od_catalog_hours(host->catalog, host->hours);
    od_legs_attach(host->legs, host->store, host->sip, host->talk, host->catalog);
    od_orphans_attach(host->orphans, host->sip, host->catalog);
    return true;
}

/* Redis can be reached at this address: everything that needs it is opened. */
static void open_inside(struct od_host *host, const char *path_or_host, int port)
{
    if (od_host_open_store(host, path_or_host, port)) {
        od_host_give_up(host, "the store can't be opened: see the line before, or memory is short");
        return;
    }
    if (!open_engine(host) || od_host_open_api(host) || od_host_open_outbox(host))
        od_host_give_up(host, "could not start");
}

static void on_redis_ready(void *ctx, const char *socket_path)
{
    struct od_host *host = ctx;
    if (host->stage < OD_HOST_DRAINING && !host->store)
        open_inside(host, socket_path, 0);
}

static void on_redis_failed(void *ctx, const char *why)
{
    od_host_give_up(ctx, why);
}

static void on_redis_died(void *ctx, const char *why)
{
    (void)ctx;
    od_log(OD_CONFIG_LOG_ERROR, "redis", "%s; starting it again", why);
}

static void on_redis_resolved(void *ctx, int err, const struct od_addr *addr, const char *why)
{
    struct od_host *host = ctx;
    char text[64], line[400];
    if (host->stage >= OD_HOST_CLOSING)
        return;
    if (err) {
        snprintf(line, sizeof line, "redis.url: host '%s' can't be resolved: %s",
                 host->redis_url.host, why);
        od_host_give_up(host, line);
        return;
    }
    inet_ntop(addr->family == 6 ? AF_INET6 : AF_INET, addr->ip, text, sizeof text);
    open_inside(host, text, host->redis_url.port);
}

static bool begin_redis(struct od_host *host)
{
    char why[256] = "";
    if (!*host->config->redis.url) {
        if (od_private_redis_start(&host->redis, &host->loop, host->config->data_dir,
                                   &(struct od_private_redis_events){.ctx = host,
                                                                     .ready = on_redis_ready,
                                                                     .failed = on_redis_failed,
                                                                     .died = on_redis_died},
                                   why, sizeof why)) {
            od_log(OD_CONFIG_LOG_ERROR, "redis", "%s", why);
            return false;
        }
        return true;
    }
    if (od_redis_url_parse(host->config->redis.url, &host->redis_url, why, sizeof why)) {
        od_log(OD_CONFIG_LOG_ERROR, "redis", "redis.url: %s", why);
        return false;
    }
    if (host->redis_url.is_path) {
        open_inside(host, host->redis_url.host, 0);
        return host->stage != OD_HOST_CLOSING;
    }
    if (od_resolve(&host->loop, host->redis_url.host, (uint16_t)host->redis_url.port,
                   on_redis_resolved, host)) {
        od_log(OD_CONFIG_LOG_ERROR, "redis", "redis.url: the host name can't be looked up");
        return false;
    }
    return true;
}

void od_host_store_is_up(struct od_host *host)
{
    if (host->stage != OD_HOST_STARTING)
        return;
    host->stage = OD_HOST_SERVING;
    od_host_seed(host);
    od_loop_watch_reset(&host->loop_watch);
    uint16_t port = od_http_server_bound_port(host->http);
    const char *listen = host->config->http.listen, *colon = strrchr(listen, ':');
    if (port && colon)
        od_log(OD_CONFIG_LOG_INFO, "host", "ready: http%s://%.*s:%u, SIP port %u",
               *host->config->http.tls_cert ? "s" : "", (int)(colon - listen), listen, port,
               od_sip_bound_port(host->sip, 0));
    else
        od_log(OD_CONFIG_LOG_INFO, "host", "ready: %s, SIP port %u", listen,
               od_sip_bound_port(host->sip, 0));
    if (*host->dev_key)
        od_log(OD_CONFIG_LOG_INFO, "host", "the API key is in %s/dev.key", host->config->data_dir);
    od_notify_say(&host->notify, "READY=1");
}

/* ---- closing ---- */

static void close_handles(struct od_host *host);
static void close_redis(void *ctx);
static void on_last_closed(void *ctx);
static void close_store(void *ctx);
static void close_outbox(void *ctx);
static void close_engine(void *ctx);

/* Calls next when every part of the present step has closed. */
static bool step_done(struct od_host *host)
{
    return --host->closing == 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
    (void)handle; /* the loop ends when it has no handle left */
}

static void close_handles(struct od_host *host)
{
    uv_close((uv_handle_t *)&host->sigterm, on_handle_closed);
    uv_close((uv_handle_t *)&host->sigint, on_handle_closed);
    uv_close((uv_handle_t *)&host->sighup, on_handle_closed);
    od_loop_watch_stop(&host->loop_watch);
    uv_close((uv_handle_t *)&host->tick, on_handle_closed);
    if (host->sip_tls)
        od_sip_tls_close(host->sip_tls, NULL, NULL);
    host->sip_tls = NULL;
}

static void on_last_closed(void *ctx)
{
    struct od_host *host = ctx;
    if (step_done(host))
        close_handles(host);
}

static void close_client(void *ctx)
{
    struct od_host *host = ctx;
    od_http_client_close(host->client, on_last_closed, host);
}

/* Last of all: connections that went out, then Redis itself. */
static void close_redis(void *ctx)
{
    struct od_host *host = ctx;
    host->store = NULL;
    host->closing = 1;
    if (host->asker) {
        host->closing++;
        od_hook_asker_close(host->asker, close_client, host);
    } else if (host->client) {
        host->closing++;
        od_http_client_close(host->client, on_last_closed, host);
    }
    if (host->redis) {
        host->closing++;
        od_private_redis_stop(host->redis, on_last_closed, host);
    }
    on_last_closed(host);
}

static void close_store(void *ctx)
{
    struct od_host *host = ctx;
    host->outbox = NULL;
    if (host->store)
        od_store_close(host->store, close_redis, host);
    else
        close_redis(host);
}

/* What the last ends of calls have to tell may still be told; the rest is in the store. */
static void close_outbox(void *ctx)
{
    struct od_host *host = ctx;
    if (!step_done(host))
        return;
    if (host->outbox)
        od_outbox_close(host->outbox, WEBHOOKS_MS, close_store, host);
    else
        close_store(host);
}

/* What is registered is taken away while SIP is still there to do it. */
static void leave_registrars(void *ctx)
{
    struct od_host *host = ctx;
    host->http = NULL;
    if (host->registrations)
        od_registrations_stop(host->registrations);
    if (host->registrations && od_registrations_under_way(host->registrations))
        host->leave_ends_ns = od_turn_now().mono_ns + LEAVE_MS * OD_NS_PER_MS; /* on_tick goes on */
    else
        close_engine(host);
}

static void close_engine(void *ctx)
{
    struct od_host *host = ctx;
    host->closing = 1;
    if (host->sip) {
        host->closing++;
        od_sip_close(host->sip, close_outbox, host);
    }
    if (host->talk) {
        host->closing++;
        od_talk_close(host->talk, close_outbox, host);
    }
    if (host->catalog) {
        host->closing++;
        od_catalog_close(host->catalog, close_outbox, host);
    }
    if (host->turn.running) {
        host->closing++;
        od_turn_close(&host->turn, close_outbox, host);
    }
    close_outbox(host);
}

static void begin_closing(struct od_host *host)
{
    if (host->stage == OD_HOST_CLOSING)
        return;
    host->stage = OD_HOST_CLOSING;
    if (host->api)
        od_api_drain(host->api);
    if (host->http)
        od_http_server_close(host->http, leave_registrars, host);
    else
        leave_registrars(host);
}

void od_host_give_up(struct od_host *host, const char *why)
{
    od_log(OD_CONFIG_LOG_ERROR, "host", "%s", why);
    host->exit_code = 1;
    begin_closing(host);
}

static void stop_call(void *ctx, struct od_call_id call)
{
    struct od_event event = {.kind = OD_EV_STOP, .call = call};
    event.u.stop.cause = OD_CAUSE_COMPLETED;
    od_host_post(ctx, &event);
}

static void begin_hanging_up(struct od_host *host)
{
    host->stage = OD_HOST_HANGING_UP;
    host->stage_ends_ns = od_turn_now().mono_ns + HANG_UP_MS * OD_NS_PER_MS;
    od_legs_each(host->legs, stop_call, host);
    od_turn_wake(&host->turn);
}

static void begin_draining(struct od_host *host)
{
    struct od_event event = {.kind = OD_EV_DRAIN};
    if (!host->engine) {
        begin_closing(host);
        return;
    }
    host->stage = OD_HOST_DRAINING;
    uint32_t drain_s = host->config->limits.drain_timeout_s;
    host->stage_ends_ns = od_turn_now().mono_ns + drain_s * OD_NS_PER_S;
    od_host_post(host, &event);
    od_turn_wake(&host->turn);
    struct od_engine_stats stats;
    od_engine_stats(host->engine, &stats);
    if (stats.alive)
        od_log(OD_CONFIG_LOG_INFO, "host",
               "ending: %u calls may finish within %u s (once more to hang up now)", stats.alive,
               drain_s);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct od_host *host = handle->data;
    (void)signum;
    od_notify_say(&host->notify, "STOPPING=1");
    if (host->stage < OD_HOST_DRAINING)
        begin_draining(host);
    else if (host->stage == OD_HOST_DRAINING)
        begin_hanging_up(host);
    else
        begin_closing(host);
}

static void on_hangup(uv_signal_t *handle, int signum)
{
    (void)signum;
    od_host_reload(handle->data);
}

static void on_tick(uv_timer_t *timer)
{
    struct od_host *host = timer->data;
    struct od_engine_stats stats;
    struct od_now now = od_turn_now();
    od_notify_tick(&host->notify, now.mono_ns, host->stage != OD_HOST_SERVING);
    if (host->api && host->stage < OD_HOST_CLOSING)
        od_api_tick(host->api, now);
    if (host->catalog && host->stage < OD_HOST_CLOSING)
        od_catalog_tick(host->catalog, now.wall_ms);
    if (host->catalog && host->stage < OD_HOST_CLOSING)
        od_orphans_tick(host->orphans, now.mono_ns);
    if (host->registrations && host->stage < OD_HOST_CLOSING)
        od_registrations_tick(host->registrations, now);
    if (host->leave_ends_ns &&
        (now.mono_ns >= host->leave_ends_ns || !od_registrations_under_way(host->registrations))) {
        host->leave_ends_ns = 0;
        close_engine(host);
    }
    if (host->stage != OD_HOST_DRAINING && host->stage != OD_HOST_HANGING_UP)
        return;
    od_engine_stats(host->engine, &stats);
    if (!stats.alive)
        begin_closing(host);
    else if (now.mono_ns >= host->stage_ends_ns && host->stage == OD_HOST_DRAINING)
        begin_hanging_up(host);
    else if (now.mono_ns >= host->stage_ends_ns)
        begin_closing(host);
}

/* ---- the whole ---- */

static void begin_handles(struct od_host *host)
{
    uv_signal_init(&host->loop, &host->sigterm);
    uv_signal_init(&host->loop, &host->sigint);
    uv_signal_init(&host->loop, &host->sighup);
    uv_timer_init(&host->loop, &host->tick);
    od_loop_watch_start(&host->loop_watch, &host->loop);
    host->sigterm.data = host->sigint.data = host->sighup.data = host->tick.data = host;
    uv_signal_start(&host->sigterm, on_signal, SIGTERM);
    uv_signal_start(&host->sigint, on_signal, SIGINT);
    uv_signal_start(&host->sighup, on_hangup, SIGHUP);
    uv_timer_start(&host->tick, on_tick, TICK_MS, TICK_MS);
}

/* One descriptor per RTP port and connection: as many as the system lets us have. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int od_serve(const struct od_config *config, od_serve_load_fn load)
{
    struct od_host *host = calloc(1, sizeof *host);
    if (!host)
        return 1;
    od_log_init(config->log.level, config->log.format);
    host->config = config;
    host->reload.load = load;
    host->lock_fd = -1;
    od_notify_open(&host->notify);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of its write */
    raise_descriptor_limit();
    setenv("UV_THREADPOOL_SIZE", "8", 0); /* libuv gives half of them to look-ups (http_dns.c) */
    int exit_code = 1;
    if (od_host_open_data_dir(host) == 0 && od_host_dev_key(host) == 0 &&
        od_host_open_box(host) == 0) {
        uv_loop_init(&host->loop);
        begin_handles(host);
        if (!open_outside(host) || !begin_redis(host)) {
            host->exit_code = 1;
            begin_closing(host);
        }
        uv_run(&host->loop, UV_RUN_DEFAULT);
        uv_loop_close(&host->loop);
        exit_code = host->exit_code;
    }
    od_api_destroy(host->api);
    od_engine_destroy(host->engine);
    od_places_destroy(host->places);
    od_host_breaker_forget(host);
    od_tools_destroy(host->tools);
    od_start_hooks_destroy(host->start_hooks);
    od_legs_destroy(host->legs);
    od_orphans_destroy(host->orphans);
    od_catalog_destroy(host->catalog);
    od_registrations_destroy(host->registrations);
    od_call_meter_destroy(host->meter);
    od_ladder_destroy(host->ladder);
    od_hours_book_destroy(host->hours);
    od_zones_destroy(host->zones);
    od_box_destroy(host->box);
    od_host_reload_deinit(host);
    od_notify_close(&host->notify);
    if (host->lock_fd >= 0)
        close(host->lock_fd);
    explicit_bzero(host, sizeof *host);
    free(host);
    return exit_code;
}
