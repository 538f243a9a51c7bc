/*
 * rtp_talk: the audio half of one callee: a UDP socket, what is said and pressed on it, and what is
 * heard (RFC 3550, RFC 4733). It must send on absolute deadlines, keep nothing of what it hears but
 * counts (and a WAV file when asked), and believe no packet that comes from where the caller didn't
 * say it would. Called by the callee (life) and the node (socket readable, tick due).
 *
 * Words: room = what all talks share; frame = 20 ms; turn = the caller has spoken and then paused.
 * Lifetime: a talk is owned by its callee and dies with od_rtp_talk_close(); the room by the node.
 */
#ifndef OD_BENCH_CARRIER_RTP_TALK_H
#define OD_BENCH_CARRIER_RTP_TALK_H

#include "bench/carrier/population.h"
#include "bench/carrier/sdp_text.h"
#include "bench/carrier/voice.h"

struct od_rtp_room;

/* Set by the caller of od_rtp_room_create(). */
struct od_rtp_room_setup {
    struct od_carrier_addr local; /* host to bind to; its port is ignored */
    uint16_t port_lowest, port_highest;
    const char *record_dir; /* NULL: no recordings; borrowed until destroy */
};

/* NULL: out of memory. */
struct od_rtp_room *od_rtp_room_create(const struct od_rtp_room_setup *);
void od_rtp_room_destroy(struct od_rtp_room *);

/* Read by the caller at any time. */
struct od_rtp_facts {
    uint64_t packets_in, packets_out;
    uint64_t lost;               /* expected minus received, RFC 3550 A.3; never negative */
    double jitter_ms;            /* RFC 3550 6.4.1, from the kernel's receive stamps */
    uint64_t speech_ms;          /* heard louder than the threshold */
    uint64_t longest_silence_ms; /* between two bits of that, or an end of the call */
    uint64_t before_answer, after_bye, wrong_place, malformed;
    uint64_t events_in; /* keys the caller pressed */
    char digits_sent[OD_PROFILE_WORD_BYTES];
};

struct od_rtp_talk;

/*
 * Opens a socket on the next free even port of the room's range. `name` names the recording.
 * Returns 0 and *out, or a negative errno (-EADDRINUSE: no port is free).
 */
int od_rtp_talk_open(struct od_rtp_talk **out, struct od_rtp_room *, const struct od_plan *,
                     uint32_t digit_ms, const char *name);
void od_rtp_talk_close(struct od_rtp_talk *);

int od_rtp_talk_fd(const struct od_rtp_talk *);
void od_rtp_talk_local(const struct od_rtp_talk *, struct od_carrier_addr *);

/* What the caller's description says: where to send and expect audio. Again after a re-INVITE. */
void od_rtp_talk_describe(struct od_rtp_talk *, const struct od_sdp_text *);

void od_rtp_talk_ringback(struct od_rtp_talk *, uint64_t now_ns);
void od_rtp_talk_answer(struct od_rtp_talk *, uint64_t now_ns);
/* Stops talking; what still arrives counts as after_bye. */
void od_rtp_talk_hang_up(struct od_rtp_talk *, uint64_t now_ns);

/* Sends what is due. Returns when to be called next, UINT64_MAX for never. */
uint64_t od_rtp_talk_tick(struct od_rtp_talk *, uint64_t now_ns);

/* Reads what has arrived. */
void od_rtp_talk_read(struct od_rtp_talk *, uint64_t now_ns);

const struct od_rtp_facts *od_rtp_talk_facts(const struct od_rtp_talk *);

#endif
