/*
 * API keys: made, listed, revoked. The key itself is in the answer that makes it and nowhere else;
 * what is kept is its hash and how it begins, to know it by.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/api/json_read.h"
#include "engine/api/native.h"
#include "engine/api/project.h"
#include "engine/base/str.h"
#include "engine/base/uid.h"
#include "outdial/err.h"

enum { KEY_RANDOM_BYTES = 24 /* 192 bits: beyond guessing */, HINT_BYTES = 9 };

struct key_in {
    const char *org, *scopes, *name;
    yyjson_val *asked; /* "read,dial" or ["read", "dial"]; NULL: the asking key's */
    char joined[OD_AUTH_SCOPES_MAX];
};
static const struct od_field key_fields[] = {
    {"org", OD_FIELD_TEXT, offsetof(struct key_in, org), 1, OD_NAME_MAX - 1, false},
    {"scopes", OD_FIELD_ANY, offsetof(struct key_in, asked), 0, 0, false},
    {"name", OD_FIELD_TEXT, offsetof(struct key_in, name), 1, 100, false},
};

struct key_work {
    struct od_key_rec rec;
    char key[8 + 2 * KEY_RANDOM_BYTES];
};

static void add_key(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_key_rec *rec)
{
    char id[OD_UID_TEXT];
    od_uid_text(&rec->id, id);
    yyjson_mut_obj_add_strcpy(doc, o, "id", id);
    yyjson_mut_obj_add_strcpy(doc, o, "org", rec->org);
    yyjson_mut_obj_add_strcpy(doc, o, "scopes", rec->scopes);
    od_put_text(doc, o, "name", (struct od_text){rec->name, strlen(rec->name)});
    yyjson_mut_obj_add_strcpy(doc, o, "hint", rec->hint);
    od_put_time(doc, o, "created_at", rec->created_ms);
}

/* ---- whose keys ---- */

/* Only the operator's own keys reach other orgs. */
static bool may_reach(const struct od_request *q, const char *org)
{
    return strcmp(org, q->who.org) == 0 ||
           (q->who.fixed && od_auth_allows(q->who.scopes, OD_SCOPE_ADMIN));
}

/* The org that the query names, else the key's own. False: answered. */
static bool org_asked(struct od_request *q, char out[OD_NAME_MAX])
{
    char text[OD_QUERY_VALUE_MAX];
    if (!od_query_get(q->x->query, "org", text))
        return od_str_copy(out, OD_NAME_MAX, q->who.org, strlen(q->who.org));
    if (od_auth_org_ok(text) && may_reach(q, text))
        return od_str_copy(out, OD_NAME_MAX, text, strlen(text));
    od_request_err(q, OD_ENOENT, "org");
    return false;
}

/* ---- making ---- */

static void key_put_done(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    yyjson_mut_doc *doc = err ? NULL : od_project_doc();
    if (!doc) {
        od_request_err(q, err ? err : OD_ENOMEM, "key");
        return;
    }
    struct key_work *work = q->work;
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);
    yyjson_mut_obj_add_strcpy(doc, root, "key", work->key);
    add_key(doc, root, &work->rec);
    explicit_bzero(work->key, sizeof work->key);
    od_request_answer(q, 201, doc, NULL);
}

/* As the configuration has them, a list, or in one text. False: neither. */
static bool read_scopes(struct key_in *in)
{
    size_t i, max;
    yyjson_val *word;
    struct od_buf buf;
    od_buf_init(&buf, in->joined, sizeof in->joined);
    if (!in->asked || yyjson_is_null(in->asked))
        return true;
    if (yyjson_is_str(in->asked))
        od_buf_add(&buf, yyjson_get_str(in->asked), yyjson_get_len(in->asked));
    yyjson_arr_foreach(od_json_arr(in->asked), i, max, word)
    {
        if (!yyjson_is_str(word))
            return false;
        od_buf_str(&buf, i ? "," : "");
        od_buf_add(&buf, yyjson_get_str(word), yyjson_get_len(word));
    }
    in->scopes = in->joined;
    return buf.used && !buf.cut && strlen(in->joined) == buf.used;
}

/* Nobody gives away more than they have. */
static void check_key(const struct od_request *q, struct key_in *in, struct od_faults *faults)
{
    if (!od_auth_org_ok(in->org))
        od_fault_add(faults, "#", "org", "may have letters, digits, \"-\", \"_\" and \".\" only");
    else if (!may_reach(q, in->org))
        od_fault_add(faults, "#", "org",
                     "only a key of the configuration makes keys for other orgs");
    if (!read_scopes(in) || !od_auth_scopes_ok(in->scopes, q->who.scopes))
        od_fault_add(faults, "#", "scopes",
                     "must be \"*\" or words of read, dial, admin, as a list or set apart by "
                     "commas, and no more than your own key has");
    for (const char *c = in->name; c && *c; c++)
        if ((unsigned char)*c < ' ') {
            od_fault_add(faults, "#", "name", "expected one line of text");
            break;
        }
}

void od_keys_create(struct od_request *q)
{
    struct key_in in = {.org = q->who.org, .scopes = q->who.scopes};
    struct od_faults faults = {0};
    if (!od_json_fields(yyjson_doc_get_root(q->body), key_fields,
                        sizeof key_fields / sizeof *key_fields, &in, "#", &faults))
        check_key(q, &in, &faults);
    if (faults.count) {
        od_request_faults(q, &faults);
        return;
    }
    struct key_work *work = q->work = calloc(1, sizeof *work);
    if (!work) {
        od_request_err(q, OD_ENOMEM, "key");
        return;
    }
    uint8_t random[KEY_RANDOM_BYTES];
    const struct od_api_host *host = &q->api->host;
    struct od_key_rec *rec = &work->rec;
    struct od_buf buf;
    rec->id = od_request_uid(q);
    rec->created_ms = od_request_wall_ms(q);
    od_request_random(q, random, sizeof random);
    od_buf_init(&buf, work->key, sizeof work->key);
    od_buf_str(&buf, "sk_");
    od_buf_hex(&buf, random, sizeof random);
    explicit_bzero(random, sizeof random);
    od_str_copy(rec->hint, sizeof rec->hint, work->key, HINT_BYTES);
    od_str_copy(rec->org, sizeof rec->org, in.org, strlen(in.org));
    od_str_copy(rec->scopes, sizeof rec->scopes, in.scopes, strlen(in.scopes));
    if (in.name)
        od_str_copy(rec->name, sizeof rec->name, in.name, strlen(in.name));
    host->sha256(host->ctx, work->key, buf.used, rec->hash);
    od_request_out(q);
    q->api->guard.key_put(q->api->guard.ctx, rec, key_put_done, q);
}

/* ---- looking and revoking ---- */

static void key_list_done(void *ctx, int err, const struct od_key_rec *recs, size_t count)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    yyjson_mut_doc *doc = err ? NULL : od_project_doc();
    if (!doc) {
        od_request_err(q, err ? err : OD_ENOMEM, "key");
        return;
    }
    yyjson_mut_val *data = yyjson_mut_obj_add_arr(doc, yyjson_mut_doc_get_root(doc), "data");
    for (size_t i = 0; i < count; i++)
        add_key(doc, yyjson_mut_arr_add_obj(doc, data), &recs[i]);
    od_request_answer(q, 200, doc, NULL);
}

void od_keys_list(struct od_request *q)
{
    char org[OD_NAME_MAX];
    if (!org_asked(q, org))
        return;
    od_request_out(q);
    q->api->guard.key_list(q->api->guard.ctx, org, key_list_done, q);
}

static void key_revoke_done(void *ctx, int err)
{
    struct od_request *q = ctx;
    if (!od_request_back(q))
        return;
    if (err)
        od_request_err(q, err, "key");
    else
        od_request_answer_empty(q, 204);
}

void od_keys_revoke(struct od_request *q)
{
    char org[OD_NAME_MAX];
    if (!org_asked(q, org))
        return;
    od_request_out(q);
    q->api->guard.key_revoke(q->api->guard.ctx, org, &q->at.ids[0], key_revoke_done, q);
}
