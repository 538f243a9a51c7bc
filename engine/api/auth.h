/*
 * auth - who is asking: bearer keys, hashed, from the configuration or the repo, and the scopes
 * they carry. Keeps the last keys found in a small cache, so that a client in a hurry doesn't cost
 * a look-up per request. Nothing is kept but while revocations are told at once by whichever
 * process (od_auth_watched); a key whose look-up was under way then is not kept either, which the
 * generation tells: it counts whatever made something be forgotten.
 *
 * Only keys of the right shape are ever looked up, and keys that were not found are not kept: a
 * flood of made-up ones can't push the real ones out.
 */
#ifndef ENGINE_API_AUTH_H
#define ENGINE_API_AUTH_H

#include "engine/api/api.h"
#include "engine/api/route.h"

enum {
    OD_AUTH_CACHE_MS = 10000,
    OD_AUTH_KEY_MAX = 256, /* bytes of a key */
    OD_AUTH_SCOPES_MAX = OD_SCOPES_MAX,
};

struct od_identity {
    char org[OD_NAME_MAX];
    char scopes[OD_AUTH_SCOPES_MAX];
    char name[OD_NAME_MAX * 2]; /* the key's, for people; may be empty */
    bool fixed;                 /* a static key: the operator's own */
};

struct od_auth {
    struct od_auth_static *fixed;
    size_t fixed_count;
    struct od_auth_cached *cached;
    bool watched;
    uint32_t generation;
};

/* Hashes the static keys. OD_EINVAL, OD_ENOMEM. */
int od_auth_init(struct od_auth *auth, const struct od_api_config *config);
/* Other static keys from now on. OD_EINVAL, OD_ENOMEM: those that were stay. */
int od_auth_fixed(struct od_auth *auth, const struct od_api_config *config);
void od_auth_deinit(struct od_auth *auth);

/* The key of an Authorization header's value ("Bearer KEY"); false: none, or of a wrong shape. */
bool od_auth_bearer(struct od_text header, struct od_text *key);
/* The header is of that scheme and says something, whatever it is. */
bool od_auth_is_bearer(struct od_text header);

/* True: the key is known without asking the repo. */
bool od_auth_known(const struct od_auth *auth, const uint8_t hash[32], struct od_now now,
                   struct od_identity *out);
/* True: worth asking the repo for. */
bool od_auth_plausible(struct od_text key);
void od_auth_remember(struct od_auth *auth, const uint8_t hash[32], struct od_now now,
                      const struct od_identity *identity);

/* The key of a Basic header: its password (RFC 7617), decoded into the caller's memory. */
bool od_auth_basic(struct od_text header, char memory[OD_AUTH_KEY_MAX * 2], struct od_text *key);

void od_auth_watched(struct od_auth *auth, bool watched);
void od_auth_forget(struct od_auth *auth, const uint8_t *hash); /* NULL: all */

/* True when the scopes hold the one asked for; "*" holds all. */
bool od_auth_allows(const char *scopes, enum od_scope scope);
/* What belongs to no org (trunks) is the operator's: true for an org that has a static key which
 * may administer. */
bool od_auth_operates(const struct od_auth *auth, const char *org);
const char *od_scope_name(enum od_scope scope);

/* Every word is known and held by `own`; the text fits. */
bool od_auth_scopes_ok(const char *scopes, const char *own);
/* 1..63 of letters, digits, "-", "_", ".": it becomes part of key names. */
bool od_auth_org_ok(const char *org);

#endif
