/*
 * media_reports - see media_reports.h.
 */
#include "engine/host/media_reports.h"

#include <string.h>

#include "engine/host/media_leg.h"
#include "proto/rtp/rtcp.h"
#include "proto/rtp/srtp.h"
#include "proto/voice/voice_codec.h"

/* RFC 3550 section 6.2: at least five seconds apart on average; the first after half of it. Calls
 * that began together are spread by their random SSRC. */
static const uint64_t EVERY_NS = 5 * OD_NS_PER_S;

static void on_report(void *ctx, const struct od_addr *from, const uint8_t *bytes, size_t count,
                      uint64_t arrival_ns)
{
    struct od_media_leg *leg = ctx;
    struct od_media_reports *r = &leg->reports;
    const struct od_addr *peer = od_rtp_latch_target(&leg->latch);
    struct od_rtcp_report report;
    uint8_t opened[OD_RTP_PACKET_MAX];
    bool known = peer->family && from->family == peer->family &&
                 !memcmp(from->ip, peer->ip, peer->family == 6 ? 16 : 4);
    if (known && leg->srtp && count <= sizeof opened) {
        memcpy(opened, bytes, count);
        bytes = opened;
        known = !od_srtp_open_report(leg->srtp, opened, &count);
    }
    if (!known || od_rtcp_parse(bytes, count, leg->ssrc, &report)) {
        r->ignored++;
        return;
    }
    r->received++;
    if (report.sends) {
        r->heard_ntp = (uint32_t)(report.ntp >> 16);
        r->heard_wall_ns = arrival_ns;
    }
    if (!report.hears)
        return;
    uint32_t trip = od_rtcp_round_trip(&report.block, od_rtcp_ntp(arrival_ns));
    r->far_known = true;
    r->far_lost = report.block.lost;
    r->far_jitter = report.block.jitter;
    if (!trip)
        return;
    r->trip_us = (uint32_t)((uint64_t)trip * 1000000u / 65536u);
    if (r->trip_us > r->trip_us_max)
        r->trip_us_max = r->trip_us;
}

static void fill_block(struct od_media_leg *leg, uint64_t wall_ns, struct od_rtcp_block *block)
{
    struct od_media_reports *r = &leg->reports;
    const struct od_rtp_stats *in = &leg->received;
    uint64_t expected = in->expected - r->expected, got = in->received - r->got;
    uint64_t lost = expected > got ? expected - got : 0;
    int64_t all = (int64_t)in->expected - (int64_t)in->received;
    block->ssrc = in->ssrc;
    block->lost_256 = (uint8_t)(expected ? lost * 255 / expected : 0);
    block->lost = (int32_t)(all > 0x7fffff ? 0x7fffff : all < -0x7fffff ? -0x7fffff : all);
    block->seq_highest = in->cycles + in->seq_max;
    block->jitter = (uint32_t)(in->jitter_16 / 16);
    if (r->heard_ntp) {
        block->last_sr = r->heard_ntp;
        block->since_sr = (uint32_t)((wall_ns - r->heard_wall_ns) * 65536 / OD_NS_PER_S);
    }
    r->expected = in->expected;
    r->got = in->received;
}

static void send_report(struct od_media_leg *leg)
{
    struct od_media_reports *r = &leg->reports;
    uint64_t wall_ns = od_rtp_wall_ns();
    uint8_t bytes[OD_RTCP_BYTES_MAX + OD_SRTP_ROOM];
    struct od_addr to = *od_rtp_latch_target(&leg->latch);
    struct od_rtcp_report report = {.ssrc = leg->ssrc,
                                    .sends = leg->sent > 0,
                                    .ntp = od_rtcp_ntp(wall_ns),
                                    .ts = leg->ts * od_voice_codec_scale(leg->voice),
                                    .packets = (uint32_t)leg->sent,
                                    .octets = (uint32_t)leg->sent_bytes,
                                    .hears = leg->received.known};
    if (!to.family || !to.port || to.port == UINT16_MAX)
        return;
    to.port++;
    if (report.hears)
        fill_block(leg, wall_ns, &report.block);
    size_t count = od_rtcp_write(bytes, &report, "outdial");
    if (leg->srtp && od_srtp_protect_report(leg->srtp, bytes, &count))
        return;
    if (!od_rtcp_send(leg->pool, leg->socket, &to, bytes, count))
        r->sent++;
}

void od_media_reports_read(struct od_media_leg *leg)
{
    if (leg->socket)
        od_rtcp_receive(leg->pool, leg->socket, on_report, leg);
}

void od_media_reports_tick(struct od_media_leg *leg, uint64_t now_ns)
{
    struct od_media_reports *r = &leg->reports;
    if (!r->next_ns)
        r->next_ns = now_ns + EVERY_NS / 4 + leg->ssrc % 64 * (EVERY_NS / 128);
    if (now_ns >= r->read_ns) {
        r->read_ns = now_ns + OD_NS_PER_S;
        od_media_reports_read(leg);
    }
    if (now_ns < r->next_ns)
        return;
    r->next_ns = now_ns + EVERY_NS;
    send_report(leg);
}
