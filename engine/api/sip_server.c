/*
 * sip_server - hostname, IPv4address or IPv6reference of RFC 3261 section 25.1 and a port.
 */
#include "engine/api/sip_server.h"

#include <stdint.h>
#include <string.h>

#include "engine/base/str.h"
#include "outdial/types.h"

enum { SERVER_MAX = 200 };

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool host_ok(const char *text, size_t bytes, const char *more)
{
    for (size_t i = 0; i < bytes; i++)
        if (!is_alnum(text[i]) && !strchr(more, text[i]))
            return false;
    return bytes > 0 && text[0] != '.' && text[0] != '-';
}

bool od_sip_server_ok(const char *text)
{
    size_t bytes = strlen(text);
    const char *end = text + bytes, *port = NULL;
    uint64_t number = 0;
    bool ok;
    if (bytes > SERVER_MAX)
        return false;
    if (*text == '[') {
        const char *close = memchr(text, ']', bytes);
        if (!close || (close + 1 < end && close[1] != ':'))
            return false;
        port = close + 1 < end ? close + 2 : NULL;
        ok = host_ok(text + 1, (size_t)(close - text - 1), ":.");
    } else {
        const char *colon = memchr(text, ':', bytes);
        port = colon ? colon + 1 : NULL;
        ok = host_ok(text, colon ? (size_t)(colon - text) : bytes, "-._");
    }
    return ok && (!port || (od_str_u64(port, (size_t)(end - port), 65535, &number) && number));
}

bool od_sip_user_ok(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!is_alnum(*c) && !strchr("+-_.!~*'()&=$,", *c))
            return false;
    return *text && strlen(text) < OD_ENDPOINT_MAX;
}

bool od_sip_display_ok(const char *text)
{
    return strlen(text) < OD_NAME_MAX && !strpbrk(text, "\"\\") && od_sip_text_ok(text);
}

bool od_sip_text_ok(const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return od_str_utf8(text, strlen(text));
}
