/*
 * redis_live - what was changed of trunks while they run, and until when their carriers want
 * nothing: one hash for all processes, a field for each value that was ever set, read some times a
 * second. Changes are few and small; a process that has just written doesn't believe an answer that
 * is older than that.
 */
#include <stdio.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/redis/redis_inner.h"
#include "proto/redis/redis_read.h"

enum { LIVE_EVERY_MS = 150, LIVE_FIELD_MAX = OD_NAME_MAX + 32 };

/* "trunk\nvalue's name" */
static void tell(struct od_store *store, struct od_text field, const char *value)
{
    char name[LIVE_FIELD_MAX];
    const char *end = memchr(field.at, '\n', field.bytes);
    if (end == NULL || field.bytes >= sizeof name || od_redis_held_has(store, field))
        return; /* ours is newer */
    memcpy(name, field.at, field.bytes);
    name[field.bytes] = '\0';
    name[end - field.at] = '\0';
    store->events.live(store->events.ctx, name, name + (end - field.at) + 1, value);
}

static void live_done(void *ctx, const struct redisReply *reply)
{
    struct od_store *store = ctx;
    store->live_busy = false;
    if (!od_store_reply_list(store, "live", reply, 0) || store->live_asked != store->live_written)
        return;
    for (size_t i = 0; i + 1 < reply->elements; i += 2)
        tell(store, od_redis_read_text(reply, i), od_redis_read_text(reply, i + 1).at);
}

void od_redis_live_ask(struct od_store *store)
{
    if (store->events.live == NULL || store->live_busy)
        return;
    od_redis_cmd_begin(&store->cmd);
    od_redis_cmd_str(&store->cmd, "HGETALL");
    od_redis_cmd_str(&store->cmd, OD_REDIS_KEY_LIVE);
    store->live_busy = true;
    store->live_asked = store->live_written;
    store->live_at_ms = od_store_now_ms(store) + LIVE_EVERY_MS;
    if (od_redis_conn_send(store->conn, &store->cmd, live_done, store) != 0)
        store->live_busy = false;
}

/* In ms of the wall, by which the others' clocks are set as well. */
static void port_held(void *ctx, uint32_t trunk, uint64_t until_ns)
{
    struct od_store *store = ctx;
    uint64_t now_ns = uv_hrtime();
    char text[24];
    if (store->events.trunk == NULL || until_ns <= now_ns)
        return;
    snprintf(text, sizeof text, "%lld",
             (long long)(od_store_wall_ms() + (int64_t)((until_ns - now_ns) / OD_NS_PER_MS)));
    od_store_live_put(store, store->events.trunk(store->events.ctx, trunk), OD_STORE_LIVE_HELD,
                      text);
}

void od_redis_live_init(struct od_store *store)
{
    store->rate_port.held = port_held;
}

int od_store_live_put(struct od_store *store, const char *trunk, const char *name,
                      const char *value)
{
    char field[LIVE_FIELD_MAX];
    if (snprintf(field, sizeof field, "%s\n%s", trunk, name) >= (int)sizeof field)
        return OD_ETOOBIG;
    return od_redis_held_live(store, field, value);
}
