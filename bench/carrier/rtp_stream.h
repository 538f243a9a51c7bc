/*
 * rtp_stream: one received RTP packet, and what a run of them tells of loss and jitter (RFC 3550).
 * Pure; must never read outside the packet. Called by rtp_talk.
 */
#ifndef OD_BENCH_CARRIER_RTP_STREAM_H
#define OD_BENCH_CARRIER_RTP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OD_RTP_HEAD_BYTES = 12 }; /* RFC 3550 5.1 without CSRCs */

struct od_rtp_packet {
    bool marker;
    int type;
    uint16_t sequence;
    uint32_t timestamp, ssrc;
    const uint8_t *payload; /* points into the packet */
    size_t bytes;
};

/* False: not an RTP packet. */
bool od_rtp_packet_parse(const uint8_t *at, size_t count, struct od_rtp_packet *);

/* Read by the caller: lost, jitter (in samples), timestamp_first. Zeroed before the first packet.
 */
struct od_rtp_stream {
    bool begun;
    uint16_t highest;
    uint32_t ssrc, timestamp_first;
    uint64_t lost;
    double transit, jitter;
    bool transit_known;
};

/* Takes a packet's sequence number into account; a new SSRC starts over. */
void od_rtp_stream_count(struct od_rtp_stream *, const struct od_rtp_packet *);

/* Takes an audio packet's arrival into account; 8 samples a millisecond. */
void od_rtp_stream_time(struct od_rtp_stream *, const struct od_rtp_packet *, int64_t arrived_ns);

#endif
