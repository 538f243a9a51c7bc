/*
 * call_extra - stored JSON is input: what can't be read is as good as not there.
 */
#include "engine/api/call_extra.h"

yyjson_doc *od_call_extra(const struct od_call_rec *rec)
{
    if (!rec->extra.bytes)
        return NULL;
    yyjson_doc *doc = yyjson_read(rec->extra.at, rec->extra.bytes, YYJSON_READ_NUMBER_AS_RAW);
    if (doc && yyjson_is_obj(yyjson_doc_get_root(doc)))
        return doc;
    yyjson_doc_free(doc);
    return NULL;
}

const char *od_extra_text(yyjson_doc *extra, const char *name)
{
    return yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(extra), name));
}
