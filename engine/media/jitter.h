/*
 * jitter - one call's jitter buffer: mu-law audio in by RTP timestamp, in any order and any packet
 * length; a 20 ms frame out for every 20 ms of play. Pure and of fixed size; nothing a peer sends
 * can make it grow. The owner checks the source and the payload type first and turns A-law into
 * mu-law.
 *
 * Delay: play starts a target delay behind the first packet. The target follows the jitter that was
 * measured when play (re)starts; in between, play waits when the buffer runs dry (which lengthens
 * the delay), and drops a frame when the buffer was never near empty for some seconds (which
 * shortens it).
 */
#ifndef ENGINE_MEDIA_JITTER_H
#define ENGINE_MEDIA_JITTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/media/g711.h"
#include "engine/media/plc.h"

enum {
    OD_JITTER_SAMPLES = 4096, /* 512 ms; a power of two */
    OD_JITTER_CELL = 8,       /* presence is kept per so many samples */
    OD_JITTER_CELLS = OD_JITTER_SAMPLES / OD_JITTER_CELL,
};

enum od_jitter_frame {
    OD_JITTER_AUDIO,     /* as it was sent */
    OD_JITTER_CONCEALED, /* all or part of it was made up from the last audio */
    OD_JITTER_SILENCE,   /* nothing is being received */
    OD_JITTER_JOINED,    /* as it was sent, but for 4 ms that lead over from what was made up */
};

/* Set by jitter / read by the owner. */
struct od_jitter_stats {
    uint64_t late;      /* packets whose time had passed */
    uint64_t repeated;  /* packets that were there already */
    uint64_t odd;       /* packets from nowhere near the stream */
    uint64_t jumps;     /* times the stream went on at another place */
    uint64_t concealed; /* frames */
    uint64_t skipped;   /* frames dropped to shorten the delay */
};

struct od_jitter {
    struct od_jitter_stats stats; /* read by the owner */

    /* private */
    uint64_t present[OD_JITTER_CELLS / 64];
    struct od_plc plc;
    uint32_t play_ts; /* the next sample to play */
    uint32_t head_ts; /* one past the newest sample held */
    uint32_t ssrc;
    uint32_t jump_ts;   /* where a stream that jumped would go on */
    uint32_t transit;   /* RFC 3550 section 6.4.1: last relative transit time */
    uint32_t jitter_16; /* interarrival jitter times 16, in samples */
    uint32_t target;    /* delay aimed at, in samples */
    uint32_t depth_min; /* least samples held after a frame in this window */
    uint16_t window;    /* frames in this window */
    uint16_t lead;      /* frames of silence before the stream's first sample */
    uint16_t dry;       /* frames in a row that found too little to play */
    bool running;
    bool jumping;
    bool timed; /* transit is set */
    uint8_t
        samples[OD_JITTER_SAMPLES]; /* what `present` doesn't name is never read: not initialised */
};

void od_jitter_init(struct od_jitter *jitter);

/* Takes a packet's samples (copied). arrival_ns: when it reached this machine, any fixed clock. */
void od_jitter_put(struct od_jitter *jitter, uint32_t ssrc, uint32_t ts, const uint8_t *ulaw,
                   size_t bytes, uint64_t arrival_ns);

/* How long the newest sample held will wait to be played. */
uint32_t od_jitter_delay_ms(const struct od_jitter *jitter);

/* The next 20 ms. */
enum od_jitter_frame od_jitter_get(struct od_jitter *jitter, uint8_t out[OD_FRAME_BYTES]);

#endif
