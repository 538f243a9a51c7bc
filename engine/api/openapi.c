/*
 * openapi - see the header. The document is made when somebody asks for it first, and kept.
 */
#include "engine/api/openapi.h"

#include <stdlib.h>
#include <string.h>

#include "engine/api/native.h"
#include "outdial/err.h"

/* Members of an object of the part are added to the same object of the whole, made when missing. */
static bool add_members(yyjson_mut_doc *doc, yyjson_mut_val *whole, const char *name,
                        yyjson_val *part)
{
    size_t i, max;
    yyjson_val *key, *value, *from = yyjson_obj_get(part, name);
    if (!from)
        return true;
    yyjson_mut_val *to = yyjson_mut_obj_get(whole, name);
    if (!to)
        to = yyjson_mut_obj_add_obj(doc, whole, name);
    yyjson_obj_foreach(from, i, max, key, value)
    {
        yyjson_mut_val *key_copy = yyjson_val_mut_copy(doc, key);
        yyjson_mut_val *copy = yyjson_val_mut_copy(doc, value);
        if (!to || !key_copy || !copy || !yyjson_mut_obj_add(to, key_copy, copy))
            return false;
    }
    return true;
}

static bool add_part(yyjson_mut_doc *doc, struct od_text text)
{
    static const char *const kinds[] = {"schemas", "responses", "parameters", "headers", NULL};
    yyjson_doc *part = yyjson_read(text.at, text.bytes, 0);
    yyjson_val *root = yyjson_doc_get_root(part);
    yyjson_mut_val *whole = yyjson_mut_doc_get_root(doc);
    bool good =
        part && add_members(doc, whole, "paths", root) && add_members(doc, whole, "webhooks", root);
    yyjson_mut_val *components = yyjson_mut_obj_get(whole, "components");
    for (size_t i = 0; good && kinds[i]; i++)
        good = add_members(doc, components, kinds[i], yyjson_obj_get(root, "components"));
    yyjson_doc_free(part);
    return good;
}

char *od_openapi_text(const char *version, size_t *bytes)
{
    yyjson_doc *base = yyjson_read(od_openapi_parts[0].at, od_openapi_parts[0].bytes, 0);
    yyjson_mut_doc *doc = base ? yyjson_doc_mut_copy(base, NULL) : NULL;
    yyjson_mut_val *info = yyjson_mut_obj_get(yyjson_mut_doc_get_root(doc), "info");
    bool good = info && yyjson_mut_obj_put(info, yyjson_mut_str(doc, "version"),
                                           yyjson_mut_strcpy(doc, version));
    for (const struct od_text *part = od_openapi_parts + 1; good && part->at; part++)
        good = add_part(doc, *part);
    char *text = good ? yyjson_mut_write(doc, YYJSON_WRITE_NEWLINE_AT_END, bytes) : NULL;
    yyjson_mut_doc_free(doc);
    yyjson_doc_free(base);
    return text;
}

void od_ops_openapi(struct od_request *q)
{
    struct od_api *api = q->api;
    if (!api->openapi)
        api->openapi = od_openapi_text(OUTDIAL_VERSION, &api->openapi_bytes);
    if (api->openapi)
        od_request_answer_text(q, 200, "application/json", api->openapi, api->openapi_bytes);
    else
        od_request_err(q, OD_ENOMEM, "document");
}
