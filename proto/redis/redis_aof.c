/*
 * redis_aof - the append-only file of a Redis that was started anew. One that is killed in the
 * middle of a write leaves half of what a script has written at the file's end. Redis leaves it out
 * when it starts, but (as seen with 7.0) it takes only the last, unfinished command from the file:
 * MULTI and what follows it stay there, new writes go behind them, and at the next start that half
 * is done after all: events come twice, counters are off. (Valkey has mended it in 2026, pull
 * request 4342.)
 *
 * A rewrite puts a new file in its place, from what Redis knows. It is asked for once per start of
 * a Redis, by whoever connects first. Should Redis be killed again before the rewrite is through,
 * it refuses its next start, cuts the file where it should have been cut, and starts at the one
 * after.
 */
#include <stdio.h>
#include <string.h>

#include "proto/redis/redis_inner.h"
#include "proto/redis/redis_read.h"

static const char busy[] = "ERR Background append only file rewriting already in progress";

static void marked(void *ctx, const struct redisReply *reply)
{
    (void)ctx, (void)reply; /* without the mark, the next connection asks for a rewrite again */
}

static void rewrite_done(void *ctx, const struct redisReply *reply)
{
    struct od_store *store = ctx;
    if (reply == NULL)
        return;
    if (reply->type == REDIS_REPLY_ERROR && strcmp(reply->str, busy) != 0) {
        char line[320];
        snprintf(
            line, sizeof line,
            "Redis won't rewrite its append-only file (%.120s): if it was killed in the middle of "
            "a write, half of that write may come back at its next start",
            reply->str);
        od_store_log(store, true, line);
        return;
    }
    od_redis_cmd_begin(&store->cmd);
    od_redis_cmd_str(&store->cmd, "SET");
    od_redis_cmd_str(&store->cmd, OD_REDIS_KEY_REWRITTEN);
    od_redis_cmd_str(&store->cmd, store->run_id);
    od_redis_conn_send(store->conn, &store->cmd, marked, store);
}

static void asked(void *ctx, const struct redisReply *reply)
{
    struct od_store *store = ctx;
    if (reply == NULL ||
        (reply->type == REDIS_REPLY_STRING && strcmp(reply->str, store->run_id) == 0))
        return;
    od_redis_cmd_begin(&store->cmd);
    od_redis_cmd_str(&store->cmd, "BGREWRITEAOF");
    od_redis_conn_send(store->conn, &store->cmd, rewrite_done, store);
}

void od_redis_aof_check(struct od_store *store)
{
    od_redis_cmd_begin(&store->cmd);
    od_redis_cmd_str(&store->cmd, "GET");
    od_redis_cmd_str(&store->cmd, OD_REDIS_KEY_REWRITTEN);
    od_redis_conn_send(store->conn, &store->cmd, asked, store);
}
