/*
 * http_guard - which addresses a request on somebody else's behalf may go to. A URL given over the
 * API must not reach what only this machine or its network can reach (server-side request forgery):
 * loopback, private and link-local ranges, clouds' metadata services, and every range that is not
 * for hosts on the public Internet (IANA special-purpose registries, RFC 6890). Pure.
 */
#ifndef PROTO_HTTP_HTTP_GUARD_H
#define PROTO_HTTP_HTTP_GUARD_H

#include "outdial/types.h"

/* NULL: a public unicast address. Otherwise what it is ("loopback", "private", ...), static. An
 * IPv4 address inside an IPv6 one (mapped, NAT64) is judged by the IPv4 address. */
const char *od_http_guard_reason(const struct od_addr *addr);

#endif
