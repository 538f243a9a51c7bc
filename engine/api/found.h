/*
 * found - adds to the faults of a request what came in the place of what was expected. Pure.
 */
#ifndef ENGINE_API_FOUND_H
#define ENGINE_API_FOUND_H

#include "engine/api/problem.h"

/* Each fault that says what a place must be gets ", found ..." behind it: the value at its pointer
 * in the document (NULL: there is none), or that of its query parameter. What may be a secret is
 * not repeated. */
void od_faults_found(struct od_faults *faults, yyjson_doc *body, const char *query);

/* Some member on the way holds secrets. */
bool od_pointer_secret(const char *pointer);

#endif
