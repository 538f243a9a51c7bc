/*
 * redis_probe - asks a Redis on a unix socket once whether it answers: connects, sends PING, reads
 * the first line. Used by private_redis; it judges nothing but that line.
 *
 * Lifetime: a probe frees itself; its fn fires exactly once, from the loop, unless it is dropped
 * before.
 */
#ifndef ENGINE_HOST_REDIS_PROBE_H
#define ENGINE_HOST_REDIS_PROBE_H

#include <uv.h>

enum od_redis_probe_result {
    OD_REDIS_PROBE_ANSWERS, /* +PONG */
    OD_REDIS_PROBE_LOADING, /* it is there and reads its file */
    OD_REDIS_PROBE_SILENT,  /* no socket, refused, or closed without a word */
    OD_REDIS_PROBE_STRANGE, /* something that does not speak as Redis does */
};

struct od_redis_probe;

/* pid: of the process that listens on the socket, 0 when the kernel doesn't say. */
typedef void (*od_redis_probe_fn)(void *ctx, enum od_redis_probe_result result, int pid);

/* NULL when there is no memory. */
struct od_redis_probe *od_redis_probe_start(uv_loop_t *loop, const char *socket_path,
                                            od_redis_probe_fn fn, void *ctx);

/* Ends it without calling fn. */
void od_redis_probe_drop(struct od_redis_probe *probe);

#endif
