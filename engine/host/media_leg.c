/*
 * media_leg - see media_leg.h. Everything inside is mu-law; other codecs and the protection of SRTP
 * exist only at this edge.
 */
#include "engine/host/media_leg.h"

#include <string.h>
#include <sys/random.h>

#include "outdial/err.h"
#include "proto/rtp/rtp_packet.h"
#include "proto/rtp/srtp.h"
#include "proto/voice/voice_codec.h"
#include "proto/voice/voice_keys.h"

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

int od_media_leg_secure(struct od_media_leg *leg, enum od_srtp_mode mode)
{
    if (mode == OD_SRTP_OFF || leg->srtp_mode != OD_SRTP_OFF)
        return 0;
    if (getrandom(leg->key, sizeof leg->key, GRND_NONBLOCK) != (ssize_t)sizeof leg->key)
        return OD_EIO;
    leg->srtp_mode = (uint8_t)mode;
    return 0;
}

void od_media_leg_close(struct od_media_leg *leg, uint64_t now_ns)
{
    if (!leg->socket)
        return;
    od_voice_codec_destroy(leg->coder);
    od_voice_keys_destroy(leg->tones);
    od_srtp_destroy(leg->srtp);
    leg->coder = NULL;
    leg->tones = NULL;
    leg->srtp = NULL;
    memset(leg->key, 0, sizeof leg->key);
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

/* The same keys go on; others begin anew (RFC 4568 section 7.1.4). */
static int choose_keys(struct od_media_leg *leg, const struct od_sdp *sdp)
{
    bool keyed = sdp->key.tag && leg->srtp_mode != OD_SRTP_OFF;
    bool wanted = leg->srtp_mode == OD_SRTP_REQUIRED || sdp->secure;
    if (wanted && !keyed)
        return OD_EDENIED;
    if (!keyed) {
        od_srtp_destroy(leg->srtp);
        leg->srtp = NULL;
        return 0;
    }
    if (leg->srtp && !memcmp(leg->peer_key, sdp->key.key, sizeof leg->peer_key))
        return 0;
    struct od_srtp *srtp;
    int err = od_srtp_create(&srtp, leg->key, sdp->key.key);
    if (err)
        return err;
    od_srtp_destroy(leg->srtp);
    leg->srtp = srtp;
    memcpy(leg->peer_key, sdp->key.key, sizeof leg->peer_key);
    return 0;
}

void od_media_leg_hear_keys(struct od_media_leg *leg)
{
    leg->keys_in_sound = true;
}

static bool hears_keys(const struct od_media_leg *leg)
{
    return !leg->dtmf_type || leg->keys_in_sound;
}

static int choose_voice(struct od_media_leg *leg, const struct od_sdp_choice *choice)
{
    bool table = choice->voice == OD_VOICE_PCMU || choice->voice == OD_VOICE_PCMA;
    if (!table && (!leg->coder || leg->voice != choice->voice)) {
        struct od_voice_codec *coder;
        int err = od_voice_codec_create(&coder, (enum od_voice)choice->voice);
        if (err)
            return err;
        od_voice_codec_destroy(leg->coder);
        leg->coder = coder;
        leg->timed = false;
    } else if (table) {
        od_voice_codec_destroy(leg->coder);
        leg->coder = NULL;
    }
    leg->voice = choice->voice;
    leg->codec = choice->type;
    leg->dtmf_type = choice->dtmf_type;
    if (hears_keys(leg) && !leg->tones)
        leg->tones = od_voice_keys_create(); /* without memory no key is heard */
    return 0;
}

int od_media_leg_describe(struct od_media_leg *leg, const struct od_sdp *sdp, bool any_source,
                          uint64_t now_ns)
{
    struct od_sdp_choice choice;
    if (sdp->remote.port == 0 || !sdp->remote.family || !is_unicast(&sdp->remote))
        return OD_ENOENT;
    int err = od_sdp_choose(sdp, &choice);
    if (!err)
        err = choose_keys(leg, sdp);
    if (!err)
        err = choose_voice(leg, &choice);
    if (err)
        return err;
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
    leg->secured = leg->srtp != NULL;
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

/* The peer's timestamp in samples of 8,000 Hz: some codecs' clocks run faster. */
static uint32_t voice_ts(struct od_media_leg *leg, const struct od_rtp_packet *packet)
{
    uint32_t scale = packet->payload_type == leg->codec ? od_voice_codec_scale(leg->voice) : 1;
    if (scale == 1)
        return packet->ts;
    if (!leg->timed)
        leg->voice_ts = packet->ts / scale;
    else
        leg->voice_ts += (uint32_t)((int32_t)(packet->ts - leg->wire_ts) / (int32_t)scale);
    leg->wire_ts = packet->ts;
    leg->timed = true;
    return leg->voice_ts;
}

static void take_audio(struct od_media_leg *leg, const struct od_rtp_packet *packet, uint32_t ts,
                       uint64_t arrival_ns)
{
    uint8_t ulaw[OD_JITTER_SAMPLES / 4];
    const uint8_t *samples = packet->payload;
    size_t count = packet->payload_bytes;
    if (count > sizeof ulaw) {
        leg->jitter.stats.odd++;
        return;
    }
    if (packet->payload_type == OD_CODEC_PCMA) {
        od_alaw_to_ulaw(ulaw, packet->payload, count);
        samples = ulaw;
    } else if (packet->payload_type != OD_CODEC_PCMU) {
        int16_t pcm[OD_VOICE_SAMPLES_MAX];
        count = leg->coder ? od_voice_codec_decode(leg->coder, samples, count, pcm) : 0;
        for (size_t i = 0; i < count; i++)
            ulaw[i] = od_ulaw_encode(pcm[i]);
        samples = ulaw;
    }
    od_jitter_put(&leg->jitter, packet->ssrc, ts, samples, count, arrival_ns);
}

enum { SAME_KEY_NS = 500000000 }; /* between a key's sound and its event */

static void take_event(struct od_media_leg *leg, const struct arriving *arriving,
                       const struct od_rtp_packet *packet)
{
    char digit = od_dtmf_put(&leg->dtmf, packet->ssrc, packet->ts, packet->marker, packet->payload,
                             packet->payload_bytes);
    leg->keys_in_sound = false; /* the peer says its keys: what it leaves of them is no more */
    if (!digit || !leg->started)
        return;
    char heard = leg->tone_key;
    leg->tone_key = 0;
    if (digit == heard && arriving->now_ns - leg->tone_ns < SAME_KEY_NS)
        return; /* the first that came as an event, too */
    leg->digits++;
    arriving->events->digit(arriving->events->ctx, arriving->now_ns, digit);
}

static void on_datagram(void *ctx, const struct od_addr *from, const uint8_t *bytes, size_t count,
                        uint64_t arrival_ns)
{
    struct arriving *arriving = ctx;
    struct od_media_leg *leg = arriving->leg;
    struct od_rtp_packet packet;
    uint8_t opened[OD_RTP_PACKET_MAX];
    if (leg->srtp && count <= sizeof opened) {
        /* before anything is believed, the latch included */
        memcpy(opened, bytes, count);
        if (od_srtp_open(leg->srtp, opened, &count)) {
            leg->not_rtp++;
            return;
        }
        bytes = opened;
    }
    if (od_rtp_parse(bytes, count, &packet)) {
        leg->not_rtp++;
        return;
    }
    /* The peer may send any codec it was offered, whatever it listed first (RFC 3264 section 7). */
    bool audio = packet.payload_type == OD_CODEC_PCMU || packet.payload_type == OD_CODEC_PCMA ||
                 packet.payload_type == leg->codec;
    bool event = leg->dtmf_type && packet.payload_type == leg->dtmf_type;
    if (!audio && !event && packet.payload_type != OD_CODEC_CN) {
        leg->not_rtp++;
        return;
    }
    if (!od_rtp_latch_accept(&leg->latch, from)) {
        leg->wrong_source++;
        return;
    }
    uint32_t ts = audio ? voice_ts(leg, &packet) : packet.ts;
    leg->heard_ns = arriving->now_ns;
    od_rtp_stats_add(&leg->received, packet.ssrc, packet.seq, ts,
                     (uint32_t)(arrival_ns / 125000)); /* 1/8000 s */
    if (event)
        take_event(leg, arriving, &packet);
    else if (audio && leg->plays)
        take_audio(leg, &packet, ts, arrival_ns);
}

enum {
    /* 180 of 32,635: two tones rise above that which have the least level that the detector takes
     * for a key's, -42 dBm0 each. */
    KEY_MAGNITUDE = 0x13,
    KEY_QUIET_FRAMES = 3, /* a key ends, and the next may be the same one, with a pause of 40 ms */
};

/* The detector costs more than the rest of a frame together: what is too quiet it isn't shown. */
static bool may_be_key(struct od_media_leg *leg, const uint8_t ulaw[OD_FRAME_BYTES])
{
    if (od_ulaw_reaches(ulaw, OD_FRAME_BYTES, KEY_MAGNITUDE))
        leg->tone_frames = KEY_QUIET_FRAMES + 1;
    else if (leg->tone_frames)
        leg->tone_frames--;
    return leg->tone_frames > 0;
}

/* Keys in the audio itself, from a peer that knows no events, or that has sent none yet. */
static void listen_for_keys(struct od_media_leg *leg, uint64_t now_ns,
                            const uint8_t ulaw[OD_FRAME_BYTES],
                            const struct od_media_leg_events *events)
{
    int16_t pcm[OD_FRAME_BYTES];
    char keys[8];
    for (unsigned i = 0; i < OD_FRAME_BYTES; i++)
        pcm[i] = od_ulaw_decode(ulaw[i]);
    size_t count = od_voice_keys_put(leg->tones, pcm, OD_FRAME_BYTES, keys);
    for (size_t i = 0; i < count; i++) {
        leg->digits++;
        leg->tone_key = keys[i];
        leg->tone_ns = now_ns;
        events->digit(events->ctx, now_ns, keys[i]);
    }
}

static void play(struct od_media_leg *leg, uint64_t now_ns,
                 const struct od_media_leg_events *events)
{
    uint8_t ulaw[OD_FRAME_BYTES];
    enum od_jitter_frame what = od_jitter_get(&leg->jitter, ulaw);
    leg->played++;
    if (events->keys && leg->tones && hears_keys(leg) && leg->started && may_be_key(leg, ulaw))
        listen_for_keys(leg, now_ns, ulaw, events);
    if (events->heard)
        events->heard(events->ctx, ulaw, what);
}

/* 20 ms as the peer wants them; the payload's bytes. */
static size_t encode(struct od_media_leg *leg, const uint8_t ulaw[OD_FRAME_BYTES], uint8_t *out)
{
    if (!leg->coder) {
        if (leg->voice == OD_VOICE_PCMA)
            od_ulaw_to_alaw(out, ulaw, OD_FRAME_BYTES);
        else if (out != ulaw)
            memcpy(out, ulaw, OD_FRAME_BYTES);
        return OD_FRAME_BYTES;
    }
    int16_t pcm[OD_VOICE_FRAME];
    for (unsigned i = 0; i < OD_FRAME_BYTES; i++)
        pcm[i] = od_ulaw_decode(ulaw[i]);
    return od_voice_codec_encode(leg->coder, pcm, out);
}

/* A packet's head is written in front of its payload, and it goes. */
static void send_packet(struct od_media_leg *leg, struct od_rtp_packet head, uint8_t *bytes,
                        size_t payload)
{
    head.seq = leg->seq++;
    head.ssrc = leg->ssrc;
    od_rtp_header(bytes, &head);
    size_t count = OD_RTP_HEADER_BYTES + payload;
    if (leg->srtp && od_srtp_protect(leg->srtp, bytes, &count))
        return; /* never in the clear */
    if (!od_rtp_send(leg->pool, leg->socket, od_rtp_latch_target(&leg->latch), bytes, count)) {
        leg->sent++;
        leg->sent_bytes += payload;
    }
}

int od_media_leg_send_keys(struct od_media_leg *leg, const char *keys, size_t count, uint32_t ms)
{
    if (!leg->dtmf_type)
        return OD_ENOENT;
    return od_dtmf_send_add(&leg->keys, keys, count, ms) ? 0 : OD_EINVAL;
}

/* A key's packet instead of audio. All packets of a key have the time at which it began (RFC 4733
 * section 2.2.3). */
static void send_event(struct od_media_leg *leg, const struct od_dtmf_event *event)
{
    uint8_t bytes[OD_RTP_HEADER_BYTES + OD_DTMF_BYTES + OD_SRTP_ROOM];
    if (event->begins)
        leg->key_ts = leg->ts * od_voice_codec_scale(leg->voice);
    memcpy(bytes + OD_RTP_HEADER_BYTES, event->payload, OD_DTMF_BYTES);
    send_packet(leg,
                (struct od_rtp_packet){
                    .marker = event->begins, .payload_type = leg->dtmf_type, .ts = leg->key_ts},
                bytes, OD_DTMF_BYTES);
    leg->marker = true; /* the audio after it begins a talk spurt */
}

static void send_frame(struct od_media_leg *leg, uint64_t now_ns,
                       const struct od_media_leg_events *events)
{
    struct od_dtmf_event event;
    if (od_dtmf_send_busy(&leg->keys) && od_dtmf_send_frame(&leg->keys, &event)) {
        send_event(leg, &event);
        return;
    }
    uint8_t bytes[OD_RTP_HEADER_BYTES + OD_VOICE_PACKET_MAX + OD_SRTP_ROOM];
    uint8_t *frame = bytes + OD_RTP_HEADER_BYTES;
    events->frame(events->ctx, now_ns, frame);
    size_t payload = encode(leg, frame, frame);
    if (!payload)
        return;
    struct od_rtp_packet head = {.marker = leg->marker,
                                 .payload_type = leg->codec,
                                 .ts = leg->ts * od_voice_codec_scale(leg->voice)};
    leg->marker = false;
    send_packet(leg, head, bytes, payload);
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
        play(leg, now_ns, events);
    for (uint32_t i = 0; i < due.send; i++) {
        play(leg, now_ns, events);
        if (leg->sends && leg->started)
            send_frame(leg, now_ns, events);
        leg->ts += OD_FRAME_BYTES;
    }
    if (leg->started)
        od_media_reports_tick(leg, now_ns);
}
