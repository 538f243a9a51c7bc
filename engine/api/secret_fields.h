/*
 * secret_fields - the secrets inside a JSON document: which members they are (one table), and what
 * is done to them. A document is sealed before it is stored, opened where its secrets are used, and
 * hidden (null) before it is shown. Pure but for the box.
 *
 *   stored <- od_secrets_seal() then od_secrets_keep() from what was stored before: a document that
 *             is read, changed and sent back has null where its secrets were, and keeps them
 *   shown  <- od_secrets_hide()
 *   used   <- od_secrets_open()
 *
 * Credentials inside a URL (wss://user:password@host/) are sealed in their place, shown as three
 * asterisks before the "@", and kept when that comes back for the same host.
 *
 * Sealing what is sealed already under the same context changes nothing, so a stored document may
 * be changed and stored again.
 *
 * Only texts are secrets: a member of one of those names that is an object (a parameter of a tool
 * called "password") is walked like any other.
 */
#ifndef ENGINE_API_SECRET_FIELDS_H
#define ENGINE_API_SECRET_FIELDS_H

#include <yyjson.h>

#include "outdial/box.h"

enum od_secret_kind {
    OD_SECRET_TEXT, /* the member's text */
    OD_SECRET_EACH, /* every text that is a member of the object (headers) */
    OD_SECRET_NONE, /* the client's own data: nothing below is looked at */
};

struct od_secret_field {
    const char *name; /* of the member, at any depth */
    enum od_secret_kind kind;
};

/* Ended by a name of NULL. */
extern const struct od_secret_field od_secret_fields[];

/* Each takes a value of the document and walks all below it. `context` as in outdial/box.h.
 * OD_ENOMEM; OD_ETOOBIG: a secret is too long to be sealed. */
int od_secrets_seal(const struct od_box_port *box, const char *context, yyjson_mut_doc *doc,
                    yyjson_mut_val *root);

/* Texts that are not sealed stay as they are. What can't be opened becomes null, and the first
 * error is returned (OD_EDENIED: another key). */
int od_secrets_open(const struct od_box_port *box, const char *context, yyjson_mut_doc *doc,
                    yyjson_mut_val *root);

/* What no memory is left for is null. */
void od_secrets_hide(yyjson_mut_doc *doc, yyjson_mut_val *root);

/* A single URL as it is shown: three asterisks in the place of credentials inside it; what has none
 * stays as it is. The text is copied into the document. NULL: no memory. */
yyjson_mut_val *od_secrets_shown_url(yyjson_mut_doc *doc, struct od_text url);
/* True: a URL that was shown so comes back; it can't be used. */
bool od_secrets_is_shown_url(struct od_text url);

/* Where the document has null for a secret and `stored` has a text at the same place, the text is
 * taken over. OD_ENOMEM. */
int od_secrets_keep(yyjson_mut_doc *doc, yyjson_mut_val *root, yyjson_val *stored);

/* The same for a document as text: opens it and returns new text (free()), *bytes long, NUL behind
 * it. NULL with *err set when it can't be parsed or memory is short; an error of a secret is in
 * *err beside the text. */
char *od_secrets_open_text(const struct od_box_port *box, const char *context, struct od_text doc,
                           size_t *bytes, int *err);

#endif
