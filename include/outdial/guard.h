/*
 * guard - what stands before every request: whose key it carries, and whether the same request was
 * made before. Kept beside the things of repo.h and by the same rules: every function takes a done
 * callback that fires exactly once, never from inside the call; records in callbacks are borrowed
 * until the callback returns, arguments until the function returns; `org` is the tenant.
 *
 * Glossary
 *   print   SHA-256 of what was asked: method, path, query, body.
 *   seed    drawn for the first request under an idempotency key: what a create draws and the time
 *           in its ids come from it, so that the same create done twice makes the same things.
 */
#ifndef OUTDIAL_GUARD_H
#define OUTDIAL_GUARD_H

#include "outdial/repo.h"
#include "outdial/types.h"

enum { OD_HASH_BYTES = 32, OD_SEED_BYTES = 24, OD_SCOPES_MAX = 128, OD_KEY_HINT_MAX = 16 };

/* An API key as it is kept; the key itself is nowhere. */
struct od_key_rec {
    struct od_uid id;
    uint8_t hash[OD_HASH_BYTES]; /* SHA-256 of the key */
    char org[OD_NAME_MAX];
    char scopes[OD_SCOPES_MAX]; /* "*" or comma-separated words */
    char name[OD_NAME_MAX * 2]; /* for people; may be empty */
    char hint[OD_KEY_HINT_MAX]; /* how it begins, to know it by */
    int64_t created_ms;
};

enum od_once_state {
    OD_ONCE_FRESH,   /* the first: go on */
    OD_ONCE_AGAIN,   /* an earlier one began and was given up: go on, with its seed */
    OD_ONCE_RUNNING, /* another is under way */
    OD_ONCE_DONE,    /* `answer` is what the first was answered */
    OD_ONCE_OTHER,   /* the key was used with another print */
};

struct od_once_rec {
    uint8_t state; /* enum od_once_state */
    uint8_t seed[OD_SEED_BYTES];
    uint8_t print[OD_HASH_BYTES]; /* the first's; all zero: it is not known yet */
    struct od_text answer;
};

enum od_once_end {
    OD_ONCE_KEEP,  /* the answer is kept and given to all who come later */
    OD_ONCE_DROP,  /* nothing was done: the key is free again */
    OD_ONCE_YIELD, /* nobody knows what was done: the next may go on at once, with the same seed */
};

/* org is empty when no such key exists or it was revoked. name: for people; may be empty. */
typedef void (*od_guard_key_fn)(void *ctx, int err, const char *org, const char *scopes,
                                const char *name);
typedef void (*od_guard_keys_fn)(void *ctx, int err, const struct od_key_rec *recs, size_t count);
typedef void (*od_guard_once_fn)(void *ctx, int err, const struct od_once_rec *rec);

struct od_guard_port {
    void *ctx;

    void (*key_find)(void *ctx, const uint8_t hash[OD_HASH_BYTES], od_guard_key_fn fn,
                     void *fn_ctx);
    /* Stores it; the same again changes nothing. */
    void (*key_put)(void *ctx, const struct od_key_rec *rec, od_repo_done_fn fn, void *fn_ctx);
    void (*key_list)(void *ctx, const char *org, od_guard_keys_fn fn, void *fn_ctx);
    /* When done fires with 0, no process lets the key in any more. OD_ENOENT. */
    void (*key_revoke)(void *ctx, const char *org, const struct od_uid *id, od_repo_done_fn fn,
                       void *fn_ctx);

    /* One atomic decision among all who come with `key` (SHA-256 of it). print all zero: not known
     * yet (a body that is still coming), it fits every other. seed: to be taken if this is the
     * first. The one who goes on has lease_ms; whoever comes later may take over. Kept 24 hours
     * from the first. */
    void (*once_begin)(void *ctx, const char *org, const uint8_t key[OD_HASH_BYTES],
                       const uint8_t print[OD_HASH_BYTES], const uint8_t seed[OD_SEED_BYTES],
                       uint32_t lease_ms, od_guard_once_fn fn, void *fn_ctx);
    /* Changes nothing when the key's seed is another by now. */
    void (*once_end)(void *ctx, const char *org, const uint8_t key[OD_HASH_BYTES],
                     const uint8_t seed[OD_SEED_BYTES], enum od_once_end how,
                     const uint8_t print[OD_HASH_BYTES], struct od_text answer, od_repo_done_fn fn,
                     void *fn_ctx);
};

#endif
