/*
 * carrier_addr: an IPv4 or IPv6 address with a port, small enough to keep per call. Numeric only:
 * the carrier never asks a name server. Pure but for the system's own text conversion.
 */
#ifndef OD_BENCH_CARRIER_ADDR_H
#define OD_BENCH_CARRIER_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { OD_CARRIER_ADDR_TEXT = 64 }; /* "[...IPv6...]:65535" and its final zero */

struct od_carrier_addr {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } u;
};

socklen_t od_carrier_addr_bytes(const struct od_carrier_addr *);

/* "127.0.0.1:5070", "[::1]:5070", host alone with port_default. False: not a numeric address. */
bool od_carrier_addr_parse(struct od_carrier_addr *, const char *text, uint16_t port_default);

/* From a host slice without brackets ("localhost" counts as 127.0.0.1). */
bool od_carrier_addr_host(struct od_carrier_addr *, const char *host, size_t bytes, uint16_t port);

uint16_t od_carrier_addr_port(const struct od_carrier_addr *);
void od_carrier_addr_set_port(struct od_carrier_addr *, uint16_t port);
bool od_carrier_addr_equal(const struct od_carrier_addr *, const struct od_carrier_addr *);

/* The host alone, without brackets. */
void od_carrier_addr_host_text(const struct od_carrier_addr *, char out[OD_CARRIER_ADDR_TEXT]);
/* host:port, an IPv6 host in brackets. */
void od_carrier_addr_text(const struct od_carrier_addr *, char out[OD_CARRIER_ADDR_TEXT]);

#endif
