/*
 * http_guard - which addresses a request to a URL of somebody else's choosing may be sent to. Pure.
 *
 * Refused unless the operator's rules name it: what is not public unicast (RFC 6890 and the clouds'
 * metadata addresses), and ports on which something speaks that must not be spoken to by webhook.
 */
#ifndef PROTO_HTTP_HTTP_GUARD_H
#define PROTO_HTTP_HTTP_GUARD_H

#include "outdial/types.h"

/* An address block. */
struct od_http_net {
    struct od_addr addr; /* port 0 */
    uint8_t bits;        /* of a prefix: 0..32 or 0..128 */
};

struct od_http_ports {
    uint16_t first, last;
};

enum { OD_HTTP_NETS_MAX = 32, OD_HTTP_PORTS_MAX = 32 };

/* What the operator allows. All zero: public addresses, and all but the known bad ports. */
struct od_http_rules {
    struct od_http_net nets[OD_HTTP_NETS_MAX]; /* allowed though they are not public */
    unsigned net_count;
    struct od_http_ports ports[OD_HTTP_PORTS_MAX]; /* only these, for any address */
    unsigned port_count;
};

/* NULL: a public unicast address. Otherwise what it is ("loopback", "private", ...), static. An
 * IPv4 address inside an IPv6 one (mapped, NAT64) is judged by the IPv4 address. */
const char *od_http_guard_reason(const struct od_addr *addr);

/* NULL: a request may go there. rules may be NULL. allow_private: any address, the ports' rules
 * stay. */
const char *od_http_guard_check(const struct od_http_rules *rules, const struct od_addr *addr,
                                bool allow_private);

/* "10.0.0.0/8", "fd00::/8", "192.168.1.7": false when it is none, or has bits below its prefix. */
bool od_http_net_parse(const char *text, struct od_http_net *out);
bool od_http_net_has(const struct od_http_net *net, const struct od_addr *addr);
/* "443" or "8000-8999". */
bool od_http_ports_parse(const char *text, struct od_http_ports *out);

#endif
