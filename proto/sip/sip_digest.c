/*
 * sip_digest - one pass over the parameters (RFC 7235 section 2.1 has the grammar), one over the
 * response (RFC 7616 section 3.4.1).
 */
#include "proto/sip/sip_digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"

enum { HEX_MAX = 65, VALUE_MAX = OD_DIGEST_NONCE_MAX };

/* ---- reading ---- */

struct scan {
    const char *at, *end;
};

/* One parameter: name is borrowed, value unescaped. */
struct param {
    const char *name;
    size_t name_bytes;
    char value[VALUE_MAX];
    size_t value_bytes;
    bool too_long;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* token of RFC 3261 section 25.1, and '/', '=' of token68 are not part of it */
static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c && strchr("-.!%*_+`'~", c));
}

static void skip_space(struct scan *s)
{
    while (s->at < s->end && is_space(*s->at))
        s->at++;
}

static void skip_separators(struct scan *s)
{
    while (s->at < s->end && (is_space(*s->at) || *s->at == ','))
        s->at++;
}

static size_t take_token(struct scan *s, const char **token)
{
    *token = s->at;
    while (s->at < s->end && is_token(*s->at))
        s->at++;
    return (size_t)(s->at - *token);
}

static void add_char(struct param *param, char c)
{
    /* A NUL or a line end inside would come back out in a header of ours. */
    if (param->value_bytes + 1 >= sizeof param->value || (unsigned char)c < 0x20 || c == 0x7f)
        param->too_long = true;
    else
        param->value[param->value_bytes++] = c;
}

/* quoted-string, RFC 3261 section 25.1; false: it never closes. */
static bool take_quoted(struct scan *s, struct param *param)
{
    for (s->at++; s->at < s->end; s->at++) {
        if (*s->at == '"') {
            s->at++;
            return true;
        }
        if (*s->at == '\\' && ++s->at == s->end)
            return false;
        add_char(param, *s->at);
    }
    return false;
}

/* The value behind "name =". */
static bool take_value(struct scan *s, struct param *param)
{
    param->value_bytes = 0;
    param->too_long = false;
    skip_space(s);
    if (s->at < s->end && *s->at == '"') {
        if (!take_quoted(s, param))
            return false;
    } else {
        const char *token;
        size_t bytes = take_token(s, &token);
        for (size_t i = 0; i < bytes; i++)
            add_char(param, token[i]);
        if (!bytes)
            return false;
    }
    param->value[param->value_bytes] = '\0';
    skip_space(s);
    return s->at == s->end || *s->at == ',';
}

enum next { NEXT_END, NEXT_SCHEME, NEXT_PARAM, NEXT_BROKEN };

/* What stands here: "scheme" begins a challenge, "name=value" continues one. */
static enum next take_next(struct scan *s, struct param *param)
{
    skip_separators(s);
    if (s->at == s->end)
        return NEXT_END;
    param->name_bytes = take_token(s, &param->name);
    if (!param->name_bytes)
        return NEXT_BROKEN;
    bool space = s->at < s->end && is_space(*s->at);
    skip_space(s);
    if (s->at < s->end && *s->at == '=') {
        s->at++;
        return take_value(s, param) ? NEXT_PARAM : NEXT_BROKEN;
    }
    return space ? NEXT_SCHEME : NEXT_BROKEN;
}

static bool named(const struct param *param, const char *name)
{
    return od_str_equal_nocase(param->name, param->name_bytes, name);
}

static bool valued(const struct param *param, const char *value)
{
    return od_str_equal_nocase(param->value, param->value_bytes, value);
}

static bool take_algorithm(const struct param *param, struct od_digest_challenge *out)
{
    static const struct {
        const char *name;
        uint8_t hash;
        bool session;
    } known[] = {
        {"MD5", OD_DIGEST_MD5, false},
        {"MD5-sess", OD_DIGEST_MD5, true},
        {"SHA-256", OD_DIGEST_SHA256, false},
        {"SHA-256-sess", OD_DIGEST_SHA256, true},
        {"SHA-512-256", OD_DIGEST_SHA512_256, false},
        {"SHA-512-256-sess", OD_DIGEST_SHA512_256, true},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (valued(param, known[i].name)) {
            out->hash = known[i].hash;
            out->session = known[i].session;
            out->algorithm_given = true;
            return true;
        }
    }
    return false;
}

/* True when the list of words has "auth"; "auth-int" would need the body. */
static bool has_auth(const char *list)
{
    while (*list) {
        size_t skip = strspn(list, " \t,"), bytes = strcspn(list + skip, " \t,");
        if (od_str_equal_nocase(list + skip, bytes, "auth"))
            return true;
        list += skip + bytes;
    }
    return false;
}

enum seen { SEEN_REALM = 1, SEEN_NONCE = 2, SEEN_OPAQUE = 4, SEEN_ALGORITHM = 8, SEEN_QOP = 16 };

static bool keep(const struct param *param, char *out, size_t out_bytes)
{
    if (param->too_long || param->value_bytes >= out_bytes)
        return false;
    memcpy(out, param->value, param->value_bytes + 1);
    return true;
}

/* False: the challenge can't be answered. A parameter given twice has no meaning that two readers
 * agree on. */
static bool take_param(const struct param *param, struct od_digest_challenge *out, unsigned *seen)
{
    unsigned what = named(param, "realm")       ? SEEN_REALM
                    : named(param, "nonce")     ? SEEN_NONCE
                    : named(param, "opaque")    ? SEEN_OPAQUE
                    : named(param, "algorithm") ? SEEN_ALGORITHM
                    : named(param, "qop")       ? SEEN_QOP
                                                : 0;
    if (what & *seen)
        return false;
    *seen |= what;
    switch (what) {
    case SEEN_REALM:
        return keep(param, out->realm, sizeof out->realm);
    case SEEN_NONCE:
        return keep(param, out->nonce, sizeof out->nonce);
    case SEEN_OPAQUE:
        out->has_opaque = true;
        return keep(param, out->opaque, sizeof out->opaque);
    case SEEN_ALGORITHM:
        return !param->too_long && take_algorithm(param, out);
    case SEEN_QOP:
        out->qop_auth = true;
        return !param->too_long && has_auth(param->value);
    default:
        if (named(param, "stale"))
            out->stale = valued(param, "true");
        return true;
    }
}

unsigned od_digest_parse(const char *text, size_t bytes, struct od_digest_challenge *out,
                         unsigned max)
{
    struct scan s = {text, text + bytes};
    struct param param;
    struct od_digest_challenge challenge;
    unsigned count = 0, seen = 0, params = 0;
    bool good = false;
    if (bytes > OD_DIGEST_CHALLENGE_MAX)
        return 0;
    for (;;) {
        enum next next = take_next(&s, &param);
        if (next == NEXT_PARAM) {
            good =
                good && ++params <= OD_DIGEST_PARAMS_MAX && take_param(&param, &challenge, &seen);
            continue;
        }
        if (next != NEXT_BROKEN && good && (seen & SEEN_REALM) && (seen & SEEN_NONCE) &&
            count < max)
            out[count++] = challenge;
        if (next != NEXT_SCHEME)
            return count;
        memset(&challenge, 0, sizeof challenge);
        seen = params = 0;
        good = named(&param, "Digest");
    }
}

bool od_digest_next_nonce(const char *text, size_t bytes, char out[OD_DIGEST_NONCE_MAX])
{
    struct scan s = {text, text + bytes};
    struct param param;
    if (bytes > OD_DIGEST_CHALLENGE_MAX)
        return false;
    for (unsigned i = 0; i < OD_DIGEST_PARAMS_MAX; i++) {
        if (take_next(&s, &param) != NEXT_PARAM)
            return false;
        if (named(&param, "nextnonce"))
            return param.value_bytes && keep(&param, out, OD_DIGEST_NONCE_MAX);
    }
    return false;
}

/* ---- computing ---- */

static const EVP_MD *method_of(uint8_t hash)
{
    switch ((enum od_digest_hash)hash) {
    case OD_DIGEST_MD5:
        return EVP_md5();
    case OD_DIGEST_SHA256:
        return EVP_sha256();
    case OD_DIGEST_SHA512_256:
        return EVP_sha512_256();
    }
    return NULL;
}

/* H(parts joined by ":") in hexadecimal. */
static bool hash(uint8_t kind, const char *const *parts, unsigned count, char out[HEX_MAX])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned bytes_n = 0;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *method = method_of(kind);
    bool good = ctx && method && EVP_DigestInit_ex(ctx, method, NULL);
    for (unsigned i = 0; i < count && good; i++)
        good = (!i || EVP_DigestUpdate(ctx, ":", 1)) &&
               EVP_DigestUpdate(ctx, parts[i], strlen(parts[i]));
    good = good && EVP_DigestFinal_ex(ctx, bytes, &bytes_n) && 2 * bytes_n < HEX_MAX;
    EVP_MD_CTX_free(ctx);
    if (!good)
        return false;
    struct od_buf buf;
    od_buf_init(&buf, out, HEX_MAX);
    od_buf_hex(&buf, bytes, bytes_n);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return true;
}

static bool respond(const struct od_digest_challenge *c, const struct od_digest_request *r,
                    const char *nc, char out[HEX_MAX])
{
    char a1[HEX_MAX], a2[HEX_MAX];
    const char *secret[] = {r->user, c->realm, r->password};
    const char *action[] = {r->method, r->uri};
    bool good = hash(c->hash, secret, 3, a1);
    if (good && c->session) {
        const char *session[] = {a1, c->nonce, r->cnonce};
        good = hash(c->hash, session, 3, a1);
    }
    good = good && hash(c->hash, action, 2, a2);
    if (good && c->qop_auth) {
        const char *parts[] = {a1, c->nonce, nc, r->cnonce, "auth", a2};
        good = hash(c->hash, parts, 6, out);
    } else if (good) {
        const char *parts[] = {a1, c->nonce, a2}; /* RFC 2617 section 3.2.2.1, as in RFC 2069 */
        good = hash(c->hash, parts, 3, out);
    }
    OPENSSL_cleanse(a1, sizeof a1);
    return good;
}

/* name="value", escaped. False: a control character. */
static bool add_quoted(struct od_buf *buf, const char *name, const char *value)
{
    od_buf_str(buf, name);
    od_buf_str(buf, "=\"");
    for (const char *c = value; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
        if (*c == '"' || *c == '\\')
            od_buf_char(buf, '\\');
        od_buf_char(buf, *c);
    }
    od_buf_char(buf, '"');
    return true;
}

static const char *algorithm_name(const struct od_digest_challenge *c)
{
    static const char *const names[][2] = {
        [OD_DIGEST_MD5] = {"MD5", "MD5-sess"},
        [OD_DIGEST_SHA256] = {"SHA-256", "SHA-256-sess"},
        [OD_DIGEST_SHA512_256] = {"SHA-512-256", "SHA-512-256-sess"},
    };
    return names[c->hash][c->session];
}

int od_digest_write(const struct od_digest_challenge *challenge,
                    const struct od_digest_request *request, char *out, size_t out_bytes)
{
    char response[HEX_MAX], nc[9];
    struct od_buf buf;
    snprintf(nc, sizeof nc, "%08x", (unsigned)request->nc);
    if (!respond(challenge, request, nc, response))
        return OD_EINVAL;
    od_buf_init(&buf, out, out_bytes);
    bool good = add_quoted(&buf, "Digest username", request->user) &&
                add_quoted(&buf, ", realm", challenge->realm) &&
                add_quoted(&buf, ", nonce", challenge->nonce) &&
                add_quoted(&buf, ", uri", request->uri) && add_quoted(&buf, ", response", response);
    if (good && challenge->algorithm_given) {
        od_buf_str(&buf, ", algorithm="); /* no quotes: RFC 7616 section 3.4 */
        od_buf_str(&buf, algorithm_name(challenge));
    }
    if (good && challenge->has_opaque)
        good = add_quoted(&buf, ", opaque", challenge->opaque);
    if (good && (challenge->qop_auth || challenge->session))
        good = add_quoted(&buf, ", cnonce", request->cnonce);
    if (good && challenge->qop_auth) {
        od_buf_str(&buf, ", qop=auth, nc=");
        od_buf_str(&buf, nc);
    }
    if (!good)
        return OD_EINVAL;
    return buf.cut ? OD_ENOMEM : (int)buf.used;
}
