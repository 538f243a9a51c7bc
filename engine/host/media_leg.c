/*
 * media_leg - see media_leg.h. Everything inside is mu-law; A-law is turned at this edge.
 */
#include "engine/host/media_leg.h"

#include <string.h>
#include <sys/random.h>

#include "outdial/err.h"
#include "proto/rtp/rtp_packet.h"

int od_media_leg_open(struct od_media_leg *leg, struct od_rtp_pool *pool, uint64_t now_ns)
{
    struct od_rtp_socket *socket;
    /* RFC 3550 section 5.1: sequence number, timestamp and SSRC start at random. */
    struct {
        uint32_t ts, ssrc;
        uint16_t seq;
    } start;
    if (getrandom(&start, sizeof start, GRND_NONBLOCK) != (ssize_t)sizeof start)
        return OD_EIO;
    int err = od_rtp_pool_get(pool, now_ns, &socket);
    if (err)
        return err;
    memset(leg, 0, sizeof *leg);
    leg->socket = socket;
    leg->pool = pool;
    leg->ts = start.ts;
    leg->ssrc = start.ssrc;
    leg->seq = start.seq;
    leg->marker = true;
    od_jitter_init(&leg->jitter);
    od_dtmf_init(&leg->dtmf);
    return 0;
}

void od_media_leg_close(struct od_media_leg *leg, uint64_t now_ns)
{
    if (!leg->socket)
        return;
    od_rtp_pool_put(leg->pool, leg->socket, now_ns);
    leg->socket = NULL;
    leg->started = leg->plays = false;
    leg->hears = leg->sends = false;
}

static bool all_zero(const struct od_addr *addr)
{
    static const uint8_t zero[16];
    return !memcmp(addr->ip, zero, addr->family == 6 ? 16 : 4);
}

/* One telephone, not a group of machines: no multicast, no broadcast. */
static bool is_unicast(const struct od_addr *addr)
{
    return addr->family == 6 ? addr->ip[0] != 0xff : addr->ip[0] < 224;
}

int od_media_leg_describe(struct od_media_leg *leg, const struct od_sdp *sdp, bool any_source,
                          uint64_t now_ns)
{
    uint8_t codec, dtmf_type;
    if (sdp->remote.port == 0 || !sdp->remote.family || !is_unicast(&sdp->remote))
        return OD_ENOENT;
    int err = od_sdp_choose(sdp, &codec, &dtmf_type);
    if (err)
        return err;
    leg->codec = codec;
    leg->dtmf_type = dtmf_type;
    od_rtp_latch_set(&leg->latch, &sdp->remote, any_source);
    /* The direction is the peer's view (RFC 3264 section 6.1): a peer that only sends is holding
     * us. The address 0.0.0.0 is the old way of saying so (RFC 3264 section 8.4). */
    bool nowhere = all_zero(&sdp->remote);
    bool sends =
        (sdp->direction == OD_SDP_SENDRECV || sdp->direction == OD_SDP_RECVONLY) && !nowhere;
    bool hears =
        (sdp->direction == OD_SDP_SENDRECV || sdp->direction == OD_SDP_SENDONLY) && !nowhere;
    if (sends && !leg->sends)
        leg->marker = true; /* RFC 3551 section 4.1: the first packet after silence */
    if (hears && !leg->hears)
        leg->heard_ns = now_ns;
    leg->sends = sends;
    leg->hears = hears;
    return 0;
}

void od_media_leg_listen(struct od_media_leg *leg, uint64_t now_ns, uint32_t phase)
{
    if (leg->plays)
        return;
    od_clock_start(&leg->clock, now_ns, phase);
    leg->plays = true;
}

void od_media_leg_start(struct od_media_leg *leg, uint64_t now_ns, uint32_t phase)
{
    od_media_leg_listen(leg, now_ns, phase);
    leg->heard_ns = now_ns;
    leg->started = true;
}

/* A datagram on its way to the leg. */
struct arriving {
    struct od_media_leg *leg;
    const struct od_media_leg_events *events;
    uint64_t now_ns;
};

static void take_audio(struct od_media_leg *leg, const struct od_rtp_packet *packet,
                       uint64_t arrival_ns)
{
    uint8_t ulaw[OD_JITTER_SAMPLES / 4];
    const uint8_t *samples = packet->payload;
    if (packet->payload_bytes > sizeof ulaw) {
        leg->jitter.stats.odd++;
        return;
    }
    if (packet->payload_type == OD_CODEC_PCMA) {
        od_alaw_to_ulaw(ulaw, packet->payload, packet->payload_bytes);
        samples = ulaw;
    }
    od_jitter_put(&leg->jitter, packet->ssrc, packet->ts, samples, packet->payload_bytes,
                  arrival_ns);
}

static void on_datagram(void *ctx, const struct od_addr *from, const uint8_t *bytes, size_t count,
                        uint64_t arrival_ns)
{
    struct arriving *arriving = ctx;
    struct od_media_leg *leg = arriving->leg;
    struct od_rtp_packet packet;
    if (od_rtp_parse(bytes, count, &packet)) {
        leg->not_rtp++;
        return;
    }
    /* The peer may send either codec it was offered, whatever it listed first (RFC 3264 section
     * 7).*/
    bool audio = packet.payload_type == OD_CODEC_PCMU || packet.payload_type == OD_CODEC_PCMA;
    bool event = leg->dtmf_type && packet.payload_type == leg->dtmf_type;
    if (!audio && !event && packet.payload_type != OD_CODEC_CN) {
        leg->not_rtp++;
        return;
    }
    if (!od_rtp_latch_accept(&leg->latch, from)) {
        leg->wrong_source++;
        return;
    }
    leg->heard_ns = arriving->now_ns;
    od_rtp_stats_add(&leg->received, packet.ssrc, packet.seq, packet.ts,
                     (uint32_t)(arrival_ns / 125000)); /* 1/8000 s */
    if (event) {
        char digit = od_dtmf_put(&leg->dtmf, packet.ssrc, packet.ts, packet.marker, packet.payload,
                                 packet.payload_bytes);
        if (digit && leg->started) {
            leg->digits++;
            arriving->events->digit(arriving->events->ctx, arriving->now_ns, digit);
        }
    } else if (audio && leg->plays) {
        take_audio(leg, &packet, arrival_ns);
    }
}

static void play(struct od_media_leg *leg, const struct od_media_leg_events *events)
{
    uint8_t ulaw[OD_FRAME_BYTES];
    enum od_jitter_frame what = od_jitter_get(&leg->jitter, ulaw);
    leg->played++;
    if (events->heard)
        events->heard(events->ctx, ulaw, what);
}

static void send_frame(struct od_media_leg *leg, uint64_t now_ns,
                       const struct od_media_leg_events *events)
{
    uint8_t bytes[OD_RTP_HEADER_BYTES + OD_FRAME_BYTES];
    uint8_t *frame = bytes + OD_RTP_HEADER_BYTES;
    events->frame(events->ctx, now_ns, frame);
    if (leg->codec == OD_CODEC_PCMA)
        od_ulaw_to_alaw(frame, frame, OD_FRAME_BYTES);
    od_rtp_header(bytes, &(struct od_rtp_packet){.marker = leg->marker,
                                                 .payload_type = leg->codec,
                                                 .seq = leg->seq++,
                                                 .ts = leg->ts,
                                                 .ssrc = leg->ssrc});
    leg->marker = false;
    if (!od_rtp_send(leg->pool, leg->socket, od_rtp_latch_target(&leg->latch), bytes,
                     sizeof bytes)) {
        leg->sent++;
        leg->sent_bytes += OD_FRAME_BYTES;
    }
}

void od_media_leg_tick(struct od_media_leg *leg, uint64_t now_ns,
                       const struct od_media_leg_events *events)
{
    struct arriving arriving = {leg, events, now_ns};
    if (!leg->socket)
        return;
    od_rtp_receive(leg->pool, leg->socket, on_datagram, &arriving);
    if (!leg->plays)
        return;
    struct od_clock_due due = od_clock_take(&leg->clock, now_ns);
    /* Frames that were given up leave a gap in the timestamps, as silence does; what was to be said
     * in them is said later. The callee's side is played on past them. */
    leg->ts += (uint32_t)due.skip * OD_FRAME_BYTES;
    leg->given_up += due.skip;
    for (uint64_t i = 0; i < due.skip && i < OD_JITTER_SAMPLES / OD_FRAME_BYTES; i++)
        play(leg, events);
    for (uint32_t i = 0; i < due.send; i++) {
        play(leg, events);
        if (leg->sends && leg->started)
            send_frame(leg, now_ns, events);
        leg->ts += OD_FRAME_BYTES;
    }
    if (leg->started)
        od_media_reports_tick(leg, now_ns);
}
