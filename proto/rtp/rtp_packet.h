/*
 * rtp_packet - the RTP packet of RFC 3550 section 5.1, read and written. Pure: bytes in memory,
 * every length checked against what is there. What isn't RTP (RTCP, STUN, noise) is refused.
 */
#ifndef PROTO_RTP_RTP_PACKET_H
#define PROTO_RTP_RTP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OD_RTP_HEADER_BYTES = 12 };

struct od_rtp_packet {
    bool marker;
    uint8_t payload_type; /* 0..127 */
    uint16_t seq;
    uint32_t ts;
    uint32_t ssrc;
    const uint8_t *payload; /* borrowed from the packet's bytes; padding is left out */
    size_t payload_bytes;
};

/* 0 or OD_EPROTO. Contributing sources and header extensions are stepped over. */
int od_rtp_parse(const uint8_t *bytes, size_t count, struct od_rtp_packet *out);

/* Writes the header in front of a payload. */
void od_rtp_header(uint8_t out[OD_RTP_HEADER_BYTES], const struct od_rtp_packet *packet);

#endif
