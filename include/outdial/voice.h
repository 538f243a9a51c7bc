/*
 * voice - the ways a call's audio may be coded and protected on the wire; shared by the
 * configuration, the session descriptions and the media.
 */
#ifndef OUTDIAL_VOICE_H
#define OUTDIAL_VOICE_H

enum od_voice { OD_VOICE_PCMU, OD_VOICE_PCMA, OD_VOICE_G722, OD_VOICE_OPUS, OD_VOICE_COUNT };

enum od_srtp_mode {
    OD_SRTP_OFF,
    OD_SRTP_OPTIONAL, /* keys are offered, a peer that knows nothing of them is talked to (RFC 8643)
                       */
    OD_SRTP_REQUIRED, /* no key, no call */
};

/* Master key and salt of AES_CM_128_HMAC_SHA1_80 (RFC 4568 section 6.2). */
enum { OD_SRTP_KEY_BYTES = 30 };

#endif
