/*
 * json_read - JSON from outside into C structs: strict about the text (UTF-8, no duplicate keys, no
 * NUL characters, bounded depth) and about the fields (a table says what may be there; everything
 * wrong is reported with its JSON pointer, not only the first). Pure.
 *
 * Lifetime: what is read out of a document points into it and dies with yyjson_doc_free().
 */
#ifndef ENGINE_API_JSON_READ_H
#define ENGINE_API_JSON_READ_H

#include <yyjson.h>

#include "engine/api/problem.h"
#include "outdial/types.h"

enum { OD_JSON_DEPTH_MAX = 32, OD_JSON_VALUES_MAX = 130000 };

/* Up to a megabyte of text (OD_JSON_VALUES_MAX bounds what it may be made of, keys included).
 * Numbers that fit neither 64 bits nor a double exactly stay as they were written, so that a
 * document is given back unchanged. OD_EINVAL with one fault; OD_ENOMEM. */
int od_json_parse(const char *text, size_t bytes, yyjson_doc **out, struct od_faults *faults);

enum od_field_type {
    OD_FIELD_TEXT,   /* const char *, NUL-terminated; min and max are its bytes */
    OD_FIELD_URL,    /* the same, and an http or https URL */
    OD_FIELD_INT,    /* int64_t */
    OD_FIELD_NUMBER, /* double */
    OD_FIELD_BOOL,   /* bool */
    OD_FIELD_TIME,   /* int64_t wall ms, from RFC 3339 text */
    OD_FIELD_OBJECT, /* yyjson_val * */
    OD_FIELD_ANY,    /* yyjson_val *, never looked at */
};

struct od_field {
    const char *name;
    enum od_field_type type;
    size_t offset; /* in the struct that is filled in */
    double min, max;
    bool required;
};

/*
 * Fills in *out from the object's members by the table; members that are absent or null leave
 * their place untouched. Unknown members, wrong types and values out of range become faults, with
 * `pointer` ("#") as the object's own place. Returns 0 or OD_EINVAL.
 */
int od_json_fields(yyjson_val *object, const struct od_field *fields, size_t count, void *out,
                   const char *pointer, struct od_faults *faults);

/* The same for an object that may have other members, too: they are passed over. */
int od_json_fields_among(yyjson_val *object, const struct od_field *fields, size_t count, void *out,
                         const char *pointer, struct od_faults *faults);

/* The value when it is an array (an object), else an empty one: for loops over what may be missing.
 */
yyjson_val *od_json_arr(yyjson_val *value);
yyjson_val *od_json_obj(yyjson_val *value);

/* An absolute http or https URL, as far as its text tells. */
bool od_json_is_http_url(const char *text);
#define OD_URL_EXPECTED "an http or https URL, what is not ASCII percent-encoded"

/* Appends `text` to `out` (room for size bytes) as a JSON string with its quotes; returns the bytes
 * written or SIZE_MAX when they don't fit. The text must be UTF-8. */
size_t od_json_quote(char *out, size_t size, const char *text, size_t bytes);

#endif
