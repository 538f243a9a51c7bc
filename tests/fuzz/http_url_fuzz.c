/*
 * URLs and request paths: whatever is taken must keep the promises made to those behind: a host
 * that only one kind of reader understands, a path with one spelling.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/str.h"
#include "proto/http/http_guard.h"
#include "proto/http/http_path.h"
#include "proto/http/http_url.h"

static void check_url(const char *text)
{
    struct od_http_url url;
    struct in_addr four;
    char authority[OD_HTTP_HOST_MAX + 8];
    if (od_http_url_read(&url, text))
        return;
    od_http_url_authority(&url, authority, sizeof authority);
    if (url.target + url.target_bytes > text + strlen(text))
        abort();
    if (url.scheme == OD_HTTP_UNIX)
        return;
    if (!url.port || !url.host[0] || strpbrk(authority, "@/\\?# \r\n\t"))
        abort();
    if (url.numeric.family)
        od_http_guard_reason(&url.numeric);
    else if (inet_aton(url.host, &four)) /* a name that a resolver would take for an address */
        abort();
}

static void check_path(char *text, size_t bytes)
{
    const char *query;
    if (od_http_path_split(text, bytes, &query))
        return;
    size_t n = strlen(text);
    if (text[0] != '/' || strstr(text, "//") || strstr(text, "/../") || strstr(text, "/./") ||
        strchr(text, '\\') || !od_str_utf8(text, n))
        abort();
    if ((n >= 3 && strcmp(text + n - 3, "/..") == 0) || strcmp(text + n - 2 + (n < 2), "/.") == 0)
        abort();
    if (strpbrk(query, " \r\n#"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        abort();
    memcpy(text, data, size);
    text[size] = 0;
    check_url(text);
    check_path(text, size);
    free(text);
    return 0;
}
