/*
 * redis_cmd - a Redis command being written: arguments are appended in their final form (RESP
 * arrays of bulk strings), so that a turn of hundreds of orders is one buffer, copied once.
 *
 * Lifetime: the buffer belongs to whoever calls init and stays for the next begin.
 */
#ifndef PROTO_REDIS_REDIS_CMD_H
#define PROTO_REDIS_REDIS_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct od_redis_cmd {
    /* private */
    char *at;
    size_t used, size;
    uint32_t args;
    bool failed;
};

void od_redis_cmd_init(struct od_redis_cmd *cmd);
void od_redis_cmd_deinit(struct od_redis_cmd *cmd);

/* Starts a new command in the same memory. */
void od_redis_cmd_begin(struct od_redis_cmd *cmd);
void od_redis_cmd_add(struct od_redis_cmd *cmd, const void *bytes, size_t count);
void od_redis_cmd_str(struct od_redis_cmd *cmd, const char *text);
void od_redis_cmd_int(struct od_redis_cmd *cmd, int64_t value);

/* The bytes written so far, about. */
size_t od_redis_cmd_bytes(const struct od_redis_cmd *cmd);

/* The finished command, borrowed until the next begin or deinit. OD_ENOMEM: memory ran out
 * somewhere on the way. */
int od_redis_cmd_end(struct od_redis_cmd *cmd, const char **at, size_t *bytes);

#endif
