/*
 * json_found - a JSON value in a few words, for telling what came where something else was
 * expected. Pure.
 */
#ifndef ENGINE_AGENT_JSON_FOUND_H
#define ENGINE_AGENT_JSON_FOUND_H

#include <yyjson.h>

enum { OD_JSON_FOUND_MAX = 96 };

/* A text in quotes, cut when it is long; a number as it is; "true", "an object", ...; "nothing" for
 * NULL. */
void od_json_found(yyjson_val *value, char out[OD_JSON_FOUND_MAX]);

#endif
