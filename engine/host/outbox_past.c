/*
 * outbox_past - see the header.
 */
#include "engine/host/outbox_past.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "engine/api/secret_fields.h"

struct past_key {
    struct od_uid agent;
    uint64_t last;
};

struct od_outbox_past {
    struct past_key key;
    yyjson_doc *doc;
    unsigned holds;
    UT_hash_handle hh; /* by key */
};

/* As the catalog reads the present one. */
static yyjson_doc *read_document(const struct od_box_port *box, const char *org,
                                 struct od_text text)
{
    char context[OD_NAME_MAX + 16];
    size_t bytes = 0;
    int err = 0;
    snprintf(context, sizeof context, "%s agent", org);
    char *open = od_secrets_open_text(box, context, text, &bytes, &err);
    if (!open)
        return NULL;
    yyjson_doc *doc = yyjson_read(open, bytes, 0);
    explicit_bzero(open, bytes);
    free(open);
    return doc;
}

struct od_outbox_past *od_outbox_past_get(struct od_outbox_past **all,
                                          const struct od_box_port *box, const char *org,
                                          const struct od_uid *agent, uint64_t last,
                                          struct od_text text)
{
    struct past_key key = {*agent, last};
    struct od_outbox_past *past;
    HASH_FIND(hh, *all, &key, sizeof key, past);
    if (past) {
        past->holds++;
        return past;
    }
    past = calloc(1, sizeof *past);
    if (!past)
        return NULL;
    past->key = key;
    past->holds = 1;
    past->doc = read_document(box, org, text);
    if (!past->doc) {
        free(past);
        return NULL;
    }
    HASH_ADD(hh, *all, key, sizeof past->key, past);
    return past;
}

void od_outbox_past_put(struct od_outbox_past **all, struct od_outbox_past *past)
{
    if (!past || --past->holds)
        return;
    HASH_DEL(*all, past);
    yyjson_doc_free(past->doc);
    free(past);
}

yyjson_val *od_outbox_past_root(const struct od_outbox_past *past)
{
    return yyjson_doc_get_root(past->doc);
}
