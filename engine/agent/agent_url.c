/*
 * agent_url - see the header.
 */
#include "engine/agent/agent_url.h"

#include <string.h>

#include "engine/base/str.h"

enum { SOCKET_PATH_MAX = 107 };

const char od_agent_url_forms[] = "a URL: ws:// or wss:// with a host, a port up to 65535 and no "
                                  "#fragment; tcp://host:port; or unix:///path";

static bool printable(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
            return false;
    }
    return true;
}

/* What stands before the path, without credentials: a host, and a port that there is if there is
 * one. */
static bool authority_ok(const char *at)
{
    size_t bytes = strcspn(at, "/?");
    const char *credentials = memrchr(at, '@', bytes), *end = at + bytes;
    const char *host = credentials ? credentials + 1 : at;
    const char *bracket = *host == '[' ? memchr(host, ']', (size_t)(end - host)) : NULL;
    const char *after = bracket ? bracket + 1 : host;
    const char *colon = memchr(after, ':', (size_t)(end - after));
    uint64_t port = 1;
    if ((*host == '[' && (!bracket || (bracket[1] != ':' && bracket + 1 != end))) || host == end ||
        host == colon)
        return false;
    return !colon || (od_str_u64(colon + 1, (size_t)(end - colon - 1), 65535, &port) && port > 0);
}

/* host:port and nothing else. */
static bool tcp_ok(const char *place)
{
    const char *colon = strrchr(place, ':');
    uint64_t port;
    return colon && colon != place && !strpbrk(place, "/?@") &&
           od_str_u64(colon + 1, strlen(colon + 1), 65535, &port) && port > 0;
}

bool od_agent_url_read(const char *url, enum od_agent_wire *wire)
{
    *wire = OD_AGENT_WIRE_WS;
    if (!strncmp(url, "ws://", 5) || !strncmp(url, "wss://", 6))
        return !strpbrk(url, " \t\r\n#\\") && authority_ok(strstr(url, "://") + 3);
    if (!printable(url) || strpbrk(url, "#\\"))
        return false;
    if (!strncmp(url, "tcp://", 6)) {
        *wire = OD_AGENT_WIRE_TCP;
        return tcp_ok(url + 6);
    }
    *wire = OD_AGENT_WIRE_UNIX;
    return !strncmp(url, "unix:///", 8) && url[8] && strlen(url + 7) <= SOCKET_PATH_MAX;
}

bool od_agent_place_ok(const char *url, const char *unix_dir)
{
    size_t bytes = strlen(unix_dir);
    if (strncmp(url, "unix://", 7))
        return true;
    const char *path = url + 7;
    if (!bytes || strncmp(path, unix_dir, bytes) || path[bytes] != '/')
        return false;
    const char *name = path + bytes + 1;
    return *name && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}
