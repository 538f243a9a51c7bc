/*
 * population: who is at a number, and what they will do with this call. A pure function of the
 * seed, the number and the how-manieth attempt on it, so a run repeats whatever order the calls
 * arrive in, and changing one key of the profile changes only what that key rules. Called by the
 * node once per accepted INVITE.
 */
#ifndef OD_BENCH_CARRIER_POPULATION_H
#define OD_BENCH_CARRIER_POPULATION_H

#include "bench/carrier/profile.h"

#include <stdbool.h>

enum od_plan_kind {
    OD_PLAN_ANSWER,
    OD_PLAN_NO_ANSWER,
    OD_PLAN_BUSY,
    OD_PLAN_DECLINE,
    OD_PLAN_FAIL,
    OD_PLAN_SILENT,
    OD_PLAN_KINDS
};

enum od_plan_talk {
    OD_TALK_HELLO,   /* greets, listens, answers in turn */
    OD_TALK_MACHINE, /* a long greeting, a beep, then listens */
    OD_TALK_BABBLE,  /* talks on and on */
    OD_TALK_SILENCE  /* says nothing */
};

/* What one call will do. A plain value. */
struct od_plan {
    enum od_plan_kind kind;
    int fail_status;
    uint32_t pdd_ms, ring_ms;
    bool early_media;
    enum od_plan_talk talk;
    bool tones;                         /* keys as tones in the audio, not events */
    char digits[OD_PROFILE_WORD_BYTES]; /* "" for none */
    bool digits_after_turn;             /* else digit_delay_ms after the answer */
    uint32_t digit_delay_ms;
    bool hangs_up;
    uint32_t hangup_ms;
    uint64_t voice; /* seeds everything about how it sounds */
};

/* attempt counts from 1. */
void od_population_draw(const struct od_profile *, const char *number, uint32_t attempt,
                        struct od_plan *);

/* A stream of 64 random bits a call (splitmix64, Steele et al. 2014), for the voice and the faults.
 */
uint64_t od_population_next(uint64_t *state);

/* The same as a number in [0,1). */
double od_population_unit(uint64_t *state);

const char *od_plan_kind_name(enum od_plan_kind);
const char *od_plan_talk_name(enum od_plan_talk);

#endif
