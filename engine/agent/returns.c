/*
 * returns - see the header.
 */
#include "engine/agent/returns.h"

#include <string.h>

#include <yyjson.h>

#include "engine/base/str.h"

static const char *type_of(yyjson_val *promise)
{
    yyjson_val *type = yyjson_is_obj(promise) ? yyjson_obj_get(promise, "type") : promise;
    return yyjson_get_str(type);
}

/* A type without a name here is anything. */
static bool is_of(yyjson_val *value, const char *type)
{
    static const struct {
        const char *name;
        bool (*is)(yyjson_val *value);
    } types[] = {{"string", yyjson_is_str}, {"boolean", yyjson_is_bool}, {"bool", yyjson_is_bool},
                 {"number", yyjson_is_num}, {"integer", yyjson_is_int},  {"array", yyjson_is_arr},
                 {"object", yyjson_is_obj}};
    for (size_t i = 0; type && i < sizeof types / sizeof *types; i++) {
        if (!strcmp(types[i].name, type))
            return types[i].is(value);
    }
    return true;
}

static void say(char *why, size_t size, const char *name, const char *what, const char *type)
{
    struct od_buf buf;
    od_buf_init(&buf, why, size);
    od_buf_str(&buf, name);
    od_buf_str(&buf, what);
    od_buf_str(&buf, type);
}

static bool is_among(yyjson_val *names, const char *name)
{
    size_t i, max;
    yyjson_val *item;
    yyjson_arr_foreach(names, i, max, item) if (yyjson_equals_str(item, name)) return true;
    return false;
}

/* required: the names that must be there. */
static bool holds(yyjson_val *promises, yyjson_val *required, yyjson_val *result, char *why,
                  size_t size)
{
    size_t i, max;
    yyjson_val *name, *promise;
    yyjson_obj_foreach(promises, i, max, name, promise)
    {
        const char *key = yyjson_get_str(name), *type = type_of(promise);
        yyjson_val *value = yyjson_obj_get(result, key);
        if (!value && is_among(required, key)) {
            say(why, size, key, " is missing", "");
            return false;
        }
        if (!value)
            continue;
        if (!yyjson_is_null(value) && !is_of(value, type)) {
            say(why, size, key, ": expected ", type);
            return false;
        }
    }
    return true;
}

bool od_returns_ok(const char *returns, size_t returns_bytes, const char *result,
                   size_t result_bytes, char *why, size_t why_size)
{
    yyjson_doc *promised = returns_bytes ? yyjson_read(returns, returns_bytes, 0) : NULL;
    yyjson_val *promises = yyjson_doc_get_root(promised);
    yyjson_val *properties = yyjson_obj_get(promises, "properties"), *required = NULL;
    if (yyjson_is_obj(properties)) { /* as JSON Schema has it */
        required = yyjson_obj_get(promises, "required");
        promises = properties;
    }
    yyjson_doc *came = result_bytes ? yyjson_read(result, result_bytes, 0) : NULL;
    bool good = true;
    if (yyjson_is_obj(promises) && yyjson_obj_size(promises) && !came) {
        say(why, why_size, "no result came", "", "");
        good = false;
    } else if (yyjson_is_obj(promises)) {
        good = holds(promises, required, yyjson_doc_get_root(came), why, why_size);
    }
    yyjson_doc_free(promised);
    yyjson_doc_free(came);
    return good;
}
