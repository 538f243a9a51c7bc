/*
 * sip_auth - which nonce, how often, for whom (RFC 3261 section 22, RFC 7616 sections 3.3 to 3.6).
 */
#include "proto/sip/sip_auth.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "proto/sip/sip_digest.h"
#include "proto/sip/sip_internal.h"

enum { CNONCE_BYTES = 8, CHALLENGES_MAX = 8, URI_MAX = 512 };

struct od_sip_nonce {
    uint32_t refs;
    struct od_sip_nonce **bucket; /* of the identity's table */
    struct od_sip_nonce *next;
    bool proxy;  /* asked by 407 */
    uint32_t nc; /* of its latest use */
    char cnonce[2 * CNONCE_BYTES + 1];
    struct od_digest_challenge challenge;
};

/* ---- nonces ---- */

static bool same_space(const struct od_sip_nonce *nonce, bool proxy, const char *realm)
{
    return nonce->proxy == proxy && strcmp(nonce->challenge.realm, realm) == 0;
}

static bool same_nonce(const struct od_sip_nonce *nonce, bool proxy,
                       const struct od_digest_challenge *challenge)
{
    return same_space(nonce, proxy, challenge->realm) && nonce->challenge.hash == challenge->hash &&
           nonce->challenge.session == challenge->session &&
           nonce->challenge.qop_auth == challenge->qop_auth &&
           strcmp(nonce->challenge.nonce, challenge->nonce) == 0 &&
           strcmp(nonce->challenge.opaque, challenge->opaque) == 0;
}

static void nonce_put(struct od_sip_nonce *nonce)
{
    if (!nonce || --nonce->refs)
        return;
    struct od_sip_nonce **at = nonce->bucket;
    while (*at != nonce)
        at = &(*at)->next;
    *at = nonce->next;
    free(nonce);
}

static bool make_cnonce(char out[2 * CNONCE_BYTES + 1])
{
    uint8_t bytes[CNONCE_BYTES];
    struct od_buf buf;
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    od_buf_init(&buf, out, 2 * CNONCE_BYTES + 1);
    od_buf_hex(&buf, bytes, sizeof bytes);
    return true;
}

/* The nonce of this challenge, with a reference for the caller: one that a leg was given already,
 * so that its count goes on, or a new one. NULL: no memory. */
static struct od_sip_nonce *nonce_get(struct od_sip_credentials *credentials, bool proxy,
                                      const struct od_digest_challenge *challenge)
{
    struct od_sip_nonce **bucket =
        &credentials->live[msg_hash_string(challenge->nonce) % OD_SIP_NONCE_BUCKETS];
    for (struct od_sip_nonce *nonce = *bucket; nonce; nonce = nonce->next) {
        if (same_nonce(nonce, proxy, challenge)) {
            nonce->refs++;
            return nonce;
        }
    }
    struct od_sip_nonce *nonce = calloc(1, sizeof *nonce);
    if (!nonce || !make_cnonce(nonce->cnonce)) {
        free(nonce);
        return NULL;
    }
    nonce->refs = 1;
    nonce->proxy = proxy;
    nonce->challenge = *challenge;
    nonce->bucket = bucket;
    nonce->next = *bucket;
    *bucket = nonce;
    return nonce;
}

/* ---- the identity's part ---- */

bool od_sip_credentials_set(struct od_sip_credentials *credentials, const char *user,
                            const char *password)
{
    user = user ? user : "";
    password = password ? password : "";
    return od_str_copy(credentials->user, sizeof credentials->user, user, strlen(user)) &&
           od_str_copy(credentials->password, sizeof credentials->password, password,
                       strlen(password));
}

bool od_sip_credentials_same(const struct od_sip_credentials *credentials, const char *user,
                             const char *password)
{
    return strcmp(credentials->user, user ? user : "") == 0 &&
           strcmp(credentials->password, password ? password : "") == 0;
}

static void forget(struct od_sip_credentials *credentials, unsigned i)
{
    nonce_put(credentials->accepted[i]);
    credentials->accepted[i] = NULL;
}

void od_sip_credentials_clear(struct od_sip_credentials *credentials)
{
    for (unsigned i = 0; i < OD_SIP_SPACES_MAX; i++)
        forget(credentials, i);
    OPENSSL_cleanse(credentials->password, sizeof credentials->password);
}

/* In place of what was accepted for the same space, a free place, or the first. */
static void remember(struct od_sip_credentials *credentials, struct od_sip_nonce *nonce)
{
    unsigned place = OD_SIP_SPACES_MAX;
    for (unsigned i = 0; i < OD_SIP_SPACES_MAX; i++) {
        const struct od_sip_nonce *known = credentials->accepted[i];
        if (known == nonce)
            return;
        if (known && same_space(known, nonce->proxy, nonce->challenge.realm)) {
            place = i;
            break;
        }
        if (!known && place == OD_SIP_SPACES_MAX)
            place = i;
    }
    if (place == OD_SIP_SPACES_MAX)
        place = 0;
    nonce->refs++;
    forget(credentials, place);
    credentials->accepted[place] = nonce;
}

/* ---- the leg's part ---- */

static struct od_sip_auth *auth_of(struct od_sip_leg *leg)
{
    if (!leg->auth)
        leg->auth = calloc(1, sizeof *leg->auth);
    return leg->auth;
}

void od_sip_auth_begin(struct od_sip_leg *leg)
{
    struct od_sip_credentials *credentials = &leg->identity->credentials;
    for (unsigned i = 0; i < OD_SIP_SPACES_MAX; i++) {
        struct od_sip_nonce *nonce = credentials->accepted[i];
        if (!nonce || !auth_of(leg))
            continue;
        nonce->refs++;
        leg->auth->answers[leg->auth->count++] = (struct od_sip_answer){.nonce = nonce};
    }
}

/* One space's challenge. */
static enum od_sip_auth_verdict take_challenge(struct od_sip_leg *leg, bool proxy,
                                               const struct od_digest_challenge *challenge)
{
    struct od_sip_credentials *credentials = &leg->identity->credentials;
    struct od_sip_auth *auth = leg->auth;
    struct od_sip_answer *answer = NULL;
    for (unsigned i = 0; i < auth->count && !answer; i++)
        if (same_space(auth->answers[i].nonce, proxy, challenge->realm))
            answer = &auth->answers[i];
    if (answer && answer->tries && (!challenge->stale || answer->tries >= OD_SIP_TRIES_MAX))
        return OD_SIP_AUTH_REFUSED;
    if (!answer && auth->count == OD_SIP_SPACES_MAX)
        return OD_SIP_AUTH_UNUSABLE;
    struct od_sip_nonce *nonce = nonce_get(credentials, proxy, challenge);
    if (!nonce)
        return OD_SIP_AUTH_UNUSABLE;
    if (!answer)
        answer = &auth->answers[auth->count++];
    for (unsigned i = 0; i < OD_SIP_SPACES_MAX; i++)
        if (answer->nonce && credentials->accepted[i] == answer->nonce)
            forget(credentials, i); /* it was good for its time */
    nonce_put(answer->nonce);
    answer->nonce = nonce;
    answer->tries++;
    return OD_SIP_AUTH_NONE;
}

/* The header as text, which the library has in pieces. */
static bool header_text(const msg_auth_t *header, char *out, size_t out_bytes)
{
    struct od_buf buf;
    od_buf_init(&buf, out, out_bytes);
    od_buf_str(&buf, header->au_scheme ? header->au_scheme : "");
    for (unsigned i = 0; header->au_params && header->au_params[i]; i++) {
        od_buf_str(&buf, i ? ", " : " ");
        od_buf_str(&buf, header->au_params[i]);
    }
    return !buf.cut;
}

struct found {
    struct od_digest_challenge at[CHALLENGES_MAX];
    bool proxy[CHALLENGES_MAX];
    unsigned count;
};

/* Keeps of each space the challenge with the strongest algorithm: local policy, as RFC 8760
 * section 2.4 allows. */
static void add_found(struct found *found, bool proxy, const struct od_digest_challenge *challenge)
{
    for (unsigned i = 0; i < found->count; i++) {
        if (found->proxy[i] != proxy || strcmp(found->at[i].realm, challenge->realm) != 0)
            continue;
        if (challenge->hash > found->at[i].hash)
            found->at[i] = *challenge;
        return;
    }
    if (found->count == CHALLENGES_MAX)
        return;
    found->at[found->count] = *challenge;
    found->proxy[found->count++] = proxy;
}

static void find(struct found *found, bool proxy, const msg_auth_t *header)
{
    char text[OD_DIGEST_CHALLENGE_MAX];
    struct od_digest_challenge parsed[2];
    for (unsigned n = 0; header && n < 2 * CHALLENGES_MAX; n++, header = header->au_next) {
        unsigned count = header_text(header, text, sizeof text)
                             ? od_digest_parse(text, strlen(text), parsed, 2)
                             : 0;
        for (unsigned i = 0; i < count; i++)
            add_found(found, proxy, &parsed[i]);
    }
}

enum od_sip_auth_verdict od_sip_auth_challenged(struct od_sip_leg *leg, const sip_t *response)
{
    struct found found = {.count = 0};
    if (!leg->identity->credentials.user[0])
        return OD_SIP_AUTH_MISSING;
    find(&found, false, response->sip_www_authenticate);
    find(&found, true, response->sip_proxy_authenticate);
    if (!found.count || !auth_of(leg))
        return OD_SIP_AUTH_UNUSABLE;
    for (unsigned i = 0; i < found.count; i++) {
        enum od_sip_auth_verdict verdict = take_challenge(leg, found.proxy[i], &found.at[i]);
        if (verdict != OD_SIP_AUTH_NONE)
            return verdict;
    }
    return OD_SIP_AUTH_NONE;
}

static bool add_line(struct od_buf *buf, const struct od_sip_leg *leg, struct od_sip_nonce *nonce,
                     const char *method, const char *uri)
{
    const struct od_sip_credentials *credentials = &leg->identity->credentials;
    char value[OD_DIGEST_CREDENTIALS_MAX];
    const struct od_digest_request request = {
        .method = method,
        .uri = uri,
        .user = credentials->user,
        .password = credentials->password,
        .cnonce = nonce->cnonce,
        .nc = ++nonce->nc,
    };
    if (od_digest_write(&nonce->challenge, &request, value, sizeof value) < 0)
        return false;
    od_buf_str(buf, nonce->proxy ? "Proxy-Authorization: " : "Authorization: ");
    od_buf_str(buf, value);
    od_buf_str(buf, "\r\n");
    return true;
}

char *od_sip_auth_lines(struct od_sip_leg *leg, const char *method, const url_t *uri)
{
    char text[OD_SIP_SPACES_MAX * OD_DIGEST_CREDENTIALS_MAX], uri_text[URI_MAX];
    struct od_buf buf;
    if (!leg->auth || !leg->auth->count)
        return NULL;
    isize_t bytes = url_e(uri_text, sizeof uri_text, uri);
    if (bytes < 0 || (size_t)bytes >= sizeof uri_text)
        return NULL;
    od_buf_init(&buf, text, sizeof text);
    for (unsigned i = 0; i < leg->auth->count; i++)
        if (!add_line(&buf, leg, leg->auth->answers[i].nonce, method, uri_text))
            return NULL;
    return buf.cut ? NULL : strdup(text);
}

void od_sip_auth_restart(struct od_sip_leg *leg)
{
    for (unsigned i = 0; leg->auth && i < leg->auth->count; i++)
        leg->auth->answers[i].tries = 0;
}

bool od_sip_auth_given(const struct od_sip_leg *leg)
{
    return leg->auth && leg->auth->lines;
}

/* RFC 7616 section 3.5: the nonce that the server wants to see next. Which of several spaces it
 * means is not said, so only a lone one is told. */
static void take_next_nonce(struct od_sip_leg *leg, const sip_t *response)
{
    struct od_digest_challenge next;
    char text[OD_DIGEST_CHALLENGE_MAX];
    struct od_buf buf;
    const sip_authentication_info_t *info = response->sip_authentication_info;
    if (leg->auth->count != 1 || !info || !info->ai_params)
        return;
    od_buf_init(&buf, text, sizeof text);
    for (unsigned i = 0; info->ai_params[i]; i++) {
        od_buf_str(&buf, i ? ", " : "");
        od_buf_str(&buf, info->ai_params[i]);
    }
    const struct od_sip_nonce *used = leg->auth->answers[0].nonce;
    next = used->challenge;
    if (buf.cut || !od_digest_next_nonce(text, buf.used, next.nonce))
        return;
    struct od_sip_nonce *nonce = nonce_get(&leg->identity->credentials, used->proxy, &next);
    if (nonce)
        remember(&leg->identity->credentials, nonce);
    nonce_put(nonce);
}

void od_sip_auth_accepted(struct od_sip_leg *leg, const sip_t *response)
{
    if (!od_sip_auth_given(leg))
        return;
    for (unsigned i = 0; i < leg->auth->count; i++)
        remember(&leg->identity->credentials, leg->auth->answers[i].nonce);
    take_next_nonce(leg, response);
}

void od_sip_auth_end(struct od_sip_leg *leg)
{
    if (!leg->auth)
        return;
    for (unsigned i = 0; i < leg->auth->count; i++)
        nonce_put(leg->auth->answers[i].nonce);
    leg->auth->count = 0;
}

void od_sip_auth_free(struct od_sip_leg *leg)
{
    if (!leg->auth)
        return;
    od_sip_auth_end(leg);
    free(leg->auth->lines);
    free(leg->auth);
    leg->auth = NULL;
}
