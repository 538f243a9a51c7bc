/*
 * template - fills {{name}} places of a text from a call's context. Pure.
 *
 * `{{name}}` is the context's member of that very name (a column of a contact list may be called
 * "First name"); failing that, `{{a.b}}` is member b of member a. Blanks inside the braces are
 * ignored. What isn't there, and what is no text, number or boolean, becomes nothing.
 *
 * Lifetime: a context copies what it is given.
 */
#ifndef ENGINE_AGENT_TEMPLATE_H
#define ENGINE_AGENT_TEMPLATE_H

#include <stddef.h>

enum { OD_TEMPLATE_BYTES_MAX = 8000 }; /* of a filled text */

struct od_context;

/* json: an object; bytes 0: an empty one. OD_EINVAL: not an object; OD_ENOMEM. */
int od_context_create(struct od_context **out, const char *json, size_t bytes);
void od_context_destroy(struct od_context *context); /* NULL is fine */

/* Writes the filled text with a NUL. Returns its bytes, or OD_ETOOBIG when it doesn't fit. context
 * may be NULL: an empty one. */
int od_template_fill(const struct od_context *context, const char *text, char *out,
                     size_t out_bytes);

#endif
