/*
 * Goal: the simulated books of a shared rate keep what those in Redis keep. Method: the contract,
 * on a virtual clock.
 */
#include <stdlib.h>

#include "tests/contract/rate_contract.h"
#include "tests/sim/sim_books.h"

struct books {
    struct rate_world world;
    struct sim_books books;
    uint64_t now_us;
};

static uint64_t now_us(void *ctx)
{
    return ((const struct books *)ctx)->now_us;
}

static void pass(void *ctx, uint64_t us)
{
    ((struct books *)ctx)->now_us += us;
}

static void ask(void *ctx, int process, const struct od_rate_ask *ask, struct rate_answer *out)
{
    static struct sim_books_answer answer;
    struct books *books = ctx;
    books->now_us += 50; /* its way, and back */
    sim_books_ask(&books->books, books->now_us, (uint64_t)process + 1, ask, &answer);
    *out = (struct rate_answer){.sole_us = answer.sole_us, .count = answer.count};
    for (uint32_t i = 0; i < answer.count; i++)
        out->slots[i] = answer.slots[i];
}

struct rate_world *rate_world_make(void)
{
    struct books *books = calloc(1, sizeof *books);
    if (!books)
        return NULL;
    books->now_us = UINT64_C(5000000000);
    books->world = (struct rate_world){books, now_us, pass, ask};
    return &books->world;
}

void rate_world_end(struct rate_world *world)
{
    free(world->ctx);
}

int main(void)
{
    return rate_contract_run();
}
