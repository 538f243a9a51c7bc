/*
 * http_url - the URLs our client takes, read strictly: http, https, and unix:SOCKET:TARGET. Pure.
 *
 * What other readers might understand differently is refused: credentials in the URL, escapes or
 * non-ASCII in the host, numbers that only some resolvers take for addresses ("127.1", "0x7f.1",
 * "2130706433"), a zone or empty port, white space anywhere.
 */
#ifndef PROTO_HTTP_HTTP_URL_H
#define PROTO_HTTP_HTTP_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outdial/types.h"

enum { OD_HTTP_URL_MAX = 8192, OD_HTTP_HOST_MAX = 254 };

enum od_http_scheme { OD_HTTP_PLAIN, OD_HTTP_TLS, OD_HTTP_UNIX };

struct od_http_url {
    uint8_t scheme;              /* enum od_http_scheme */
    char host[OD_HTTP_HOST_MAX]; /* lower case; an IPv6 address without brackets; a socket's path */
    uint16_t port;
    struct od_addr numeric; /* family 0 when the host is a name; carries the port */
    const char *target;     /* into the text read: "/path?query", "?query" or "" */
    size_t target_bytes;    /* a fragment is left out (RFC 9110 section 4.2.5) */
};

/* OD_EINVAL with nothing said in *out. `text` is NUL-terminated and must outlive out->target. */
int od_http_url_read(struct od_http_url *out, const char *text);

/* The value of Host (RFC 9110 section 7.2): the port only when it is not the scheme's own. Needs
 * OD_HTTP_HOST_MAX + 8 bytes. */
void od_http_url_authority(const struct od_http_url *url, char *out, size_t size);

#endif
