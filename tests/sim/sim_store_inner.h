/*
 * sim_store_inner - what the two halves of the simulated store share: sim_server.c is the server,
 * sim_store.c the adapter, its connection, and what the test does to both.
 */
#ifndef TESTS_SIM_SIM_STORE_INNER_H
#define TESTS_SIM_SIM_STORE_INNER_H

#include "tests/sim/sim_store.h"

enum op_kind { OP_CLAIM, OP_INTENT, OP_PROGRESS, OP_RELEASE, OP_FINISH };

struct op {
    enum op_kind kind;
    uint32_t job; /* index; not of CLAIM */
    struct od_call_id call;
    uint16_t attempt;     /* INTENT */
    uint32_t lane, count; /* CLAIM */
    int64_t not_before_ms;
    struct od_outcome outcome;
    char progress[16];
    /* written by the server */
    bool applied, accepted;
    uint32_t got, *claimed;
};

struct ops {
    struct op *at;
    uint32_t count, size;
};

enum job_state { JOB_FREE, JOB_LIVE, JOB_GIVEN_BACK };

struct job {
    uint32_t gen;
    enum job_state state;
    uint32_t contact, fence;
    uint16_t attempt;
    bool asked, durable;    /* intent ordered; intent reported durable */
    bool leg_durable;       /* its second leg's, likewise */
    struct od_call_id call; /* of its intent */
};

struct lane {
    uint32_t *list; /* ring of contacts, oldest first; some may have been ended meanwhile */
    uint32_t head, count;
    uint32_t waiting;
};

enum { NUMBERS_MAX = 64, LOG_MAX = 64 };

/* What is kept of a number: whether nobody may dial it, and when it was dialled. */
struct number {
    char to[OD_ENDPOINT_MAX];
    bool suppressed;
    uint32_t count;
    int64_t log[LOG_MAX];
};

struct sim_store {
    struct sim_clock *clock;
    struct od_rng *rng;
    struct sim_store_config config;
    struct od_store_port port;
    struct sim_contact *contacts;
    uint32_t contact_count, ended;
    uint32_t place_max, placed; /* calls at once: the cap, how many there are */
    struct lane *lanes;
    struct job *jobs;
    uint32_t jobs_used;
    struct ops gathered, flight;
    struct number numbers[NUMBERS_MAX];
    uint32_t number_count;
    bool up, flying, lapsed; /* lapsed: another worker has what we held, we don't know yet */
    bool paused, late;       /* our process stands still; late: a reply has come meanwhile */
    uint64_t epoch;          /* of the connection */
    uint64_t sent_ns;        /* of the exchange under way */
    uint64_t began_ns;
    bool beat; /* an exchange is due with or without orders */
    uint64_t hash;
};

/* The server */

void sim_server_apply(struct sim_store *store, struct ops *ops);
/* To the end, or the front, of its lane. */
void sim_server_push(struct sim_store *store, uint32_t number, bool front);
void sim_server_end(struct sim_store *store, struct sim_contact *contact, enum od_cause cause);
void sim_server_wait(struct sim_store *store, struct sim_contact *contact, int64_t due_ms);
/* A timer's: the contact is its lane's again, if its fence is still that. */
void sim_server_put_back(void *ctx, uint64_t number, uint64_t fence);
struct number *sim_server_number(struct sim_store *store, const char *to, bool make);

#endif
