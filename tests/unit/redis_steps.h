/*
 * redis_steps - the steps of a call's life at the store, for tests on a real Redis: made, claimed,
 * its intent written, ended. Each waits for what it expects, with a limit, and fails the test
 * without it.
 */
#ifndef TESTS_UNIT_REDIS_STEPS_H
#define TESTS_UNIT_REDIS_STEPS_H

#include "tests/contract/redis_world.h"

extern const char org[];
extern const struct od_sip_names names;

int steps_setup(void **state);
int steps_teardown(void **state);
int64_t wall_ms(void);
struct od_uid an_agent(struct world *w, const char *in);
struct od_uid a_call(struct world *w, const struct od_uid *agent, int64_t not_before_ms,
                     int64_t deadline_ms);
void some_calls(struct world *w, const struct od_uid *agent, const struct od_uid *campaign,
                struct od_uid *uids, size_t count);
uint32_t ready(struct world *w);
struct od_event claim(struct world *w, uint32_t lane, uint32_t count, struct od_event *jobs);
struct od_event claim_one(struct world *w, uint32_t lane);
void intent(struct world *w, const struct od_event *job);
void finish(struct world *w, const struct od_event *job, enum od_cause cause);
void wait_ended(struct world *w, uint32_t count);
const struct od_call_rec *look(struct world *w, const struct od_uid *uid);
void ask(struct world *w, int argc, const char *const *argv, char *out, size_t size);

#define ASK(w, out, ...)                                                                           \
    ask(w, (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)),                     \
        (const char *const[]){__VA_ARGS__}, out, sizeof out)

#define TEST(f) cmocka_unit_test_setup_teardown(f, steps_setup, steps_teardown)

#endif
