/*
 * redis_script - the Lua scripts, called by their hash.
 */
#include "proto/redis/redis_script.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/redis/redis_cmd.h"
#include "proto/redis/redis_conn.h"

struct script_call {
    struct od_redis_conn *conn;
    od_redis_reply_fn fn;
    void *ctx;
    enum od_script script;
    bool again;
    size_t bytes;
    char command[];
};

void od_redis_script_begin(struct od_redis_cmd *cmd, enum od_script script, const char *prefix)
{
    od_redis_cmd_begin(cmd);
    od_redis_cmd_add(cmd, "EVALSHA", 7);
    od_redis_cmd_add(cmd, od_redis_scripts[script].sha, 40);
    od_redis_cmd_add(cmd, "1", 1);
    od_redis_cmd_str(cmd, prefix);
}

static void load_done(void *ctx, const struct redisReply *reply)
{
    (void)ctx;
    (void)reply; /* a refusal shows at the script's next call */
}

static void load(struct od_redis_conn *conn, enum od_script script)
{
    struct od_redis_cmd cmd;
    od_redis_cmd_init(&cmd);
    od_redis_cmd_begin(&cmd);
    od_redis_cmd_str(&cmd, "SCRIPT");
    od_redis_cmd_str(&cmd, "LOAD");
    od_redis_cmd_add(&cmd, od_redis_scripts[script].source, od_redis_scripts[script].bytes);
    od_redis_conn_send(conn, &cmd, load_done, NULL);
    od_redis_cmd_deinit(&cmd);
}

void od_redis_script_load_all(struct od_redis_conn *conn)
{
    for (int i = 0; i < OD_SCRIPT_COUNT; i++)
        load(conn, (enum od_script)i);
}

static void call_done(void *ctx, const struct redisReply *reply)
{
    struct script_call *call = ctx;
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR && !call->again &&
        strncmp(reply->str, "NOSCRIPT", 8) == 0) {
        call->again = true;
        load(call->conn, call->script);
        if (od_redis_conn_send_bytes(call->conn, call->command, call->bytes, call_done, call) == 0)
            return;
        reply = NULL;
    }
    call->fn(call->ctx, reply);
    free(call);
}

int od_redis_script_send(struct od_redis_conn *conn, struct od_redis_cmd *cmd,
                         enum od_script script, od_redis_reply_fn fn, void *ctx)
{
    const char *at;
    size_t bytes;
    int err = od_redis_cmd_end(cmd, &at, &bytes);
    if (err != 0)
        return err;
    struct script_call *call = malloc(sizeof *call + bytes);
    if (call == NULL)
        return OD_ENOMEM;
    *call =
        (struct script_call){.conn = conn, .fn = fn, .ctx = ctx, .script = script, .bytes = bytes};
    memcpy(call->command, at, bytes);
    err = od_redis_conn_send_bytes(conn, call->command, bytes, call_done, call);
    if (err != 0)
        free(call);
    return err;
}
