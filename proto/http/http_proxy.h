/*
 * http_proxy - the HTTP proxy of an operator: where it is, what it is asked for, and which
 * destinations are reached without it. Pure.
 *
 * The guard and a proxy: it is the proxy that connects, so what a name means there is not for us to
 * say. Unless the operator trusts the proxy with that (`names_trusted`), names are looked up here
 * first, every address found has to be allowed, and a tunnel is asked for by an address that was
 * judged, never by the name. A request without TLS goes by its name, since the proxy makes its Host
 * of it: there the proxy's own look-up is the last word. With names_trusted nothing is looked up
 * here; numeric hosts, ports and names of the proxy's own machine ("localhost") are judged all the
 * same.
 */
#ifndef PROTO_HTTP_HTTP_PROXY_H
#define PROTO_HTTP_HTTP_PROXY_H

#include "proto/http/http_guard.h"
#include "proto/http/http_url.h"

enum {
    OD_HTTP_PROXY_CREDENTIAL_MAX = 256, /* user and password, decoded */
    OD_HTTP_PROXY_EXCEPT_MAX = 32,
};

/* A destination that is reached directly. */
struct od_http_proxy_except {
    char name[OD_HTTP_HOST_MAX]; /* and all names below it; "*": everything; "": net counts */
    struct od_http_net net;      /* of numeric hosts */
    uint16_t port;               /* 0: any */
};

struct od_http_proxy {
    struct od_http_url url; /* without its target; scheme OD_HTTP_PLAIN */
    /* "Proxy-Authorization: Basic ...\r\n" or "". Secret: goes to the proxy and nowhere else. */
    char authorization[OD_HTTP_PROXY_CREDENTIAL_MAX * 4 / 3 + 48];
    bool names_trusted;
    struct od_http_proxy_except except[OD_HTTP_PROXY_EXCEPT_MAX];
    unsigned except_count;
};

/* "http://[user[:password]@]host[:port][/]", port 3128 when none is written; user and password may
 * be percent-encoded. False: it is none, with *out emptied. */
bool od_http_proxy_read(struct od_http_proxy *out, const char *text);

/* "example.net" (and all below it; a leading "." or "*." is fine), "10.0.0.0/8", "[fd00::1]",
 * "example.net:8080", "*". False: it is none of them. */
bool od_http_proxy_except_read(struct od_http_proxy_except *out, const char *text);

/* The URL is to be reached by the proxy; proxy NULL: it is not. */
bool od_http_proxy_takes(const struct od_http_proxy *proxy, const struct od_http_url *url);

/* The name means the machine that looks it up (RFC 6761 section 6.3). */
bool od_http_proxy_own_name(const char *host);

#endif
