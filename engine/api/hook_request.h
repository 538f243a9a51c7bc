/*
 * hook_request - from a webhook as a document configures it ({ url, headers, customSettings {
 * httpMethod, queryParams, bodyFormat { type, template } } }) and the payload it is to carry, to
 * the request that is sent. Pure.
 *
 * `{{a.b}}` in the URL, in a query parameter and in the body's template stands for a member of the
 * payload. How it is written depends on where it stands: percent-encoded in a URL and in a form,
 * escaped inside a JSON string, as JSON elsewhere in a JSON body, as plain text in any other. A
 * name that isn't there becomes nothing (null, where JSON needs a value) and is counted.
 */
#ifndef ENGINE_API_HOOK_REQUEST_H
#define ENGINE_API_HOOK_REQUEST_H

#include <yyjson.h>

#include "outdial/repo.h"

struct od_hook_request {
    char *method, *url;
    char *headers;      /* "Name: value\r\n" lines, without Content-Type; may be "" */
    char *content_type; /* NULL: no body */
    char *body;
    size_t body_bytes;
    unsigned unknown; /* names that the payload has not */
};

/* hook: the object; a text is taken as { url }. OD_EINVAL with why (may be NULL): no http(s) URL, a
 * method that isn't GET, POST, PUT, PATCH or DELETE, a broken header, something too long;
 * OD_ENOMEM. */
int od_hook_request_make(struct od_hook_request *out, yyjson_val *hook, const char *payload,
                         size_t bytes, const char **why);
/* Its parts one by one. A URL may have {{...}} in its path and query; its host is never filled in.
 */
bool od_hook_method_ok(const char *method);
bool od_hook_header_name_ok(const char *name);
bool od_hook_header_value_ok(const char *value);
bool od_hook_url_ok(const char *url);
/* Its headers alone, as `headers` above; free() it. NULL: they break the rules, or no memory. */
char *od_hook_request_headers(yyjson_val *hook);
/* The two http(s) URLs lead to the same scheme, host and port, as they are written; credentials in
 * them don't count. */
bool od_hook_same_origin(const char *a, const char *b);
void od_hook_request_free(struct od_hook_request *request);

#endif
