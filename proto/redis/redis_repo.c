/*
 * redis_repo - how a request of the API lives, and the small ones: events. Every request
 * is one script or command; its answer is decoded in the reply's callback, straight from the
 * reply's memory.
 */
#include "proto/redis/redis_repo.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"
#include "proto/redis/redis_event.h"
#include "proto/redis/redis_gather.h"
#include "proto/redis/redis_read.h"

enum { TAKE_MAX = 1000 };

/* Requests */

struct od_repo_call *od_repo_begin(struct od_store *store, const char *org,
                                   enum od_repo_shape shape, union od_repo_fn fn, void *fn_ctx)
{
    struct od_repo_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        od_store_log(store, true, "out of memory: a request is lost");
        return NULL;
    }
    call->store = store;
    call->shape = shape;
    call->fn = fn;
    call->fn_ctx = fn_ctx;
    if (org != NULL && od_redis_key_org_ok(org)) {
        strcpy(call->org, org);
        od_redis_key_prefix(call->prefix, org);
    }
    return call;
}

void od_repo_end(struct od_repo_call *call)
{
    free(call->held);
    free(call);
}

void od_repo_answer(struct od_repo_call *call, int err)
{
    switch (call->shape) {
    case OD_REPO_DONE:
        call->fn.done(call->fn_ctx, err);
        break;
    case OD_REPO_AGENTS:
        call->fn.agents(call->fn_ctx, err, NULL, 0);
        break;
    case OD_REPO_THINGS:
        call->fn.things(call->fn_ctx, err, NULL, 0);
        break;
    case OD_REPO_CAMPAIGNS:
        call->fn.campaigns(call->fn_ctx, err, NULL, 0);
        break;
    case OD_REPO_ADDED:
        call->fn.added(call->fn_ctx, err, 0, NULL, 0);
        break;
    case OD_REPO_CALLS:
        call->fn.calls(call->fn_ctx, err, NULL, 0, 0);
        break;
    case OD_REPO_EVENTS:
        call->fn.events(call->fn_ctx, err, NULL, 0);
        break;
    case OD_REPO_SUPPRESSIONS:
        call->fn.suppressions(call->fn_ctx, err, NULL, 0, 0);
        break;
    case OD_REPO_DEAD:
        call->fn.dead(call->fn_ctx, err, NULL, 0, 0);
        break;
    case OD_REPO_AUDITS:
        call->fn.audits(call->fn_ctx, err, NULL, 0, 0);
        break;
    case OD_REPO_WHY:
        call->fn.why(call->fn_ctx, err, NULL, NULL);
        break;
    case OD_REPO_KEY:
        call->fn.key(call->fn_ctx, err, "", "", "");
        break;
    case OD_REPO_KEYS:
        call->fn.keys(call->fn_ctx, err, NULL, 0);
        break;
    case OD_REPO_ONCE:
        call->fn.once(call->fn_ctx, err, NULL);
        break;
    case OD_REPO_ROWS:
        call->fn.rows(call->fn_ctx, err, NULL, 0, 0);
        break;
    case OD_REPO_POINTS:
        call->fn.points(call->fn_ctx, err, NULL, 0);
        break;
    }
    od_repo_end(call);
}

void od_repo_defer(struct od_repo_call *call, int err)
{
    struct od_store *store = call->store;
    call->err = err;
    call->next = NULL;
    *store->deferred_last = call;
    store->deferred_last = &call->next;
    if (store->stage != OD_STORE_CLOSING)
        od_store_kick(store);
}

void od_redis_repo_deferred(struct od_store *store)
{
    od_redis_gather_flush(store);
    /* what the callbacks ask for meanwhile is for the next time */
    struct od_repo_call *call = store->deferred;
    store->deferred = NULL;
    store->deferred_last = &store->deferred;
    while (call != NULL) {
        struct od_repo_call *next = call->next;
        od_repo_answer(call, call->err);
        call = next;
    }
}

static int send_error(const struct od_repo_call *call, int err)
{
    return call->store->closing ? OD_ECANCELED : err;
}

void od_repo_send(struct od_repo_call *call, enum od_script script, od_redis_reply_fn fn)
{
    struct od_store *store = call->store;
    int err = OD_EDOWN;
    if (store->stage == OD_STORE_SERVING && !store->closing)
        err = od_redis_script_send(store->conn, &store->cmd, script, fn, call);
    if (err != 0)
        od_repo_defer(call, send_error(call, err));
}

/* The same for a plain command. */
void od_repo_send_command(struct od_repo_call *call, od_redis_reply_fn fn)
{
    struct od_store *store = call->store;
    int err = OD_EDOWN;
    if (store->stage == OD_STORE_SERVING && !store->closing)
        err = od_redis_conn_send(store->conn, &store->cmd, fn, call);
    if (err != 0)
        od_repo_defer(call, send_error(call, err));
}

/* An error reply: either Redis is in trouble as a whole, or this one request is. */
int od_repo_error(const struct od_repo_call *call, const struct redisReply *reply)
{
    static const char *const troubles[] = {"LOADING",     "READONLY",   "MISCONF",  "OOM",
                                           "NOAUTH",      "MASTERDOWN", "BUSY",     "NOREPLICAS",
                                           "CLUSTERDOWN", "MOVED",      "TRYAGAIN", "NOPERM"};
    for (size_t i = 0; i < sizeof troubles / sizeof troubles[0]; i++) {
        if (strncmp(reply->str, troubles[i], strlen(troubles[i])) == 0) {
            od_redis_conn_drop(call->store->conn, reply->str);
            return OD_EDOWN;
        }
    }
    call->store->stats.odd++;
    od_store_log(call->store, true, reply->str);
    return OD_EPROTO;
}

int od_repo_lost(const struct od_repo_call *call)
{
    if (call->store->closing)
        return OD_ECANCELED;
    return call->writes ? OD_ETIMEOUT : OD_EDOWN;
}

/* What this process has just stored, its own queue is to see at once. */
static void tell_the_queue(const struct od_repo_call *call)
{
    struct od_redis_org *org = call->writes ? od_store_org(call->store, call->org, false) : NULL;
    if (org == NULL)
        return;
    org->news = true;
    od_store_kick(call->store);
}

int od_repo_reply(const struct od_repo_call *call, const struct redisReply *reply)
{
    if (reply == NULL)
        return od_repo_lost(call);
    tell_the_queue(call);
    if (reply->type == REDIS_REPLY_ERROR)
        return od_repo_error(call, reply);
    if (!od_redis_read_array(reply, 1) || reply->element[0]->type != REDIS_REPLY_INTEGER) {
        call->store->stats.odd++;
        return OD_EPROTO;
    }
    int64_t err = reply->element[0]->integer;
    return err > 0 || err < OD_ETOOBIG ? OD_EPROTO : (int)err;
}

void od_repo_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    od_repo_answer(call, od_repo_reply(call, reply)); /* 0 is an answer like any other here */
}

void od_repo_touch_org(struct od_repo_call *call)
{
    call->writes = true;
    od_store_org(call->store, call->org, true);
}

bool od_repo_script(struct od_repo_call *call, enum od_script script)
{
    if (call->org[0] == '\0') {
        od_repo_defer(call, OD_ENOENT);
        return false;
    }
    od_redis_script_begin(&call->store->cmd, script, call->prefix);
    return true;
}

void od_repo_add_uid(struct od_repo_call *call, const struct od_uid *uid)
{
    od_redis_cmd_add(&call->store->cmd, uid->b, sizeof uid->b);
}

void od_repo_add_text(struct od_repo_call *call, struct od_text text)
{
    od_redis_cmd_add(&call->store->cmd, text.at, text.bytes);
}

uint32_t od_repo_page(uint32_t take)
{
    return take > TAKE_MAX ? TAKE_MAX : take;
}

struct od_uid od_repo_make_uid(void)
{
    uint8_t random[10];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        memset(random, 0, sizeof random);
    return od_uid_make(od_store_wall_ms(), random);
}

/* Events */

static void events_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    int err = od_repo_reply(call, reply);
    struct od_event_rec *recs = NULL;
    char(*bodies)[OD_REDIS_EVENT_BODY_MAX] = NULL;
    if (err == 0) {
        recs = calloc(reply->elements / 4 + 1, sizeof *recs);
        bodies = malloc((reply->elements / 4 + 1) * sizeof *bodies);
        err = recs == NULL || bodies == NULL ? OD_ENOMEM : 0;
    }
    if (err == 0) {
        size_t count = 0;
        for (size_t i = 1; i + 4 <= reply->elements; i += 4)
            count += od_redis_event_read(reply, i, &recs[count], bodies[count]);
        call->fn.events(call->fn_ctx, 0, recs, count);
        od_repo_end(call);
    } else {
        od_repo_answer(call, err);
    }
    free(recs);
    free(bodies);
}

/* A stream's id is milliseconds, or milliseconds-sequence. */
static bool event_id_ok(const char *id)
{
    const char *dash = strchr(id, '-');
    uint64_t number;
    if (dash == NULL)
        return od_str_u64(id, strlen(id), UINT64_MAX, &number);
    return od_str_u64(id, (size_t)(dash - id), UINT64_MAX, &number) &&
           od_str_u64(dash + 1, strlen(dash + 1), UINT64_MAX, &number);
}

static void events_read(void *ctx, const char *org, const char *after, uint32_t take,
                        od_repo_events_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_EVENTS, (union od_repo_fn){.events = fn}, fn_ctx);
    if (call == NULL || !od_repo_script(call, OD_SCRIPT_EVENTS))
        return;
    if (after == NULL || after[0] == '\0' || !event_id_ok(after))
        after = "0";
    od_redis_cmd_str(&call->store->cmd, after);
    od_redis_cmd_int(&call->store->cmd, od_repo_page(take == 0 ? 1 : take));
    od_repo_send(call, OD_SCRIPT_EVENTS, events_done);
}

static void last_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        od_repo_answer(call, reply == NULL ? od_repo_lost(call) : od_repo_error(call, reply));
        return;
    }
    struct od_event_rec rec = {.id = "0-0", .body = {"", 0}};
    struct od_text id = {"", 0};
    if (od_redis_read_array(reply, 1))
        id = od_redis_read_text(reply->element[0], 0);
    if (id.bytes > 0)
        od_str_copy(rec.id, sizeof rec.id, id.at, id.bytes);
    call->fn.events(call->fn_ctx, 0, &rec, 1);
    od_repo_end(call);
}

static void events_last(void *ctx, const char *org, od_repo_events_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_EVENTS, (union od_repo_fn){.events = fn}, fn_ctx);
    if (call == NULL)
        return;
    if (call->org[0] == '\0') {
        od_repo_defer(call, OD_ENOENT);
        return;
    }
    char key[OD_REDIS_KEY_MAX];
    od_redis_key_events(key, call->prefix);
    struct od_redis_cmd *cmd = &call->store->cmd;
    od_redis_cmd_begin(cmd);
    od_redis_cmd_str(cmd, "XREVRANGE");
    od_redis_cmd_str(cmd, key);
    od_redis_cmd_str(cmd, "+");
    od_redis_cmd_str(cmd, "-");
    od_redis_cmd_str(cmd, "COUNT");
    od_redis_cmd_str(cmd, "1");
    od_repo_send_command(call, last_done);
}

void od_redis_repo_init(struct od_store *store)
{
    store->deferred_last = &store->deferred;
    store->repo = (struct od_repo_port){
        .ctx = store,
        .events_read = events_read,
        .events_last = events_last,
    };
    od_repo_agents_init(&store->repo);
    od_repo_things_init(&store->repo);
    od_repo_campaigns_init(&store->repo);
    od_repo_calls_init(&store->repo);
    od_repo_rules_init(&store->repo);
    od_repo_audit_init(&store->repo);
    od_redis_guard_init(store);
}
