/*
 * store_contract - what every store port owes the engine, as assertions over the port and a few
 * hooks. The same suite runs over Redis and over the simulated store, so that a call's life proved
 * in simulation is the one that is lived.
 *
 * Lanes of the world are given by position ("which", 0 and 1), empty and open at the start of each
 * test. Nothing here sleeps: next() lets the world go on until an event has been posted.
 */
#ifndef TESTS_CONTRACT_STORE_CONTRACT_H
#define TESTS_CONTRACT_STORE_CONTRACT_H

#include "outdial/event.h"
#include "outdial/ports.h"
#include "outdial/repo.h"

struct od_contract_seen {
    bool found;
    uint8_t phase; /* enum od_call_phase */
    uint8_t cause; /* enum od_cause */
    uint16_t attempts;
    uint8_t tries; /* attempts on the person that ended */
    uint32_t ends; /* terminal events written for it */
};

struct od_contract {
    void *ctx;
    const struct od_store_port *port;
    /* Adds calls to a lane, in order, and gives their uids. deadline_ms 0: none. */
    void (*add)(void *ctx, unsigned which, struct od_uid *uids, size_t count, int64_t deadline_ms);
    /* The user's cancel of one call; 0 or an error as in repo.h. */
    int (*cancel)(void *ctx, const struct od_uid *uid);
    /* The next event posted; false: none came for as long as the world is willing to wait. */
    bool (*next)(void *ctx, struct od_event *out);
    /* The number that add() uses may be dialled by nobody, or by everybody again. */
    void (*suppress)(void *ctx, bool on);
    /* So many calls of the org may be up at once; 0: any. For intents written from now on. */
    void (*cap_calls)(void *ctx, uint32_t most);
    /* Calls that are added to the first lane from now on may be tried so often in all, and are a
     * moment after an attempt whose end nobody knows. */
    void (*redial)(void *ctx, uint32_t most);
    void (*look)(void *ctx, const struct od_uid *uid, struct od_contract_seen *out);
    int64_t (*wall_ms)(void *ctx);
    /* We stand still until our lease has run out and another worker has taken what we held. */
    void (*lapse)(void *ctx);
};

/* A world for one test; NULL: none could be made. */
struct od_contract_worlds {
    /* caps: on attempts per number, attempts 0 ends them; NULL: none. */
    struct od_contract *(*open)(const struct od_cap *caps);
    void (*close)(struct od_contract *contract);
};

/* Runs all tests; returns how many failed. */
int od_contract_run(const struct od_contract_worlds *worlds);

#endif
