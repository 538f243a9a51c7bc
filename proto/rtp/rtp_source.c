/*
 * rtp_source - see rtp_source.h.
 */
#include "proto/rtp/rtp_source.h"

#include <string.h>

/* RFC 3550 appendix A.1: gaps wider than this are a restart of the sender, not loss. */
enum { DROPOUT_MAX = 3000, MISORDER_MAX = 100 };

static bool same_ip(const struct od_addr *a, const struct od_addr *b)
{
    return a->family == b->family && !memcmp(a->ip, b->ip, a->family == 6 ? 16 : 4);
}

static bool same_addr(const struct od_addr *a, const struct od_addr *b)
{
    return a->port == b->port && same_ip(a, b);
}

void od_rtp_latch_set(struct od_rtp_latch *latch, const struct od_addr *named, bool any)
{
    latch->any = any;
    if (latch->named.family && same_addr(&latch->named, named))
        return;
    latch->named = *named;
    memset(&latch->latched, 0, sizeof latch->latched);
}

bool od_rtp_latch_accept(struct od_rtp_latch *latch, const struct od_addr *from)
{
    if (latch->latched.family && same_addr(&latch->latched, from))
        return true;
    if (!latch->named.family)
        return false;
    /* The very address that was negotiated is right whatever came before: all calls of a carrier's
     * gateway share its address, and the first packet may have been a late one of another call. */
    bool named = same_addr(&latch->named, from);
    if (!named && (latch->latched.family || (!latch->any && !same_ip(&latch->named, from))))
        return false;
    latch->latched = *from;
    return true;
}

const struct od_addr *od_rtp_latch_target(const struct od_rtp_latch *latch)
{
    return latch->latched.family ? &latch->latched : &latch->named;
}

static void restart(struct od_rtp_stats *s, uint32_t ssrc, uint16_t seq)
{
    s->settled = s->expected;
    s->ssrc = ssrc;
    s->base = seq;
    s->seq_max = seq;
    s->cycles = 0;
    s->known = true;
    s->jumped = false;
}

/* False when the packet is a stray that says nothing about the stream. */
static bool follow(struct od_rtp_stats *s, uint32_t ssrc, uint16_t seq)
{
    uint16_t ahead = (uint16_t)(seq - s->seq_max);
    if (!s->known || ssrc != s->ssrc) {
        restart(s, ssrc, seq);
    } else if (ahead < DROPOUT_MAX) {
        if (seq < s->seq_max)
            s->cycles += 1u << 16;
        s->seq_max = seq;
        s->jumped = false;
    } else if (ahead <= UINT16_MAX - MISORDER_MAX) {
        if (!s->jumped || seq != s->seq_jump) {
            s->seq_jump = (uint16_t)(seq + 1);
            s->jumped = true;
            return false;
        }
        restart(s, ssrc, seq);
    }
    s->expected = s->settled + (s->cycles + s->seq_max) - s->base + 1;
    return true;
}

void od_rtp_stats_add(struct od_rtp_stats *stats, uint32_t ssrc, uint16_t seq, uint32_t ts,
                      uint32_t arrival)
{
    bool continued = stats->known && ssrc == stats->ssrc;
    stats->received++;
    if (!follow(stats, ssrc, seq))
        return;
    uint32_t transit = arrival - ts;
    if (continued) {
        int32_t d = (int32_t)(transit - stats->transit);
        uint64_t size = d < 0 ? 0u - (uint32_t)d : (uint32_t)d;
        /* A sender that was held up, or on hold, or has set its clock anew, is no jitter. */
        if (size < 4000u)
            stats->jitter_16 += size - ((stats->jitter_16 + 8u) >> 4);
    }
    stats->transit = transit;
}

uint64_t od_rtp_stats_lost(const struct od_rtp_stats *stats)
{
    return stats->expected > stats->received ? stats->expected - stats->received : 0;
}
