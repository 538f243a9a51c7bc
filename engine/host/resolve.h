/*
 * resolve - host names to addresses, off the loop (libuv's pool), one answer per question. Numeric
 * addresses are answered without a look-up, but also later, never from inside the call.
 */
#ifndef ENGINE_HOST_RESOLVE_H
#define ENGINE_HOST_RESOLVE_H

#include <uv.h>

#include "outdial/types.h"

/* err: 0 and the first address; OD_ENOENT no such name; OD_EDOWN the resolver failed for now. `why`
 * is a short text of the system's. */
typedef void (*od_resolve_fn)(void *ctx, int err, const struct od_addr *addr, const char *why);

/* OD_ENOMEM, OD_EINVAL (host longer than 253 bytes): fn is not called. The look-up can't be taken
 * back: ctx must live until fn has fired, and the loop until then runs. */
int od_resolve(uv_loop_t *loop, const char *host, uint16_t port, od_resolve_fn fn, void *ctx);

/* Numeric text ("192.0.2.1", "2001:db8::1") to an address. False when it is a name. */
bool od_addr_parse(const char *host, uint16_t port, struct od_addr *out);

/* An answer of getaddrinfo(). False when its family is another. */
struct addrinfo;
bool od_addr_take(const struct addrinfo *info, uint16_t port, struct od_addr *out);

/* "192.0.2.1:5060" or "[2001:db8::1]:5060"; out of 56 bytes at least. */
void od_addr_text(const struct od_addr *addr, char *out, size_t size);

#endif
