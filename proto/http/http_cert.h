/*
 * http_cert - the server's certificate: read from files at the start, watched, and read again when
 * they change or somebody asks, on a worker thread. Connections that are open keep what they have;
 * files that don't fit together change nothing and are told to the log.
 *
 * Lifetime: owned by the server, closed after its last stream.
 */
#ifndef PROTO_HTTP_HTTP_CERT_H
#define PROTO_HTTP_HTTP_CERT_H

#include "proto/http/http_server.h"
#include "proto/http/http_tls.h"

struct od_http_cert;

/* Of config: tls_cert, tls_key, log. OD_EINVAL: `why` names the file. OD_ENOMEM. */
int od_http_cert_open(struct od_http_cert **out, uv_loop_t *loop,
                      const struct od_http_server_config *config, char *why, size_t why_bytes);
struct od_http_tls *od_http_cert_tls(struct od_http_cert *cert);
void od_http_cert_reload(struct od_http_cert *cert);
void od_http_cert_close(struct od_http_cert *cert, void (*closed)(void *ctx), void *ctx);

#endif
