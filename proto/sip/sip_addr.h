/*
 * sip_addr - the address of a host as text, for header lines, SDP and notes.
 */
#ifndef PROTO_SIP_SIP_ADDR_H
#define PROTO_SIP_SIP_ADDR_H

#include "engine/base/str.h"
#include "outdial/types.h"

/* "192.0.2.1" or "2001:db8::1" (RFC 5952), without brackets and port. */
void od_sip_add_ip(struct od_buf *buf, const struct od_addr *addr);

#endif
