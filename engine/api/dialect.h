/*
 * dialect - what the path alone says of how to talk to a client: how an error is written and how a
 * key may be sent. A table by path prefix; everything else about a dialect is in its own files.
 * Pure.
 */
#ifndef ENGINE_API_DIALECT_H
#define ENGINE_API_DIALECT_H

#include <stdbool.h>

#include "engine/api/problem.h"

struct od_dialect {
    const char *prefix;     /* "/v1": this and everything below it */
    const char *name;       /* for the log and the documents */
    const char *error_type; /* media type of an error */
    bool basic;             /* Basic authorization is taken too: its password is the key */
    /* The problem as this dialect's document; as od_problem_doc(). */
    yyjson_mut_doc *(*error)(const struct od_problem *problem);
};

/* Never NULL: what has no dialect of its own is answered in the native one. */
const struct od_dialect *od_dialect_of(const char *path);

#endif
