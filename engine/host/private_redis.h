/*
 * private_redis - a redis-server of our own, for whoever has not set redis.url: a child process on
 * a unix socket under data_dir/redis, its append-only file fsynced on every write. No other
 * process needs to reach it and no port is opened.
 *
 * It starts the child, or adopts one of ours that outlived a crash (the socket answers PING and the
 * pid file names a live redis-server); waits until it answers, loading included; tells when it
 * dies and starts it again with backoff; ends it with SIGTERM at our own end. It never blocks the
 * loop and never sends the child anything but PING and signals.
 *
 * Lifetime: owned by the host, which calls stop() once; memory is freed before stop's fn fires.
 * Callbacks come from the loop, never from inside a function of this header. Strings in callbacks
 * are borrowed until they return.
 */
#ifndef ENGINE_HOST_PRIVATE_REDIS_H
#define ENGINE_HOST_PRIVATE_REDIS_H

#include <uv.h>

#include "outdial/types.h"

struct od_private_redis;

struct od_private_redis_events {
    void *ctx;
    /* It answers: at the start, and again after each restart. */
    void (*ready)(void *ctx, const char *socket_path);
    /* It can't be had: no binary, a directory not writable, 30 s without an answer. `why` is one
     * line for the operator. Final: only stop() may follow. */
    void (*failed)(void *ctx, const char *why);
    /* The running server ended; a new one is being started. `why`: "redis-server was ended by
     * signal 9", ... */
    void (*died)(void *ctx, const char *why);
};

/* Makes data_dir/redis (mode 0700) when needed and begins. OD_EINVAL: the socket's path would be
 * longer than a unix socket's may be (107 bytes); OD_EIO: the directory can't be made; OD_ENOMEM.
 * In these cases failed() is not called and `why`
 * (of why_bytes) holds one line. */
int od_private_redis_start(struct od_private_redis **out, uv_loop_t *loop, const char *data_dir,
                           const struct od_private_redis_events *events, char *why,
                           size_t why_bytes);

/* Ends the server (SIGTERM, then SIGKILL after 10 s) and frees everything; fn fires once, from the
 * loop. */
void od_private_redis_stop(struct od_private_redis *redis, void (*fn)(void *ctx), void *ctx);

/* The server's process id; 0 while none runs. */
int od_private_redis_pid(const struct od_private_redis *redis);

#endif
