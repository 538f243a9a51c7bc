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

struct walk {
    /* The place holds a text or null. Returns 0 or an error; the walk goes on in both cases. */
    int (*at)(struct walk *walk, yyjson_mut_val *value, yyjson_val *stored);
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
        else
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

static int seal_at(struct walk *walk, yyjson_mut_val *value, yyjson_val *stored)
{
    (void)stored;
    if (!yyjson_mut_is_str(value))
        return 0;
    struct od_text plain = {yyjson_mut_get_str(value), yyjson_mut_get_len(value)};
    size_t size = OD_BOX_SEALED_BYTES(plain.bytes), used;
    char *sealed = malloc(size);
    if (!sealed)
        return OD_ENOMEM;
    int err = walk->box->seal(walk->box->ctx, walk->context, plain, sealed, size, &used);
    if (!err)
        err = replace(walk, value, sealed, used);
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
    char *plain = malloc(sealed.bytes);
    int err =
        plain ? walk->box->open(walk->box->ctx, walk->context, sealed, plain, sealed.bytes, &used)
              : OD_ENOMEM;
    if (!err)
        err = replace(walk, value, plain, used);
    if (err)
        yyjson_mut_set_null(value);
    if (plain)
        explicit_bzero(plain, sealed.bytes);
    free(plain);
    return err;
}

static int hide_at(struct walk *walk, yyjson_mut_val *value, yyjson_val *stored)
{
    (void)walk, (void)stored;
    yyjson_mut_set_null(value);
    return 0;
}

static int keep_at(struct walk *walk, yyjson_mut_val *value, yyjson_val *stored)
{
    if (!yyjson_mut_is_null(value) || !yyjson_is_str(stored))
        return 0;
    return replace(walk, value, yyjson_get_str(stored), yyjson_get_len(stored));
}

int od_secrets_seal(const struct od_box_port *box, const char *context, yyjson_mut_doc *doc,
                    yyjson_mut_val *root)
{
    struct walk walk = {.at = seal_at, .box = box, .context = context, .doc = doc};
    go(&walk, root, NULL);
    return walk.err;
}

int od_secrets_open(const struct od_box_port *box, const char *context, yyjson_mut_doc *doc,
                    yyjson_mut_val *root)
{
    struct walk walk = {.at = open_at, .box = box, .context = context, .doc = doc};
    go(&walk, root, NULL);
    return walk.err;
}

void od_secrets_hide(yyjson_mut_val *root)
{
    struct walk walk = {.at = hide_at};
    go(&walk, root, NULL);
}

int od_secrets_keep(yyjson_mut_doc *doc, yyjson_mut_val *root, yyjson_val *stored)
{
    struct walk walk = {.at = keep_at, .doc = doc};
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
