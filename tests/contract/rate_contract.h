/*
 * rate_contract - what the books of a shared rate promise (outdial/ports.h, od_rate_port), asked of
 * the simulated ones and of those in Redis by the same assertions. A world brings three processes
 * and a clock; it may be busy or slow, so nothing here asks how fast an answer comes.
 */
#ifndef TESTS_CONTRACT_RATE_CONTRACT_H
#define TESTS_CONTRACT_RATE_CONTRACT_H

#include "outdial/ports.h"

enum { RATE_PROCESSES = 3, RATE_SLOTS_MAX = 1024 };

struct rate_answer {
    uint64_t sole_us;  /* until then the process has the rate alone; 0: it has not */
    uint64_t slack_us; /* a slot is at its moment, or so much earlier */
    uint32_t count;
    uint64_t slots[RATE_SLOTS_MAX]; /* moments of the world's clock */
};

struct rate_world {
    void *ctx;
    uint64_t (*now_us)(void *ctx);
    void (*pass)(void *ctx, uint64_t us);
    void (*ask)(void *ctx, int process, const struct od_rate_ask *ask, struct rate_answer *out);
};

/* Made and ended by the world's file, around each test. */
struct rate_world *rate_world_make(void);
void rate_world_end(struct rate_world *world);

/* Runs the suite; the number of tests that failed. */
int rate_contract_run(void);

#endif
