/*
 * beep - see beep.h. All lengths are in frames of 20 ms.
 */
#include "engine/media/beep.h"

#include <string.h>

enum {
    LENGTH_MIN = 4,      /* 80 ms */
    LENGTH_MAX = 125,    /* 2.5 s */
    LENGTH_MAX_LOW = 21, /* 420 ms: a network's tones are on for longer, E.180 */
    LOW_HZ = 520,
    QUIET = 26,    /* behind it: 520 ms; the rests of a melody and of busy tones are shorter */
    QUIET_DB = 15, /* softer than the beep by that much is quiet */
    GAP_MAX = 9,   /* between two parts of a double beep: 180 ms */
    ALONE = 100,   /* no other tone for 2 s before */
    STEADY_DB = 3,
    VOICE_MIN = 15,      /* 300 ms of something that was no tone */
    VOICE_AGO_MAX = 750, /* 15 s */
    VOICE_DBOV = 48,
};

void od_beep_init(struct od_beep *beep)
{
    memset(beep, 0, sizeof *beep);
}

static bool is_low(const struct od_tone_run *run)
{
    return run->hz < LOW_HZ;
}

/* A run that ended now: does it look like a beep as far as it goes? */
static bool looks_right(const struct od_beep *b, const struct od_tone_run *run, uint32_t start)
{
    if (run->frames < LENGTH_MIN || run->frames > (is_low(run) ? LENGTH_MAX_LOW : LENGTH_MAX))
        return false;
    if (run->dbov_low > run->dbov + STEADY_DB)
        return false;
    if (b->tone_last && start < b->tone_last + ALONE)
        return false;
    return b->voice >= VOICE_MIN && start < b->voice_last + VOICE_AGO_MAX;
}

static void on_run(struct od_beep *b, const struct od_tone *tone)
{
    const struct od_tone_run *run = &tone->run;
    uint32_t end = b->now - tone->missing;
    uint32_t start = end > run->frames ? end - run->frames : 0;
    if (run->frames < 3 && !b->candidate_end)
        return; /* a vowel now and then looks like one for a moment */
    bool follows = b->candidate_end && start <= b->candidate_end + GAP_MAX + 1 &&
                   od_tone_near(run->hz, b->candidate.hz);
    if (follows) {
        b->candidate.frames = (uint16_t)(end - b->candidate_start);
        b->candidate_end = end;
        b->quiet = 0;
        if (looks_right(b, &b->candidate, b->candidate_start))
            return;
    } else if (!b->candidate_end && looks_right(b, run, start)) {
        b->candidate = *run;
        b->candidate_start = start;
        b->candidate_end = end;
        b->quiet = 0;
        return;
    }
    b->candidate_end = 0;
    b->tone_last = end;
}

static void give_up(struct od_beep *b)
{
    b->tone_last = b->candidate_end;
    b->candidate_end = 0;
}

bool od_beep_put(struct od_beep *beep, const struct od_tone_frame *frame,
                 const struct od_tone *tone, bool ended)
{
    beep->now++;
    if (ended)
        on_run(beep, tone);
    if (!frame->tone && frame->dbov < VOICE_DBOV && tone->run.over && !beep->candidate_end) {
        beep->voice++;
        beep->voice_last = beep->now;
    }
    if (!beep->candidate_end)
        return false;
    bool quiet = frame->dbov > beep->candidate.dbov + QUIET_DB;
    if (frame->tone) /* the next part of a double beep, or another tone: its end will tell */
        return false;
    if (!quiet && beep->now > beep->candidate_end + OD_TONE_BRIDGE + 1) {
        give_up(beep);
        return false;
    }
    beep->quiet = quiet ? (uint16_t)(beep->quiet + 1) : 0;
    if (beep->quiet < QUIET)
        return false;
    beep->hz = beep->candidate.hz;
    beep->frames = beep->candidate.frames;
    give_up(beep);
    return true;
}
