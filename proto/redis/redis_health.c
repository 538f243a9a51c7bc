/*
 * redis_health - whether a Redis is fit to keep a queue of calls.
 */
#include "proto/redis/redis_health.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"

/* The value of a line "name:value\r\n" at a line's start. */
static bool find(const char *info, size_t bytes, const char *name, const char **at, size_t *length)
{
    size_t name_bytes = strlen(name);
    const char *end = info + bytes;
    for (const char *line = info; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t line_bytes = (size_t)((stop == NULL ? end : stop) - line);
        if (line_bytes > name_bytes && memcmp(line, name, name_bytes) == 0 &&
            line[name_bytes] == ':') {
            *at = line + name_bytes + 1;
            *length = line_bytes - name_bytes - 1;
            if (*length > 0 && (*at)[*length - 1] == '\r')
                (*length)--;
            return true;
        }
        line += line_bytes + 1;
    }
    return false;
}

static uint64_t find_u64(const char *info, size_t bytes, const char *name)
{
    const char *at;
    size_t length;
    uint64_t value = 0;
    if (!find(info, bytes, name, &at, &length) || !od_str_u64(at, length, UINT64_MAX, &value))
        return 0;
    return value;
}

static bool find_is(const char *info, size_t bytes, const char *name, const char *word)
{
    const char *at;
    size_t length;
    return find(info, bytes, name, &at, &length) && length == strlen(word) &&
           memcmp(at, word, length) == 0;
}

static void find_version(const char *info, size_t bytes, struct od_redis_health *out)
{
    const char *at;
    size_t length;
    if (!find(info, bytes, "redis_version", &at, &length))
        return;
    uint64_t number[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        const char *dot = memchr(at, '.', length);
        size_t digits = dot == NULL ? length : (size_t)(dot - at);
        if (!od_str_u64(at, digits, 1000, &number[i]) || dot == NULL)
            break;
        length -= digits + 1;
        at = dot + 1;
    }
    out->version_major = (unsigned)number[0];
    out->version_minor = (unsigned)number[1];
}

int od_redis_health_check(const char *info, size_t bytes, struct od_redis_health *out, char *why,
                          size_t why_size)
{
    memset(out, 0, sizeof *out);
    find_version(info, bytes, out);
    out->loading = find_u64(info, bytes, "loading") == 1;
    out->replica = find_is(info, bytes, "role", "slave");
    out->append_only = find_u64(info, bytes, "aof_enabled") == 1;
    const char *at;
    size_t length;
    if (find(info, bytes, "run_id", &at, &length))
        od_str_copy(out->run_id, sizeof out->run_id, at, length);
    out->maxmemory = find_u64(info, bytes, "maxmemory");
    out->evicts = out->maxmemory > 0 && !find_is(info, bytes, "maxmemory_policy", "noeviction");
    why[0] = '\0';
    if (out->version_major < 7) {
        snprintf(why, why_size, "Redis 7.0 or newer is needed, this one is %u.%u",
                 out->version_major, out->version_minor);
        return OD_EINVAL;
    }
    if (out->evicts) {
        snprintf(why, why_size,
                 "this Redis may throw keys away: set maxmemory-policy to noeviction");
        return OD_EINVAL;
    }
    if (out->replica) {
        snprintf(why, why_size, "this Redis is a replica: it takes no writes");
        return OD_EINVAL;
    }
    if (out->loading) {
        snprintf(why, why_size, "Redis is loading its data");
        return OD_EDOWN;
    }
    return 0;
}
