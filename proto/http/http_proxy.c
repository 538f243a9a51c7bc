/*
 * http_proxy - see the header.
 */
#include "proto/http/http_proxy.h"

#include <stdio.h>
#include <string.h>

#include "engine/base/base64.h"
#include "engine/base/str.h"

enum { PROXY_PORT = 3128 };

static int hex_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Percent-decodes; false: broken, too long, or a control character. */
static bool decode(const char *text, size_t bytes, char *out, size_t size, size_t *used)
{
    *used = 0;
    for (size_t i = 0; i < bytes; i++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            int high = i + 2 < bytes ? hex_of(text[i + 1]) : -1;
            int low = i + 2 < bytes ? hex_of(text[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c < 0x20 || c == 0x7f || *used == size)
            return false;
        out[(*used)++] = (char)c;
    }
    return true;
}

/* user[:password] as Basic credentials (RFC 7617): the user has no colon, the password may. */
static bool set_authorization(struct od_http_proxy *out, const char *text, size_t bytes)
{
    char plain[OD_HTTP_PROXY_CREDENTIAL_MAX],
        coded[OD_BASE64_CHARS(OD_HTTP_PROXY_CREDENTIAL_MAX) + 1];
    const char *colon = memchr(text, ':', bytes);
    size_t user_bytes = colon ? (size_t)(colon - text) : bytes, used, more = 0;
    bool ok = decode(text, user_bytes, plain, sizeof plain - 1, &used) && used > 0 &&
              !memchr(plain, ':', used);
    if (ok) {
        plain[used++] = ':';
        ok = !colon ||
             decode(colon + 1, bytes - user_bytes - 1, plain + used, sizeof plain - used, &more);
    }
    if (ok) {
        struct od_buf buf;
        coded[od_base64_encode(coded, (const uint8_t *)plain, used + more)] = '\0';
        od_buf_init(&buf, out->authorization, sizeof out->authorization);
        od_buf_str(&buf, "Proxy-Authorization: Basic ");
        od_buf_str(&buf, coded);
        od_buf_str(&buf, "\r\n");
    }
    explicit_bzero(plain, sizeof plain);
    explicit_bzero(coded, sizeof coded);
    return ok;
}

static bool read_proxy(struct od_http_proxy *out, const char *text)
{
    char plain[OD_HTTP_HOST_MAX + 32];
    const char *authority = text + 7;
    if (strncasecmp(text, "http://", 7) != 0)
        return false;
    size_t bytes = strcspn(authority, "/?#");
    if (authority[bytes] && strcmp(authority + bytes, "/") != 0)
        return false;
    const char *at = NULL;
    for (size_t i = 0; i < bytes; i++)
        if (authority[i] == '@')
            at = authority + i; /* the last one: a password may hold others */
    if (at && !set_authorization(out, authority, (size_t)(at - authority)))
        return false;
    const char *host = at ? at + 1 : authority;
    int host_bytes = (int)(bytes - (size_t)(host - authority));
    const char *bracket = memchr(host, ']', (size_t)host_bytes);
    const char *after = bracket ? bracket : host;
    bool has_port = memchr(after, ':', (size_t)host_bytes - (size_t)(after - host)) != NULL;
    char port[8] = "";
    if (!has_port)
        snprintf(port, sizeof port, ":%d", PROXY_PORT);
    int n = snprintf(plain, sizeof plain, "http://%.*s%s", host_bytes, host, port);
    if (n < 0 || (size_t)n >= sizeof plain || od_http_url_read(&out->url, plain))
        return false;
    out->url.target = "";
    out->url.target_bytes = 0;
    return true;
}

bool od_http_proxy_read(struct od_http_proxy *out, const char *text)
{
    *out = (struct od_http_proxy){0};
    if (read_proxy(out, text))
        return true;
    explicit_bzero(out, sizeof *out);
    return false;
}

/* Cuts ":port" off a name or a bracketed address. False: a port that is none. */
static bool take_port(const char *text, size_t *bytes, uint16_t *port)
{
    const char *colon = strrchr(text, ':'), *bracket = strchr(text, ']');
    uint64_t value;
    *port = 0;
    if (!colon || (*text == '[' ? !bracket || colon < bracket : strchr(text, ':') != colon))
        return true; /* none, or an address of IPv6 as it is */
    if (!od_str_u64(colon + 1, strlen(colon + 1), UINT16_MAX, &value) || !value)
        return false;
    *port = (uint16_t)value;
    *bytes = (size_t)(colon - text);
    return true;
}

bool od_http_proxy_except_read(struct od_http_proxy_except *out, const char *text)
{
    char host[OD_HTTP_HOST_MAX], url[OD_HTTP_HOST_MAX + 16];
    size_t bytes = strlen(text);
    struct od_http_url read;
    *out = (struct od_http_proxy_except){0};
    if (strcmp(text, "*") == 0) {
        out->name[0] = '*';
        return true;
    }
    if (!take_port(text, &bytes, &out->port) || !bytes)
        return false;
    if (*text == '[' && text[bytes - 1] == ']') {
        text++;
        bytes -= 2;
    }
    if (!od_str_copy(host, sizeof host, text, bytes))
        return false;
    if (od_http_net_parse(host, &out->net))
        return true;
    const char *name = strncmp(host, "*.", 2) == 0 ? host + 2 : host + (*host == '.');
    snprintf(url, sizeof url, "http://%s/", name);
    if (strpbrk(name, "/?#@:") || od_http_url_read(&read, url) || read.numeric.family)
        return false;
    memcpy(out->name, read.host, sizeof out->name);
    return true;
}

/* host is name, or below it. */
static bool is_below(const char *host, const char *name)
{
    size_t host_bytes = strlen(host), name_bytes = strlen(name);
    return host_bytes >= name_bytes && strcmp(host + host_bytes - name_bytes, name) == 0 &&
           (host_bytes == name_bytes || host[host_bytes - name_bytes - 1] == '.');
}

static bool is_excepted(const struct od_http_proxy_except *except, const struct od_http_url *url)
{
    if (except->port && except->port != url->port)
        return false;
    if (*except->name)
        return strcmp(except->name, "*") == 0 ||
               (!url->numeric.family && is_below(url->host, except->name));
    return url->numeric.family && od_http_net_has(&except->net, &url->numeric);
}

bool od_http_proxy_takes(const struct od_http_proxy *proxy, const struct od_http_url *url)
{
    if (!proxy || url->scheme == OD_HTTP_UNIX)
        return false;
    for (unsigned i = 0; i < proxy->except_count; i++)
        if (is_excepted(&proxy->except[i], url))
            return false;
    return true;
}

bool od_http_proxy_own_name(const char *host)
{
    return is_below(host, "localhost") || is_below(host, "localdomain") ||
           is_below(host, "ip6-localhost") || is_below(host, "ip6-loopback");
}
