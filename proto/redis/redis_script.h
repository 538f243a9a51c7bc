/*
 * redis_script - the Lua scripts, embedded at build time, called by their hash. A Redis that has
 * forgotten them (SCRIPT FLUSH, restart) is told again, once, and the call is repeated: NOSCRIPT
 * means that nothing was done.
 */
#ifndef PROTO_REDIS_REDIS_SCRIPT_H
#define PROTO_REDIS_REDIS_SCRIPT_H

#include <stddef.h>

struct od_redis_cmd;
struct od_redis_conn;
struct redisReply;

/* In the order of CMakeLists.txt. */
enum od_script {
    OD_SCRIPT_TURN,
    OD_SCRIPT_HELLO,
    OD_SCRIPT_REAP,
    OD_SCRIPT_RECONCILE,
    OD_SCRIPT_CHANGES,
    OD_SCRIPT_CALLS_ADD,
    OD_SCRIPT_KNOWN,
    OD_SCRIPT_CALL_STOP,
    OD_SCRIPT_CALL_GET,
    OD_SCRIPT_CALL_LIST,
    OD_SCRIPT_AGENT_PUT,
    OD_SCRIPT_AGENT_GET,
    OD_SCRIPT_AGENT_DELETE,
    OD_SCRIPT_CAMPAIGN_CREATE,
    OD_SCRIPT_CAMPAIGN_GET,
    OD_SCRIPT_CAMPAIGN_SET,
    OD_SCRIPT_SWEEP,
    OD_SCRIPT_EVENTS,
    OD_SCRIPT_THING_PUT,
    OD_SCRIPT_THING_GET,
    OD_SCRIPT_THING_DELETE,
    OD_SCRIPT_ONCE_BEGIN,
    OD_SCRIPT_ONCE_END,
    OD_SCRIPT_OUTBOX_TURN,
    OD_SCRIPT_OUTBOX_POINT,
    OD_SCRIPT_OUTBOX_LIST,
    OD_SCRIPT_OUTBOX_AGAIN,
    OD_SCRIPT_SUPPRESS,
    OD_SCRIPT_CALL_WHY,
    OD_SCRIPT_SHARE,
    OD_SCRIPT_MEET,
    OD_SCRIPT_AUDIT,
    OD_SCRIPT_AGENT_SET,
    OD_SCRIPT_DEAD,
    OD_SCRIPT_COUNT,
};

struct od_redis_script {
    const char *name, *sha; /* 40 hex digits */
    const char *source;
    size_t bytes;
};
extern const struct od_redis_script od_redis_scripts[OD_SCRIPT_COUNT];

/* Begins the command: EVALSHA with the org's prefix as its key; arguments are added after it. */
void od_redis_script_begin(struct od_redis_cmd *cmd, enum od_script script, const char *prefix);

/* Sends it. fn as in od_redis_conn_send(); a NOSCRIPT reply never reaches it the first time. */
int od_redis_script_send(struct od_redis_conn *conn, struct od_redis_cmd *cmd,
                         enum od_script script,
                         void (*fn)(void *ctx, const struct redisReply *reply), void *ctx);

/* Tells Redis all scripts; replies are not waited for. */
void od_redis_script_load_all(struct od_redis_conn *conn);

#endif
