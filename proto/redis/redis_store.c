/*
 * redis_store - the store's life, the orgs it serves, and when to act: an idle callback at the end
 * of the loop's turn sends what is due, so that everything the engine orders in one of its turns
 * travels together.
 */
#include "proto/redis/redis_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "outdial/err.h"
#include "proto/redis/redis_health.h"
#include "proto/redis/redis_inner.h"
#include "proto/redis/redis_read.h"

enum {
    FLUSH_MS = 15, /* 67 turns a second: under 0.1 round trips per call at 1,000 calls a second */
    COMMAND_MS = 5000,
    CONNECT_MS = 2000,
    LEASE_MS = 10000,
    HEARTBEAT_MS = 200,
    LANES_MAX = 100000,
    ORGS_MAX = 100000,
    ORGS_EVERY_MS = 1000, /* how soon an org made by another process is noticed */
    RETRY_MS_MIN = 100,
    RETRY_MS_MAX = 10000,
    PENDING_MAX = 8192,
    PENDING_BYTES_MAX = 256 * 1024 * 1024,
    CLOSE_MS = 1000,
};

static void on_idle(uv_idle_t *idle);
static void on_timer(uv_timer_t *timer);

uint64_t od_store_now_ms(const struct od_store *store)
{
    return uv_now(store->loop);
}

int64_t od_store_wall_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void od_store_post(struct od_store *store, const struct od_event *event)
{
    store->events.post(store->events.ctx, event);
}

void od_store_log(struct od_store *store, bool trouble, const char *text)
{
    if (store->events.log != NULL)
        store->events.log(store->events.ctx, trouble, text);
}

void od_store_tell_lease(struct od_store *store)
{
    struct od_event event = {.kind = OD_EV_LEASE, .u.lease.until_ns = OD_NEVER};
    for (uint32_t i = 0; i < store->org_count; i++) {
        const struct od_redis_org *org = store->orgs[i];
        if (org->lease_ns != 0 && org->lease_ns < event.u.lease.until_ns)
            event.u.lease.until_ns = org->lease_ns;
    }
    od_store_post(store, &event);
}

void od_store_kick(struct od_store *store)
{
    uv_idle_start(&store->idle, on_idle);
}

bool od_store_reply_ok(struct od_store *store, const char *what, const struct redisReply *reply)
{
    char text[160];
    if (reply == NULL)
        return false;
    if (reply->type != REDIS_REPLY_ERROR)
        return true;
    snprintf(text, sizeof text, "%s: %.128s", what, reply->str);
    od_redis_conn_drop(store->conn, text);
    return false;
}

bool od_store_reply_list(struct od_store *store, const char *what, const struct redisReply *reply,
                         size_t least)
{
    char text[96];
    if (!od_store_reply_ok(store, what, reply))
        return false;
    if (od_redis_read_array(reply, least))
        return true;
    store->stats.odd++;
    snprintf(text, sizeof text, "%s: the answer broke its format", what);
    od_redis_conn_drop(store->conn, text);
    return false;
}

/* Orgs */

static void ignore(void *ctx, const struct redisReply *reply)
{
    od_store_reply_ok(ctx, "orgs", reply);
}

static void register_org(struct od_store *store, const char *name)
{
    od_redis_cmd_begin(&store->cmd);
    od_redis_cmd_str(&store->cmd, "SADD");
    od_redis_cmd_str(&store->cmd, OD_REDIS_KEY_ORGS);
    od_redis_cmd_str(&store->cmd, name);
    od_redis_conn_send(store->conn, &store->cmd, ignore, store);
}

static struct od_redis_org *org_create(struct od_store *store, const char *name)
{
    if (store->org_count >= ORGS_MAX)
        return NULL;
    if (store->org_count == store->org_size) {
        uint32_t size = store->org_size == 0 ? 8 : store->org_size * 2;
        struct od_redis_org **orgs = realloc(store->orgs, size * sizeof(struct od_redis_org *));
        if (orgs == NULL)
            return NULL;
        store->orgs = orgs;
        store->org_size = size;
    }
    struct od_redis_org *org = calloc(1, sizeof *org);
    if (org == NULL)
        return NULL;
    org->store = store;
    snprintf(org->name, sizeof org->name, "%s", name);
    od_redis_key_prefix(org->prefix, name);
    org->last = &org->first;
    od_redis_outbox_init(org);
    store->orgs[store->org_count++] = org;
    return org;
}

struct od_redis_org *od_store_org(struct od_store *store, const char *name, bool make)
{
    for (uint32_t i = 0; i < store->org_count; i++)
        if (strcmp(store->orgs[i]->name, name) == 0)
            return store->orgs[i];
    if (!make || !od_redis_key_org_ok(name))
        return NULL;
    struct od_redis_org *org = org_create(store, name);
    if (org != NULL && store->stage == OD_STORE_SERVING) {
        register_org(store, name);
        od_redis_sync_start(org);
    }
    return org;
}

static void say_why_not(struct od_store *store)
{
    if (store->ledger.trouble[0] != '\0')
        snprintf(store->why, sizeof store->why, "the journal can't be written: %s",
                 store->ledger.trouble);
    else
        snprintf(store->why, sizeof store->why,
                 "this Redis is a new one: other workers are still to tell it what they dialled");
}

void od_store_up_when_ready(struct od_store *store)
{
    bool awaits = false;
    for (uint32_t i = 0; i < store->org_count; i++) {
        if (!store->orgs[i]->ready || !store->orgs[i]->proved)
            return;
        awaits |= store->orgs[i]->awaits;
    }
    if (store->up || store->stage != OD_STORE_SERVING)
        return;
    od_redis_journal_settled(store);
    if (awaits || store->ledger.trouble[0] != '\0') {
        say_why_not(store);
        return;
    }
    store->up = store->was_up = true;
    store->why[0] = '\0';
    od_redis_conn_settled(store->conn);
    od_store_log(store, false, "connected");
    od_store_post(store, &(struct od_event){.kind = OD_EV_STORE_UP});
}

void od_store_not_up(struct od_store *store)
{
    if (!store->up)
        return;
    store->up = false;
    say_why_not(store);
    od_store_post(store, &(struct od_event){.kind = OD_EV_STORE_DOWN});
}

void od_redis_org_ready(struct od_redis_org *org)
{
    struct od_store *store = org->store;
    org->syncing = false;
    org->ready = true;
    org->turn_at_ms = 0;
    od_redis_sync_sweep(org);
    od_store_up_when_ready(store);
    od_store_kick(store);
}

/* Coming up */

static void orgs_done(void *ctx, const struct redisReply *reply)
{
    struct od_store *store = ctx;
    if (!od_store_reply_list(store, "orgs", reply, 0))
        return;
    bool first = store->stage == OD_STORE_CHECKING;
    store->org_known = (uint32_t)reply->elements;
    for (size_t i = 0; i < reply->elements; i++) {
        struct od_text name = od_redis_read_text(reply, i);
        if (name.bytes > 0 && name.bytes < OD_NAME_MAX && name.at[name.bytes] == '\0')
            od_store_org(store, name.at, true);
    }
    if (!first)
        return;
    store->stage = OD_STORE_SERVING;
    od_redis_held_tell(store);
    for (uint32_t i = 0; i < store->org_count; i++)
        od_redis_sync_start(store->orgs[i]);
    od_store_up_when_ready(store);
    od_store_kick(store);
}

static void ask_orgs(struct od_store *store)
{
    od_redis_cmd_begin(&store->cmd);
    od_redis_cmd_str(&store->cmd, "SMEMBERS");
    od_redis_cmd_str(&store->cmd, OD_REDIS_KEY_ORGS);
    od_redis_conn_send(store->conn, &store->cmd, orgs_done, store);
}

static void org_count_done(void *ctx, const struct redisReply *reply)
{
    struct od_store *store = ctx;
    if (od_store_reply_ok(store, "orgs", reply) && reply->type == REDIS_REPLY_INTEGER &&
        reply->integer != store->org_known)
        ask_orgs(store);
}

static void look_for_orgs(struct od_store *store)
{
    store->orgs_at_ms = od_store_now_ms(store) + ORGS_EVERY_MS;
    od_redis_cmd_begin(&store->cmd);
    od_redis_cmd_str(&store->cmd, "SCARD");
    od_redis_cmd_str(&store->cmd, OD_REDIS_KEY_ORGS);
    store->stats.round_trips++;
    od_redis_conn_send(store->conn, &store->cmd, org_count_done, store);
}

static void info_done(void *ctx, const struct redisReply *reply)
{
    struct od_store *store = ctx;
    struct od_redis_health health;
    char why[160];
    if (!od_store_reply_ok(store, "info", reply))
        return;
    if (reply->type != REDIS_REPLY_STRING) {
        od_redis_conn_drop(store->conn, "not what a Redis says");
        return;
    }
    if (od_redis_health_check(reply->str, (size_t)reply->len, &health, why, sizeof why) != 0) {
        od_redis_conn_drop(store->conn, why);
        if (!store->was_up && !health.replica && store->events.unfit != NULL &&
            (health.evicts || health.version_major < 7))
            store->events.unfit(store->events.ctx, why);
        return;
    }
    store->stats.durable = health.append_only;
    for (uint32_t i = 0; i < store->org_count && strcmp(store->run_id, health.run_id) != 0; i++)
        store->orgs[i]->agents_rev = store->orgs[i]->lanes_rev = 0; /* it may count otherwise */
    memcpy(store->run_id, health.run_id, sizeof store->run_id);
    if (health.append_only)
        od_redis_aof_check(store);
    od_redis_script_load_all(store->conn);
    if (!od_redis_journal_begin(store))
        od_store_serve(store);
}

void od_store_serve(struct od_store *store)
{
    store->live_busy = false;
    od_redis_live_ask(store);
    for (uint32_t i = 0; i < store->org_count; i++)
        register_org(store, store->orgs[i]->name);
    ask_orgs(store);
}

static void conn_up(void *ctx)
{
    struct od_store *store = ctx;
    store->stage = OD_STORE_CHECKING;
    store->connected_ms = od_store_now_ms(store);
    store->orgs_at_ms = store->connected_ms + ORGS_EVERY_MS;
    od_redis_cmd_begin(&store->cmd);
    od_redis_cmd_str(&store->cmd, "INFO");
    od_redis_conn_send(store->conn, &store->cmd, info_done, store);
}

static void conn_down(void *ctx, const char *why)
{
    struct od_store *store = ctx;
    if (strcmp(store->why, why) != 0) {
        snprintf(store->why, sizeof store->why, "%s", why);
        od_store_log(store, true, why);
    }
    store->stage = OD_STORE_DOWN;
    od_redis_journal_forget(store);
    if (store->up) {
        store->up = false;
        od_store_post(store, &(struct od_event){.kind = OD_EV_STORE_DOWN});
    }
    for (uint32_t i = 0; i < store->org_count; i++) {
        struct od_redis_org *org = store->orgs[i];
        org->ready = org->proved = org->syncing = org->changes_busy = org->reap_busy = false;
        for (size_t c = 0; c < org->claims.count; c++)
            od_store_claim_failed(store, &org->claims.all[c]);
        org->claims.count = 0;
    }
}

/* When to act */

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Many idle orgs share the heartbeats, as long as that keeps their leases. */
static uint64_t heartbeat_ms(const struct od_store *store)
{
    uint64_t shared = 2 * (uint64_t)store->org_count;
    if (shared > store->config.lease_ms / 4)
        shared = store->config.lease_ms / 4;
    return shared > store->config.heartbeat_ms ? shared : store->config.heartbeat_ms;
}

/* What of one org is due; returns when the next thing is. */
static uint64_t run_org(struct od_redis_org *org, uint64_t now)
{
    struct od_store *store = org->store;
    if (!org->ready)
        return UINT64_MAX;
    uint64_t next = UINT64_MAX;
    if (!org->turn_busy) {
        uint64_t pause;
        if (org->listed >= OD_TURN_UNITS_MAX)
            pause = 0;
        else if (org->listed > 0 || org->claims.count > 0 || org->news)
            pause = store->config.flush_ms;
        else
            pause = heartbeat_ms(store);
        if (now >= org->turn_at_ms + pause)
            od_redis_turn_send(org);
        else
            next = org->turn_at_ms + pause;
    }
    next = sooner(next, od_redis_outbox_run(org, now));
    if (org->awaits && now >= org->meet_at_ms)
        od_redis_sync_meet(org);
    if (org->awaits)
        next = sooner(next, org->meet_at_ms);
    /* After an outage every lease looks old: the others get the time of a lease to come back. */
    if (now >= store->connected_ms + store->config.lease_ms && now >= org->reap_at_ms) {
        org->reap_at_ms = now + store->config.lease_ms / 4 + 1;
        od_redis_sync_reap(org);
    }
    return next;
}

static bool unsent(const struct od_store *store)
{
    for (uint32_t i = 0; i < store->org_count; i++)
        if (store->orgs[i]->turn_busy || store->orgs[i]->listed > 0 ||
            od_redis_outbox_unsent(store->orgs[i]))
            return true;
    return false;
}

/* Requests that come in while the store closes, also from the answers to others. A caller that
 * never stops asking is not waited for. */
static void answer_all(struct od_store *store)
{
    for (int i = 0; i < 1000; i++) {
        od_redis_repo_deferred(store);
        if (store->deferred == NULL)
            return;
    }
}

static void handle_closed(struct od_store *store)
{
    if (--store->handles > 0)
        return;
    answer_all(store);
    void (*fn)(void *) = store->closed;
    void *ctx = store->closed_ctx;
    od_redis_jobs_deinit(&store->jobs);
    od_redis_lanes_deinit(&store->lanes);
    for (uint32_t i = 0; i < store->org_count; i++) {
        struct od_redis_org *org = store->orgs[i];
        free(org->numbers.index);
        free(org->sweeps);
        free(org->claims.all);
        free(org->asked.all);
        free(org->sent);
        od_redis_outbox_deinit(org);
        od_redis_acked_deinit(org);
        free(org);
    }
    free(store->orgs);
    od_redis_share_close(store);
    od_redis_held_close(store);
    free(store->scratch);
    od_redis_cmd_deinit(&store->cmd);
    free(store);
    fn(ctx);
}

static void uv_closed(uv_handle_t *handle)
{
    handle_closed(handle->data);
}

static void watch_closed(void *ctx)
{
    handle_closed(ctx);
}

static void journal_closed(void *ctx)
{
    struct od_store *store = ctx;
    uv_close((uv_handle_t *)&store->timer, uv_closed);
    uv_close((uv_handle_t *)&store->idle, uv_closed);
    od_redis_watch_close(store, watch_closed, store);
}

static void conn_closed(void *ctx)
{
    struct od_store *store = ctx;
    answer_all(store);
    od_redis_journal_close(store, journal_closed, store);
}

static void run(struct od_store *store)
{
    uint64_t now = od_store_now_ms(store), next = now + 1000, turns = store->stats.turns;
    uv_idle_stop(&store->idle);
    if (store->stage == OD_STORE_CLOSING)
        return;
    od_redis_repo_deferred(store);
    if (store->closing) {
        if (!unsent(store) || now >= store->close_at_ms || store->stage == OD_STORE_DOWN) {
            store->stage = OD_STORE_CLOSING;
            uv_timer_stop(&store->timer);
            od_redis_conn_close(store->conn, conn_closed, store);
            return;
        }
        next = sooner(next, store->close_at_ms);
    }
    if (store->stage == OD_STORE_SERVING) {
        for (uint32_t i = 0; i < store->org_count; i++)
            next = sooner(next, run_org(store->orgs[i], now));
        od_redis_share_run(store);
        if (now >= store->live_at_ms)
            od_redis_live_ask(store);
        if (store->events.live != NULL)
            next = sooner(next, store->live_at_ms);
        if (now >= store->orgs_at_ms)
            look_for_orgs(store);
        next = sooner(next, store->orgs_at_ms);
        od_redis_conn_push(store->conn);
    }
    next = sooner(next, od_redis_journal_run(store, now, store->stats.turns != turns));
    uv_timer_start(&store->timer, on_timer, next > now ? next - now : 1, 0);
}

static void on_idle(uv_idle_t *idle)
{
    run(idle->data);
}

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

/* Life */

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
    return value == 0 ? otherwise : value;
}

static int open_conn(struct od_store *store)
{
    const struct od_store_config *config = &store->config;
    return od_redis_conn_open(
        &store->conn, store->loop,
        &(struct od_redis_conn_config){
            .path_or_host = config->path_or_host,
            .port = config->port,
            .password = config->password,
            .db = config->db,
            .connect_ms = CONNECT_MS,
            .command_ms = config->command_ms,
            .retry_ms_min = RETRY_MS_MIN,
            .retry_ms_max = RETRY_MS_MAX,
            .pending_max = PENDING_MAX,
            .pending_bytes_max = PENDING_BYTES_MAX,
        },
        &(struct od_redis_conn_events){.ctx = store, .up = conn_up, .down = conn_down});
}

static void pack_caps(struct od_store *store)
{
    const struct od_cap *caps = store->config.caps;
    store->caps_bytes = 0;
    for (int i = 0; i < OD_CAPS_MAX && caps[i].attempts > 0; i++)
        store->caps_bytes +=
            (size_t)od_wire_cap_put(store->caps + store->caps_bytes, OD_WIRE_CAP_BYTES, &caps[i]);
}

void od_store_caps(struct od_store *store, const struct od_cap caps[OD_CAPS_MAX])
{
    memcpy(store->config.caps, caps, sizeof store->config.caps);
    pack_caps(store);
}

static void init_ports(struct od_store *store)
{
    pack_caps(store);
    od_redis_port_init(store);
    od_redis_repo_init(store);
    od_redis_outbox_port_init(store);
    od_redis_share_port_init(store);
}

int od_store_open(struct od_store **out, uv_loop_t *loop, const struct od_store_config *config,
                  const struct od_store_events *events)
{
    if (config->worker == NULL || config->worker[0] == '\0' ||
        strlen(config->worker) >= OD_NAME_MAX || config->jobs_max < 1 ||
        config->jobs_max > 1000000 || config->db < 0 || events->post == NULL)
        return OD_EINVAL;
    /* refused before the journal is opened, which would still be closing for a while */
    if (config->path_or_host == NULL || (config->path_or_host[0] != '/' && config->port == 0))
        return OD_EINVAL;
    struct od_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return OD_ENOMEM;
    store->loop = loop;
    store->config = *config;
    store->config.flush_ms = or_default(config->flush_ms, FLUSH_MS);
    store->config.command_ms = or_default(config->command_ms, COMMAND_MS);
    store->config.lease_ms = or_default(config->lease_ms, LEASE_MS);
    store->config.await_ms = or_default(config->await_ms, store->config.lease_ms);
    store->config.heartbeat_ms = or_default(config->heartbeat_ms, HEARTBEAT_MS);
    store->events = *events;
    snprintf(store->worker, sizeof store->worker, "%s", config->worker);
    snprintf(store->why, sizeof store->why, "not connected yet");
    store->lanes.max = or_default(config->lanes_max, LANES_MAX);
    od_redis_cmd_init(&store->cmd);
    store->scratch = malloc(OD_STORE_SCRATCH);
    int err =
        store->scratch == NULL ? OD_ENOMEM : od_redis_jobs_init(&store->jobs, config->jobs_max);
    if (err == 0)
        err = od_redis_share_open(store);
    if (err == 0)
        err = od_redis_journal_open(store, config->journal);
    if (err == 0)
        err = open_conn(store);
    if (err == 0 && od_redis_watch_open(store) != 0)
        od_store_log(store, true, "out of memory: every request will ask for its key");
    store->config.path_or_host = store->config.password = store->config.worker = NULL;
    store->config.journal = NULL;
    if (err != 0) {
        if (store->ledger.journal != NULL)
            od_journal_close(store->ledger.journal, NULL, NULL);
        od_redis_jobs_deinit(&store->jobs);
        od_redis_share_close(store);
        free(store->scratch);
        free(store);
        return err;
    }
    init_ports(store);
    uv_timer_init(loop, &store->timer);
    uv_idle_init(loop, &store->idle);
    store->timer.data = store;
    store->idle.data = store;
    store->handles = 3;
    *out = store;
    return 0;
}

void od_store_close(struct od_store *store, void (*fn)(void *ctx), void *ctx)
{
    store->closing = true;
    store->closed = fn;
    store->closed_ctx = ctx;
    store->close_at_ms = od_store_now_ms(store) + CLOSE_MS;
    od_store_kick(store);
}

const struct od_store_port *od_store_port(struct od_store *store)
{
    return &store->port;
}

const struct od_repo_port *od_store_repo(struct od_store *store)
{
    return &store->repo;
}

const struct od_guard_port *od_store_guard(struct od_store *store)
{
    return &store->guard;
}

const struct od_job *od_store_job(const struct od_store *store, struct od_job_id id)
{
    const struct od_redis_job *job = od_redis_jobs_of(&store->jobs, id);
    return job == NULL ? NULL : &job->pub;
}

static int keep_document(char **at, size_t *size, const char *json, size_t bytes)
{
    char *copy = malloc(bytes + 1);
    if (copy == NULL)
        return OD_ENOMEM;
    memcpy(copy, json, bytes);
    copy[bytes] = '\0';
    free(*at);
    *at = copy;
    *size = bytes;
    return 0;
}

int od_store_job_result(struct od_store *store, struct od_job_id id, const char *json, size_t bytes)
{
    struct od_redis_job *job = od_redis_jobs_of(&store->jobs, id);
    if (job == NULL || job->given_up)
        return OD_ENOENT;
    if (bytes > OD_WIRE_DOC_MAX)
        return OD_ETOOBIG;
    return keep_document(&job->result, &job->result_bytes, json, bytes);
}

int od_store_job_media(struct od_store *store, struct od_job_id id, const char *json, size_t bytes)
{
    struct od_redis_job *job = od_redis_jobs_of(&store->jobs, id);
    if (job == NULL || job->given_up)
        return OD_ENOENT;
    if (bytes > OD_WIRE_MEDIA_MAX)
        return OD_ETOOBIG;
    return keep_document(&job->media, &job->media_bytes, json, bytes);
}

int od_store_job_data(struct od_store *store, struct od_job_id id, struct od_text context,
                      struct od_text overrides)
{
    struct od_redis_job *job = od_redis_jobs_of(&store->jobs, id);
    if (job == NULL || job->given_up)
        return OD_ENOENT;
    struct od_text data = context.bytes > 0 ? context : job->pub.context;
    char *text = malloc(data.bytes + overrides.bytes + 2);
    if (text == NULL)
        return OD_ENOMEM;
    if (data.bytes > 0)
        memcpy(text, data.at, data.bytes);
    text[data.bytes] = '\0';
    char *more = text + data.bytes + 1;
    if (overrides.bytes > 0)
        memcpy(more, overrides.at, overrides.bytes);
    more[overrides.bytes] = '\0';
    free(job->data);
    job->data = text;
    job->pub.context = (struct od_text){text, data.bytes};
    job->pub.overrides = (struct od_text){more, overrides.bytes};
    return 0;
}

uint64_t od_store_waits_ms(const struct od_store *store)
{
    uint64_t now_ms = uv_hrtime() / OD_NS_PER_MS, most = 0;
    for (uint32_t i = 0; i < store->org_count; i++) {
        const struct od_redis_org *org = store->orgs[i];
        uint64_t since_ms = org->turn_at_ns / OD_NS_PER_MS;
        if (org->turn_busy && now_ms > since_ms && now_ms - since_ms > most)
            most = now_ms - since_ms;
    }
    return most;
}

const char *od_store_why(const struct od_store *store)
{
    return store->why;
}

void od_store_stats(const struct od_store *store, struct od_store_stats *out)
{
    *out = store->stats;
    out->up = store->up;
    uint64_t connects = od_redis_conn_connects(store->conn);
    out->reconnects = connects > 0 ? connects - 1 : 0;
    out->commands = od_redis_conn_commands(store->conn);
    out->jobs = store->jobs.used;
    out->held_bytes = store->ledger.held_bytes;
    out->journal_only = store->ledger.only;
    out->documents_lost = store->ledger.documents_lost;
    if (store->ledger.journal != NULL) {
        struct od_journal_stats journal;
        od_journal_stats(store->ledger.journal, &journal);
        out->journal_records = journal.records;
        out->journal_syncs = journal.syncs;
        out->journal_failures = journal.failures;
        out->journal_refused = journal.refused;
        out->journal_bytes = journal.bytes_on_disk;
        out->journal_waits_ms = journal.waits_ms;
    }
    out->orgs = store->org_count;
    out->lanes = store->lanes.count;
    for (uint32_t i = 0; i < store->org_count; i++)
        out->backlog += store->orgs[i]->listed + (uint32_t)store->orgs[i]->sent_count;
}
