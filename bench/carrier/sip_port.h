/*
 * sip_port: the SIP socket and its batches: many datagrams a system call each way, with the
 * kernel's receive stamps. It must not look inside a datagram. Owned by the node, which reads it
 * when the loop says so and flushes it at the end of every turn.
 */
#ifndef OD_BENCH_CARRIER_SIP_PORT_H
#define OD_BENCH_CARRIER_SIP_PORT_H

#include "bench/carrier/carrier_addr.h"
#include "bench/carrier/ledger.h"

struct od_sip_port;

/* One datagram; bytes may be written to and are borrowed until the next read. */
struct od_sip_datagram {
    char *bytes;
    size_t count;
    struct od_carrier_addr source;
    int64_t stamp_ns; /* wall clock, by the kernel; 0: none */
};

/*
 * Binds to *address and writes the port the kernel chose back to it. Big buffers where allowed. 0
 * or -errno.
 */
int od_sip_port_open(struct od_sip_port **out, struct od_carrier_addr *address);
void od_sip_port_close(struct od_sip_port *);
int od_sip_port_fd(const struct od_sip_port *);

/* Reads a batch; returns how many, 0 when there is none. od_sip_port_datagram() gives each. */
size_t od_sip_port_read(struct od_sip_port *);
struct od_sip_datagram od_sip_port_datagram(struct od_sip_port *, size_t i);
/* Whether a batch of `count` was a full one: there may be more. */
bool od_sip_port_more(size_t count);

/* An empty buffer to compose in, sent by the next od_sip_port_post() (1 or 2 copies). */
struct od_sip_out *od_sip_port_compose(struct od_sip_port *);
const struct od_sip_out *od_sip_port_composing(const struct od_sip_port *);
void od_sip_port_post(struct od_sip_port *, const struct od_carrier_addr *to, int copies);
/* Sends what was posted. Returns how many datagrams the kernel refused. */
size_t od_sip_port_flush(struct od_sip_port *);

#endif
