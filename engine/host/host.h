/*
 * host - the one struct that knows all parts; private to engine/host. main.c opens and closes them
 * in order, store_glue.c and api_glue.c connect them.
 *
 * How a call's life crosses the parts: the store posts a job; the engine orders an intent from the
 * store, then an INVITE from the legs; sip reports, the legs post; the engine orders talk to start
 * and stop; at the end it orders finish, and when that is stored the webhook goes out.
 */
#ifndef ENGINE_HOST_HOST_H
#define ENGINE_HOST_HOST_H

#include <uv.h>

#include "engine/api/api.h"
#include "engine/host/catalog.h"
#include "engine/host/ladder.h"
#include "engine/host/legs.h"
#include "engine/host/loop_watch.h"
#include "engine/host/notify.h"
#include "engine/host/options_hooks.h"
#include "engine/host/orphans.h"
#include "engine/host/outbox.h"
#include "engine/host/places.h"
#include "engine/host/private_redis.h"
#include "engine/host/registrations.h"
#include "engine/host/sip_tls.h"
#include "engine/host/start_hook.h"
#include "engine/host/talk.h"
#include "engine/host/tools.h"
#include "engine/host/turn.h"
#include "outdial/box.h"
#include "outdial/config.h"
#include "proto/crypto/box.h"
#include "proto/http/http_client.h"
#include "proto/http/http_server.h"
#include "proto/redis/redis_store.h"
#include "proto/redis/redis_url.h"
#include "proto/sip/sip.h"
#include "proto/zone/zone.h"

enum od_host_stage {
    OD_HOST_STARTING, /* until the store has been up once */
    OD_HOST_SERVING,
    OD_HOST_DRAINING,   /* no new calls; those under way may end */
    OD_HOST_HANGING_UP, /* the drain's time is over: BYE to the rest */
    OD_HOST_CLOSING,
};

struct od_options_problems;

struct od_host {
    uv_loop_t loop;
    const struct od_config *config;
    enum od_host_stage stage;
    int exit_code;
    int lock_fd; /* of data_dir/lock, held for life: one daemon per data_dir */
    char worker[40];
    char dev_key[64]; /* secret; "" when the configuration has keys */
    struct od_box *box;
    struct od_box_port box_port;

    struct od_engine *engine;
    struct od_turn turn;
    struct od_loop_watch loop_watch;
    struct od_zones *zones;
    struct od_hours_book *hours;
    struct od_catalog *catalog;
    struct od_places *places;
    struct od_breaker_reset *breaker_resets; /* breaker_glue.c: what was told of each */
    struct od_ladder *ladder;
    struct od_call_meter *meter;
    struct od_legs *legs;
    struct od_orphans *orphans;
    struct od_registrations *registrations;
    struct od_sip_tls *sip_tls;
    struct od_sip *sip;
    struct od_talk *talk;
    struct od_http_server *http;
    struct od_http_client *client; /* what goes out: webhooks, start hooks, tools */
    struct od_outbox *outbox;
    uint32_t hook_waits_s[OD_HOOK_WAITS_MAX + 1]; /* the operator's, 0 ends; else empty */
    struct od_hook_asker *asker;
    struct od_start_hooks *start_hooks;
    struct od_tools *tools;
    struct od_private_redis *redis;
    struct od_redis_url redis_url;
    struct od_store *store;
    struct od_api *api;
    bool store_up;
    bool keys_watched;
    bool agents_seeded;

    struct od_host_reload {
        int (*load)(struct od_config **out, struct od_options_problems *problems);
        struct od_config **kept; /* all that were taken over, until the end: values are borrowed */
        size_t kept_count;
        uint64_t applied, refused;
        int64_t at_ms; /* of the last; 0: none yet */
        bool ok;       /* how it ended */
        /* Of the last that was taken over, as struct od_api_reload has them; there is room for
         * every key. */
        char in_effect[3000], needs_restart[3000];
        char problems[24 * 320]; /* of the last, when it was refused */
    } reload;

    struct od_notify notify;
    uv_signal_t sigterm, sigint, sighup;
    uv_timer_t tick; /* every 100 ms: event streams, drain */
    uint64_t stage_ends_ns;
    uint64_t leave_ends_ns; /* bindings are being taken away until then; 0: they aren't */
    unsigned closing;       /* parts not yet closed in the present step */
};

/* store_glue.c: what the store tells. */
int od_host_open_store(struct od_host *host, const char *path_or_host, int port);

/* api_glue.c: what the API asks, and the HTTP handler in front of it. */
int od_host_open_api(struct od_host *host);
struct od_http_handler od_host_http_handler(struct od_host *host);

/* hook_glue.c: what goes out over HTTP. */
bool od_host_open_client(struct od_host *host);     /* and what is asked by it */
int od_host_open_start_hooks(struct od_host *host); /* when the talk is there */
int od_host_hook_try(void *ctx, struct yyjson_val *hook, const char *payload, size_t bytes,
                     od_hook_tried_fn fn, void *fn_ctx, const char **why);
int od_host_open_outbox(struct od_host *host); /* when store and catalog are there */

/* main.c: a fact for the engine. ctx: the host. */
void od_host_post(void *ctx, const struct od_event *event);

/* talk_glue.c: what the talk asks. False: told in the log. */
bool od_host_open_talk(struct od_host *host);

/* register_glue.c: registrations between catalog, SIP and API. */
int od_host_open_registrations(struct od_host *host, uint64_t seed);
void od_host_registered(void *ctx, uint32_t id, const struct od_sip_registered *answer);
void od_host_number_told(struct od_host *host, const struct od_thing_rec *rec, bool deleted);
void od_host_registration(void *ctx, const struct od_uid *number, struct od_api_registration *out);
size_t od_host_registration_metrics(const struct od_host *host, char *out, size_t size);

/* trunk_glue.c: trunks as the API sees them. */
size_t od_host_trunks(void *ctx, struct od_api_trunk *out, size_t max); /* ctx: the host */
const char *od_host_trunk_server(void *ctx, const char *name);
int od_host_trunk_change(void *ctx, const char *name, const struct od_api_trunk_change *change);
bool od_host_trunk_usable(const struct od_host *host, uint32_t index);

/* breaker_glue.c: breakers as the API sees them, and the line in the log when one has moved. */
size_t od_host_breakers(void *ctx, const char *org, struct od_api_breaker *out, size_t max);
int od_host_breaker_reset(void *ctx, const char *org, const char *id);
/* Another process' operator did so: what od_host_breaker_reset() told it. */
void od_host_breaker_told(struct od_host *host, const char *name, const char *value);
void od_host_breaker_forget(struct od_host *host); /* at the end */
/* What names such a value in od_store_live_put(): of no trunk, this and the breaker's id. */
#define OD_HOST_BREAKER_RESET "reset:"
void od_host_breaker_stats(void *ctx, struct od_breaker_stats *out);
void od_host_breaker_moved(void *ctx, struct od_now now, const struct od_breaker_view *view);
/* "this prefix (+1555) on this trunk (main): failed 80.0% of 25, at most 50.0%" */
void od_host_breaker_says(const struct od_host *host, const struct od_breaker_view *view, char *out,
                          size_t size);

/* holds.c: od_api_host.holds */
size_t od_host_holds(void *ctx, const struct od_call_rec *rec, struct od_api_hold *out, size_t max);

/* secrets.c: files of data_dir that are made at the first start. 0, or OD_EIO with a logged line.
 */
int od_host_open_data_dir(struct od_host *host);
int od_host_ident_key(struct od_host *host, uint8_t key[16]);
int od_host_dev_key(struct od_host *host);
int od_host_open_box(struct od_host *host);

/* seeds.c: numbers and agents of the configuration are stored, unless they are there. */
void od_host_seed(struct od_host *host);

/* reload.c: SIGHUP */
void od_host_reload(struct od_host *host);
void od_host_reload_deinit(struct od_host *host);
void od_host_reload_told(void *ctx, struct od_api_reload *out); /* od_api_host.reload */
size_t od_host_reload_metrics(const struct od_host *host, char *out, size_t size);
/* api_glue.c: the keys of the configuration. */
int od_host_api_change(struct od_host *host);
/* hook_glue.c: where webhooks may go. */
void od_host_client_change(struct od_host *host);

/* main.c */
bool od_host_set_breakers(struct od_host *host); /* the configuration's; false: told in the log */
void od_host_store_is_up(struct od_host *host);
void od_host_give_up(struct od_host *host, const char *why); /* logs, closes all, exit code 1 */

#endif
