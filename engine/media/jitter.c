/*
 * jitter - see jitter.h. The buffer is a ring of samples addressed by RTP timestamp, with one bit
 * per cell of 8 samples that says whether it was received: packets of 10, 20, 30 or 60 ms, overlaps
 * and repetitions all come out right without a notion of "packet" on the way out. All comparisons
 * of timestamps are differences modulo 2^32 (RFC 3550 section 5.1), so wrapping needs no case of
 * its own.
 */
#include "engine/media/jitter.h"

#include <stddef.h>
#include <string.h>

enum {
    TARGET_MIN = 2 * OD_FRAME_BYTES, /* one frame in hand beside the one on the way */
    TARGET_MAX =
        12 * OD_FRAME_BYTES, /* 240 ms: past that a conversation suffers more than from gaps */
    DRY_MAX = 10, /* 200 ms of nothing: the talker paused; start afresh with the next packet */
    WINDOW = 100, /* 2 s */
    RATE_PER_MS = 8,
    PRESENT_WORDS = OD_JITTER_CELLS / 64,
    FRAME_CELLS = OD_FRAME_BYTES / OD_JITTER_CELL,
    WHOLE_FRAME = (1 << FRAME_CELLS) - 1,
    CELLS_AT_ONCE = 32,
};

void od_jitter_init(struct od_jitter *jitter)
{
    memset(jitter, 0, offsetof(struct od_jitter, samples));
    jitter->target = TARGET_MIN;
    od_plc_init(&jitter->plc);
}

/* Which of `count` cells from there on were received, a bit for each; at most 32. */
static uint32_t held(const struct od_jitter *j, uint32_t cell, uint32_t count)
{
    uint32_t word = cell % OD_JITTER_CELLS / 64, shift = cell % 64;
    uint64_t bits = j->present[word] >> shift;
    if (shift)
        bits |= j->present[(word + 1) % PRESENT_WORDS] << (64 - shift);
    return (uint32_t)(bits & ((UINT64_C(1) << count) - 1));
}

static void set_held(struct od_jitter *j, uint32_t cell, uint32_t count, bool value)
{
    uint32_t word = cell % OD_JITTER_CELLS / 64, shift = cell % 64;
    uint64_t mask = (UINT64_C(1) << count) - 1;
    uint64_t low = mask << shift, high = shift ? mask >> (64 - shift) : 0;
    uint64_t *at = &j->present[word], *after = &j->present[(word + 1) % PRESENT_WORDS];
    *at = value ? *at | low : *at & ~low;
    *after = value ? *after | high : *after & ~high;
}

static uint8_t *cell_at(struct od_jitter *j, uint32_t cell)
{
    return &j->samples[cell % OD_JITTER_CELLS * OD_JITTER_CELL];
}

/* How many of the cells from there on lie before the ring's end. */
static uint32_t before_end(uint32_t cell, uint32_t count)
{
    uint32_t left = OD_JITTER_CELLS - cell % OD_JITTER_CELLS;
    return left < count ? left : count;
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

/* Whole cells. Returns how many were not there before. */
static uint32_t store_cells(struct od_jitter *j, uint32_t cell, const uint8_t *ulaw, uint32_t count)
{
    uint32_t fresh = 0;
    for (uint32_t n; count; count -= n, cell += n, ulaw += (size_t)n * OD_JITTER_CELL) {
        n = before_end(cell, count < CELLS_AT_ONCE ? count : CELLS_AT_ONCE);
        fresh += n;
        for (uint32_t twice = held(j, cell, n); twice; twice &= twice - 1) /* seldom any */
            fresh--;
        set_held(j, cell, n, true);
        memcpy(cell_at(j, cell), ulaw, (size_t)n * OD_JITTER_CELL);
    }
    return fresh;
}

/* Part of a cell; what no packet covers of it is silence. Returns 1 when it was not there before.
 */
static uint32_t store_part(struct od_jitter *j, uint32_t ts, const uint8_t *ulaw, uint32_t bytes)
{
    uint32_t cell = ts / OD_JITTER_CELL;
    uint32_t fresh = !held(j, cell, 1);
    if (fresh)
        memset(cell_at(j, cell), OD_ULAW_SILENCE, OD_JITTER_CELL);
    set_held(j, cell, 1, true);
    memcpy(cell_at(j, cell) + ts % OD_JITTER_CELL, ulaw, bytes);
    return fresh;
}

static void store(struct od_jitter *j, uint32_t ts, const uint8_t *ulaw, uint32_t bytes)
{
    uint32_t to_cell = (0u - ts) % OD_JITTER_CELL; /* samples before the first whole cell */
    uint32_t first = to_cell < bytes ? to_cell : bytes;
    uint32_t last = (bytes - first) % OD_JITTER_CELL, whole = bytes - first - last;
    uint32_t fresh = first ? store_part(j, ts, ulaw, first) : 0;
    fresh += store_cells(j, (ts + first) / OD_JITTER_CELL, ulaw + first, whole / OD_JITTER_CELL);
    if (last)
        fresh += store_part(j, ts + first + whole, ulaw + first + whole, last);
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

/* The frame at play_ts leaves the ring: what `have` says was received of it goes over `out`. */
static void take(struct od_jitter *j, uint32_t have, uint8_t *out)
{
    uint32_t cell = j->play_ts / OD_JITTER_CELL; /* play moves in whole cells */
    if (have == WHOLE_FRAME) {
        size_t n = (size_t)before_end(cell, FRAME_CELLS) * OD_JITTER_CELL;
        memcpy(out, cell_at(j, cell), n);
        memcpy(out + n, j->samples, OD_FRAME_BYTES - n);
    } else {
        for (uint32_t i = 0; i < FRAME_CELLS; i++)
            if (have >> i & 1)
                memcpy(out + (size_t)i * OD_JITTER_CELL, cell_at(j, cell + i), OD_JITTER_CELL);
    }
    set_held(j, cell, FRAME_CELLS, false);
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
        set_held(j, j->play_ts / OD_JITTER_CELL, FRAME_CELLS, false);
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
    uint32_t have = held(jitter, jitter->play_ts / OD_JITTER_CELL, FRAME_CELLS);
    bool whole = have == WHOLE_FRAME;
    bool lead = jitter->lead > 0;
    if (lead) {
        jitter->lead--;
        memset(out, OD_ULAW_SILENCE, OD_FRAME_BYTES);
    } else if (!whole) {
        od_plc_fill(&jitter->plc, out);
    }
    take(jitter, have, out);
    jitter->play_ts += OD_FRAME_BYTES;
    if (lead && !have)
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
