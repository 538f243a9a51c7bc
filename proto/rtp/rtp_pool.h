/*
 * rtp_pool - UDP sockets for media, on the even ports of a range, each with one for its reports
 * (RTCP) on the odd port above, where the range has that. A pair is bound once and then
 * lent to one call after the other, with a quiet time in between, so that a call costs no socket,
 * no bind and no close, and what the last call's peer still sends has died away. Before it is lent
 * again what was received meanwhile is thrown away.
 *
 * Sockets have no readiness watcher: a call reads its socket at its own 20 ms tick, right before it
 * plays, which costs less than a wake-up per packet and delays nothing that is heard. The kernel
 * notes each packet's time of arrival.
 *
 * Lifetime: the pool is owned by its opener; a socket is the borrower's from get() to put(). All on
 * one thread. Nothing here blocks.
 */
#ifndef PROTO_RTP_RTP_POOL_H
#define PROTO_RTP_RTP_POOL_H

#include "outdial/types.h"

struct od_rtp_pool;
struct od_rtp_socket;

struct od_rtp_pool_config {
    const char *ports;    /* "20000-39999": 1024..65535, both ends included */
    const char *address;  /* numeric; NULL or "": every IPv4 address of the machine */
    uint32_t sockets_max; /* 1..; beyond it get() says OD_EBUSY */
    uint32_t quiet_ms;    /* how long a returned socket rests while there are others; 0: not */
};

struct od_rtp_pool_stats {
    uint32_t sockets, lent;
    uint64_t sent, send_failed; /* send_failed: the kernel had no room or no route */
    uint64_t received, oversized, drained;
};

/* OD_EINVAL: bad ports or address; OD_EBUSY: nothing in the range can be bound; OD_ENOMEM. `why`
 * holds one line for the operator. */
int od_rtp_pool_open(struct od_rtp_pool **out, const struct od_rtp_pool_config *config, char *why,
                     size_t why_bytes);
/* Closes every socket, lent or not. NULL is fine. */
void od_rtp_pool_close(struct od_rtp_pool *pool);

/* OD_EBUSY: no port, descriptor or memory is free now. */
int od_rtp_pool_get(struct od_rtp_pool *pool, uint64_t now_ns, struct od_rtp_socket **out);
void od_rtp_pool_put(struct od_rtp_pool *pool, struct od_rtp_socket *socket, uint64_t now_ns);

uint16_t od_rtp_socket_port(const struct od_rtp_socket *socket);

/* A datagram; everything is borrowed until the function returns. arrival_ns: when the kernel got
 * it, on a clock of its own (differences are meaningful). Must not return the socket to the pool.
 */
typedef void (*od_rtp_receive_fn)(void *ctx, const struct od_addr *from, const uint8_t *bytes,
                                  size_t count, uint64_t arrival_ns);

/* Hands out what has come, at most OD_RTP_RECEIVE_MAX datagrams. Returns how many. */
enum { OD_RTP_RECEIVE_MAX = 64, OD_RTP_PACKET_MAX = 2048 };
unsigned od_rtp_receive(struct od_rtp_pool *pool, struct od_rtp_socket *socket,
                        od_rtp_receive_fn fn, void *ctx);

/* 0, or OD_EIO (counted): RTP that can't be sent now is lost, never queued. */
int od_rtp_send(struct od_rtp_pool *pool, struct od_rtp_socket *socket, const struct od_addr *to,
                const uint8_t *bytes, size_t count);

/* The same for reports. Without a socket for them: none come, and sending is OD_EIO. */
unsigned od_rtcp_receive(struct od_rtp_pool *pool, struct od_rtp_socket *socket,
                         od_rtp_receive_fn fn, void *ctx);
int od_rtcp_send(struct od_rtp_pool *pool, struct od_rtp_socket *socket, const struct od_addr *to,
                 const uint8_t *bytes, size_t count);

/* The clock of arrival_ns, for reports that carry time: Unix time in ns. */
uint64_t od_rtp_wall_ns(void);

void od_rtp_pool_stats(const struct od_rtp_pool *pool, struct od_rtp_pool_stats *out);

#endif
