/* challenge: see challenge.h. */
#include "bench/carrier/challenge.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { VALUE_BYTES = 256, HEX_BYTES = 2 * EVP_MAX_MD_SIZE + 1 };

static struct od_text trimmed(struct od_text t)
{
    while (t.bytes && (*t.at == ' ' || *t.at == '\t')) {
        t.at++;
        t.bytes--;
    }
    while (t.bytes && (t.at[t.bytes - 1] == ' ' || t.at[t.bytes - 1] == '\t'))
        t.bytes--;
    return t;
}

static bool unquoted(struct od_text t, char out[VALUE_BYTES])
{
    size_t n = 0;
    bool quoted = t.bytes >= 2 && t.at[0] == '"' && t.at[t.bytes - 1] == '"';
    for (size_t i = quoted; i < t.bytes - quoted; i++) {
        if (quoted && t.at[i] == '\\' && i + 1 < t.bytes - 1)
            i++;
        if (n + 1 == VALUE_BYTES)
            return false;
        out[n++] = t.at[i];
    }
    out[n] = 0;
    return true;
}

/* The value of a parameter of Digest credentials; false: there is none, or it is too long. */
static bool parameter(struct od_text credentials, const char *name, char out[VALUE_BYTES])
{
    struct od_text element;
    while (od_sip_text_next_element(&credentials, &element)) {
        element = trimmed(element);
        const char *equals = memchr(element.at, '=', element.bytes);
        if (!equals)
            continue;
        size_t n = (size_t)(equals - element.at);
        if (od_text_is_nocase(trimmed((struct od_text){element.at, n}), name))
            return unquoted(trimmed((struct od_text){equals + 1, element.bytes - n - 1}), out);
    }
    return false;
}

static bool digest(const char *algorithm, const char *text, char out[HEX_BYTES])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    size_t n = 0;
    const char *name = strcmp(algorithm, "SHA-256") == 0       ? "SHA2-256"
                       : strcmp(algorithm, "SHA-512-256") == 0 ? "SHA2-512/256"
                                                               : "MD5";
    if (!EVP_Q_digest(NULL, name, NULL, text, strlen(text), bytes, &n))
        return false;
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", (unsigned)bytes[i]);
    return true;
}

struct given {
    char user[VALUE_BYTES], realm[VALUE_BYTES], nonce[VALUE_BYTES], uri[VALUE_BYTES];
    char response[VALUE_BYTES], algorithm[VALUE_BYTES], cnonce[VALUE_BYTES], nc[VALUE_BYTES];
    char qop[VALUE_BYTES];
};

static bool read_given(struct od_text credentials, struct given *g)
{
    const struct {
        const char *name;
        char *out;
    } wanted[] = {
        {"username", g->user},     {"realm", g->realm},
        {"nonce", g->nonce},       {"uri", g->uri},
        {"response", g->response}, {"algorithm", g->algorithm},
        {"cnonce", g->cnonce},     {"nc", g->nc},
        {"qop", g->qop},
    };
    if (credentials.bytes < 7 || !od_text_is_nocase((struct od_text){credentials.at, 7}, "Digest "))
        return false;
    credentials = (struct od_text){credentials.at + 7, credentials.bytes - 7};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (!parameter(credentials, wanted[i].name, wanted[i].out))
            return false;
    }
    return true;
}

static bool right(const struct od_sip_text *m, const struct od_profile_auth *auth,
                  const struct given *g)
{
    char text[6 * VALUE_BYTES], a1[HEX_BYTES], a2[HEX_BYTES], expected[HEX_BYTES];
    if (strcmp(g->user, auth->user) != 0 || strcmp(g->algorithm, auth->algorithm) != 0 ||
        strcmp(g->qop, "auth") != 0 || strlen(g->nc) != 8 || !od_text_is(m->uri, g->uri))
        return false;
    snprintf(text, sizeof text, "%s:%s:%s", auth->user, g->realm, auth->password);
    if (!digest(auth->algorithm, text, a1))
        return false;
    snprintf(text, sizeof text, "INVITE:%s", g->uri);
    if (!digest(auth->algorithm, text, a2))
        return false;
    snprintf(text, sizeof text, "%s:%s:%s:%s:auth:%s", a1, g->nonce, g->nc, g->cnonce, a2);
    return digest(auth->algorithm, text, expected) && strcmp(g->response, expected) == 0;
}

enum od_challenge_verdict od_challenge_check(const struct od_sip_text *m,
                                             const struct od_profile_auth *auth, const char *nonce)
{
    struct given g;
    for (size_t i = 0; i < m->heads_n; i++) {
        if (m->heads[i].id != OD_SIP_HEAD_AUTHORIZATION || !read_given(m->heads[i].value, &g) ||
            strcmp(g.realm, "carrier") != 0)
            continue;
        if (!right(m, auth, &g))
            return OD_CHALLENGE_WRONG;
        return strcmp(g.nonce, nonce) == 0 ? OD_CHALLENGE_MET : OD_CHALLENGE_STALE;
    }
    return OD_CHALLENGE_MISSING;
}

const char *od_challenge_word(enum od_challenge_verdict verdict)
{
    static const char *const words[] = {
        [OD_CHALLENGE_MISSING] = "missing",
        [OD_CHALLENGE_WRONG] = "wrong",
        [OD_CHALLENGE_STALE] = "stale",
        [OD_CHALLENGE_MET] = "met",
    };
    return words[verdict];
}
