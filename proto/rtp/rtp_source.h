/*
 * rtp_source - who may speak on a call, and what was received from them. Pure.
 *
 * Latch: RTP is taken only from the address that the session description named. A peer behind a NAT
 * sends from another port, so the first valid packet from that address, whatever its port, fixes
 * the source; after that nothing else is heard. With `any` the address may differ too (set by an
 * operator whose trunk describes itself wrongly).
 *
 * Statistics: RFC 3550 sections 6.4.1, A.1, A.3 and A.8.
 */
#ifndef PROTO_RTP_RTP_SOURCE_H
#define PROTO_RTP_RTP_SOURCE_H

#include "outdial/types.h"

struct od_rtp_latch {
    struct od_addr named;   /* by the session description; family 0: nobody is heard */
    struct od_addr latched; /* whom packets come from; family 0: not known yet */
    bool any;
};

/* The description (again): a changed address unlatches. */
void od_rtp_latch_set(struct od_rtp_latch *latch, const struct od_addr *named, bool any);

/* True when a valid RTP packet from this address is the call's; latches. */
bool od_rtp_latch_accept(struct od_rtp_latch *latch, const struct od_addr *from);

/* Where to send: back to where packets come from (RFC 4961), before that to the named address. */
const struct od_addr *od_rtp_latch_target(const struct od_rtp_latch *latch);

struct od_rtp_stats {
    uint64_t received;  /* packets, repeated ones included */
    uint64_t expected;  /* by sequence numbers, over all streams */
    uint64_t jitter_16; /* interarrival jitter times 16, in timestamp units */

    /* private */
    uint64_t settled; /* expected of the streams before this one */
    uint32_t ssrc, cycles, base;
    uint32_t transit;
    uint16_t seq_max;
    uint16_t seq_jump; /* what would follow a far-off sequence number */
    bool known, jumped;
};

/* Takes note of a packet. arrival: in timestamp units (1/8000 s). */
void od_rtp_stats_add(struct od_rtp_stats *stats, uint32_t ssrc, uint16_t seq, uint32_t ts,
                      uint32_t arrival);

/* Packets that never came; 0 when more came than were expected. */
uint64_t od_rtp_stats_lost(const struct od_rtp_stats *stats);

#endif
