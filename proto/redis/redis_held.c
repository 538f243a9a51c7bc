/*
 * redis_held - what must not be lost though it is changed while Redis is away: live values, the
 * last of each, and notes of who changed what. Kept until Redis has said that it has them, up to a
 * bound; told again in their order whenever it is back, before what others have changed is
 * believed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"
#include "proto/redis/redis_inner.h"

enum { HELD_MAX = 256, PARTS_MAX = 6, TRIES_MAX = 3 };

struct od_redis_held {
    struct od_store *store;
    struct od_redis_held *next;
    bool under_way, sent; /* sent: perhaps Redis has it already */
    uint8_t tries;        /* that Redis refused */
    od_repo_done_fn fn;   /* of a note: fires when Redis has it, or is away; NULL: it has */
    void *fn_ctx;
    bool note;                     /* else a live value */
    int64_t at_ms;                 /* when it was changed */
    char prefix[OD_REDIS_KEY_MAX]; /* of its org; "": of none */
    unsigned count;
    struct {
        char *at;
        size_t bytes;
    } parts[PARTS_MAX]; /* a live value's field and value; a note's own */
};

static void destroy(struct od_redis_held *held)
{
    for (unsigned i = 0; i < held->count; i++)
        free(held->parts[i].at);
    free(held);
}

static void drop(struct od_redis_held *held)
{
    struct od_store *store = held->store;
    struct od_redis_held **place = &store->held;
    while (*place != held)
        place = &(*place)->next;
    *place = held->next;
    store->held_count--;
    destroy(held);
}

static void told(void *ctx, const struct redisReply *reply)
{
    struct od_redis_held *held = ctx;
    struct od_store *store = held->store;
    od_repo_done_fn fn = held->fn;
    void *fn_ctx = held->fn_ctx;
    held->under_way = false;
    held->fn = NULL;
    if (od_store_reply_ok(store, "held", reply) || (reply != NULL && ++held->tries == TRIES_MAX))
        drop(held);
    if (fn != NULL)
        fn(fn_ctx, 0);
}

static void tell(struct od_redis_held *held)
{
    struct od_store *store = held->store;
    struct od_redis_cmd *cmd = &store->cmd;
    char at[24];
    if (held->note) {
        od_redis_script_begin(cmd, OD_SCRIPT_AUDIT, held->prefix);
        od_redis_cmd_str(cmd, held->sent ? "again" : "add");
    } else {
        od_redis_cmd_begin(cmd);
        od_redis_cmd_str(cmd, "HSET");
        od_redis_cmd_str(cmd, OD_REDIS_KEY_LIVE);
        store->live_written++;
    }
    for (unsigned i = 0; i < held->count; i++)
        od_redis_cmd_add(cmd, held->parts[i].at, held->parts[i].bytes);
    snprintf(at, sizeof at, "%lld", (long long)held->at_ms);
    if (held->note)
        od_redis_cmd_str(cmd, at);
    int err = held->note ? od_redis_script_send(store->conn, cmd, OD_SCRIPT_AUDIT, told, held)
                         : od_redis_conn_send(store->conn, cmd, told, held);
    held->sent |= err == 0;
    held->under_way = err == 0; /* else the connection is lost, and it is told again */
}

void od_redis_held_tell(struct od_store *store)
{
    for (struct od_redis_held *held = store->held; held != NULL; held = held->next)
        if (!held->under_way && store->stage == OD_STORE_SERVING)
            tell(held);
}

static struct od_redis_held *make(struct od_store *store, const struct od_text *parts,
                                  unsigned count)
{
    struct od_redis_held *held = calloc(1, sizeof *held);
    if (held == NULL)
        return NULL;
    held->store = store;
    held->at_ms = od_store_wall_ms();
    for (; held->count < count; held->count++) {
        const struct od_text *part = &parts[held->count];
        char *copy = malloc(part->bytes + 1);
        if (copy == NULL) {
            destroy(held);
            return NULL;
        }
        memcpy(copy, part->at, part->bytes);
        held->parts[held->count].at = copy;
        held->parts[held->count].bytes = part->bytes;
    }
    return held;
}

static int keep(struct od_redis_held *held)
{
    struct od_store *store = held->store;
    struct od_redis_held **last = &store->held;
    if (store->held_count == HELD_MAX) {
        destroy(held);
        return OD_EDOWN;
    }
    while (*last != NULL)
        last = &(*last)->next;
    *last = held;
    store->held_count++;
    if (store->stage == OD_STORE_SERVING) {
        tell(held);
        od_store_kick(store);
    }
    return 0;
}

/* An older value of that name needn't be told any more. */
static void drop_older(struct od_store *store, struct od_text field)
{
    struct od_redis_held *held = store->held;
    while (held != NULL) {
        struct od_redis_held *next = held->next;
        if (!held->note && !held->under_way && held->parts[0].bytes == field.bytes &&
            memcmp(held->parts[0].at, field.at, field.bytes) == 0)
            drop(held);
        held = next;
    }
}

int od_redis_held_live(struct od_store *store, const char *field, const char *value)
{
    struct od_text parts[] = {{field, strlen(field)}, {value, strlen(value)}};
    drop_older(store, parts[0]);
    struct od_redis_held *held = make(store, parts, 2);
    return held == NULL ? OD_ENOMEM : keep(held);
}

int od_redis_held_note(struct od_store *store, const char *org, const struct od_text *parts,
                       unsigned count, od_repo_done_fn fn, void *fn_ctx)
{
    if (!od_redis_key_org_ok(org) || count > PARTS_MAX)
        return OD_EINVAL;
    struct od_redis_held *held = make(store, parts, count);
    if (held == NULL)
        return OD_ENOMEM;
    held->note = true;
    od_redis_key_prefix(held->prefix, org);
    if (store->stage == OD_STORE_SERVING) {
        held->fn = fn;
        held->fn_ctx = fn_ctx;
    }
    return keep(held);
}

bool od_redis_held_has(const struct od_store *store, struct od_text field)
{
    for (const struct od_redis_held *held = store->held; held != NULL; held = held->next)
        if (!held->note && held->parts[0].bytes == field.bytes &&
            memcmp(held->parts[0].at, field.at, field.bytes) == 0)
            return true;
    return false;
}

void od_redis_held_close(struct od_store *store)
{
    while (store->held != NULL)
        drop(store->held);
}
