/*
 * core_bench - an engine on a bench: ports that write down the orders they get, events posted by
 * hand, time passed by hand. One per process, made anew for each test by bench_setup().
 */
#ifndef TESTS_UNIT_CORE_BENCH_H
#define TESTS_UNIT_CORE_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "outdial/engine.h"
#include "outdial/err.h"

enum { ORDERS_MAX = 4096 };

struct order {
    char what[12]; /* the port function's name */
    struct od_call_id call;
    struct od_job_id job;
    uint32_t lane, count;
    uint32_t trunk, attempt;
    char text[32]; /* progress state, why, or endpoint */
    struct od_outcome outcome;
    uint64_t at_ns, until_ns;
    int64_t not_before_ms;
};

struct bench {
    struct od_engine *engine;
    struct od_now now;
    struct order orders[ORDERS_MAX];
    uint32_t count, read; /* orders, and those looked at */
    uint32_t jobs;        /* handed over */
    bool answer_intents, report_sends;
};

extern struct bench bench;
extern const struct od_limits limits;
extern const struct od_lane_def lane_def;   /* one trunk, 0; open */
extern const struct od_trunk_def trunk_def; /* no rate, no cap */

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

void post(struct bench *desk, enum od_event_kind kind, struct od_call_id call);
struct od_ports ports_of(struct bench *desk);
int bench_setup(void **state);
int bench_teardown(void **state);
/* Turns until nothing is due now. */
uint64_t run(void);
/* Lets time pass, turn by turn as the engine asks for it. */
void pass(uint64_t ms);
void set_trunk(uint32_t index, const struct od_trunk_def *def);
void set_lane(uint32_t index, const struct od_lane_def *def);
void ready(uint32_t lane, uint32_t waiting);
void up(void);
struct od_event job_event(uint32_t lane, const char *to);
void job(uint32_t lane, const char *to);
void claim_done(uint32_t lane, uint32_t waiting);
/* The next order of that kind not looked at yet; others before it are passed over. */
struct order *next(const char *what);
struct order *expect(const char *what);
uint32_t ordered(const char *what);
/* The exact words of the last orders, oldest first. */
void expect_last(const char *words);
/* One lane, one trunk without a rate, one call up to the INVITE. */
struct od_call_id dial(void);
void progress(struct od_call_id call);
void reject(struct od_call_id call, uint16_t status, const char *reason);
void stop(struct od_call_id call, bool before_answer_only, enum od_cause cause);
struct od_engine_stats stats(void);

#endif
