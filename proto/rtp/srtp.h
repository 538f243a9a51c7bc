/*
 * srtp - RTP and RTCP protected by keys from the session descriptions (RFC 3711, RFC 4568):
 * AES_CM_128_HMAC_SHA1_80, by libsrtp2, which is included here only. No I/O.
 *
 * Lifetime: owned by its creator. Keys are wiped with it.
 */
#ifndef PROTO_RTP_SRTP_H
#define PROTO_RTP_SRTP_H

#include <stddef.h>
#include <stdint.h>

#include "outdial/voice.h"

struct od_srtp;

enum { OD_SRTP_ROOM = 32 }; /* what protecting may add to a packet */

/* OD_ENOMEM; OD_EIO: the library can't work here. */
int od_srtp_create(struct od_srtp **out, const uint8_t sends[OD_SRTP_KEY_BYTES],
                   const uint8_t hears[OD_SRTP_KEY_BYTES]);
void od_srtp_destroy(struct od_srtp *srtp); /* NULL is fine */

/* In place; the memory has OD_SRTP_ROOM more. OD_EPROTO: not a packet. */
int od_srtp_protect(struct od_srtp *srtp, uint8_t *packet, size_t *bytes);
int od_srtp_protect_report(struct od_srtp *srtp, uint8_t *packet, size_t *bytes);

/* In place. OD_EDENIED: not made with the peer's key, or a repetition. */
int od_srtp_open(struct od_srtp *srtp, uint8_t *packet, size_t *bytes);
int od_srtp_open_report(struct od_srtp *srtp, uint8_t *packet, size_t *bytes);

#endif
