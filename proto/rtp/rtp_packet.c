/*
 * rtp_packet - see rtp_packet.h.
 */
#include "proto/rtp/rtp_packet.h"

#include "outdial/err.h"

static uint32_t get_u16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get_u32(const uint8_t *at)
{
    return get_u16(at) << 16 | get_u16(at + 2);
}

static void put_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

int od_rtp_parse(const uint8_t *bytes, size_t count, struct od_rtp_packet *out)
{
    if (count < OD_RTP_HEADER_BYTES || bytes[0] >> 6 != 2)
        return OD_EPROTO;
    /* RTCP on the same port: types 192..223 read as RTP would be 64..95 with the marker set, which
     * RFC 5761 section 4 therefore forbids to RTP. */
    if (bytes[1] >= 192 && bytes[1] <= 223)
        return OD_EPROTO;
    size_t at = OD_RTP_HEADER_BYTES + 4u * (bytes[0] & 0x0fu);
    size_t end = count;
    if (bytes[0] & 0x10) { /* section 5.3.1: profile word, length in 32-bit words */
        if (at + 4 > count)
            return OD_EPROTO;
        at += 4 + 4u * get_u16(bytes + at + 2);
    }
    if (at > count)
        return OD_EPROTO;
    if (bytes[0] & 0x20) { /* the last octet counts the padding, itself included */
        size_t padding = bytes[count - 1];
        if (padding == 0 || padding > count - at)
            return OD_EPROTO;
        end = count - padding;
    }
    out->marker = bytes[1] >> 7;
    out->payload_type = bytes[1] & 0x7f;
    out->seq = (uint16_t)get_u16(bytes + 2);
    out->ts = get_u32(bytes + 4);
    out->ssrc = get_u32(bytes + 8);
    out->payload = bytes + at;
    out->payload_bytes = end - at;
    return 0;
}

void od_rtp_header(uint8_t out[OD_RTP_HEADER_BYTES], const struct od_rtp_packet *packet)
{
    out[0] = 0x80;
    out[1] = (uint8_t)((packet->marker ? 0x80u : 0u) | (packet->payload_type & 0x7fu));
    out[2] = (uint8_t)(packet->seq >> 8);
    out[3] = (uint8_t)packet->seq;
    put_u32(out + 4, packet->ts);
    put_u32(out + 8, packet->ssrc);
}
