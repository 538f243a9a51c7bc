/*
 * http_tls_ctx - OpenSSL's contexts: what a client trusts, what a server shows, and a certificate
 * of ours for those that ask. May run on any thread. Where files are named, `why` says in a line
 * which of them is wrong and how (OD_EINVAL).
 */
#ifndef PROTO_HTTP_HTTP_TLS_CTX_H
#define PROTO_HTTP_HTTP_TLS_CTX_H

#include <stddef.h>

struct ssl_ctx_st;

/* ca_file: PEM; NULL: the system's store. OD_EIO: it can't be read; OD_ENOMEM. */
int od_http_tls_client_ctx(struct ssl_ctx_st **out, const char *ca_file);
/* Authorities besides those. */
int od_http_tls_ctx_trust(struct ssl_ctx_st *ctx, const char *ca_file, char *why, size_t why_bytes);

/* Of a server, from PEM files: the chain, the server's own certificate first, and its key. */
int od_http_tls_server_ctx(struct ssl_ctx_st **out, const char *cert_file, const char *key_file,
                           char *why, size_t why_bytes);

/* Holds a client's own chain and key, and nothing else. */
int od_http_tls_identity_ctx(struct ssl_ctx_st **out, const char *cert_file, const char *key_file,
                             char *why, size_t why_bytes);

void od_http_tls_ctx_free(struct ssl_ctx_st *ctx);

#endif
