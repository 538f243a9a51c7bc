/*
 * The guard port in memory: keys and idempotency, answered through the repo's queue. A decision is
 * made when it is asked for, as Redis makes it, and told later.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/base/uid.h"
#include "outdial/err.h"
#include "tests/unit/api_fake_repo.h"

/* An answer on its way. */
struct given {
    union {
        od_guard_key_fn key;
        od_guard_keys_fn keys;
        od_guard_once_fn once;
        od_repo_done_fn done;
    } fn;
    void *ctx;
    int err; /* of the decision */
    struct od_key_rec *recs;
    size_t count;
    struct od_once_rec once;
    char *text;
};

static struct given *given(void *ctx)
{
    struct given *g = calloc(1, sizeof *g);
    if (!g)
        abort();
    g->ctx = ctx;
    return g;
}

static void given_free(struct given *g)
{
    free(g->recs);
    free(g->text);
    free(g);
}

/* ---- keys ---- */

static void give_key(void *ctx, int err)
{
    struct given *g = ctx;
    g->fn.key(g->ctx, err, g->count ? g->recs->org : "", g->count ? g->recs->scopes : "",
              g->count ? g->recs->name : "");
    given_free(g);
}

static void key_find(void *ctx, const uint8_t hash[OD_HASH_BYTES], od_guard_key_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct given *g = given(fn_ctx);
    g->fn.key = fn;
    g->recs = calloc(1, sizeof *g->recs);
    for (size_t i = 0; i < repo->key_count; i++)
        if (memcmp(repo->keys[i].hash, hash, OD_HASH_BYTES) == 0) {
            *g->recs = repo->keys[i];
            g->count = 1;
        }
    repo->key_looks++;
    fake_repo_owe(repo, false, give_key, g);
}

static void give_done(void *ctx, int err)
{
    struct given *g = ctx;
    g->fn.done(g->ctx, err ? err : g->err);
    given_free(g);
}

static void key_put(void *ctx, const struct od_key_rec *rec, od_repo_done_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct given *g = given(fn_ctx);
    g->fn.done = fn;
    if (fake_repo_owe(repo, true, give_done, g))
        return;
    for (size_t i = 0; i < repo->key_count; i++)
        if (od_uid_equal(&repo->keys[i].id, &rec->id))
            return;
    repo->keys = realloc(repo->keys, (repo->key_count + 1) * sizeof *repo->keys);
    if (!repo->keys)
        abort();
    repo->keys[repo->key_count++] = *rec;
}

static void give_keys(void *ctx, int err)
{
    struct given *g = ctx;
    g->fn.keys(g->ctx, err, err ? NULL : g->recs, err ? 0 : g->count);
    given_free(g);
}

static void key_list(void *ctx, const char *org, od_guard_keys_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct given *g = given(fn_ctx);
    g->fn.keys = fn;
    g->recs = calloc(repo->key_count + 1, sizeof *g->recs);
    for (size_t i = 0; i < repo->key_count; i++)
        if (strcmp(repo->keys[i].org, org) == 0)
            g->recs[g->count++] = repo->keys[i];
    fake_repo_owe(repo, true, give_keys, g);
}

static void key_revoke(void *ctx, const char *org, const struct od_uid *id, od_repo_done_fn fn,
                       void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct given *g = given(fn_ctx);
    g->fn.done = fn;
    g->err = OD_ENOENT;
    if (fake_repo_owe(repo, true, give_done, g))
        return;
    for (size_t i = 0; i < repo->key_count; i++)
        if (strcmp(repo->keys[i].org, org) == 0 && od_uid_equal(&repo->keys[i].id, id)) {
            repo->keys[i] = repo->keys[--repo->key_count];
            g->err = 0;
            return;
        }
}

/* ---- idempotency ---- */

static struct fake_once *once_of(struct fake_repo *repo, const char *org,
                                 const uint8_t key[OD_HASH_BYTES], bool make)
{
    struct fake_once *fresh = NULL;
    for (size_t i = 0; i < sizeof repo->onces / sizeof *repo->onces; i++) {
        struct fake_once *once = &repo->onces[i];
        if (once->used && strcmp(once->org, org) == 0 && memcmp(once->key, key, OD_HASH_BYTES) == 0)
            return once;
        if (!once->used && !fresh)
            fresh = once;
    }
    if (!make)
        return NULL;
    if (!fresh)
        abort(); /* a test that makes more needs a larger table */
    return fresh;
}

static bool is_none(const uint8_t hash[OD_HASH_BYTES])
{
    static const uint8_t none[OD_HASH_BYTES];
    return memcmp(hash, none, OD_HASH_BYTES) == 0;
}

static void decide(struct fake_repo *repo, struct fake_once *once,
                   const uint8_t print[OD_HASH_BYTES], uint32_t lease_ms, struct given *g)
{
    bool known = !is_none(print) && !is_none(once->print);
    if (known && memcmp(print, once->print, OD_HASH_BYTES) != 0) {
        g->once.state = OD_ONCE_OTHER;
    } else if (once->answer) {
        g->once.state = OD_ONCE_DONE;
        g->text = malloc(once->answer_bytes + 1);
        memcpy(g->text, once->answer, once->answer_bytes + 1);
        g->once.answer = (struct od_text){g->text, once->answer_bytes};
    } else if (once->until_ms > repo->wall_ms) {
        g->once.state = OD_ONCE_RUNNING;
    } else {
        g->once.state = OD_ONCE_AGAIN;
        once->until_ms = repo->wall_ms + lease_ms;
        if (!is_none(print))
            memcpy(once->print, print, OD_HASH_BYTES);
    }
}

static void give_once(void *ctx, int err)
{
    struct given *g = ctx;
    g->fn.once(g->ctx, err, err ? NULL : &g->once);
    given_free(g);
}

static void once_begin(void *ctx, const char *org, const uint8_t key[OD_HASH_BYTES],
                       const uint8_t print[OD_HASH_BYTES], const uint8_t seed[OD_SEED_BYTES],
                       uint32_t lease_ms, od_guard_once_fn fn, void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct given *g = given(fn_ctx);
    g->fn.once = fn;
    if (fake_repo_owe(repo, true, give_once, g))
        return;
    struct fake_once *once = once_of(repo, org, key, true);
    if (!once->used) {
        *once = (struct fake_once){.used = true, .until_ms = repo->wall_ms + lease_ms};
        strcpy(once->org, org);
        memcpy(once->key, key, OD_HASH_BYTES);
        memcpy(once->print, print, OD_HASH_BYTES);
        memcpy(once->seed, seed, OD_SEED_BYTES);
        g->once.state = OD_ONCE_FRESH;
    } else {
        decide(repo, once, print, lease_ms, g);
    }
    memcpy(g->once.seed, once->seed, OD_SEED_BYTES);
    memcpy(g->once.print, once->print, OD_HASH_BYTES);
}

static void once_forget(struct fake_once *once)
{
    free(once->answer);
    *once = (struct fake_once){0};
}

static void once_end(void *ctx, const char *org, const uint8_t key[OD_HASH_BYTES],
                     const uint8_t seed[OD_SEED_BYTES], enum od_once_end how,
                     const uint8_t print[OD_HASH_BYTES], struct od_text answer, od_repo_done_fn fn,
                     void *fn_ctx)
{
    struct fake_repo *repo = ctx;
    struct given *g = given(fn_ctx);
    g->fn.done = fn;
    if (fake_repo_owe(repo, true, give_done, g))
        return;
    struct fake_once *once = once_of(repo, org, key, false);
    if (!once || once->answer || memcmp(once->seed, seed, OD_SEED_BYTES) != 0) {
        g->err = OD_ENOENT;
        return;
    }
    once->until_ms = 0;
    if (how == OD_ONCE_DROP) {
        once_forget(once);
    } else if (how == OD_ONCE_KEEP) {
        memcpy(once->print, print, OD_HASH_BYTES);
        once->answer = calloc(1, answer.bytes + 1);
        memcpy(once->answer, answer.at, answer.bytes);
        once->answer_bytes = answer.bytes;
    }
}

void fake_guard_init(struct fake_repo *repo)
{
    repo->guard = (struct od_guard_port){
        .ctx = repo,
        .key_find = key_find,
        .key_put = key_put,
        .key_list = key_list,
        .key_revoke = key_revoke,
        .once_begin = once_begin,
        .once_end = once_end,
    };
}

void fake_guard_deinit(struct fake_repo *repo)
{
    for (size_t i = 0; i < sizeof repo->onces / sizeof *repo->onces; i++)
        once_forget(&repo->onces[i]);
    free(repo->keys);
}
