/*
 * sdp_text: the session description a caller offers, and the one the callee gives back (RFC 8866,
 * the offer/answer model of RFC 3264). One audio stream of G.711 and telephone events; every other
 * stream is refused with port 0. Pure and bounded; must never read outside the slice it is given.
 */
#ifndef OD_BENCH_CARRIER_SDP_TEXT_H
#define OD_BENCH_CARRIER_SDP_TEXT_H

#include "bench/carrier/carrier_addr.h"
#include "bench/carrier/sip_text.h"

enum { OD_SDP_TEXT_STREAMS_MAX = 8 }; /* more m= lines than this is not acceptable */

struct od_sdp_stream {
    struct od_text media, proto, formats; /* the words of its m= line */
};

/* Read by the caller after od_sdp_text_parse(). */
struct od_sdp_text {
    struct od_carrier_addr audio; /* where the other side wants audio sent; port 0: nowhere */
    int codec;                    /* 0 PCMU, 8 PCMA: the first of the two it names */
    int event;                    /* payload type of telephone-event/8000, -1 when absent */
    bool sends, receives;         /* the other side's direction attribute */
    size_t audio_stream;          /* which m= line the audio is */
    size_t streams_n;
    struct od_sdp_stream streams[OD_SDP_TEXT_STREAMS_MAX];
};

/* False: no G.711 audio stream with a numeric address in it, or not a session description (488). */
bool od_sdp_text_parse(struct od_sdp_text *, struct od_text body);

/*
 * Writes our description: an answer to `offer`, or our own offer when offer is NULL (PCMU, PCMA and
 * events on payload type 101). `local` is where we listen; serial numbers the origin line.
 */
void od_sdp_text_write(const struct od_sdp_text *offer, const struct od_carrier_addr *local,
                       uint64_t serial, struct od_sip_out *);

#endif
