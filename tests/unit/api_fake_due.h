/*
 * api_fake_due - what an operation of the fake repo owes its caller until fake_repo_run() gives it.
 */
#ifndef TESTS_UNIT_API_FAKE_DUE_H
#define TESTS_UNIT_API_FAKE_DUE_H

#include "tests/unit/api_fake_repo.h"

enum { FOUND_MAX = 1000 };

enum answer_kind {
    DONE,
    AGENTS,
    THINGS,
    CAMPAIGNS,
    CALLS,
    ADDED,
    EVENTS,
    GUARD,
    WHY,
    SUPPRESSIONS,
    DEAD,
};

struct fake_answer_due {
    struct fake_answer_due *next;
    enum answer_kind kind;
    union {
        od_repo_done_fn done;
        od_repo_agents_fn agents;
        od_repo_things_fn things;
        od_repo_campaigns_fn campaigns;
        od_repo_calls_fn calls;
        od_repo_added_fn added;
        od_repo_events_fn events;
        od_repo_why_fn why;
        od_repo_suppressions_fn suppressions;
        od_repo_dead_fn dead;
        void (*guard)(void *ctx, int err);
    } fn;
    void *ctx;
    int err;
    size_t found[FOUND_MAX], count; /* indices of what was found */
    uint64_t next_cursor;
    size_t stored;
    uint32_t twice[FOUND_MAX];
    size_t twice_count;
    char last[40];
};

/* What was set aside: one call, whose record stays unreadable. */
#define FAKE_DAMAGED_ID "0193c1a2-4b5c-7d6e-8f90-a1b2c3d4e5f6"

/* Room for one more, doubling at each power of two. */
void *fake_grow(void *array, size_t count, size_t size);
char *fake_text(struct od_text text); /* a copy */

/* The next answer that is owed, with the failure that the test has asked for. */
struct fake_answer_due *fake_owe(struct fake_repo *repo, enum answer_kind kind, void *ctx);

/* The operations of calls, of what holds them back, of the dead set and of events. */
void fake_calls_init(struct fake_repo *repo);
void fake_calls_deinit(struct fake_repo *repo);

#endif
