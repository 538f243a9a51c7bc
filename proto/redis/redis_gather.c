/*
 * redis_gather - see the header. Scripts answer { 0, ... } with a fixed number of elements for each
 * question, in the order they were put, or { error } for all.
 */
#include "proto/redis/redis_gather.h"

#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"
#include "proto/redis/redis_read.h"

enum {
    QUESTIONS_MAX = 128,
    BYTES_MAX = 256 * 1024,
    TEXTS = OD_GATHER_COMMON_MAX + OD_GATHER_OWN_MAX
};

static const struct {
    enum od_script script;
    size_t first, step; /* where the slices of the reply are */
    void (*answer)(struct od_repo_call *call, const struct redisReply *reply, size_t at);
} kinds[OD_GATHER_KINDS] = {
    [OD_GATHER_ADD] = {OD_SCRIPT_CALLS_ADD, 1, 0, od_repo_added_slice},
    [OD_GATHER_CALL] = {OD_SCRIPT_CALL_GET, 2, 4, od_repo_call_slice},
    [OD_GATHER_AGENT] = {OD_SCRIPT_AGENT_GET, 1, 7, od_repo_agent_slice},
};

/* A request's arguments, kept in call->held until they are sent. */
struct kept {
    uint32_t bytes[TEXTS]; /* UINT32_MAX: unused */
    size_t common, own;    /* bytes in text[]: the common ones, then its own */
    char text[];
};

/* A script under way: who asked for the answer to each of its questions, linked by next. */
struct sent {
    enum od_gather_kind kind;
    size_t count;
    struct od_repo_call *askers[QUESTIONS_MAX];
};

static struct kept *keep(const struct od_gather_args *args)
{
    size_t bytes = 0, used = 0;
    for (unsigned i = 0; i < TEXTS; i++)
        bytes += (i < OD_GATHER_COMMON_MAX ? args->common[i] : args->own[i - OD_GATHER_COMMON_MAX])
                     .bytes;
    struct kept *kept = malloc(sizeof *kept + bytes);
    if (kept == NULL)
        return NULL;
    kept->common = 0;
    for (unsigned i = 0; i < TEXTS; i++) {
        struct od_text text =
            i < OD_GATHER_COMMON_MAX ? args->common[i] : args->own[i - OD_GATHER_COMMON_MAX];
        kept->bytes[i] = text.at == NULL ? UINT32_MAX : (uint32_t)text.bytes;
        if (text.at != NULL && text.bytes > 0)
            memcpy(kept->text + used, text.at, text.bytes);
        used += text.at == NULL ? 0 : text.bytes;
        if (i + 1 == OD_GATHER_COMMON_MAX)
            kept->common = used;
    }
    kept->own = used - kept->common;
    return kept;
}

void od_redis_gather(struct od_repo_call *call, enum od_gather_kind kind,
                     const struct od_gather_args *args)
{
    struct od_store *store = call->store;
    struct od_redis_gathered *list = &store->gathered[kind];
    call->held = keep(args);
    if (call->held == NULL) {
        od_repo_defer(call, OD_ENOMEM);
        return;
    }
    call->next = NULL;
    if (list->first == NULL)
        list->last = &list->first;
    *list->last = call;
    list->last = &call->next;
    if (++list->count >= QUESTIONS_MAX)
        od_redis_gather_flush(store);
    else if (store->stage != OD_STORE_CLOSING)
        od_store_kick(store);
}

static bool same_common(const struct od_repo_call *a, const struct od_repo_call *b)
{
    const struct kept *left = a->held, *right = b->held;
    return strcmp(a->prefix, b->prefix) == 0 && left->common == right->common &&
           memcmp(left->bytes, right->bytes, OD_GATHER_COMMON_MAX * sizeof left->bytes[0]) == 0 &&
           memcmp(left->text, right->text, left->common) == 0;
}

static bool same_question(const struct od_repo_call *a, const struct od_repo_call *b)
{
    const struct kept *left = a->held, *right = b->held;
    return left->own == right->own && memcmp(left->bytes, right->bytes, sizeof left->bytes) == 0 &&
           memcmp(left->text + left->common, right->text + right->common, left->own) == 0;
}

static void add_args(struct od_redis_cmd *cmd, const struct kept *kept, bool common)
{
    const char *at = kept->text;
    for (unsigned i = 0; i < TEXTS; i++) {
        if (kept->bytes[i] == UINT32_MAX)
            continue;
        if ((i < OD_GATHER_COMMON_MAX) == common)
            od_redis_cmd_add(cmd, at, kept->bytes[i]);
        at += kept->bytes[i];
    }
}

static void gather_done(void *ctx, const struct redisReply *reply)
{
    struct sent *sent = ctx;
    for (size_t i = 0; i < sent->count; i++) {
        size_t at = kinds[sent->kind].first + i * kinds[sent->kind].step;
        for (struct od_repo_call *call = sent->askers[i], *next; call != NULL; call = next) {
            next = call->next;
            int err = od_repo_reply(call, reply);
            if (err == 0 && at + kinds[sent->kind].step > reply->elements)
                err = OD_EPROTO;
            if (err != 0)
                od_repo_answer(call, err);
            else
                kinds[sent->kind].answer(call, reply, at);
        }
    }
    free(sent);
}

/* The question joins one of the same, or is put as one more. False: there is no room for it. */
static bool put_question(struct sent *sent, struct od_redis_cmd *cmd, struct od_repo_call *call)
{
    for (size_t i = 0; sent->kind != OD_GATHER_ADD && i < sent->count; i++)
        if (same_question(sent->askers[i], call)) {
            call->next = sent->askers[i]->next;
            sent->askers[i]->next = call;
            return true;
        }
    if (sent->count == QUESTIONS_MAX || od_redis_cmd_bytes(cmd) > BYTES_MAX)
        return false;
    add_args(cmd, call->held, false);
    call->next = NULL;
    sent->askers[sent->count++] = call;
    return true;
}

static void fail_all(struct sent *sent, int err)
{
    for (size_t i = 0; i < sent->count; i++)
        for (struct od_repo_call *call = sent->askers[i], *next; call != NULL; call = next) {
            next = call->next;
            od_repo_defer(call, err);
        }
    free(sent);
}

/* One script of the list's first request and whatever goes with it; the others stay, in order. */
static void send_one(struct od_store *store, enum od_gather_kind kind)
{
    struct od_redis_gathered *list = &store->gathered[kind];
    struct od_repo_call *first = list->first, *call = first, **rest = &list->first;
    struct sent *sent = malloc(sizeof *sent);
    if (sent == NULL) {
        list->first = first->next;
        list->count--;
        od_repo_defer(first, OD_ENOMEM);
        return;
    }
    *sent = (struct sent){.kind = kind};
    od_redis_script_begin(&store->cmd, kinds[kind].script, first->prefix);
    add_args(&store->cmd, first->held, true);
    for (struct od_repo_call *next; call != NULL; call = next) {
        next = call->next;
        if (same_common(first, call) && put_question(sent, &store->cmd, call)) {
            list->count--;
        } else {
            *rest = call;
            rest = &call->next;
        }
    }
    *rest = NULL;
    list->last = rest;
    int err = OD_EDOWN;
    if (store->stage == OD_STORE_SERVING && !store->closing)
        err = od_redis_script_send(store->conn, &store->cmd, kinds[kind].script, gather_done, sent);
    if (err != 0)
        fail_all(sent, store->closing ? OD_ECANCELED : err);
}

void od_redis_gather_flush(struct od_store *store)
{
    for (int kind = 0; kind < OD_GATHER_KINDS; kind++)
        while (store->gathered[kind].first != NULL)
            send_one(store, (enum od_gather_kind)kind);
}
