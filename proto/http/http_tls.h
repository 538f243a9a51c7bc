/*
 * http_tls - TLS as a layer between two streams: what is written above goes out encrypted below.
 * The peer must show a chain to a trusted authority and the name (or address) that the URL named;
 * TLS 1.2 or newer; no renegotiation. OpenSSL works on memory only and never sees a socket.
 *
 * Lifetime: the context is the client's and outlives its streams. A TLS stream owns the one below
 * it.
 */
#ifndef PROTO_HTTP_HTTP_TLS_H
#define PROTO_HTTP_HTTP_TLS_H

#include "proto/http/http_later.h"
#include "proto/http/http_stream.h"
#include "proto/http/http_url.h"

struct od_http_tls;

/* ca_file: PEM; NULL: the system's store. OD_EIO: it can't be read; OD_ENOMEM. */
int od_http_tls_open(struct od_http_tls **out, uv_loop_t *loop, const char *ca_file);
/* No stream may be alive. */
void od_http_tls_close(struct od_http_tls *tls, void (*closed)(void *ctx), void *ctx);

/* The handshake's end, once, from the loop: 0, OD_EPROTO (no TLS we speak), OD_EDENIED (the peer is
 * not who it should be), OD_EDOWN (cut). `why` is static. */
typedef void (*od_http_tls_fn)(void *ctx, int err, const char *why);

/* Begins the handshake over a connected stream, which is the new stream's from then on, also on
 * failure. fn does not fire when the new stream is closed before. OD_ENOMEM: both are gone. */
int od_http_tls_connect(struct od_http_tls *tls, struct od_http_stream *below,
                        const struct od_http_url *url, od_http_tls_fn fn, void *ctx,
                        struct od_http_stream **out);

#endif
