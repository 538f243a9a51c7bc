/*
 * options_check - what a single text of the configuration may look like: addresses, ports, names,
 * numbers, URLs. Pure. Private to engine/host/options*.c; the texts go into SIP headers, file names
 * and sockets, so each is held to the characters its place allows.
 */
#ifndef ENGINE_HOST_OPTIONS_CHECK_H
#define ENGINE_HOST_OPTIONS_CHECK_H

#include "outdial/engine.h"
#include "outdial/types.h"

/* "192.0.2.1", "2001:db8::1". */
bool od_check_address(const char *text);

/* "192.0.2.1:5060", "[::1]:0"; the address must be numeric. */
bool od_check_address_port(const char *text);

/* "sip.example.net", "sip.example.net:5060", "[::1]:5060". host (of host_bytes) gets the host
 * without brackets, port 0 when none is written. */
bool od_check_host_port(const char *text, char *host, size_t host_bytes, uint16_t *port);

/* "192.0.2.1", "192.0.2.1:53": who answers DNS queries. */
bool od_check_nameserver(const char *text, struct od_addr *out);

/* "20000-39999": two ports of 1024..65535, the first lower, room for one pair (RFC 3550 sec. 11).
 */
bool od_check_port_range(const char *text, uint16_t *min, uint16_t *max);

/* 1..63 of letters, digits, '.', '_', '-': names of trunks and orgs. */
bool od_check_name(const char *text);

/* "+" and 1..10 digits. */
bool od_check_prefix(const char *text);

/* A SIP URI's user part that needs no escaping (RFC 3261 section 25.1, unreserved and '+'). */
bool od_check_user(const char *text);

/* Printable ASCII without spaces at its ends, up to max bytes. */
bool od_check_printable(const char *text, size_t max);

/* "10", "2.5": calls per second, 0.001..100000 with at most three decimals, as count per window in
 * whole seconds. burst 1 makes an evenly spaced shape, more a bucket. */
bool od_check_rate(const char *cps, uint32_t burst, struct od_shape *out);

#endif
