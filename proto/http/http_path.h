/*
 * http_path - the request target (RFC 9112 section 3.2), split and decoded so that one path has one
 * spelling: whoever compares paths behind this can't be fooled by escapes. Pure.
 */
#ifndef PROTO_HTTP_HTTP_PATH_H
#define PROTO_HTTP_HTTP_PATH_H

#include <stddef.h>

/*
 * Splits the target in place at '?' and decodes the path's escapes in place. Only the origin form
 * is taken: it begins with '/'. OD_EINVAL: another form, an empty segment ("//"), "." or ".." as a
 * segment however spelled, a bad escape, an escaped or raw NUL, control character or backslash, an
 * escaped '/', a fragment, a raw character outside ASCII, or a path that is not UTF-8 once decoded.
 *
 * target: NUL-terminated, `bytes` long without it. On success target is the decoded path and *query
 * what follows the '?', raw, "" when there is none.
 */
int od_http_path_split(char *target, size_t bytes, const char **query);

#endif
