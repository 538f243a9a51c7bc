/*
 * returns - whether a call's result is what its agent's document promises: the `returns` member,
 * { "name": "type", ... } with the types string, boolean, number, integer, array and object, each
 * also as { "type": ... }, or a JSON Schema's { "properties": { ... }, "required": [ ... ] }. Without
 * such a list of names every one has to come, with it or a schema those named. Pure.
 */
#ifndef ENGINE_AGENT_RETURNS_H
#define ENGINE_AGENT_RETURNS_H

#include <stdbool.h>
#include <stddef.h>

/* NULL or empty texts: nothing is promised, no result came. False with one line in `why`: a value
 * is missing or of another type. A null value is fine: it couldn't be told. */
bool od_returns_ok(const char *returns, size_t returns_bytes, const char *result,
                   size_t result_bytes, char *why, size_t why_size);

#endif
