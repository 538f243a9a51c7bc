/*
 * sim_store - a simulated store behind the store port: a server that keeps contacts in lanes and
 * applies what reaches it, and an adapter that gathers orders, sends one batch at a time, loses
 * replies and sends again. It checks the engine's side of the port's contract as it goes: each job
 * given back exactly once, no order about a job that is gone, each contact ended exactly once.
 *
 * Lifetime: owned by the test; the clock, the generator and the port's user outlive it.
 */
#ifndef TESTS_SIM_SIM_STORE_H
#define TESTS_SIM_SIM_STORE_H

#include "engine/base/rng.h"
#include "outdial/event.h"
#include "outdial/ports.h"
#include "tests/sim/sim_clock.h"

struct sim_store;

struct sim_store_config {
    uint32_t contacts_max, lanes_max;
    uint32_t lease_ms;     /* 0: none is kept */
    uint64_t lease_for_ns; /* for so long; then what we hold stays ours */
    uint32_t latency_us;   /* from order to reply, usually; half to one and a half of it */
    struct od_cap caps[OD_CAPS_MAX]; /* on attempts per number; attempts 0 ends them */
    /* Attempts whose end nobody knows are followed by others, so long after, up to so many attempts
     * on the person; 0: never. */
    uint32_t redial_most, redial_ms;
    /* Where the adapter's events go. */
    void (*post)(void *ctx, const struct od_event *event);
    void *ctx;
};

enum sim_phase {
    SIM_WAITING,
    SIM_LATER, /* given back with a time before which it must not be claimed */
    SIM_HELD,
    SIM_TAKEN, /* another worker has it */
    SIM_ENDED,
};

/* A contact as the server sees it. */
struct sim_contact {
    struct od_uid uid;
    uint32_t lane;
    uint8_t phase; /* enum sim_phase */
    uint8_t ends;  /* terminal states written: 1 at the end, never more */
    bool intent;   /* the present attempt's intent is written */
    bool stop;     /* the user wants it over; its holder was asked */
    bool listed;   /* on its lane's list */
    bool stopped;  /* the user wants no further attempt either */
    bool placed;   /* counts against the cap on calls at once */
    bool lapsed;   /* was taken from us when our lease ran out */
    uint16_t attempts;
    uint8_t tries;      /* attempts on the person that ended */
    int64_t due_ms;     /* LATER: not before */
    int64_t intent_ms;  /* of the present attempt, as it stands in its number's log */
    uint8_t last_cause; /* of the attempt before, when it was to be tried again */
    int64_t last_ms;    /* its end */
    uint32_t fence;
    int64_t deadline_ms;
    /* its hours: open for open_ms out of each period_ms; 0: always */
    int64_t period_ms, open_ms;
    struct od_outcome outcome;
    char to[OD_ENDPOINT_MAX];
    char progress[16]; /* the last progress reported */
};

struct sim_store *sim_store_create(struct sim_clock *clock, struct od_rng *rng,
                                   const struct sim_store_config *config);
void sim_store_destroy(struct sim_store *store);
const struct od_store_port *sim_store_port(struct sim_store *store);

/* Connects: STORE_UP and what waits in the lanes follow. */
void sim_store_up(struct sim_store *store);

/* The connection breaks: STORE_DOWN follows; what was on its way may or may not have arrived. */
void sim_store_down(struct sim_store *store);

/* A contact for a lane; returns its number. uid is made from the number and `salt`. */
uint32_t sim_store_add(struct sim_store *store, uint32_t lane, const char *to, int64_t deadline_ms,
                       uint64_t salt);

/* Nobody dials that number any more: its calls end when their turn has come. */
void sim_store_suppress(struct sim_store *store, const char *to, bool on);

/* So many contacts may have a call up at once, from now on; 0: any. */
void sim_store_cap_calls(struct sim_store *store, uint32_t most);

/* As redial_most and redial_ms of the configuration. */
void sim_store_redial(struct sim_store *store, uint32_t most, uint32_t after_ms);

/* The contact's hours at that moment. */
struct od_window sim_contact_window(const struct sim_contact *contact, int64_t wall_ms);

/* The user's cancel. What has not been dialled is ended here; true: we hold it, it is to be told.
 */
bool sim_store_stop(struct sim_store *store, uint32_t contact);

/* Another worker takes a contact that we hold, as if our lease had run out. */
void sim_store_take_over(struct sim_store *store, uint32_t contact);

/* To set what a test wants of a contact that has not been handed over yet. */
struct sim_contact *sim_store_edit(struct sim_store *store, uint32_t contact);

/* Our lease has run out: another worker takes all that we hold. We learn of it with our next
 * exchange: LOST for what has an intent; nothing of it may be dialled any more. */
void sim_store_lapse(struct sim_store *store);

/* The process stands still; when it goes on, what has come meanwhile is looked at a moment later.
 */
void sim_store_pause(struct sim_store *store);
void sim_store_resume(struct sim_store *store);

const struct sim_contact *sim_store_contact(const struct sim_store *store, uint32_t contact);
uint32_t sim_store_contacts(const struct sim_store *store);
uint32_t sim_store_ended(const struct sim_store *store);

/* True while the job's claim is the one that counts. */
bool sim_store_ours(const struct sim_store *store, struct od_job_id job);

/* True when the intent of its call's second leg was reported durable. */
bool sim_store_leg_durable(const struct sim_store *store, struct od_job_id job);

/* The contact of a job that is not given back yet, UINT32_MAX: none such. *durable: its intent was
 * reported durable. */
uint32_t sim_store_job(const struct sim_store *store, struct od_job_id job, bool *durable,
                       uint16_t *attempt);

/* Waiting in a lane, on the server. */
uint32_t sim_store_waiting(const struct sim_store *store, uint32_t lane);

/* Orders and jobs not finished yet, and a connection to be made: 0 at rest. */
uint32_t sim_store_busy(const struct sim_store *store);

/* Violations that can only be seen when all is over: contacts held by nobody, and the like. */
void sim_store_check_end(struct sim_store *store, bool all_ended);

uint64_t sim_store_hash(const struct sim_store *store);

#endif
