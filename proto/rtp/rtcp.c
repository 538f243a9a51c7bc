/*
 * rtcp - see rtcp.h.
 */
#include "proto/rtp/rtcp.h"

#include <string.h>

#include "outdial/err.h"

enum { SR = 200, RR = 201, SDES = 202, BLOCK_BYTES = 24, HEAD_BYTES = 8, SENDER_BYTES = 20 };

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
    return at + 4;
}

static void read_block(const uint8_t *at, struct od_rtcp_block *out)
{
    uint32_t lost = get32(at + 4);
    out->ssrc = get32(at);
    out->lost_256 = (uint8_t)(lost >> 24);
    out->lost = (int32_t)(lost << 8) >> 8;
    out->seq_highest = get32(at + 8);
    out->jitter = get32(at + 12);
    out->last_sr = get32(at + 16);
    out->since_sr = get32(at + 20);
}

/* One packet of the compound: `bytes` long, its header included. */
static void read_packet(const uint8_t *at, size_t bytes, uint32_t ours, struct od_rtcp_report *out)
{
    uint8_t type = at[1], blocks = at[0] & 0x1f;
    if ((type != SR && type != RR) || bytes < HEAD_BYTES)
        return;
    size_t place = HEAD_BYTES;
    out->ssrc = get32(at + 4);
    if (type == SR) {
        if (bytes < HEAD_BYTES + SENDER_BYTES)
            return;
        out->sends = true;
        out->ntp = (uint64_t)get32(at + 8) << 32 | get32(at + 12);
        out->ts = get32(at + 16);
        out->packets = get32(at + 20);
        out->octets = get32(at + 24);
        place += SENDER_BYTES;
    }
    for (; blocks && place + BLOCK_BYTES <= bytes; blocks--, place += BLOCK_BYTES) {
        if (get32(at + place) != ours)
            continue;
        out->hears = true;
        read_block(at + place, &out->block);
    }
}

int od_rtcp_parse(const uint8_t *bytes, size_t count, uint32_t ours, struct od_rtcp_report *out)
{
    memset(out, 0, sizeof *out);
    /* Appendix A.2: version 2, and a report comes first (RFC 5506 aside). */
    if (count < HEAD_BYTES || bytes[0] >> 6 != 2 || bytes[1] < 192 || bytes[1] > 223)
        return OD_EPROTO;
    for (size_t at = 0; at < count;) {
        if (count - at < 4 || bytes[at] >> 6 != 2)
            return OD_EPROTO;
        size_t length = 4 * ((size_t)bytes[at + 2] << 8 | bytes[at + 3]) + 4;
        if (length > count - at)
            return OD_EPROTO;
        read_packet(bytes + at, length, ours, out);
        at += length;
    }
    return 0;
}

static uint8_t *put_head(uint8_t *at, uint8_t count, uint8_t type, size_t bytes)
{
    at[0] = (uint8_t)(0x80 | count);
    at[1] = type;
    at[2] = (uint8_t)((bytes / 4 - 1) >> 8);
    at[3] = (uint8_t)(bytes / 4 - 1);
    return at + 4;
}

size_t od_rtcp_write(uint8_t out[OD_RTCP_BYTES_MAX], const struct od_rtcp_report *report,
                     const char *name)
{
    const struct od_rtcp_block *b = &report->block;
    size_t bytes =
        HEAD_BYTES + (report->sends ? SENDER_BYTES : 0) + (report->hears ? BLOCK_BYTES : 0);
    uint8_t *at = put_head(out, report->hears, report->sends ? SR : RR, bytes);
    at = put32(at, report->ssrc);
    if (report->sends) {
        at = put32(at, (uint32_t)(report->ntp >> 32));
        at = put32(at, (uint32_t)report->ntp);
        at = put32(at, report->ts);
        at = put32(at, report->packets);
        at = put32(at, report->octets);
    }
    if (report->hears) {
        at = put32(at, b->ssrc);
        at = put32(at, (uint32_t)b->lost_256 << 24 | ((uint32_t)b->lost & 0xffffff));
        at = put32(at, b->seq_highest);
        at = put32(at, b->jitter);
        at = put32(at, b->last_sr);
        at = put32(at, b->since_sr);
    }
    /* SDES: the source, CNAME (1), its length and text, at least one zero up to the word's end. */
    size_t name_bytes = strnlen(name, 32);
    size_t chunk = (HEAD_BYTES + 2 + name_bytes) / 4 * 4 + 4;
    uint8_t *sdes = at;
    memset(sdes, 0, chunk);
    at = put_head(sdes, 1, SDES, chunk);
    at = put32(at, report->ssrc);
    at[0] = 1;
    at[1] = (uint8_t)name_bytes;
    memcpy(at + 2, name, name_bytes);
    return (size_t)(sdes + chunk - out);
}

uint64_t od_rtcp_ntp(uint64_t unix_ns)
{
    uint64_t seconds = unix_ns / 1000000000u + UINT64_C(2208988800); /* 1900 to 1970 */
    uint64_t rest = unix_ns % 1000000000u;
    return seconds << 32 | (rest << 32) / 1000000000u;
}

uint32_t od_rtcp_round_trip(const struct od_rtcp_block *block, uint64_t ntp)
{
    if (!block->last_sr)
        return 0;
    uint32_t trip = (uint32_t)(ntp >> 16) - block->last_sr - block->since_sr;
    return trip > 10u * 65536u ? 0 : trip; /* longer, or negative: clocks that make no sense */
}
