/*
 * http_tls - TLS as a layer between two streams: what is written above goes out encrypted below.
 * TLS 1.2 or newer; no renegotiation. OpenSSL works on memory only and never sees a socket.
 *
 * As a client: the peer must show a chain to a trusted authority and the name (or address) that the
 * URL named. As a server: we show a certificate from files; http_cert.h keeps it fresh.
 *
 * Lifetime: the context is the client's or the server's and outlives its streams. A TLS stream owns
 * the one below it.
 */
#ifndef PROTO_HTTP_HTTP_TLS_H
#define PROTO_HTTP_HTTP_TLS_H

#include "proto/http/http_later.h"
#include "proto/http/http_stream.h"
#include "proto/http/http_url.h"

struct od_http_tls;

/* ca_file: PEM; NULL: the system's store. OD_EIO: it can't be read; OD_ENOMEM. */
int od_http_tls_open(struct od_http_tls **out, uv_loop_t *loop, const char *ca_file);
/* Of a client: authorities trusted besides. OD_EINVAL: `why` says in a line what is wrong. */
int od_http_tls_trust(struct od_http_tls *tls, const char *ca_file, char *why, size_t why_bytes);

/* A client's certificate for some destinations, shown when they ask for one. */
struct od_http_identity {
    const char *host; /* as in a URL, lower case; "*.example.net": every name below it */
    uint16_t port;    /* 0: any */
    const char *cert_file, *key_file; /* PEM: the chain, our own certificate first; its key */
};
/* The first that fits a destination counts. Copied; the files are read at once. OD_EINVAL,
 * OD_ENOMEM as above. */
int od_http_tls_show(struct od_http_tls *tls, const struct od_http_identity *identity, char *why,
                     size_t why_bytes);

/* A server's, which takes the context over. OD_ENOMEM: it is freed. */
struct ssl_ctx_st;
int od_http_tls_open_server(struct od_http_tls **out, uv_loop_t *loop, struct ssl_ctx_st *ctx);
/* Streams made from now on use this one; it is taken over. */
void od_http_tls_replace(struct od_http_tls *tls, struct ssl_ctx_st *ctx);

/* The server's side of a handshake that the peer begins. The stream can be used at once: data come
 * when the handshake is over; when it fails the stream ends with OD_EPROTO. What is written before
 * that fails. `below` is the new stream's, also on failure. OD_ENOMEM: both are gone. */
int od_http_tls_accept(struct od_http_tls *tls, struct od_http_stream *below,
                       struct od_http_stream **out);

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
