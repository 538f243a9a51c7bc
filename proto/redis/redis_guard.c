/*
 * redis_guard - API keys and idempotency (outdial/guard.h).
 *
 * A key is found by its hash, outside of any org, and listed in its org: two places that no script
 * may change together. So the order decides: a new key is listed before it works, a revoked one
 * stops working before it leaves the list.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"
#include "proto/redis/redis_read.h"
#include "proto/redis/redis_repo.h"

enum { ONCE_S = 24 * 3600, KEY_TEXT_MAX = 512 };

/* ---- a listed key as text: hash in hex, created, scopes, hint, name; a line each ---- */

static void key_text(const struct od_key_rec *rec, char out[KEY_TEXT_MAX])
{
    struct od_buf buf;
    od_buf_init(&buf, out, KEY_TEXT_MAX);
    od_buf_hex(&buf, rec->hash, sizeof rec->hash);
    od_buf_char(&buf, '\n');
    od_buf_u64(&buf, rec->created_ms > 0 ? (uint64_t)rec->created_ms : 0);
    const char *const lines[] = {rec->scopes, rec->hint, rec->name};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        od_buf_char(&buf, '\n');
        od_buf_str(&buf, lines[i]);
    }
}

static bool take_line(struct od_text *text, struct od_text *line)
{
    if (!text->at)
        return false;
    const char *end = text->bytes ? memchr(text->at, '\n', text->bytes) : NULL;
    line->at = text->at;
    line->bytes = end ? (size_t)(end - text->at) : text->bytes;
    text->bytes -= line->bytes + (end ? 1 : 0);
    text->at = end ? end + 1 : NULL;
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hash(struct od_text hex, uint8_t out[OD_HASH_BYTES])
{
    bool good = hex.bytes == 2 * OD_HASH_BYTES;
    for (size_t i = 0; good && i < OD_HASH_BYTES; i++) {
        int high = hex_digit(hex.at[2 * i]), low = hex_digit(hex.at[2 * i + 1]);
        good = high >= 0 && low >= 0;
        out[i] = (uint8_t)(good ? high << 4 | low : 0);
    }
    return good;
}

static bool key_read(struct od_text text, struct od_key_rec *rec)
{
    struct od_text hash, created, scopes, hint, name;
    uint64_t ms;
    if (!take_line(&text, &hash) || !take_line(&text, &created) || !take_line(&text, &scopes) ||
        !take_line(&text, &hint) || !take_line(&text, &name) || !read_hash(hash, rec->hash) ||
        !od_str_u64(created.at, created.bytes, INT64_MAX, &ms))
        return false;
    rec->created_ms = (int64_t)ms;
    return od_str_copy(rec->scopes, sizeof rec->scopes, scopes.at, scopes.bytes) &&
           od_str_copy(rec->hint, sizeof rec->hint, hint.at, hint.bytes) &&
           od_str_copy(rec->name, sizeof rec->name, name.at, name.bytes);
}

/* ---- plain commands ---- */

static struct od_redis_cmd *command(struct od_repo_call *call, const char *verb, const char *key)
{
    struct od_redis_cmd *cmd = &call->store->cmd;
    od_redis_cmd_begin(cmd);
    od_redis_cmd_str(cmd, verb);
    od_redis_cmd_str(cmd, key);
    return cmd;
}

/* 0, or the request is answered. */
static int plain_reply(struct od_repo_call *call, const struct redisReply *reply)
{
    int err = reply == NULL                      ? od_repo_lost(call)
              : reply->type == REDIS_REPLY_ERROR ? od_repo_error(call, reply)
                                                 : 0;
    if (err != 0)
        od_repo_answer(call, err);
    return err;
}

static void plain_done(void *ctx, const struct redisReply *reply)
{
    if (plain_reply(ctx, reply) == 0)
        od_repo_answer(ctx, 0);
}

/* ---- keys ---- */

static void key_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    if (plain_reply(call, reply) != 0)
        return;
    /* bulk strings end with a NUL that is not counted */
    struct od_text org = od_redis_read_text(reply, 0), scopes = od_redis_read_text(reply, 1);
    call->fn.key(call->fn_ctx, 0, org.at, scopes.at, od_redis_read_text(reply, 2).at);
    od_repo_end(call);
}

static void key_find(void *ctx, const uint8_t hash[32], od_guard_key_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, NULL, OD_REPO_KEY, (union od_repo_fn){.key = fn}, fn_ctx);
    if (call == NULL)
        return;
    char key[OD_REDIS_KEY_MAX];
    od_redis_key_api(key, hash);
    struct od_redis_cmd *cmd = command(call, "HMGET", key);
    od_redis_cmd_str(cmd, "org");
    od_redis_cmd_str(cmd, "scopes");
    od_redis_cmd_str(cmd, "name");
    od_repo_send_command(call, key_done);
}

/* It is listed; now it is let in. */
static void key_listed(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    char key[OD_REDIS_KEY_MAX];
    if (plain_reply(call, reply) != 0)
        return;
    const struct od_key_rec *rec = call->held;
    od_redis_key_api(key, rec->hash);
    struct od_redis_cmd *cmd = command(call, "HSET", key);
    od_redis_cmd_str(cmd, "org");
    od_redis_cmd_str(cmd, rec->org);
    od_redis_cmd_str(cmd, "scopes");
    od_redis_cmd_str(cmd, rec->scopes);
    od_redis_cmd_str(cmd, "name");
    od_redis_cmd_str(cmd, rec->name);
    od_repo_send_command(call, plain_done);
}

static void key_put(void *ctx, const struct od_key_rec *rec, od_repo_done_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, rec->org, OD_REPO_DONE, (union od_repo_fn){.done = fn}, fn_ctx);
    if (call == NULL)
        return;
    call->held = malloc(sizeof *rec);
    if (call->org[0] == '\0' || call->held == NULL) {
        od_repo_defer(call, call->held == NULL ? OD_ENOMEM : OD_EINVAL);
        return;
    }
    memcpy(call->held, rec, sizeof *rec);
    od_repo_touch_org(call);
    char key[OD_REDIS_KEY_MAX], text[KEY_TEXT_MAX];
    od_redis_key_keys(key, call->prefix);
    key_text(rec, text);
    struct od_redis_cmd *cmd = command(call, "HSET", key);
    od_repo_add_uid(call, &rec->id);
    od_redis_cmd_str(cmd, text);
    od_repo_send_command(call, key_listed);
}

static int by_age(const void *a, const void *b)
{
    return memcmp(((const struct od_key_rec *)a)->id.b, ((const struct od_key_rec *)b)->id.b,
                  sizeof(struct od_uid));
}

static void keys_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    size_t count = 0;
    if (plain_reply(call, reply) != 0)
        return;
    size_t pairs = reply->type == REDIS_REPLY_ARRAY ? reply->elements / 2 : 0;
    struct od_key_rec *recs = calloc(pairs + 1, sizeof *recs);
    if (recs == NULL) {
        od_repo_answer(call, OD_ENOMEM);
        return;
    }
    for (size_t i = 0; i < pairs; i++) {
        struct od_text uid = od_redis_read_text(reply, 2 * i);
        struct od_key_rec *rec = &recs[count];
        memset(rec, 0, sizeof *rec);
        if (uid.bytes != sizeof rec->id.b || !key_read(od_redis_read_text(reply, 2 * i + 1), rec))
            continue;
        memcpy(rec->id.b, uid.at, sizeof rec->id.b);
        strcpy(rec->org, call->org);
        count++;
    }
    qsort(recs, count, sizeof *recs, by_age);
    call->fn.keys(call->fn_ctx, 0, recs, count);
    free(recs);
    od_repo_end(call);
}

static void key_list(void *ctx, const char *org, od_guard_keys_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_KEYS, (union od_repo_fn){.keys = fn}, fn_ctx);
    char key[OD_REDIS_KEY_MAX];
    if (call == NULL)
        return;
    if (call->org[0] == '\0') {
        od_repo_defer(call, OD_ENOENT);
        return;
    }
    od_redis_key_keys(key, call->prefix);
    command(call, "HGETALL", key);
    od_repo_send_command(call, keys_done);
}

void od_redis_key_gone(struct od_store *store, const uint8_t *hash)
{
    if (store->events.key_gone != NULL && !store->closing)
        store->events.key_gone(store->events.ctx, hash);
}

static void ignore(void *ctx, const struct redisReply *reply)
{
    (void)ctx, (void)reply; /* a lost connection fails the request's own last command, too */
}

/* The key's hash is known: it is made unusable, everyone is told, then it leaves the list. */
static void revoke_found(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    struct od_store *store = call->store;
    struct od_key_rec rec = {0};
    char key[OD_REDIS_KEY_MAX];
    if (plain_reply(call, reply) != 0)
        return;
    if (reply->type != REDIS_REPLY_STRING ||
        !key_read((struct od_text){reply->str, (size_t)reply->len}, &rec)) {
        od_repo_answer(call, OD_ENOENT);
        return;
    }
    od_redis_key_api(key, rec.hash);
    command(call, "DEL", key);
    int err = od_redis_conn_send(store->conn, &store->cmd, ignore, store);
    struct od_redis_cmd *cmd = command(call, "XADD", OD_REDIS_KEY_GONE);
    od_redis_cmd_str(cmd, "MAXLEN");
    od_redis_cmd_str(cmd, "~");
    od_redis_cmd_str(cmd, "1000");
    od_redis_cmd_str(cmd, "*");
    od_redis_cmd_str(cmd, "h");
    od_redis_cmd_add(cmd, rec.hash, sizeof rec.hash);
    if (err == 0)
        err = od_redis_conn_send(store->conn, &store->cmd, ignore, store);
    if (err != 0) {
        od_repo_answer(call, err);
        return;
    }
    od_redis_key_gone(store, rec.hash);
    od_redis_key_keys(key, call->prefix);
    command(call, "HDEL", key);
    od_repo_add_uid(call, call->held);
    od_repo_send_command(call, plain_done);
}

static void key_revoke(void *ctx, const char *org, const struct od_uid *id, od_repo_done_fn fn,
                       void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_DONE, (union od_repo_fn){.done = fn}, fn_ctx);
    char key[OD_REDIS_KEY_MAX];
    if (call == NULL)
        return;
    call->held = malloc(sizeof *id);
    if (call->org[0] == '\0' || call->held == NULL) {
        od_repo_defer(call, call->held == NULL ? OD_ENOMEM : OD_ENOENT);
        return;
    }
    memcpy(call->held, id, sizeof *id);
    call->writes = true;
    od_redis_key_keys(key, call->prefix);
    command(call, "HGET", key);
    od_repo_add_uid(call, id);
    od_repo_send_command(call, revoke_found);
}

/* ---- idempotency ---- */

static bool is_none(const uint8_t *bytes, size_t count)
{
    uint8_t any = 0;
    for (size_t i = 0; i < count; i++)
        any |= bytes[i];
    return any == 0;
}

static void add_print(struct od_redis_cmd *cmd, const uint8_t print[OD_HASH_BYTES])
{
    od_redis_cmd_add(cmd, print, is_none(print, OD_HASH_BYTES) ? 0 : OD_HASH_BYTES);
}

static void once_done(void *ctx, const struct redisReply *reply)
{
    struct od_repo_call *call = ctx;
    struct od_once_rec rec = {0};
    int err = od_repo_reply(call, reply);
    if (err == 0) {
        struct od_text seed = od_redis_read_text(reply, 2), print = od_redis_read_text(reply, 3);
        bool good = reply->elements == 5 && reply->element[1]->type == REDIS_REPLY_INTEGER &&
                    reply->element[1]->integer >= 0 &&
                    reply->element[1]->integer <= OD_ONCE_OTHER && seed.bytes == sizeof rec.seed &&
                    (print.bytes == 0 || print.bytes == sizeof rec.print);
        if (good) {
            rec.state = (uint8_t)reply->element[1]->integer;
            memcpy(rec.seed, seed.at, sizeof rec.seed);
            if (print.bytes)
                memcpy(rec.print, print.at, sizeof rec.print);
            rec.answer = od_redis_read_text(reply, 4);
        } else {
            call->store->stats.odd++;
            err = OD_EPROTO;
        }
    }
    call->fn.once(call->fn_ctx, err, err == 0 ? &rec : NULL);
    od_repo_end(call);
}

static void once_begin(void *ctx, const char *org, const uint8_t key[OD_HASH_BYTES],
                       const uint8_t print[OD_HASH_BYTES], const uint8_t seed[OD_SEED_BYTES],
                       uint32_t lease_ms, od_guard_once_fn fn, void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_ONCE, (union od_repo_fn){.once = fn}, fn_ctx);
    if (call == NULL || !od_repo_script(call, OD_SCRIPT_ONCE_BEGIN))
        return;
    struct od_redis_cmd *cmd = &call->store->cmd;
    call->writes = true;
    od_redis_cmd_add(cmd, key, OD_HASH_BYTES);
    add_print(cmd, print);
    od_redis_cmd_add(cmd, seed, OD_SEED_BYTES);
    od_redis_cmd_int(cmd, lease_ms);
    od_redis_cmd_int(cmd, ONCE_S);
    od_repo_send(call, OD_SCRIPT_ONCE_BEGIN, once_done);
}

static void once_end(void *ctx, const char *org, const uint8_t key[OD_HASH_BYTES],
                     const uint8_t seed[OD_SEED_BYTES], enum od_once_end how,
                     const uint8_t print[OD_HASH_BYTES], struct od_text answer, od_repo_done_fn fn,
                     void *fn_ctx)
{
    struct od_repo_call *call =
        od_repo_begin(ctx, org, OD_REPO_DONE, (union od_repo_fn){.done = fn}, fn_ctx);
    if (call == NULL || !od_repo_script(call, OD_SCRIPT_ONCE_END))
        return;
    struct od_redis_cmd *cmd = &call->store->cmd;
    call->writes = true;
    od_redis_cmd_add(cmd, key, OD_HASH_BYTES);
    od_redis_cmd_add(cmd, seed, OD_SEED_BYTES);
    od_redis_cmd_int(cmd, how);
    add_print(cmd, print);
    od_repo_add_text(call, answer);
    od_repo_send(call, OD_SCRIPT_ONCE_END, od_repo_done);
}

void od_redis_guard_init(struct od_store *store)
{
    store->guard = (struct od_guard_port){
        .ctx = store,
        .key_find = key_find,
        .key_put = key_put,
        .key_list = key_list,
        .key_revoke = key_revoke,
        .once_begin = once_begin,
        .once_end = once_end,
    };
}
