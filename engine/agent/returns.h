/*
 * returns - whether a call's result is what its agent's document promises: the `returns` member,
 * { "name": "type", ... } with the types string, boolean, number, integer, array and object, each
 * also as { "type": ... }, or a JSON Schema's { "properties": { ... }, "required": [ ... ] }. Those
 * that are required have to come, the others may be missing, as they may be null. Pure.
 */
#ifndef ENGINE_AGENT_RETURNS_H
#define ENGINE_AGENT_RETURNS_H

#include <stdbool.h>
#include <stddef.h>

/* NULL or empty texts: nothing is promised, no result came. False with one line in `why`: none
 * came, one that is required is missing, or one is of another type. A null value is fine: it
 * couldn't be told. */
bool od_returns_ok(const char *returns, size_t returns_bytes, const char *result,
                   size_t result_bytes, char *why, size_t why_size);

#endif
