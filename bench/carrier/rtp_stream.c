/* rtp_stream: see rtp_stream.h. */
#include "bench/carrier/rtp_stream.h"

bool od_rtp_packet_parse(const uint8_t *at, size_t count, struct od_rtp_packet *p)
{
    if (count < OD_RTP_HEAD_BYTES || at[0] >> 6 != 2)
        return false;
    size_t head = OD_RTP_HEAD_BYTES + 4u * (at[0] & 15);
    if (at[0] & 0x10) {
        if (count < head + 4)
            return false;
        head += 4 + 4u * ((size_t)at[head + 2] << 8 | at[head + 3]);
    }
    size_t padding = at[0] & 0x20 ? at[count - 1] : 0;
    if (count < head + padding)
        return false;
    p->marker = at[1] >> 7;
    p->type = at[1] & 127;
    p->sequence = (uint16_t)(at[2] << 8 | at[3]);
    p->timestamp = (uint32_t)at[4] << 24 | (uint32_t)at[5] << 16 | (uint32_t)at[6] << 8 | at[7];
    p->ssrc = (uint32_t)at[8] << 24 | (uint32_t)at[9] << 16 | (uint32_t)at[10] << 8 | at[11];
    p->payload = at + head;
    p->bytes = count - head - padding;
    return true;
}

/* RFC 3550 A.1 and A.3 without its probation; a new source starts the counting over. */
void od_rtp_stream_count(struct od_rtp_stream *in, const struct od_rtp_packet *p)
{
    if (!in->begun || in->ssrc != p->ssrc) {
        *in = (struct od_rtp_stream){.begun = true,
                                     .highest = p->sequence,

                                     .ssrc = p->ssrc,
                                     .timestamp_first = p->timestamp};
        return;
    }
    uint16_t ahead = (uint16_t)(p->sequence - in->highest);
    if (ahead == 0 || ahead >= 0x8000) {
        if (ahead && in->lost > 0)
            in->lost--; /* late, not lost */
        return;
    }
    in->highest = p->sequence;
    in->lost += ahead - 1u;
}

void od_rtp_stream_time(struct od_rtp_stream *in, const struct od_rtp_packet *p, int64_t arrived_ns)
{
    double transit = (double)arrived_ns / 125000 - (double)p->timestamp; /* in samples */
    double change = transit - in->transit;
    /* a wrapped or jumped timestamp says nothing about the network */
    if (in->transit_known && change > -80000 && change < 80000)
        in->jitter += ((change < 0 ? -change : change) - in->jitter) / 16;
    in->transit = transit;
    in->transit_known = true;
}
