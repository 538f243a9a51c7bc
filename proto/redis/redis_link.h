/*
 * redis_link - one attempt at a connection: a socket, the poll handle that watches it, what is
 * still to be written, and hiredis's reader for what comes. It is opened, is connected or is not,
 * carries bytes, and ends once; whoever wants another attempt opens another link.
 *
 * Writes are put off to an idle callback, so that everything sent in one turn of the loop leaves
 * in one system call, and the socket is watched for writability only when the kernel took a part.
 *
 * Lifetime: owned by redis_conn from open to `freed`, which follows `ended` when the loop turns.
 */
#ifndef PROTO_REDIS_REDIS_LINK_H
#define PROTO_REDIS_REDIS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct od_redis_link;
struct redisReply;

struct od_redis_link_events {
    void *ctx;
    void (*connected)(void *ctx);
    /* reply is borrowed. False: nobody asked for it, which ends the link. */
    bool (*reply)(void *ctx, const struct redisReply *reply);
    /* The socket is closed; no other event follows but freed. why is borrowed. */
    void (*ended)(void *ctx, const char *why);
    void (*freed)(void *ctx);
};

/* "/path" (shorter than sun_path), or a numeric address that was checked. 0 or an errno, in which
 * case no event follows. */
int od_redis_link_open(struct od_redis_link **out, uv_loop_t *loop, const char *path_or_host,
                       int port, const struct od_redis_link_events *events);

/* Copies the bytes, to be written when the loop's turn is over. False: out of memory. */
bool od_redis_link_write(struct od_redis_link *link, const char *bytes, size_t count);

/* Writes them now. */
void od_redis_link_push(struct od_redis_link *link);

/* Ends it: at once, or when the reply's callback that this is called from returns. */
void od_redis_link_end(struct od_redis_link *link, const char *why);

#endif
