/*
 * secret_fields - see the header. One walk finds the places; what is done there is a function.
 */
#include "engine/api/secret_fields.h"

#include <stdlib.h>
#include <string.h>

#include "outdial/err.h"

const struct od_secret_field od_secret_fields[] = {
    {"apiKey", OD_SECRET_TEXT},         {"api_key", OD_SECRET_TEXT},
    {"password", OD_SECRET_TEXT},       {"authPassword", OD_SECRET_TEXT},
    {"auth_password", OD_SECRET_TEXT},  {"authToken", OD_SECRET_TEXT},
    {"auth_token", OD_SECRET_TEXT},     {"accessToken", OD_SECRET_TEXT},
    {"access_token", OD_SECRET_TEXT},   {"clientSecret", OD_SECRET_TEXT},
    {"client_secret", OD_SECRET_TEXT},  {"bearer", OD_SECRET_TEXT},
    {"secret", OD_SECRET_TEXT},         {"signingSecret", OD_SECRET_TEXT},
    {"signing_secret", OD_SECRET_TEXT}, {"headers", OD_SECRET_EACH},
    {"customHeaders", OD_SECRET_EACH},  {"custom_headers", OD_SECRET_EACH},
    {"additionalData", OD_SECRET_NONE}, {"context", OD_SECRET_NONE},
    {"metadata", OD_SECRET_NONE},       {NULL, OD_SECRET_NONE},
};

/* "user:password@" of a URL: where it stands in the text, without the "@". */
struct userinfo {
    size_t at, bytes;
};

static const char hidden[] = "***"; /* what is shown of it */

/* scheme "://" [userinfo "@"] host (RFC 3986, sections 3.1 and 3.2). False: there is none. */
static bool find_userinfo(const char *text, size_t bytes, struct userinfo *out)
{
    size_t at = 0, end, last = 0;
    while (at < bytes &&
           ((text[at] >= 'a' && text[at] <= 'z') || (text[at] >= 'A' && text[at] <= 'Z')))
        at++;
    if (!at || bytes - at < 3 || memcmp(text + at, "://", 3) != 0)
        return false;
    at += 3;
    for (end = at; end < bytes && !strchr("/?#", text[end]); end++)
        if (text[end] == '@')
            last = end;
    if (last <= at)
        return false;
    *out = (struct userinfo){at, last - at};
    return true;
}

static bool is_hidden(const char *text, struct userinfo in)
{
    return in.bytes == sizeof hidden - 1 && memcmp(text + in.at, hidden, in.bytes) == 0;
}

struct walk {
    /* The place holds a text or null. Returns 0 or an error; the walk goes on in both cases. */
    int (*at)(struct walk *walk, yyjson_mut_val *value, yyjson_val *stored);
    /* The place holds a URL with credentials in it. */
    int (*in_url)(struct walk *walk, yyjson_mut_val *value, struct userinfo in, yyjson_val *stored);
    const struct od_box_port *box;
    const char *context;
    yyjson_mut_doc *doc;
    int err; /* the first */
};

/* NULL: no name of the table. */
static const struct od_secret_field *field_of(yyjson_mut_val *key)
{
    for (const struct od_secret_field *field = od_secret_fields; field->name; field++)
        if (yyjson_mut_equals_str(key, field->name))
            return field;
    return NULL;
}

static void visit(struct walk *walk, yyjson_mut_val *value, yyjson_val *stored)
{
    if (!yyjson_mut_is_str(value) && !yyjson_mut_is_null(value))
        return;
    int err = walk->at(walk, value, stored);
    if (err && !walk->err)
        walk->err = err;
}

static yyjson_val *stored_member(yyjson_val *stored, yyjson_mut_val *key)
{
    return yyjson_obj_getn(stored, yyjson_mut_get_str(key), yyjson_mut_get_len(key));
}

static void visit_url(struct walk *walk, yyjson_mut_val *value, yyjson_val *stored)
{
    struct userinfo in;
    if (!find_userinfo(yyjson_mut_get_str(value), yyjson_mut_get_len(value), &in))
        return;
    int err = walk->in_url(walk, value, in, stored);
    if (err && !walk->err)
        walk->err = err;
}

static void go(struct walk *walk, yyjson_mut_val *value, yyjson_val *stored);

static void go_each(struct walk *walk, yyjson_mut_val *object, yyjson_val *stored)
{
    size_t i, max;
    yyjson_mut_val *key, *value;
    yyjson_mut_obj_foreach(object, i, max, key, value)
        visit(walk, value, stored_member(stored, key));
}

static void go_object(struct walk *walk, yyjson_mut_val *object, yyjson_val *stored)
{
    size_t i, max;
    yyjson_mut_val *key, *value;
    yyjson_mut_obj_foreach(object, i, max, key, value)
    {
        const struct od_secret_field *field = field_of(key);
        yyjson_val *before = stored_member(stored, key);
        if (field && field->kind == OD_SECRET_NONE)
            continue;
        if (field && field->kind == OD_SECRET_TEXT)
            visit(walk, value, before);
        if (field && field->kind == OD_SECRET_EACH)
            go_each(walk, value, before);
        else if (!field || !yyjson_mut_is_str(value))
            go(walk, value, before);
    }
}

/* As deep as the document, which whoever parsed it has bounded (json_read.h). */
static void go(struct walk *walk, yyjson_mut_val *value, yyjson_val *stored)
{
    size_t i, max;
    yyjson_mut_val *item;
    if (yyjson_mut_is_obj(value))
        go_object(walk, value, stored);
    else if (yyjson_mut_is_arr(value))
        yyjson_mut_arr_foreach(value, i, max, item) go(walk, item, yyjson_arr_get(stored, i));
    else if (yyjson_mut_is_str(value))
        visit_url(walk, value, stored);
}

/* The text is copied into the document. */
static int replace(struct walk *walk, yyjson_mut_val *value, const char *text, size_t bytes)
{
    yyjson_mut_val *copy = yyjson_mut_strncpy(walk->doc, text, bytes);
    if (!copy)
        return OD_ENOMEM;
    yyjson_mut_set_strn(value, yyjson_mut_get_str(copy), bytes);
    return 0;
}

/* Replaces the userinfo and what stands behind it up to the host; bytes 0: it goes, with its "@".
 */
static int replace_userinfo(struct walk *walk, yyjson_mut_val *value, struct userinfo in,
                            const char *text, size_t bytes)
{
    const char *url = yyjson_mut_get_str(value), *rest = url + in.at + in.bytes + (bytes ? 0 : 1);
    size_t rest_bytes = yyjson_mut_get_len(value) - (size_t)(rest - url);
    char *whole = malloc(in.at + bytes + rest_bytes + 1);
    if (!whole)
        return OD_ENOMEM;
    memcpy(whole, url, in.at);
    if (bytes)
        memcpy(whole + in.at, text, bytes);
    memcpy(whole + in.at + bytes, rest, rest_bytes);
    int err = replace(walk, value, whole, in.at + bytes + rest_bytes);
    explicit_bzero(whole, in.at + bytes + rest_bytes);
    free(whole);
    return err;
}

/* *out: to be freed, with *used bytes. */
static int open_text(struct walk *walk, struct od_text sealed, char **out, size_t *used)
{
    *out = malloc(sealed.bytes + 1);
    if (!*out)
        return OD_ENOMEM;
    return walk->box->open(walk->box->ctx, walk->context, sealed, *out, sealed.bytes, used);
}

static void forget(char *plain, size_t bytes)
{
    if (plain)
        explicit_bzero(plain, bytes);
    free(plain);
}

/* A stored document that is changed and stored again has its secrets sealed already. */
static bool is_ours(struct walk *walk, struct od_text text)
{
    size_t used;
    char *plain = NULL;
    bool ours = od_box_is_sealed(text.at, text.bytes) && !open_text(walk, text, &plain, &used);
    forget(plain, text.bytes);
    return ours;
}

/* *out: to be freed, with *used bytes; NULL: it is sealed already. */
static int seal_text(struct walk *walk, struct od_text plain, char **out, size_t *used)
{
    size_t size = OD_BOX_SEALED_BYTES(plain.bytes);
    *out = NULL;
    if (is_ours(walk, plain))
        return 0;
    *out = malloc(size);
    if (!*out)
        return OD_ENOMEM;
    return walk->box->seal(walk->box->ctx, walk->context, plain, *out, size, used);
}

static int seal_at(struct walk *walk, yyjson_mut_val *value, yyjson_val *stored)
{
    (void)stored;
    if (!yyjson_mut_is_str(value))
        return 0;
    struct od_text plain = {yyjson_mut_get_str(value), yyjson_mut_get_len(value)};
    size_t used;
    char *sealed;
    int err = seal_text(walk, plain, &sealed, &used);
    if (!err && sealed)
        err = replace(walk, value, sealed, used);
    free(sealed);
    return err;
}

static int seal_in_url(struct walk *walk, yyjson_mut_val *value, struct userinfo in,
                       yyjson_val *stored)
{
    (void)stored;
    const char *url = yyjson_mut_get_str(value);
    size_t used;
    char *sealed;
    if (is_hidden(url, in))
        return 0;
    int err = seal_text(walk, (struct od_text){url + in.at, in.bytes}, &sealed, &used);
    if (!err && sealed)
        err = replace_userinfo(walk, value, in, sealed, used);
    free(sealed);
    return err;
}

static int open_at(struct walk *walk, yyjson_mut_val *value, yyjson_val *stored)
{
    (void)stored;
    struct od_text sealed = {yyjson_mut_get_str(value), yyjson_mut_get_len(value)};
    if (!sealed.at || !od_box_is_sealed(sealed.at, sealed.bytes))
        return 0;
    size_t used;
    char *plain;
    int err = open_text(walk, sealed, &plain, &used);
    if (!err)
        err = replace(walk, value, plain, used);
    if (err)
        yyjson_mut_set_null(value);
    forget(plain, sealed.bytes);
    return err;
}

static int open_in_url(struct walk *walk, yyjson_mut_val *value, struct userinfo in,
                       yyjson_val *stored)
{
    (void)stored;
    struct od_text sealed = {yyjson_mut_get_str(value) + in.at, in.bytes};
    if (!od_box_is_sealed(sealed.at, sealed.bytes))
        return 0;
    size_t used;
    char *plain;
    int err = open_text(walk, sealed, &plain, &used);
    if (!err)
        err = replace_userinfo(walk, value, in, plain, used);
    if (err)
        yyjson_mut_set_null(value);
    forget(plain, sealed.bytes);
    return err;
}

static int hide_at(struct walk *walk, yyjson_mut_val *value, yyjson_val *stored)
{
    (void)walk, (void)stored;
    yyjson_mut_set_null(value);
    return 0;
}

static int hide_in_url(struct walk *walk, yyjson_mut_val *value, struct userinfo in,
                       yyjson_val *stored)
{
    (void)stored;
    if (replace_userinfo(walk, value, in, hidden, sizeof hidden - 1))
        yyjson_mut_set_null(value);
    return 0;
}

static int keep_at(struct walk *walk, yyjson_mut_val *value, yyjson_val *stored)
{
    if (!yyjson_mut_is_null(value) || !yyjson_is_str(stored))
        return 0;
    return replace(walk, value, yyjson_get_str(stored), yyjson_get_len(stored));
}

/* Credentials that were hidden come back for the same host only; to another they don't go. */
static int keep_in_url(struct walk *walk, yyjson_mut_val *value, struct userinfo in,
                       yyjson_val *stored)
{
    const char *url = yyjson_mut_get_str(value), *before = yyjson_get_str(stored);
    struct userinfo old;
    if (!is_hidden(url, in))
        return 0;
    bool had = before && find_userinfo(before, yyjson_get_len(stored), &old);
    size_t rest = in.at + in.bytes, old_rest = had ? old.at + old.bytes : 0;
    size_t host = had ? strcspn(url + rest, "/?#") : 0;
    bool same = had && in.at == old.at && memcmp(url, before, in.at) == 0 &&
                host == strcspn(before + old_rest, "/?#") &&
                memcmp(url + rest, before + old_rest, host) == 0;
    return replace_userinfo(walk, value, in, same ? before + old.at : NULL, same ? old.bytes : 0);
}

int od_secrets_seal(const struct od_box_port *box, const char *context, yyjson_mut_doc *doc,
                    yyjson_mut_val *root)
{
    struct walk walk = {
        .at = seal_at, .in_url = seal_in_url, .box = box, .context = context, .doc = doc};
    go(&walk, root, NULL);
    return walk.err;
}

int od_secrets_open(const struct od_box_port *box, const char *context, yyjson_mut_doc *doc,
                    yyjson_mut_val *root)
{
    struct walk walk = {
        .at = open_at, .in_url = open_in_url, .box = box, .context = context, .doc = doc};
    go(&walk, root, NULL);
    return walk.err;
}

void od_secrets_hide(yyjson_mut_doc *doc, yyjson_mut_val *root)
{
    struct walk walk = {.at = hide_at, .in_url = hide_in_url, .doc = doc};
    go(&walk, root, NULL);
}

yyjson_mut_val *od_secrets_shown_url(yyjson_mut_doc *doc, struct od_text url)
{
    struct userinfo in;
    struct walk walk = {.doc = doc};
    yyjson_mut_val *value = yyjson_mut_strncpy(doc, url.at, url.bytes);
    if (value && find_userinfo(url.at, url.bytes, &in) &&
        replace_userinfo(&walk, value, in, hidden, sizeof hidden - 1))
        return NULL;
    return value;
}

bool od_secrets_is_shown_url(struct od_text url)
{
    struct userinfo in;
    return find_userinfo(url.at, url.bytes, &in) && is_hidden(url.at, in);
}

int od_secrets_keep(yyjson_mut_doc *doc, yyjson_mut_val *root, yyjson_val *stored)
{
    struct walk walk = {.at = keep_at, .in_url = keep_in_url, .doc = doc};
    go(&walk, root, stored);
    return walk.err;
}

char *od_secrets_open_text(const struct od_box_port *box, const char *context, struct od_text doc,
                           size_t *bytes, int *err)
{
    yyjson_doc *read = yyjson_read(doc.at, doc.bytes, YYJSON_READ_BIGNUM_AS_RAW);
    yyjson_mut_doc *copy = read ? yyjson_doc_mut_copy(read, NULL) : NULL;
    char *text = NULL;
    *err = read ? OD_ENOMEM : OD_EINVAL;
    if (copy) {
        *err = od_secrets_open(box, context, copy, yyjson_mut_doc_get_root(copy));
        text = yyjson_mut_write(copy, 0, bytes);
        if (!text)
            *err = OD_ENOMEM;
    }
    yyjson_doc_free(read);
    yyjson_mut_doc_free(copy);
    return text;
}
