/*
 * dtmf - telephone keys carried as RTP events (RFC 4733): one digit per key press, whatever packets
 * of it were lost, repeated or reordered; and the payload writer. Pure.
 */
#ifndef ENGINE_MEDIA_DTMF_H
#define ENGINE_MEDIA_DTMF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OD_DTMF_BYTES = 4, OD_DTMF_RECENT = 8 };

struct od_dtmf {                     /* private */
    uint32_t recent[OD_DTMF_RECENT]; /* start times of the presses reported last */
    uint8_t known;                   /* how many of them are set */
    uint8_t newest;                  /* index of the newest */
    uint32_t ssrc;
    uint8_t event;     /* of the newest press */
    uint16_t duration; /* of it, as far as was seen */
    bool ended;
};

void od_dtmf_init(struct od_dtmf *dtmf);

/*
 * A packet of the negotiated event type. Returns the key ('0'-'9', '*', '#', 'A'-'D') when a press
 * begins with it; 0 when it tells nothing new, is no key, or is malformed.
 */
char od_dtmf_put(struct od_dtmf *dtmf, uint32_t ssrc, uint32_t ts, bool marker,
                 const uint8_t *payload, size_t bytes);

/* Writes an event's payload. False when key is none. volume: 0..63, -dBm0. duration: samples. */
bool od_dtmf_write(uint8_t out[OD_DTMF_BYTES], char key, bool end, uint8_t volume,
                   uint16_t duration);

#endif
