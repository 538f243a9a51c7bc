/*
 * redis_conn - one connection to Redis on the loop. Connects, proves itself (AUTH, SELECT), writes
 * commands, hands replies out in their order, watches that every command is answered in time, and
 * after any loss connects again, each time a little later.
 *
 * Only hiredis's protocol reader is used, not its asynchronous contexts: 0.14 knows no timeouts,
 * its libuv adapter loses connection failures, and async.c ends the process by an assertion when a
 * server says something that nobody asked for. Never resolves names: a blocking resolver has no
 * place here.
 *
 * Lifetime: owned by the store; lives until the callback of close.
 */
#ifndef PROTO_REDIS_REDIS_CONN_H
#define PROTO_REDIS_REDIS_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct od_redis_cmd;
struct od_redis_conn;
struct redisReply;

struct od_redis_conn_config {
    const char *path_or_host; /* "/path" or a numeric address */
    int port;
    const char *password; /* NULL or "": none */
    int db;
    uint32_t connect_ms; /* from the first packet to AUTH's and SELECT's answers */
    uint32_t command_ms; /* from a command to its answer */
    uint32_t retry_ms_min, retry_ms_max;
    uint32_t pending_max;     /* commands without an answer; beyond it sending is refused */
    size_t pending_bytes_max; /* of their text */
};

struct od_redis_conn_events {
    void *ctx;
    void (*up)(void *ctx);                    /* commands can be sent */
    void (*down)(void *ctx, const char *why); /* lost, or an attempt to connect failed */
};

/* reply is borrowed; NULL: the connection was lost, whether the command took effect is unknown. */
typedef void (*od_redis_reply_fn)(void *ctx, const struct redisReply *reply);

/* OD_EINVAL: neither a path nor a numeric address; OD_ENOMEM. Callbacks come from the loop. */
int od_redis_conn_open(struct od_redis_conn **out, uv_loop_t *loop,
                       const struct od_redis_conn_config *config,
                       const struct od_redis_conn_events *events);

/* Every pending reply gets NULL, then, from the loop, fn is called. No further event. Not from
 * inside a reply's callback. */
void od_redis_conn_close(struct od_redis_conn *conn, void (*fn)(void *ctx), void *ctx);

/* Copies the command. fn fires exactly once, from the loop, unless an error is returned:
 * OD_EDOWN not connected, OD_EBUSY too much is pending, OD_ENOMEM. */
int od_redis_conn_send(struct od_redis_conn *conn, struct od_redis_cmd *cmd, od_redis_reply_fn fn,
                       void *ctx);
int od_redis_conn_send_bytes(struct od_redis_conn *conn, const char *bytes, size_t count,
                             od_redis_reply_fn fn, void *ctx);

/* Writes what was sent now, not at the end of the loop's turn. Only from a loop callback, and not
 * from a reply's. */
void od_redis_conn_push(struct od_redis_conn *conn);

/* Gives the connection up and connects again after the usual pause. Pending replies get NULL before
 * it returns, or, from inside a reply's callback, when that is over. why is copied. */
void od_redis_conn_drop(struct od_redis_conn *conn, const char *why);

/* The other side has proved to be in order: the next pause is a short one again. */
void od_redis_conn_settled(struct od_redis_conn *conn);

bool od_redis_conn_is_up(const struct od_redis_conn *conn);
uint64_t od_redis_conn_commands(const struct od_redis_conn *conn);
uint64_t od_redis_conn_connects(const struct od_redis_conn *conn);

#endif
