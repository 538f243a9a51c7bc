/*
 * redis_cmd - a Redis command being written.
 */
#include "proto/redis/redis_cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"

/* Room in front for "*<count>\r\n", known only at the end. */
enum { FRONT = 16, FIRST_SIZE = 1024 };

void od_redis_cmd_init(struct od_redis_cmd *cmd)
{
    memset(cmd, 0, sizeof *cmd);
}

void od_redis_cmd_deinit(struct od_redis_cmd *cmd)
{
    free(cmd->at);
    memset(cmd, 0, sizeof *cmd);
}

void od_redis_cmd_begin(struct od_redis_cmd *cmd)
{
    cmd->used = FRONT;
    cmd->args = 0;
    cmd->failed = false;
}

static char *room(struct od_redis_cmd *cmd, size_t bytes)
{
    if (cmd->failed)
        return NULL;
    if (bytes > cmd->size - cmd->used || cmd->size == 0) {
        size_t size = cmd->size == 0 ? FIRST_SIZE : cmd->size;
        while (size - cmd->used < bytes)
            size *= 2;
        char *at = realloc(cmd->at, size);
        if (at == NULL) {
            cmd->failed = true;
            return NULL;
        }
        cmd->at = at;
        cmd->size = size;
    }
    return cmd->at + cmd->used;
}

/* Writes mark, decimal, CR LF; returns the bytes written, at most 23. */
static size_t head(char *out, char mark, size_t number)
{
    char digits[20];
    size_t n = 0, used = 0;
    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    out[used++] = mark;
    while (n > 0)
        out[used++] = digits[--n];
    out[used++] = '\r';
    out[used++] = '\n';
    return used;
}

void od_redis_cmd_add(struct od_redis_cmd *cmd, const void *bytes, size_t count)
{
    char *at = room(cmd, count + 32);
    if (at == NULL)
        return;
    size_t used = head(at, '$', count);
    if (count > 0)
        memcpy(at + used, bytes, count);
    used += count;
    at[used++] = '\r';
    at[used++] = '\n';
    cmd->used += used;
    cmd->args++;
}

void od_redis_cmd_str(struct od_redis_cmd *cmd, const char *text)
{
    od_redis_cmd_add(cmd, text, strlen(text));
}

void od_redis_cmd_int(struct od_redis_cmd *cmd, int64_t value)
{
    char text[24];
    int bytes = snprintf(text, sizeof text, "%lld", (long long)value);
    od_redis_cmd_add(cmd, text, (size_t)bytes);
}

size_t od_redis_cmd_bytes(const struct od_redis_cmd *cmd)
{
    return cmd->used - FRONT;
}

int od_redis_cmd_end(struct od_redis_cmd *cmd, const char **at, size_t *bytes)
{
    if (cmd->failed || cmd->args == 0)
        return OD_ENOMEM;
    char front[24];
    size_t front_bytes = head(front, '*', cmd->args);
    *at = memcpy(cmd->at + FRONT - front_bytes, front, front_bytes);
    *bytes = cmd->used - FRONT + front_bytes;
    return 0;
}
