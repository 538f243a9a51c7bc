/*
 * http_url - see the header.
 */
#include "proto/http/http_url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/err.h"

enum { SOCKET_PATH_MAX = 107 }; /* sun_path of unix(7) with its NUL is 108 */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Printable ASCII, no space, no backslash (some readers take it for '/'). */
static bool text_ok(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c >= 0x7f || c == '\\')
            return false;
    }
    return true;
}

/* A label that some resolver would take for a number: decimal, or with 0x before it. inet_aton()
 * reads a host whose last label is one as an address, in bases and lengths of its own. */
static bool is_number_label(const char *label, size_t bytes)
{
    if (bytes >= 2 && label[0] == '0' && label[1] == 'x')
        return strspn(label + 2, "0123456789abcdef") >= bytes - 2;
    for (size_t i = 0; i < bytes; i++) {
        if (!is_digit(label[i]))
            return false;
    }
    return bytes > 0;
}

/* A name of the DNS as hosts have it: labels of 1..63 letters, digits, '-' and '_'. */
static bool name_ok(const char *host)
{
    for (const char *p = host;; p++) {
        size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789-_");
        if (n == 0 || n > 63 || p[0] == '-' || p[n - 1] == '-')
            return false;
        if (p[n] == 0)
            return !is_number_label(p, n);
        if (p[n] != '.')
            return false;
        p += n;
    }
}

/* The host in out->host: an address or a name. */
static int classify_host(struct od_http_url *out, bool bracketed)
{
    out->numeric.port = out->port;
    if (bracketed) {
        if (inet_pton(AF_INET6, out->host, out->numeric.ip) != 1)
            return OD_EINVAL;
        out->numeric.family = 6;
        return 0;
    }
    if (inet_pton(AF_INET, out->host, out->numeric.ip) == 1) {
        out->numeric.family = 4;
        return 0;
    }
    return name_ok(out->host) ? 0 : OD_EINVAL;
}

static int read_port(struct od_http_url *out, const char *text, size_t bytes)
{
    uint64_t port;
    if (!od_str_u64(text, bytes, 65535, &port) || port == 0)
        return OD_EINVAL;
    out->port = (uint16_t)port;
    return 0;
}

/* authority = host [ ":" port ] (RFC 3986 section 3.2), userinfo refused. */
static int read_authority(struct od_http_url *out, const char *text, size_t bytes)
{
    bool bracketed = bytes && text[0] == '[';
    const char *host = text + bracketed;
    const char *host_end;
    if (bracketed) {
        host_end = memchr(text, ']', bytes);
        if (!host_end)
            return OD_EINVAL;
    } else {
        host_end = memchr(text, ':', bytes);
        if (!host_end)
            host_end = text + bytes;
    }
    size_t host_bytes = (size_t)(host_end - host);
    if (host_bytes == 0 || host_bytes >= sizeof out->host)
        return OD_EINVAL;
    for (size_t i = 0; i < host_bytes; i++)
        out->host[i] = lower(host[i]);
    out->host[host_bytes] = 0;

    const char *rest = host_end + bracketed, *end = text + bytes;
    if (rest < end) {
        if (*rest != ':' || read_port(out, rest + 1, (size_t)(end - rest - 1)))
            return OD_EINVAL;
    }
    return classify_host(out, bracketed);
}

static void set_target(struct od_http_url *out, const char *target)
{
    out->target = target;
    out->target_bytes = strcspn(target, "#");
}

static int read_unix(struct od_http_url *out, const char *text)
{
    const char *colon = strchr(text, ':');
    size_t bytes = colon ? (size_t)(colon - text) : strlen(text);
    if (text[0] != '/' || bytes > SOCKET_PATH_MAX)
        return OD_EINVAL;
    out->scheme = OD_HTTP_UNIX;
    memcpy(out->host, text, bytes);
    out->host[bytes] = 0;
    set_target(out, colon ? colon + 1 : "");
    return out->target[0] == 0 || out->target[0] == '/' ? 0 : OD_EINVAL;
}

int od_http_url_read(struct od_http_url *out, const char *text)
{
    *out = (struct od_http_url){0};
    size_t bytes = strnlen(text, OD_HTTP_URL_MAX + 1);
    if (bytes > OD_HTTP_URL_MAX || !text_ok(text, bytes))
        return OD_EINVAL;
    if (strncmp(text, "unix:", 5) == 0)
        return read_unix(out, text + 5);
    const char *authority;
    if (strncasecmp(text, "http://", 7) == 0) {
        out->scheme = OD_HTTP_PLAIN;
        out->port = 80;
        authority = text + 7;
    } else if (strncasecmp(text, "https://", 8) == 0) {
        out->scheme = OD_HTTP_TLS;
        out->port = 443;
        authority = text + 8;
    } else {
        return OD_EINVAL;
    }
    size_t authority_bytes = strcspn(authority, "/?#");
    set_target(out, authority + authority_bytes);
    return read_authority(out, authority, authority_bytes);
}

void od_http_url_authority(const struct od_http_url *url, char *out, size_t size)
{
    if (url->scheme == OD_HTTP_UNIX) {
        snprintf(out, size, "localhost");
        return;
    }
    bool six = url->numeric.family == 6;
    int used = snprintf(out, size, "%s%s%s", six ? "[" : "", url->host, six ? "]" : "");
    uint16_t own = url->scheme == OD_HTTP_TLS ? 443 : 80;
    if (url->port != own && used > 0 && (size_t)used < size)
        snprintf(out + used, size - (size_t)used, ":%u", url->port);
}
