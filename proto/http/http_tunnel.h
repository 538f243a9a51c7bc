/*
 * http_tunnel - asks a proxy for a tunnel (CONNECT, RFC 9110 section 9.3.6) over a connected
 * stream. What the proxy answers is bounded; nothing but its answer may come before the tunnel is
 * used.
 *
 * Lifetime: heap; it borrows the stream until its callback or cancel(), and is gone then. The
 * stream is its holder's all the time, with no user from then on.
 */
#ifndef PROTO_HTTP_HTTP_TUNNEL_H
#define PROTO_HTTP_HTTP_TUNNEL_H

#include "proto/http/http_proxy.h"
#include "proto/http/http_stream.h"

struct od_http_tunnel;

/* err 0: what is written from now on reaches the destination. OD_EDOWN: the proxy refused, or is
 * gone; OD_EPROTO: it doesn't speak HTTP; OD_ENOMEM. `why` is static. From the loop. */
typedef void (*od_http_tunnel_fn)(void *ctx, int err, const char *why);

/* authority: "host:port", the port always. OD_ENOMEM: fn does not fire. */
int od_http_tunnel_open(struct od_http_tunnel **out, struct od_http_stream *stream,
                        const struct od_http_proxy *proxy, const char *authority,
                        od_http_tunnel_fn fn, void *ctx);
void od_http_tunnel_cancel(struct od_http_tunnel *tunnel);

#endif
