/*
 * media_leg - one call's RTP in both directions. It holds the leased socket, who may be heard, the
 * negotiated payload types and the stream's clock; at each tick it reads what came, plays 20 ms out
 * of the jitter buffer to its owner and asks the owner for the 20 ms to send. Time is an argument;
 * it reads no clock.
 *
 * Lifetime: embedded in its owner, open() to close(); the pool must outlive it.
 */
#ifndef ENGINE_HOST_MEDIA_LEG_H
#define ENGINE_HOST_MEDIA_LEG_H

#include "engine/host/media_reports.h"
#include "engine/media/clock.h"
#include "engine/media/dtmf.h"
#include "engine/media/dtmf_send.h"
#include "engine/media/jitter.h"
#include "outdial/types.h"
#include "proto/rtp/rtp_pool.h"
#include "proto/rtp/rtp_source.h"
#include "proto/sip/sip_sdp.h"

enum { OD_CODEC_PCMU = 0, OD_CODEC_PCMA = 8, OD_CODEC_CN = 13 }; /* RFC 3551 section 6 */

struct od_srtp;
struct od_voice_codec;
struct od_voice_keys;

/* Called from tick(), on the loop's thread. They must not close the leg. */
struct od_media_leg_events {
    void *ctx;
    void (*frame)(void *ctx, uint64_t now_ns, uint8_t ulaw[OD_FRAME_BYTES]); /* fill it: goes out */
    void (*digit)(void *ctx, uint64_t now_ns, char digit);
    bool keys; /* somebody wants to know of keys: they are listened for in the sound, where need be
                */
    /* 20 ms of the callee, as far as it could be had. May be NULL. */
    void (*heard)(void *ctx, const uint8_t ulaw[OD_FRAME_BYTES], enum od_jitter_frame what);
};

struct od_media_leg {
    /* read by the owner */
    struct od_rtp_socket *socket; /* NULL: not open */
    struct od_rtp_stats received;
    uint64_t sent, sent_bytes, wrong_source, not_rtp, digits;
    uint64_t given_up; /* frames whose time had passed */
    uint64_t heard_ns; /* when the last RTP of the peer was read; at first, since when it is due */
    bool hears;        /* the peer should be sending */
    bool sends;        /* the peer wants to hear us */
    bool secured;      /* the latest description came with keys: SRTP both ways */
    uint64_t played;   /* frames of the peer played to the owner */
    struct od_media_reports reports;

    /* private */
    struct od_rtp_pool *pool;
    struct od_rtp_latch latch;
    struct od_clock clock;
    bool plays;                   /* the clock runs: the peer's side is played to the owner */
    bool started;                 /* and frames are sent */
    uint8_t voice;                /* enum od_voice */
    uint8_t codec, dtmf_type;     /* payload types; dtmf_type 0: none, keys are listened for */
    struct od_voice_codec *coder; /* of a voice that isn't a table */
    bool keys_in_sound;           /* though it has a dtmf_type: until its first event */
    struct od_voice_keys *tones;  /* NULL: keys come as events */
    uint8_t tone_frames;          /* that it listens on, though they are quiet */
    char tone_key;                /* the last one heard in the sound, */
    uint64_t tone_ns;             /* and when */
    uint8_t srtp_mode;            /* enum od_srtp_mode, as offered */
    struct od_srtp *srtp;         /* NULL: in the clear */
    uint8_t key[OD_SRTP_KEY_BYTES], peer_key[OD_SRTP_KEY_BYTES];
    uint32_t wire_ts, voice_ts; /* the peer's latest timestamp, and the same in samples of ours */
    bool timed;                 /* they are set */
    bool marker;                /* the next packet begins a talk spurt */
    uint16_t seq;
    uint32_t ts, ssrc;
    struct od_dtmf dtmf;
    struct od_dtmf_send keys; /* of ours, on their way */
    uint32_t key_ts;          /* when the one under way began */
    struct od_jitter jitter;
};

/* Leases a socket. OD_EBUSY: none is free. OD_EIO: no randomness from the system. */
int od_media_leg_open(struct od_media_leg *leg, struct od_rtp_pool *pool, uint64_t now_ns);
void od_media_leg_close(struct od_media_leg *leg, uint64_t now_ns); /* a closed leg is fine */

/* Keys are listened for in the sound also when the peer agrees to events, until the first event
 * comes: there are networks that agree and leave the keys in the sound. Before describe(). */
void od_media_leg_hear_keys(struct od_media_leg *leg);

/* Makes the key that an offer with SRTP carries (leg->key); once, before describe(). OD_EIO: no
 * randomness from the system. */
int od_media_leg_secure(struct od_media_leg *leg, enum od_srtp_mode mode);

/* What the peer's session description says, also again during the call (hold, another address).
 * OD_ENOENT: no common codec, the stream was refused, or its address can't be sent to; OD_EDENIED:
 * a key is required and none came, or the other way round; OD_ENOMEM. */
int od_media_leg_describe(struct od_media_leg *leg, const struct od_sdp *sdp, bool any_source,
                          uint64_t now_ns);

/* The peer's early media is played to the owner from the first slot of the phase on; nothing is
 * sent, keys are not heard. Without it tick() only keeps the socket empty. */
void od_media_leg_listen(struct od_media_leg *leg, uint64_t now_ns, uint32_t phase);

/* Frames flow both ways from the first slot of the phase on. */
void od_media_leg_start(struct od_media_leg *leg, uint64_t now_ns, uint32_t phase);

void od_media_leg_tick(struct od_media_leg *leg, uint64_t now_ns,
                       const struct od_media_leg_events *events);

/* Keys for the other side, as RTP events; audio waits while they are sent. OD_ENOENT: it takes
 * none; OD_EINVAL: no keys (dtmf_send.h), or too many at once. */
int od_media_leg_send_keys(struct od_media_leg *leg, const char *keys, size_t count, uint32_t ms);

#endif
