/*
 * redis_watch - a second connection that waits for revoked keys (XREAD BLOCK on a stream), so that
 * a key revoked anywhere stops working everywhere at once, and keys can be remembered without
 * asking for each request. A stream and not a channel: what is said while the connection is away is
 * read when it is back.
 *
 * Remembering is allowed from the moment the stream's end is known: whatever is revoked later comes
 * behind it. Any trouble of the connection ends it until it is back.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/redis/redis_inner.h"
#include "proto/redis/redis_read.h"

enum {
    BLOCK_MS = 1000,
    COMMAND_MS = 3000, /* a connection that hangs is noticed in this time */
    CONNECT_MS = 2000,
    RETRY_MS_MIN = 100,
    RETRY_MS_MAX = 2000,
    ID_MAX = 44,
};

struct od_redis_watch {
    struct od_store *store;
    struct od_redis_conn *conn;
    struct od_redis_cmd cmd;
    char last[ID_MAX]; /* the newest entry read */
    bool closing;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void tell_watched(struct od_redis_watch *watch, bool watched)
{
    const struct od_store_events *events = &watch->store->events;
    if (events->keys_watched != NULL && !watch->closing)
        events->keys_watched(events->ctx, watched);
}

static bool take_id(struct od_redis_watch *watch, struct od_text id)
{
    return id.bytes > 0 && od_str_copy(watch->last, sizeof watch->last, id.at, id.bytes);
}

static void wait_next(struct od_redis_watch *watch);

/* [ id, [ "h", hash ] ] */
static bool take_entry(struct od_redis_watch *watch, const struct redisReply *entry)
{
    if (!od_redis_read_array(entry, 2) || !take_id(watch, od_redis_read_text(entry, 0)))
        return false;
    struct od_text hash = {NULL, 0};
    if (od_redis_read_array(entry->element[1], 2))
        hash = od_redis_read_text(entry->element[1], 1);
    od_redis_key_gone(watch->store, hash.bytes == OD_HASH_BYTES ? (const uint8_t *)hash.at : NULL);
    return true;
}

/* nil: nothing came; else [ [ key, [ entry* ] ] ] */
static void next_done(void *ctx, const struct redisReply *reply)
{
    struct od_redis_watch *watch = ctx;
    if (reply == NULL || watch->closing)
        return; /* down() says the rest */
    bool good = reply->type == REDIS_REPLY_NIL;
    if (!good && od_redis_read_array(reply, 1) && od_redis_read_array(reply->element[0], 2)) {
        const struct redisReply *list = reply->element[0]->element[1];
        good = od_redis_read_array(list, 1);
        for (size_t i = 0; good && i < list->elements; i++)
            good = take_entry(watch, list->element[i]);
    }
    if (good) {
        od_redis_conn_settled(
            watch->conn); /* not before: else one that refuses would be tried often */
        wait_next(watch);
    } else {
        od_redis_conn_drop(watch->conn, "not what was asked for");
    }
}

static void wait_next(struct od_redis_watch *watch)
{
    od_redis_cmd_begin(&watch->cmd);
    od_redis_cmd_str(&watch->cmd, "XREAD");
    od_redis_cmd_str(&watch->cmd, "BLOCK");
    od_redis_cmd_int(&watch->cmd, BLOCK_MS);
    od_redis_cmd_str(&watch->cmd, "STREAMS");
    od_redis_cmd_str(&watch->cmd, OD_REDIS_KEY_GONE);
    od_redis_cmd_str(&watch->cmd, watch->last);
    if (od_redis_conn_send(watch->conn, &watch->cmd, next_done, watch) != 0)
        od_redis_conn_drop(watch->conn, "out of memory");
}

static void last_done(void *ctx, const struct redisReply *reply)
{
    struct od_redis_watch *watch = ctx;
    if (reply == NULL || watch->closing)
        return;
    strcpy(watch->last, "0-0");
    bool good = reply->type == REDIS_REPLY_ARRAY;
    if (good && reply->elements > 0)
        good = od_redis_read_array(reply->element[0], 1) &&
               take_id(watch, od_redis_read_text(reply->element[0], 0));
    if (!good) {
        od_redis_conn_drop(watch->conn, "not what was asked for");
        return;
    }
    tell_watched(watch, true);
    wait_next(watch);
}

static void watch_up(void *ctx)
{
    struct od_redis_watch *watch = ctx;
    if (watch->last[0] != '\0') { /* back again: what was said meanwhile comes first */
        tell_watched(watch, true);
        wait_next(watch);
        return;
    }
    od_redis_cmd_begin(&watch->cmd);
    od_redis_cmd_str(&watch->cmd, "XREVRANGE");
    od_redis_cmd_str(&watch->cmd, OD_REDIS_KEY_GONE);
    od_redis_cmd_str(&watch->cmd, "+");
    od_redis_cmd_str(&watch->cmd, "-");
    od_redis_cmd_str(&watch->cmd, "COUNT");
    od_redis_cmd_str(&watch->cmd, "1");
    if (od_redis_conn_send(watch->conn, &watch->cmd, last_done, watch) != 0)
        od_redis_conn_drop(watch->conn, "out of memory");
}

static void watch_down(void *ctx, const char *why)
{
    (void)why; /* the store's own connection says it */
    tell_watched(ctx, false);
}

int od_redis_watch_open(struct od_store *store)
{
    const struct od_store_config *config = &store->config;
    struct od_redis_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return OD_ENOMEM;
    watch->store = store;
    od_redis_cmd_init(&watch->cmd);
    int err = od_redis_conn_open(
        &watch->conn, store->loop,
        &(struct od_redis_conn_config){
            .path_or_host = config->path_or_host,
            .port = config->port,
            .password = config->password,
            .db = config->db,
            .connect_ms = CONNECT_MS,
            .command_ms = COMMAND_MS,
            .retry_ms_min = RETRY_MS_MIN,
            .retry_ms_max = RETRY_MS_MAX,
            .pending_max = 8,
            .pending_bytes_max = 4096,
        },
        &(struct od_redis_conn_events){.ctx = watch, .up = watch_up, .down = watch_down});
    if (err != 0) {
        od_redis_cmd_deinit(&watch->cmd);
        free(watch);
        return err;
    }
    store->watch = watch;
    return 0;
}

static void watch_closed(void *ctx)
{
    struct od_redis_watch *watch = ctx;
    void (*fn)(void *) = watch->closed;
    void *fn_ctx = watch->closed_ctx;
    od_redis_cmd_deinit(&watch->cmd);
    free(watch);
    fn(fn_ctx);
}

void od_redis_watch_close(struct od_store *store, void (*fn)(void *ctx), void *ctx)
{
    struct od_redis_watch *watch = store->watch;
    if (watch == NULL) {
        fn(ctx);
        return;
    }
    watch->closing = true;
    watch->closed = fn;
    watch->closed_ctx = ctx;
    store->watch = NULL;
    od_redis_conn_close(watch->conn, watch_closed, watch);
}
