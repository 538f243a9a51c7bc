/*
 * sip_tls - SIP over TLS (RFC 3261 section 26.2.1, RFC 5922). The SIP library's own TLS is older
 * than TLS 1.2 and checks no names, so it speaks TCP to a socket of ours on the loopback interface,
 * and what comes there goes on to the server through TLS 1.2 or newer, certificate and name
 * checked.
 *
 * One way per server; a way carries as many connections as the library opens, each its own TLS
 * session. A connection that can't be had is closed on our side, which is all that the library
 * needs to know. The loopback socket serves sockets of our own user alone.
 *
 * Lifetime: owned by the host; outlives the SIP port. Ways live as long as it does.
 */
#ifndef ENGINE_HOST_SIP_TLS_H
#define ENGINE_HOST_SIP_TLS_H

#include <uv.h>

#include "outdial/types.h"

struct od_sip_tls;

/* ca_file: PEM of authorities trusted besides the system's; "": none. OD_EINVAL: `why` says in a
 * line what is wrong with it; OD_EIO (the system's store can't be read), OD_ENOMEM. */
int od_sip_tls_open(struct od_sip_tls **out, uv_loop_t *loop, const char *ca_file, char *why,
                    size_t why_bytes);

/* Where to send by TCP what is to reach `server` by TLS; its certificate must be for `host` (a name
 * or an address). The way is made when it isn't there. OD_ENOMEM, OD_EINVAL (the host), OD_EIO. */
int od_sip_tls_way(struct od_sip_tls *tls, const char *host, const struct od_addr *server,
                   struct od_addr *hop);

/* closed fires once, from the loop, when everything is gone. */
void od_sip_tls_close(struct od_sip_tls *tls, void (*closed)(void *ctx), void *ctx);

#endif
