/*
 * sip_filter - what the kernel drops before the SIP stack sees it.
 *
 * The stack answers STUN requests from anybody, has decompressors listening on other first bytes,
 * and answers malformed requests. A classic BPF program on the socket lets in only datagrams that
 * begin with a letter, as every SIP message does (RFC 3261 section 7), and, when there is a list,
 * only those from a carrier's address.
 */
#ifndef PROTO_SIP_SIP_FILTER_H
#define PROTO_SIP_SIP_FILTER_H

#include <stddef.h>

#include "outdial/types.h"

enum { OD_SIP_SOURCES_MAX = 64 };

/* Attaches to a UDP socket. sources: count of them (at most OD_SIP_SOURCES_MAX), ports ignored; 0:
 * everybody. 0, OD_EINVAL, or OD_EIO when the kernel refuses (errno says why). */
int od_sip_filter_attach(int fd, const struct od_addr *sources, size_t count);

#endif
