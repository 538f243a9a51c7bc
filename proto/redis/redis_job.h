/*
 * redis_job - the table of claimed calls: what the engine holds, and what it has ordered for each
 * and is not yet stored. A job leaves the table when its release or finish is stored (or refused).
 *
 * Lifetime: owned by the store; all slots are taken at init. A job's texts are one allocation.
 */
#ifndef PROTO_REDIS_REDIS_JOB_H
#define PROTO_REDIS_REDIS_JOB_H

#include "outdial/ports.h"
#include "proto/redis/redis_store.h"
#include "proto/wire/wire.h"

struct od_redis_org;

enum { /* orders, in the order in which they reach the store */
       OD_JOB_INTENT = 1,
       OD_JOB_PROGRESS = 2,
       OD_JOB_LEG = 4, /* of its second leg */
       OD_JOB_TRANSFER = 8,
       OD_JOB_RELEASE = 16,
       OD_JOB_FINISH = 32,
       OD_JOB_BURY = 64, /* its record can't be read: the engine never hears of it */
       OD_JOB_FINAL = OD_JOB_RELEASE | OD_JOB_FINISH | OD_JOB_BURY,
};

/* A call's second leg, for the ledger. */
struct od_redis_leg {
    struct od_call_id call;
    struct od_sip_names names;
    uint32_t trunk;
    bool sent;           /* it rings or is answered: more can be said of it */
    bool stored;         /* its intent is */
    bool awaits_journal; /* it is in Redis and not yet on the local disk */
    uint64_t place;      /* in the journal, of what was told of it last */
    char to[OD_ENDPOINT_MAX];
};

struct od_redis_job {
    struct od_job pub;
    struct od_redis_org *org;
    uint32_t index, gen; /* gen 0: the slot is free */
    uint32_t fence;
    uint8_t want;    /* orders not yet sent */
    uint8_t sent;    /* orders under way */
    bool listed;     /* in its org's list of jobs with orders */
    bool shared;     /* attempts on its number are counted over all campaigns */
    bool intended;   /* an intent of it is stored */
    bool missing;    /* Redis has forgotten the call: what becomes of it is told all the same */
    bool given_up;   /* the engine has ordered release or finish: it hears RELEASED, nothing else */
    uint16_t stored; /* the attempt of the latest that is */
    bool awaits_journal;      /* its intent is in Redis and not yet on the local disk */
    bool journal_only;        /* its outcome is there, and Redis is told of it from there */
    bool gone;                /* it has been: the slot is free once it is off the list */
    uint16_t journal_number;  /* the attempt that was written last */
    uint32_t journal_segment; /* pinned by it; 0: none */
    uint64_t journal_place;   /* of its intent */
    uint64_t note_place;      /* of what was told of it last */
    char *ending;             /* what it takes to end its leg, as last written */
    size_t ending_bytes;
    size_t held_bytes; /* counted while its outcome is not stored */
    struct od_redis_job *next;
    uint32_t chain; /* next slot + 1 of the same hash, or of the free list */
    void *texts;
    char *data;               /* a start hook's texts; NULL: none */
    struct od_redis_leg *leg; /* NULL: it never had a second one */

    /* arguments of the orders */
    struct od_call_id call;
    struct od_sip_names names;
    uint32_t trunk;
    int64_t intent_ms, ringing_ms, answered_ms, transfer_ms, due_ms;
    uint8_t transfers; /* its callee was handed on so often, last at transfer_ms */
    char why[OD_NAME_MAX];
    struct od_outcome outcome;
    char *result;
    size_t result_bytes;
    char *media;
    size_t media_bytes;
};

struct od_redis_jobs {
    /* read by the owner */
    uint32_t max, used;
    /* private */
    struct od_redis_job *slots;
    uint32_t *buckets; /* slot + 1 */
    uint32_t mask, free;
};

int od_redis_jobs_init(struct od_redis_jobs *jobs, uint32_t max);
void od_redis_jobs_deinit(struct od_redis_jobs *jobs);

/* A job for the call, findable by its uid. NULL: the table is full or memory is short. */
struct od_redis_job *od_redis_jobs_get(struct od_redis_jobs *jobs, const struct od_uid *uid);
void od_redis_jobs_put(struct od_redis_jobs *jobs, struct od_redis_job *job);

/* Frees its texts and documents; its place and its outcome stay. */
void od_redis_job_thin(struct od_redis_job *job);

/* NULL when there is none. */
struct od_redis_job *od_redis_jobs_of(const struct od_redis_jobs *jobs, struct od_job_id id);
struct od_redis_job *od_redis_jobs_find(const struct od_redis_jobs *jobs, const struct od_uid *uid);

/* Copies what a record says of the job into `out`, with hook as the webhook of a call that names
 * none. *texts holds the copies, to be freed by the caller. OD_ENOMEM. */
int od_redis_job_fill(struct od_job *out, void **texts, const struct od_wire_call *record,
                      struct od_text hook);

#endif
