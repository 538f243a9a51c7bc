/*
 * sip_sdp - a bounded parser and writer of the SDP that a telephony leg needs (RFC 8866, RFC 3264).
 * Pure: bytes in, struct out. Own code because the library's parser can be made to run for ever by
 * one line of a carrier's answer.
 */
#ifndef PROTO_SIP_SIP_SDP_H
#define PROTO_SIP_SIP_SDP_H

#include "outdial/types.h"
#include "outdial/voice.h"

enum { OD_SDP_BYTES_MAX = 8192, OD_SDP_FORMATS_MAX = 16 };

enum od_sdp_direction { OD_SDP_SENDRECV, OD_SDP_SENDONLY, OD_SDP_RECVONLY, OD_SDP_INACTIVE };

struct od_sdp_format {
    uint8_t payload_type; /* 0..127 */
    char encoding[24];    /* "PCMU", upper case; from rtpmap or the static table (RFC 3551) */
    uint32_t rate;        /* Hz */
    uint8_t channels;     /* 1.. */
};

/* A key that the peer sends with, of a suite that we know (RFC 4568). */
struct od_sdp_key {
    uint32_t tag; /* 0: none */
    uint8_t key[OD_SRTP_KEY_BYTES];
};

/* The first usable audio stream. */
struct od_sdp {
    struct od_addr remote; /* port 0: the stream was refused */
    uint8_t direction;     /* enum od_sdp_direction, as the peer sees it */
    uint16_t ptime_ms;     /* 0: not given */
    bool secure;           /* RTP/SAVP: without a key nothing may be sent */
    struct od_sdp_key key;
    uint8_t count;
    struct od_sdp_format formats[OD_SDP_FORMATS_MAX]; /* in the peer's order */
};

/* OD_EPROTO: breaks the grammar or our bounds; OD_ENOENT: no audio stream over RTP/AVP or RTP/SAVP.
 * A format with neither a map nor a static meaning is left out. `out` is written in any case. */
int od_sdp_parse(const char *text, size_t bytes, struct od_sdp *out);

struct od_sdp_offer {
    struct od_addr local;
    uint64_t session;               /* o= id and version */
    const char *user;               /* o= user name, e.g. "outdial" */
    uint8_t voices[OD_VOICE_COUNT]; /* enum od_voice, the best first */
    uint8_t voice_count;
    uint8_t dtmf_type;  /* payload type of telephone-event, 96..127; 0: none */
    uint8_t srtp;       /* enum od_srtp_mode */
    const uint8_t *key; /* ours, OD_SRTP_KEY_BYTES; unless srtp is OFF */
    uint8_t direction;
};

/* Bytes written (no NUL counted), or OD_ETOOBIG. */
int od_sdp_write(const struct od_sdp_offer *offer, char *out, size_t out_bytes);

/* The answer to a peer's new offer, repeating ours: our session and audio lines again, the peer's
 * other streams refused in their places (RFC 3264 section 6). */
struct od_sdp_repeat {
    const char *offer; /* what we offered, as od_sdp_write() made it */
    size_t offer_bytes;
    const char *peer; /* the offer to answer; NULL: none, ours is offered again */
    size_t peer_bytes;
    uint8_t direction; /* ours, enum od_sdp_direction */
    uint32_t changes;  /* added to the version in o= (RFC 3264 section 8) */
};

/* Bytes written (no NUL counted); OD_ETOOBIG, or what od_sdp_parse() says about the peer's. */
int od_sdp_repeat(const struct od_sdp_repeat *repeat, char *out, size_t out_bytes);

/* The direction that answers the peer's (RFC 3264 section 6.1). */
uint8_t od_sdp_mirror(uint8_t direction);

/* What both sides can do. */
struct od_sdp_choice {
    uint8_t voice;     /* enum od_voice */
    uint8_t type;      /* its payload type */
    uint8_t dtmf_type; /* telephone-event's; 0: none */
};
/* OD_ENOENT: no codec in common. */
int od_sdp_choose(const struct od_sdp *answer, struct od_sdp_choice *out);

/* Payload types of our offers: static where there is one (RFC 3551), else ours. */
extern const uint8_t od_sdp_types[OD_VOICE_COUNT];

#endif
