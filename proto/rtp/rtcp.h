/*
 * rtcp - sender and receiver reports of RFC 3550 section 6, read and written. Pure: bytes in
 * memory. Of what a peer sends only the reports about one stream of ours and its own sender report
 * are looked at; everything else is stepped over within its length. A BYE says nothing here: the
 * signalling ends a call.
 */
#ifndef PROTO_RTP_RTCP_H
#define PROTO_RTP_RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OD_RTCP_BYTES_MAX = 128 }; /* what od_rtcp_write() needs at most */

/* What a report says of the stream it is about. */
struct od_rtcp_block {
    uint32_t ssrc;        /* the stream */
    uint8_t lost_256;     /* since the report before, in 1/256 */
    int32_t lost;         /* since the beginning; 24 bits, signed */
    uint32_t seq_highest; /* extended */
    uint32_t jitter;      /* in timestamp units */
    uint32_t last_sr;     /* middle of the NTP time of the sender report heard last; 0: none */
    uint32_t since_sr;    /* since then, in 1/65536 s */
};

struct od_rtcp_report {
    uint32_t ssrc; /* who reports */
    bool sends;    /* the next four are there: a sender report */
    uint64_t ntp;  /* 32.32 */
    uint32_t ts, packets, octets;
    bool hears; /* the block is there */
    struct od_rtcp_block block;
};

/* Reads a compound packet: its sender's report, and the block about `ours` if there is one. 0 or
 * OD_EPROTO: not RTCP, or a length that is not there. */
int od_rtcp_parse(const uint8_t *bytes, size_t count, uint32_t ours, struct od_rtcp_report *out);

/* Writes the report and the name that RFC 3550 section 6.5.1 asks for. Returns the bytes. */
size_t od_rtcp_write(uint8_t out[OD_RTCP_BYTES_MAX], const struct od_rtcp_report *report,
                     const char *name);

/* Unix time in ns as an NTP timestamp, 32.32. */
uint64_t od_rtcp_ntp(uint64_t unix_ns);

/* Round trip in 1/65536 s from a block that came at this NTP time; 0: it says nothing of it. */
uint32_t od_rtcp_round_trip(const struct od_rtcp_block *block, uint64_t ntp);

#endif
