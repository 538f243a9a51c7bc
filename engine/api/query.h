/*
 * query - the query part of a request's target. Pure. Strict: a misspelt name is an error with a
 * hint, since a filter that is silently ignored shows the wrong things.
 */
#ifndef ENGINE_API_QUERY_H
#define ENGINE_API_QUERY_H

#include <stdbool.h>

#include "engine/api/problem.h"

enum { OD_QUERY_VALUE_MAX = 256 };

/* Every name must be in `allowed` (NULL-terminated; NULL: none), occur once, and have a value of at
 * most OD_QUERY_VALUE_MAX - 1 bytes that decodes to UTF-8 without NUL. Faults point at
 * "query/name". */
void od_query_check(const char *query, const char *const *allowed, struct od_faults *faults);

/* The decoded value of the index-th time the name is given; false when there is none. A name that
 * may be given more than once is in `allowed` with a "*" behind it. */
bool od_query_each(const char *query, const char *name, unsigned index,
                   char out[OD_QUERY_VALUE_MAX]);

/* The decoded value; false when the name is not there or its value is empty. Names and values that
 * od_query_check() refused may give anything that fits. */
bool od_query_get(const char *query, const char *name, char out[OD_QUERY_VALUE_MAX]);

#endif
