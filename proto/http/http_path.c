/*
 * http_path - see the header. Refusing is simpler and safer than repairing: no client of ours has a
 * reason to send a path that needs normalising, and what is refused can't be normalised differently
 * by a proxy in front.
 */
#include "proto/http/http_path.h"

#include <stdbool.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Printable ASCII with no space, and none of the characters that must not be raw in a target. */
static bool raw_ok(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c >= 0x7f || c == '#' || c == '\\')
            return false;
    }
    return true;
}

/* Decodes in place; returns the new length, -1 for an escape that is refused. */
static long decode(char *path, size_t bytes)
{
    size_t out = 0;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)path[i];
        if (c == '%') {
            if (bytes - i < 3)
                return -1;
            int high = hex_digit(path[i + 1]), low = hex_digit(path[i + 2]);
            if (high < 0 || low < 0)
                return -1;
            c = (unsigned char)(high * 16 + low);
            if (c < ' ' || c == 0x7f || c == '/' || c == '\\')
                return -1;
            i += 2;
        }
        path[out++] = (char)c;
    }
    path[out] = 0;
    return (long)out;
}

/* After decoding: no empty segment but the last, no "." and no "..". */
static bool segments_ok(const char *path)
{
    for (const char *p = path; *p == '/';) {
        const char *segment = p + 1;
        size_t n = strcspn(segment, "/");
        if (n == 0 && *segment == '/')
            return false;
        if ((n == 1 && segment[0] == '.') || (n == 2 && segment[0] == '.' && segment[1] == '.'))
            return false;
        p = segment + n;
    }
    return true;
}

int od_http_path_split(char *target, size_t bytes, const char **query)
{
    if (bytes == 0 || target[0] != '/' || !raw_ok(target, bytes))
        return OD_EINVAL;
    char *mark = memchr(target, '?', bytes);
    size_t path_bytes = mark ? (size_t)(mark - target) : bytes;
    *query = mark ? mark + 1 : target + bytes;
    if (mark)
        *mark = 0;
    long decoded = decode(target, path_bytes);
    if (decoded < 0 || !od_str_utf8(target, (size_t)decoded) || !segments_ok(target))
        return OD_EINVAL;
    return 0;
}
