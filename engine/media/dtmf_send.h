/*
 * dtmf_send - keys on their way to the other side as RTP events (RFC 4733), 20 ms at a time: each
 * key is held for a while, its end is told three times, and a pause follows. Pure.
 */
#ifndef ENGINE_MEDIA_DTMF_SEND_H
#define ENGINE_MEDIA_DTMF_SEND_H

#include "engine/media/dtmf.h"

enum {
    OD_DTMF_KEYS_MAX = 64,
    OD_DTMF_MS_DEFAULT = 160, /* a key is held so long; 40 ms are the least that must be heard */
    OD_DTMF_MS_MAX = 2000,
    OD_DTMF_PAUSE_MS = 80,
    OD_DTMF_ENDS = 3, /* RFC 4733 section 2.5.1.4 */
};

struct od_dtmf_send { /* private */
    char keys[OD_DTMF_KEYS_MAX];
    uint8_t count, first;
    uint16_t frames; /* of the key under way; 0: it begins */
    uint16_t hold;   /* frames a key is held */
    uint8_t ends;    /* told so far */
    uint8_t pause;   /* frames to wait */
};

/* Adds keys ('0'-'9', '*', '#', 'A'-'D'; 'w' pauses half a second). ms: how long each is held; 0:
 * the default. False when one is none, or there is no room for all: then none is added. */
bool od_dtmf_send_add(struct od_dtmf_send *send, const char *keys, size_t count, uint32_t ms);

static inline bool od_dtmf_send_busy(const struct od_dtmf_send *send)
{
    return send->count > 0 || send->pause > 0;
}

struct od_dtmf_event {
    uint8_t payload[OD_DTMF_BYTES];
    bool begins; /* the packet's marker; its timestamp is the key's from here on */
};

/* The next 20 ms. True: the event's packet goes out instead of audio. */
bool od_dtmf_send_frame(struct od_dtmf_send *send, struct od_dtmf_event *event);

#endif
