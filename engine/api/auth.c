/*
 * Keys are compared as SHA-256 hashes, whose bytes a client can't steer, and in constant time all
 * the same. The cache is set-associative: a hash has four places, the oldest is overwritten.
 */
#include "engine/api/auth.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"

enum { SETS = 64, WAYS = 4 };

struct od_auth_static {
    uint8_t hash[32];
    struct od_identity identity;
};

struct od_auth_cached {
    uint8_t hash[32];
    uint64_t until_ns; /* 0: empty */
    struct od_identity identity;
};

static bool same_hash(const uint8_t a[32], const uint8_t b[32])
{
    uint8_t differ = 0;
    for (unsigned i = 0; i < 32; i++)
        differ |= a[i] ^ b[i];
    return differ == 0;
}

bool od_auth_org_ok(const char *org)
{
    size_t n = strlen(org);
    for (size_t i = 0; i < n; i++) {
        char c = org[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && c != '-' && c != '_' && c != '.')
            return false;
    }
    return n >= 1 && n < OD_NAME_MAX;
}

static bool has_word(const char *list, const char *word, size_t bytes)
{
    for (const char *at = list; *at;) {
        size_t n = strcspn(at, ",");
        if (n == bytes && memcmp(at, word, n) == 0)
            return true;
        at += n + (at[n] == ',');
    }
    return false;
}

bool od_auth_scopes_ok(const char *scopes, const char *own)
{
    if (!*scopes || strlen(scopes) >= OD_AUTH_SCOPES_MAX)
        return false;
    for (const char *at = scopes; *at;) {
        size_t n = strcspn(at, ",");
        if (!has_word("*,read,dial,admin", at, n))
            return false;
        if (!has_word(own, "*", 1) && !has_word(own, at, n))
            return false;
        at += n + (at[n] == ',');
    }
    return true;
}

const char *od_scope_name(enum od_scope scope)
{
    switch (scope) {
    case OD_SCOPE_OPEN:
        return "";
    case OD_SCOPE_READ:
        return "read";
    case OD_SCOPE_DIAL:
        return "dial";
    case OD_SCOPE_ADMIN:
        return "admin";
    }
    return "";
}

bool od_auth_allows(const char *scopes, enum od_scope scope)
{
    const char *word = od_scope_name(scope);
    return scope == OD_SCOPE_OPEN || has_word(scopes, "*", 1) ||
           has_word(scopes, word, strlen(word));
}

bool od_auth_operates(const struct od_auth *auth, const char *org)
{
    for (size_t i = 0; i < auth->fixed_count; i++) {
        const struct od_identity *own = &auth->fixed[i].identity;
        if (strcmp(own->org, org) == 0 && od_auth_allows(own->scopes, OD_SCOPE_ADMIN))
            return true;
    }
    return false;
}

static bool key_ok(const struct od_api_key *key)
{
    size_t bytes = key->key ? strlen(key->key) : 0;
    return bytes && bytes <= OD_AUTH_KEY_MAX && key->org && od_auth_org_ok(key->org) &&
           key->scopes && od_auth_scopes_ok(key->scopes, "*");
}

int od_auth_fixed(struct od_auth *auth, const struct od_api_config *config)
{
    for (size_t i = 0; i < config->key_count; i++)
        if (!key_ok(&config->keys[i]))
            return OD_EINVAL;
    struct od_auth_static *fixed = calloc(config->key_count + 1, sizeof *fixed);
    if (!fixed)
        return OD_ENOMEM;
    for (size_t i = 0; i < config->key_count; i++) {
        const struct od_api_key *key = &config->keys[i];
        struct od_identity *identity = &fixed[i].identity;
        config->host.sha256(config->host.ctx, key->key, strlen(key->key), fixed[i].hash);
        od_str_copy(identity->org, sizeof identity->org, key->org, strlen(key->org));
        od_str_copy(identity->scopes, sizeof identity->scopes, key->scopes, strlen(key->scopes));
        identity->fixed = true;
    }
    free(auth->fixed);
    auth->fixed = fixed;
    auth->fixed_count = config->key_count;
    return 0;
}

int od_auth_init(struct od_auth *auth, const struct od_api_config *config)
{
    *auth = (struct od_auth){0};
    auth->cached = calloc((size_t)SETS * WAYS, sizeof *auth->cached);
    int err = auth->cached ? od_auth_fixed(auth, config) : OD_ENOMEM;
    if (err)
        od_auth_deinit(auth);
    return err;
}

void od_auth_deinit(struct od_auth *auth)
{
    free(auth->fixed);
    free(auth->cached);
    *auth = (struct od_auth){0};
}

/* b64token of RFC 6750 section 2.1, with no more of it than a key of ours needs. */
bool od_auth_bearer(struct od_text header, struct od_text *key)
{
    const char *at = header.at, *end = header.at + header.bytes;
    if (header.bytes < 8 || !od_str_equal_nocase(at, 6, "bearer") || at[6] != ' ')
        return false;
    at += 7;
    while (at < end && *at == ' ')
        at++;
    while (end > at && end[-1] == ' ')
        end--;
    size_t bytes = (size_t)(end - at);
    if (!bytes || bytes > OD_AUTH_KEY_MAX)
        return false;
    for (const char *p = at; p < end; p++)
        if (*p <= ' ' || *p >= 0x7f)
            return false;
    *key = (struct od_text){at, bytes};
    return true;
}

bool od_auth_is_bearer(struct od_text header)
{
    return header.bytes > 7 && od_str_equal_nocase(header.at, 7, "bearer ");
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 7617 section 2: base64 of "user:password"; whose account it is, the key says. */
bool od_auth_basic(struct od_text header, char memory[OD_AUTH_KEY_MAX * 2], struct od_text *key)
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t used = 0, bytes = header.bytes;
    if (bytes < 7 || !od_str_equal_nocase(header.at, 5, "basic") || header.at[5] != ' ')
        return false;
    while (bytes > 6 && (header.at[bytes - 1] == '=' || header.at[bytes - 1] == ' '))
        bytes--;
    for (size_t i = 6; i < bytes; i++) {
        int value = base64_value(header.at[i]);
        if (value < 0 || used == (size_t)OD_AUTH_KEY_MAX * 2)
            return false;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            memory[used++] = (char)(bits >> held);
        }
    }
    const char *colon = memchr(memory, ':', used);
    if (!colon)
        return false;
    *key = (struct od_text){colon + 1, used - (size_t)(colon + 1 - memory)};
    for (size_t i = 0; i < key->bytes; i++)
        if (key->at[i] <= ' ' || key->at[i] >= 0x7f)
            return false;
    return key->bytes && key->bytes <= OD_AUTH_KEY_MAX;
}

bool od_auth_plausible(struct od_text key)
{
    if (key.bytes < 16 || memcmp(key.at, "sk_", 3) != 0)
        return false;
    for (size_t i = 3; i < key.bytes; i++) {
        char c = key.at[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!alnum && c != '-' && c != '_')
            return false;
    }
    return true;
}

bool od_auth_known(const struct od_auth *auth, const uint8_t hash[32], struct od_now now,
                   struct od_identity *out)
{
    for (size_t i = 0; i < auth->fixed_count; i++)
        if (same_hash(auth->fixed[i].hash, hash)) {
            *out = auth->fixed[i].identity;
            return true;
        }
    const struct od_auth_cached *set = &auth->cached[(size_t)(hash[0] % SETS) * WAYS];
    for (unsigned i = 0; i < WAYS; i++)
        if (set[i].until_ns > now.mono_ns && same_hash(set[i].hash, hash)) {
            *out = set[i].identity;
            return true;
        }
    return false;
}

void od_auth_remember(struct od_auth *auth, const uint8_t hash[32], struct od_now now,
                      const struct od_identity *identity)
{
    if (!auth->watched)
        return;
    struct od_auth_cached *set = &auth->cached[(size_t)(hash[0] % SETS) * WAYS];
    struct od_auth_cached *oldest = &set[0];
    for (unsigned i = 0; i < WAYS; i++) {
        if (same_hash(set[i].hash, hash)) {
            oldest = &set[i];
            break;
        }
        if (set[i].until_ns < oldest->until_ns)
            oldest = &set[i];
    }
    memcpy(oldest->hash, hash, 32);
    oldest->until_ns = now.mono_ns + OD_AUTH_CACHE_MS * OD_NS_PER_MS;
    oldest->identity = *identity;
}

void od_auth_forget(struct od_auth *auth, const uint8_t *hash)
{
    auth->generation++;
    for (size_t i = 0; i < (size_t)SETS * WAYS; i++)
        if (!hash || same_hash(auth->cached[i].hash, hash))
            auth->cached[i].until_ns = 0;
}

void od_auth_watched(struct od_auth *auth, bool watched)
{
    auth->watched = watched;
    od_auth_forget(auth, NULL);
}
