/*
 * redis_key - the names of everything kept in Redis; the glossary is in the header.
 */
#include "proto/redis/redis_key.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/str.h"

bool od_redis_key_org_ok(const char *org)
{
    size_t bytes = strnlen(org, OD_NAME_MAX);
    if (bytes == 0 || bytes == OD_NAME_MAX)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        char c = org[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

void od_redis_key_prefix(char out[OD_REDIS_KEY_MAX], const char *org)
{
    snprintf(out, OD_REDIS_KEY_MAX, "od:{%s}:", org);
}

void od_redis_key_held(char out[OD_REDIS_KEY_MAX], const char *prefix, uint32_t worker)
{
    snprintf(out, OD_REDIS_KEY_MAX, "%sheld:%u", prefix, worker);
}

void od_redis_key_events(char out[OD_REDIS_KEY_MAX], const char *prefix)
{
    snprintf(out, OD_REDIS_KEY_MAX, "%sev", prefix);
}

void od_redis_key_keys(char out[OD_REDIS_KEY_MAX], const char *prefix)
{
    snprintf(out, OD_REDIS_KEY_MAX, "%skeys", prefix);
}

void od_redis_key_api(char out[OD_REDIS_KEY_MAX], const uint8_t hash[32])
{
    struct od_buf buf;
    od_buf_init(&buf, out, OD_REDIS_KEY_MAX);
    od_buf_str(&buf, "od:keys:");
    od_buf_hex(&buf, hash, 32);
}
