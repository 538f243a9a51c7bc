/*
 * outbox_claims - a worker of the test's own at an outbox: claims as they came, kept and answered
 * by the test, and the calls that make rows. One world at a time.
 */
#ifndef TESTS_CONTRACT_OUTBOX_CLAIMS_H
#define TESTS_CONTRACT_OUTBOX_CLAIMS_H

#include "proto/redis/redis_outbox.h"
#include "tests/contract/redis_world.h"

#define CLAIMS_ORG "acme"

/* A claim as it came, its texts copied. */
struct got {
    char chain[64], token[64];
    size_t chain_bytes;
    struct od_hook_row rows[16];
    struct od_outbox_then then[16];
    struct od_uid agent;
    int64_t agent_ms;
    char memory[8192], record[8192], lane[64], scratch[8192];
    size_t row_count, record_bytes, lane_bytes;
    struct od_hook_endpoint point;
    bool has_point;
    char url[256];
};

extern struct got *claims; /* of the present test */
extern size_t claim_count;

int claims_setup(void **state);
int claims_teardown(void **state);
void claims_listen(struct world *w);
/* So many have come, and no more. */
void claims_wait(struct world *w, size_t count);
void claims_no_more(struct world *w);
/* what: a letter for each row (od_outbox_result); missing ones stay pending. */
void claims_ack(struct world *w, struct got *got, const char *what, int64_t due_ms);
struct od_uid claims_agent(struct world *w, const char *doc);
struct od_uid claims_call(struct world *w, const struct od_uid *agent, const char *url,
                          uint8_t hooks);
/* The call is about to be dialled. */
struct od_event claims_begin(struct world *w);
void claims_live(struct world *w, struct od_event job, enum od_cause cause);
/* The call's whole life: rings, is answered, ends. */
void claims_dial(struct world *w, enum od_cause cause);
/* A script of the test's own, with KEYS[1] as ours have it. */
void claims_eval(struct world *w, const char *script, const char *arg, const char *reply);

#endif
