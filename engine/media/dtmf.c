/*
 * dtmf - see dtmf.h. A press is known by its start: all packets of one event carry the RTP
 * timestamp of its beginning (RFC 4733 section 2.3), so the first packet with a new start is the
 * press, and the end packets, of which any number may be lost, add nothing.
 */
#include "engine/media/dtmf.h"

#include <string.h>

static const char KEYS[] = "0123456789*#ABCD"; /* RFC 4733 section 3.2: events 0 to 15 */

enum {
    /* A start older than the newest by up to this is a reordered packet; by more, the sender's
     * clock was set anew. Ten seconds of samples. */
    REORDER_MAX = 80000,
    /* Some senders let the timestamp run within a press. Two real presses of one key can't begin
     * closer than this: RFC 4733 section 2.5.2.2 asks for at least 40 ms of tone and 40 of pause.
     */
    SPACING_MIN = 400,
};

void od_dtmf_init(struct od_dtmf *dtmf)
{
    memset(dtmf, 0, sizeof *dtmf);
}

static bool is_recent(const struct od_dtmf *d, uint32_t ts)
{
    for (uint8_t i = 0; i < d->known; i++) {
        if (d->recent[i] == ts)
            return true;
    }
    return false;
}

static void remember(struct od_dtmf *d, uint32_t ts)
{
    d->newest = d->known ? (uint8_t)((d->newest + 1) % OD_DTMF_RECENT) : 0;
    d->recent[d->newest] = ts;
    if (d->known < OD_DTMF_RECENT)
        d->known++;
}

/* The newest press goes on, under another timestamp. */
static bool continues(const struct od_dtmf *d, uint32_t ts, bool marker, uint8_t event,
                      uint16_t duration)
{
    if (d->known == 0 || d->ended || marker || event != d->event)
        return false;
    uint32_t since = ts - d->recent[d->newest];
    /* A press longer than the duration field can say is sent in segments, each starting where the
     * last one's 65,535 samples end (RFC 4733 section 2.5.1.3). */
    if (since == UINT16_MAX)
        return true;
    return since <= SPACING_MIN && duration > d->duration;
}

char od_dtmf_put(struct od_dtmf *dtmf, uint32_t ssrc, uint32_t ts, bool marker,
                 const uint8_t *payload, size_t bytes)
{
    if (bytes < OD_DTMF_BYTES)
        return 0;
    uint8_t event = payload[0];
    bool end = payload[1] & 0x80;
    uint16_t duration = (uint16_t)(payload[2] << 8 | payload[3]);
    if (event >= sizeof KEYS - 1)
        return 0;
    if (dtmf->known && ssrc != dtmf->ssrc)
        od_dtmf_init(dtmf);
    dtmf->ssrc = ssrc;

    bool same = dtmf->known && ts == dtmf->recent[dtmf->newest];
    if (same || continues(dtmf, ts, marker, event, duration)) {
        if (!same)
            dtmf->recent[dtmf->newest] = ts;
        if (!same || duration > dtmf->duration)
            dtmf->duration = duration;
        dtmf->ended = dtmf->ended || end;
        return 0;
    }
    if (is_recent(dtmf, ts))
        return 0;
    if (dtmf->known) {
        int32_t since = (int32_t)(ts - dtmf->recent[dtmf->newest]);
        if (since < 0 && since > -REORDER_MAX)
            return 0;
    }
    remember(dtmf, ts);
    dtmf->event = event;
    dtmf->duration = duration;
    dtmf->ended = end;
    return KEYS[event];
}

bool od_dtmf_write(uint8_t out[OD_DTMF_BYTES], char key, bool end, uint8_t volume,
                   uint16_t duration)
{
    const char *at = memchr(KEYS, key, sizeof KEYS - 1);
    if (!at)
        return false;
    out[0] = (uint8_t)(at - KEYS);
    out[1] = (uint8_t)((end ? 0x80u : 0u) | (volume & 0x3fu));
    out[2] = (uint8_t)(duration >> 8);
    out[3] = (uint8_t)duration;
    return true;
}
