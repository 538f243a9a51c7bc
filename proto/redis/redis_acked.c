/*
 * redis_acked - what was acknowledged lately. A Redis that another one takes the place of may have
 * forgotten its last writes; what had been dialled is told to it again (redis_journal), and of what
 * had only been stored its clients are told: it is asked for every call that this process has
 * acknowledged in the last while, and those that are missing are named in the log and counted.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/uid.h"
#include "proto/redis/redis_inner.h"
#include "proto/redis/redis_read.h"

enum {
    KEEP_MS = 60000,      /* replicas that lag behind by more than this are no replicas */
    ACKED_MAX = 1 << 17,  /* of an org: 3 MB */
    ASK_MAX = 1000,       /* with one script */
    NAMED_IN_A_LINE = 10, /* 370 bytes */
};

static bool grow(struct od_redis_acked *acked)
{
    uint32_t size = acked->size == 0 ? 256 : 2 * acked->size;
    struct od_redis_noted *ring = malloc(size * sizeof *ring);
    if (ring == NULL)
        return false;
    for (uint32_t i = 0; i < acked->count; i++)
        ring[i] = acked->ring[(acked->head + i) % acked->size];
    free(acked->ring);
    acked->ring = ring;
    acked->size = size;
    acked->head = 0;
    return true;
}

static void drop_first(struct od_redis_acked *acked)
{
    acked->head = (acked->head + 1) % acked->size;
    acked->count--;
    acked->asked -= acked->asked > 0;
}

static void forget_old(struct od_redis_acked *acked, uint64_t now_ms)
{
    while (acked->count > 0 && acked->ring[acked->head].ms + KEEP_MS < now_ms)
        drop_first(acked);
}

void od_redis_acked_note(struct od_redis_org *org, const struct od_uid *uid)
{
    struct od_redis_acked *acked = &org->acked;
    uint64_t now_ms = od_store_now_ms(org->store);
    if (acked->count == 0)
        memcpy(acked->run_id, org->store->run_id, sizeof acked->run_id);
    if (!acked->asking)
        forget_old(acked, now_ms);
    if (acked->count == acked->size && (acked->size >= ACKED_MAX || !grow(acked))) {
        if (acked->size == 0)
            return;
        drop_first(acked);
    }
    acked->ring[(acked->head + acked->count++) % acked->size] =
        (struct od_redis_noted){*uid, now_ms, false};
}

void od_redis_acked_deinit(struct od_redis_org *org)
{
    free(org->acked.ring);
    org->acked = (struct od_redis_acked){0};
}

/* Told once. */
static void strike_out(struct od_redis_acked *acked, const struct od_uid *uid)
{
    for (uint32_t i = 0; i < acked->count; i++) {
        struct od_redis_noted *ack = &acked->ring[(acked->head + i) % acked->size];
        if (od_uid_equal(&ack->uid, uid))
            ack->told = true;
    }
}

/* The missing, by name: whoever submitted them has to do so again. */
static void tell_missing(struct od_redis_org *org, const struct redisReply *reply)
{
    struct od_store *store = org->store;
    char line[512];
    size_t used = 0;
    uint32_t in_line = 0;
    for (size_t i = 1; i < reply->elements; i++) {
        struct od_uid uid;
        char name[OD_UID_TEXT];
        if (!od_redis_read_uid(reply, i, &uid))
            continue;
        od_uid_text(&uid, name);
        strike_out(&org->acked, &uid);
        store->stats.forgotten++;
        if (in_line == 0)
            used = (size_t)snprintf(line, sizeof line,
                                    "Redis has forgotten calls that were acknowledged:");
        used += (size_t)snprintf(line + used, sizeof line - used, " %s", name);
        if (++in_line == NAMED_IN_A_LINE || i + 1 == reply->elements) {
            od_store_log(store, true, line);
            in_line = 0;
        }
    }
}

static void ask(struct od_redis_org *org);

static void ask_done(void *ctx, const struct redisReply *reply)
{
    struct od_redis_org *org = ctx;
    org->acked.asking = false;
    if (!od_store_reply_list(org->store, "known", reply, 1))
        return; /* a lost connection: all of it again with the next one */
    tell_missing(org, reply);
    ask(org);
}

static void ask(struct od_redis_org *org)
{
    struct od_store *store = org->store;
    struct od_redis_acked *acked = &org->acked;
    uint32_t from = acked->asked;
    if (acked->asked >= acked->count) {
        memcpy(acked->run_id, acked->asked_of, sizeof acked->run_id);
        return;
    }
    od_redis_script_begin(&store->cmd, OD_SCRIPT_KNOWN, org->prefix);
    for (; acked->asked < acked->count && acked->asked - from < ASK_MAX; acked->asked++) {
        const struct od_redis_noted *ack = &acked->ring[(acked->head + acked->asked) % acked->size];
        if (!ack->told)
            od_redis_cmd_add(&store->cmd, ack->uid.b, sizeof ack->uid.b);
    }
    store->stats.round_trips++;
    acked->asking =
        od_redis_script_send(store->conn, &store->cmd, OD_SCRIPT_KNOWN, ask_done, org) == 0;
}

void od_redis_acked_check(struct od_redis_org *org)
{
    struct od_redis_acked *acked = &org->acked;
    if (acked->count == 0 || acked->asking || strcmp(acked->run_id, org->store->run_id) == 0)
        return;
    memcpy(acked->asked_of, org->store->run_id, sizeof acked->asked_of);
    acked->asked = 0;
    ask(org);
}
