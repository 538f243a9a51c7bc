/*
 * http_dial - from a URL to a stream on which HTTP can be spoken: look-up, the guard's judgement,
 * the race of the addresses, a proxy's tunnel where there is a proxy, TLS where the scheme wants
 * it.
 *
 * Lifetime: the dialer is embedded in the client. A dial lives from start() until its callback or
 * cancel().
 */
#ifndef PROTO_HTTP_HTTP_DIAL_H
#define PROTO_HTTP_HTTP_DIAL_H

#include "proto/http/http_deadline.h"
#include "proto/http/http_dns.h"
#include "proto/http/http_guard.h"
#include "proto/http/http_plain.h"
#include "proto/http/http_proxy.h"
#include "proto/http/http_tls.h"
#include "proto/http/http_url.h"

struct od_http_dial;

struct od_http_dialer {
    uv_loop_t *loop;
    struct od_http_plain_set *plain;
    struct od_http_tls *tls;
    struct od_http_dns dns;
    struct od_http_deadlines deadlines;
    uint32_t connect_ms, family_ms;
    const struct od_http_rules *rules; /* the client's; NULL: none */
    const struct od_http_proxy *proxy; /* the client's; NULL: none */
    uint64_t connects, denied;         /* addresses tried; URLs refused by the guard */
};

enum { OD_HTTP_FAMILY_MS = 50 }; /* RFC 8305 section 3 */

struct od_http_waits {
    uint32_t connect_ms; /* for one address */
    uint32_t dns_ttl_ms; /* how long look-ups are believed */
    uint32_t family_ms;  /* how long a name's IPv4 addresses wait for its IPv6 ones */
};

void od_http_dialer_init(struct od_http_dialer *dialer, uv_loop_t *loop,
                         struct od_http_plain_set *plain, struct od_http_tls *tls,
                         const struct od_http_waits *waits);
/* No dial may be under way. */
void od_http_dialer_close(struct od_http_dialer *dialer, void (*closed)(void *ctx), void *ctx);

/* err 0: the stream is the receiver's. OD_EDOWN, OD_EDENIED, OD_EPROTO, OD_ENOMEM: `why` is static.
 * From the loop; the dial is gone. */
typedef void (*od_http_dialed_fn)(void *ctx, int err, struct od_http_stream *stream,
                                  const char *why);

/* Returns 0 and *out; or the error that would have been told, with *why (static): nothing is under
 * way then and fn does not fire. The URL's host, port and scheme are copied. */
int od_http_dial_start(struct od_http_dialer *dialer, const struct od_http_url *url,
                       bool allow_private, od_http_dialed_fn fn, void *ctx,
                       struct od_http_dial **out, const char **why);
void od_http_dial_cancel(struct od_http_dial *dial);

#endif
