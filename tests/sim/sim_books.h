/*
 * sim_books - the books of one rate that several processes share, as proto/redis/scripts/share.lua
 * keeps them: the same rules in C, for worlds on a virtual clock.
 *
 * Lifetime: all zero to begin with; the owner's memory.
 */
#ifndef TESTS_SIM_SIM_BOOKS_H
#define TESTS_SIM_SIM_BOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "outdial/ports.h"

enum { SIM_BOOKS_PROCESSES = 16, SIM_BOOKS_SLOTS = 1024 };

struct sim_books_process {
    uint64_t id, seen_us, last_us;
    uint32_t want, count;
    uint64_t slots[SIM_BOOKS_SLOTS]; /* given, not heard of */
};

struct sim_books {
    uint64_t next_us, owner, until_us; /* owner 0: nobody has it alone */
    uint64_t interval_us;              /* from the last slot to next_us; 0: there is none */
    uint32_t turn, count;
    struct sim_books_process processes[SIM_BOOKS_PROCESSES];
};

struct sim_books_answer {
    uint64_t sole_us; /* 0: others use it, too */
    uint32_t count;
    uint64_t slots[SIM_BOOKS_SLOTS];
};

/* One process (id not 0) asks at that moment of the books' clock, in us. */
void sim_books_ask(struct sim_books *books, uint64_t now_us, uint64_t id,
                   const struct od_rate_ask *ask, struct sim_books_answer *answer);

#endif
