/*
 * jitter - see jitter.h. The buffer is a ring of samples addressed by RTP timestamp, with one bit
 * per cell of 8 samples that says whether it was received: packets of 10, 20, 30 or 60 ms, overlaps
 * and repetitions all come out right without a notion of "packet" on the way out. All comparisons
 * of timestamps are differences modulo 2^32 (RFC 3550 section 5.1), so wrapping needs no case of
 * its own.
 */
#include "engine/media/jitter.h"

#include <string.h>

enum {
    TARGET_MIN = 2 * OD_FRAME_BYTES, /* one frame in hand beside the one on the way */
    TARGET_MAX =
        12 * OD_FRAME_BYTES, /* 240 ms: past that a conversation suffers more than from gaps */
    DRY_MAX = 10, /* 200 ms of nothing: the talker paused; start afresh with the next packet */
    WINDOW = 100, /* 2 s */
    RATE_PER_MS = 8,
};

void od_jitter_init(struct od_jitter *jitter)
{
    memset(jitter, 0, sizeof *jitter);
    jitter->target = TARGET_MIN;
    od_plc_init(&jitter->plc);
}

static bool is_present(const struct od_jitter *j, uint32_t cell)
{
    cell %= OD_JITTER_CELLS;
    return (j->present[cell / 64] >> (cell % 64)) & 1u;
}

static void set_present(struct od_jitter *j, uint32_t cell, bool value)
{
    cell %= OD_JITTER_CELLS;
    uint64_t bit = UINT64_C(1) << (cell % 64);
    if (value)
        j->present[cell / 64] |= bit;
    else
        j->present[cell / 64] &= ~bit;
}

/* Begins play so that `ts` is heard a target delay from now. */
static void begin(struct od_jitter *j, uint32_t ts)
{
    uint32_t wanted = TARGET_MIN + 2 * (j->jitter_16 / 16);
    j->target = wanted > TARGET_MAX ? TARGET_MAX : wanted;
    j->play_ts = (ts - j->target) & ~(uint32_t)(OD_JITTER_CELL - 1);
    j->head_ts = ts;
    memset(j->present, 0, sizeof j->present);
    j->lead = (uint16_t)((j->target + OD_FRAME_BYTES - 1) / OD_FRAME_BYTES);
    j->dry = 0;
    j->window = 0;
    j->depth_min = UINT32_MAX;
    j->running = true;
    j->jumping = false;
    od_plc_init(&j->plc); /* what was heard long ago says nothing of what will come */
}

/* RFC 3550 appendix A.8, with the arrival time in timestamp units. */
static void measure(struct od_jitter *j, uint32_t ts, uint64_t arrival_ns)
{
    uint32_t transit = (uint32_t)(arrival_ns / (UINT64_C(1000000) / RATE_PER_MS)) - ts;
    if (j->timed) {
        int32_t d = (int32_t)(transit - j->transit);
        uint32_t size = d < 0 ? 0u - (uint32_t)d : (uint32_t)d;
        if (size < OD_JITTER_SAMPLES) /* a clock step or a jump says nothing about jitter */
            j->jitter_16 += size - ((j->jitter_16 + 8u) >> 4);
    }
    j->transit = transit;
    j->timed = true;
}

/* A packet far from the stream: one is a stray, two in a row are the stream's new place. */
static bool jumped(struct od_jitter *j, uint32_t ts, uint32_t bytes)
{
    bool follows = j->jumping && (uint32_t)(ts - j->jump_ts) < OD_JITTER_SAMPLES;
    j->jumping = true;
    j->jump_ts = ts + bytes;
    if (!follows) {
        j->stats.odd++;
        return false;
    }
    j->stats.jumps++;
    return true;
}

static void store(struct od_jitter *j, uint32_t ts, const uint8_t *ulaw, uint32_t bytes)
{
    uint32_t fresh = 0;
    for (uint32_t i = 0, n; i < bytes; i += n) {
        uint32_t at = ts + i, within = at % OD_JITTER_CELL, cell = at / OD_JITTER_CELL;
        n = OD_JITTER_CELL - within < bytes - i ? OD_JITTER_CELL - within : bytes - i;
        uint8_t *samples = &j->samples[cell % OD_JITTER_CELLS * OD_JITTER_CELL];
        if (!is_present(j, cell)) {
            /* A cell that a packet covers only in part keeps silence in the rest. */
            if (n < OD_JITTER_CELL)
                memset(samples, OD_ULAW_SILENCE, OD_JITTER_CELL);
            set_present(j, cell, true);
            fresh++;
        }
        memcpy(samples + within, ulaw + i, n);
    }
    if (!fresh)
        j->stats.repeated++;
    if ((int32_t)(ts + bytes - j->head_ts) > 0)
        j->head_ts = ts + bytes;
}

void od_jitter_put(struct od_jitter *jitter, uint32_t ssrc, uint32_t ts, const uint8_t *ulaw,
                   size_t bytes, uint64_t arrival_ns)
{
    if (bytes == 0 || bytes > OD_JITTER_SAMPLES / 4) {
        jitter->stats.odd++;
        return;
    }
    uint32_t count = (uint32_t)bytes;
    if (jitter->running && ssrc != jitter->ssrc) {
        jitter->running = false; /* a new source: another clock, other timestamps */
        jitter->timed = false;
        jitter->stats.jumps++;
    }
    jitter->ssrc = ssrc;
    if (!jitter->running) {
        measure(jitter, ts, arrival_ns);
        begin(jitter, ts);
    } else {
        int32_t ahead = (int32_t)(ts - jitter->play_ts);
        if (ahead < -(int32_t)OD_JITTER_SAMPLES ||
            ahead > (int32_t)(OD_JITTER_SAMPLES - count - OD_JITTER_CELL)) {
            if (!jumped(jitter, ts, count))
                return;
            jitter->timed = false;
            begin(jitter, ts);
        } else {
            measure(jitter, ts, arrival_ns);
            jitter->jumping = false;
        }
    }
    int32_t past = (int32_t)(jitter->play_ts - ts);
    if (past >= (int32_t)count) {
        jitter->stats.late++;
        return;
    }
    if (past > 0) { /* its first samples come too late, the rest is welcome */
        ts += (uint32_t)past;
        ulaw += past;
        count -= (uint32_t)past;
    }
    store(jitter, ts, ulaw, count);
}

/* Copies what was received of the frame at play_ts over `out`; returns how many cells that was. */
static uint32_t take(struct od_jitter *j, uint8_t *out)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < OD_FRAME_BYTES; i += OD_JITTER_CELL) {
        uint32_t cell = (j->play_ts + i) / OD_JITTER_CELL;
        if (!is_present(j, cell))
            continue;
        memcpy(out + i, &j->samples[cell % OD_JITTER_CELLS * OD_JITTER_CELL], OD_JITTER_CELL);
        set_present(j, cell, false);
        found++;
    }
    return found;
}

/* Shortens the delay when there was more than enough in hand for a whole window. */
static void shorten(struct od_jitter *j)
{
    int32_t held = (int32_t)(j->head_ts - j->play_ts);
    uint32_t depth = held > 0 ? (uint32_t)held : 0;
    if (depth < j->depth_min)
        j->depth_min = depth;
    if (++j->window < WINDOW)
        return;
    uint32_t wanted = TARGET_MIN + 2 * (j->jitter_16 / 16);
    j->target = wanted > TARGET_MAX ? TARGET_MAX : wanted;
    if (j->depth_min >= j->target + OD_FRAME_BYTES) {
        uint8_t dropped[OD_FRAME_BYTES];
        take(j, dropped);
        j->play_ts += OD_FRAME_BYTES;
        j->stats.skipped++;
    }
    j->window = 0;
    j->depth_min = UINT32_MAX;
}

uint32_t od_jitter_delay_ms(const struct od_jitter *jitter)
{
    int32_t held = jitter->running ? (int32_t)(jitter->head_ts - jitter->play_ts) : 0;
    return held > 0 ? (uint32_t)held / RATE_PER_MS : 0;
}

enum od_jitter_frame od_jitter_get(struct od_jitter *jitter, uint8_t out[OD_FRAME_BYTES])
{
    if (!jitter->running) {
        memset(out, OD_ULAW_SILENCE, OD_FRAME_BYTES);
        return OD_JITTER_SILENCE;
    }
    if ((int32_t)(jitter->head_ts - jitter->play_ts) < OD_FRAME_BYTES) {
        /* Dry: the packets may only be late, so play waits for them where it is. */
        od_plc_fill(&jitter->plc, out);
        jitter->stats.concealed++;
        jitter->depth_min = 0;
        if (++jitter->dry >= DRY_MAX)
            jitter->running = false;
        return OD_JITTER_CONCEALED;
    }
    jitter->dry = 0;
    bool whole = true;
    for (uint32_t i = 0; i < OD_FRAME_BYTES; i += OD_JITTER_CELL)
        whole = whole && is_present(jitter, (jitter->play_ts + i) / OD_JITTER_CELL);
    bool lead = jitter->lead > 0;
    if (lead) {
        jitter->lead--;
        memset(out, OD_ULAW_SILENCE, OD_FRAME_BYTES);
    } else if (!whole) {
        od_plc_fill(&jitter->plc, out);
    }
    uint32_t found = take(jitter, out);
    jitter->play_ts += OD_FRAME_BYTES;
    if (lead && found == 0)
        return OD_JITTER_SILENCE;
    bool joined = false; /* to what was made up before it */
    if (whole)
        joined = od_plc_good(&jitter->plc, out);
    else if (!lead)
        jitter->stats.concealed++;
    shorten(jitter);
    if (joined)
        return OD_JITTER_JOINED;
    return whole || lead ? OD_JITTER_AUDIO : OD_JITTER_CONCEALED;
}
