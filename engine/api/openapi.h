/*
 * openapi - the API's own description, put together from the files of engine/api/openapi: base.json
 * and one file a dialect, whose paths, webhooks and components are added to it. The files are the
 * source of truth: a test holds the route table against them, other people's tools hold the
 * answers.
 */
#ifndef ENGINE_API_OPENAPI_H
#define ENGINE_API_OPENAPI_H

#include "outdial/repo.h"

/* The files' texts, ended by an empty one. Made at build time. */
extern const struct od_text od_openapi_parts[];

/* The whole document; free(). NULL: no memory. */
char *od_openapi_text(const char *version, size_t *bytes);

#endif
