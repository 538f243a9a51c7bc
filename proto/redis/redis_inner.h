/*
 * redis_inner - what the files of the store share: the store, an org in it, and who may call whom.
 *
 *   redis_store   life, orgs, when to act                       (calls sync and turn)
 *   redis_port    the engine's orders, noted for the next turn
 *   redis_sync    taking up service in an org; changes; the dead (ends by od_redis_org_ready)
 *   redis_turn    one turn: orders out, verdicts and jobs in
 *   redis_journal what is kept on the local disk too, and told to Redis from there
 *   redis_repo*   the API's requests
 *   redis_acked   calls acknowledged lately, looked for in a Redis that takes another's place
 *   redis_guard   API keys, idempotency
 *   redis_gather  requests that share a script
 *   redis_live    what was changed of running trunks
 *   redis_share   rates shared with other processes
 *   redis_watch   what other processes say of keys
 *
 * Stages of the store: DOWN (no connection) -> CHECKING (INFO asked) -> SERVING (orgs are taken up
 * one by one; up when all have been). Any trouble drops the connection, which leads back to DOWN.
 */
#ifndef PROTO_REDIS_REDIS_INNER_H
#define PROTO_REDIS_REDIS_INNER_H

#include "proto/journal/journal.h"
#include "proto/redis/redis_cmd.h"
#include "proto/redis/redis_conn.h"
#include "proto/redis/redis_job.h"
#include "proto/redis/redis_key.h"
#include "proto/redis/redis_lane.h"
#include "proto/redis/redis_outbox.h"
#include "proto/redis/redis_script.h"
#include "proto/redis/redis_store.h"

#include <hiredis/hiredis.h>

/* A turn's size: its script takes some 10 us per order or claim, and carries up to so many of each
 * (measured: about 3 ms in Redis for a full one). */
enum { OD_TURN_UNITS_MAX = 256, OD_TURN_BYTES_MAX = 1024 * 1024 };

enum od_store_stage { OD_STORE_DOWN, OD_STORE_CHECKING, OD_STORE_SERVING, OD_STORE_CLOSING };

struct od_redis_claim {
    uint32_t lane;  /* the engine's number */
    uint32_t count; /* the engine's */
    uint32_t ask;   /* of Redis: what there is room for */
};

struct od_redis_claims {
    struct od_redis_claim *all;
    size_t count, size;
};

/* An order under way: which job, which order. */
struct od_redis_sent {
    struct od_job_id job;
    uint8_t order;
};

/* redis_outbox.c: what became of claimed chains, not yet stored or under way. */
struct od_redis_ack;
struct od_redis_acks {
    struct od_redis_ack *first, **last;
    uint32_t count;
};

struct od_redis_outbox {
    struct od_redis_acks waiting, sent;
    bool busy;
    uint64_t due_ms, turn_at_ms; /* due: monotonic; UINT64_MAX: nothing waits */
};

/* A call whose storing was acknowledged. */
struct od_redis_noted {
    struct od_uid uid;
    uint64_t ms;
    bool told; /* that it is missing */
};

/* redis_acked.c */
struct od_redis_acked {
    struct od_redis_noted *ring; /* oldest first, from head */
    uint32_t size, head, count;
    uint32_t asked; /* of them, by the check under way */
    bool asking;
    char run_id[41];   /* of the Redis they are known to be in */
    char asked_of[41]; /* of the one the check under way is about */
};

struct od_redis_org {
    struct od_store *store;
    char name[OD_NAME_MAX];
    char prefix[OD_REDIS_KEY_MAX];
    uint32_t worker;   /* our number; 0: none yet, or lost */
    uint32_t before;   /* the number under which what we hold was claimed, when it isn't that one */
    uint64_t lease_ns; /* mono: until then what we hold is ours for sure */
    uint32_t reconciled; /* slots of the job table told of, while taking up */
    /* what the journal's book says of this org: places in ledger.told */
    uint32_t told_from, told_to, told_end;
    bool chosen;
    bool awaits; /* others are still to tell this Redis what they have dialled */
    uint64_t meet_at_ms;
    bool ready;  /* taken up: turns run */
    bool proved; /* and one was answered since: what turns touch can be read and written */
    bool fresh;  /* under a new number: it holds nothing yet */
    bool syncing;
    struct od_redis_lane_numbers numbers;

    /* what is new */
    uint64_t agents_rev, lanes_rev, things_rev;
    bool changes_busy;
    uint64_t stop_seq; /* of the last stop order passed on */
    bool reap_busy;
    uint64_t reap_at_ms;
    struct od_uid *sweeps; /* campaigns with an unfinished cancel */
    size_t sweep_count;

    /* orders not yet sent */
    struct od_redis_job *first, **last;
    uint32_t listed;
    struct od_redis_claims claims;

    /* the turn under way */
    bool turn_busy;
    bool news; /* this process changed something: the next turn doesn't wait for the heartbeat */
    uint64_t turn_at_ms, turn_at_ns, use_at_ms; /* use: when it was told last */
    struct od_redis_sent *sent;
    size_t sent_count, sent_size;
    struct od_redis_claims asked;
    uint32_t asked_total;

    struct od_redis_outbox outbox;
    struct od_redis_acked acked;
};

/* The call's storing has been acknowledged. */
void od_redis_acked_note(struct od_redis_org *org, const struct od_uid *uid);
/* Asks a Redis that is another one than before for what was acknowledged lately. */
void od_redis_acked_check(struct od_redis_org *org);
void od_redis_acked_deinit(struct od_redis_org *org);

struct od_repo_call;

enum od_gather_kind { OD_GATHER_ADD, OD_GATHER_CALL, OD_GATHER_AGENT, OD_GATHER_KINDS };

/* Requests that leave together when this turn of the loop is over; redis_gather.h */
struct od_redis_gathered {
    struct od_repo_call *first, **last;
    size_t count;
};

/* An intent that is in Redis and not yet on the local disk. */
struct od_redis_wait {
    struct od_job_id job;
    uint64_t place;
    bool second; /* of its second leg */
};

/* redis_journal.c */
struct od_redis_ledger {
    struct od_journal *journal;   /* NULL: none is kept */
    struct od_journal_book *book; /* while Redis is told of it */
    uint32_t *told;               /* which of its attempts, org by org */
    size_t told_count, told_size;
    bool recalling, wanted; /* the book; wanted: by the connection that is up */
    bool legs_told;         /* legs of a process before this one are being ended */
    bool settled;           /* what was there at the start has been told */
    bool tell_all;          /* this Redis may have forgotten what it had stored */
    bool slow;
    char trouble[128]; /* why nothing may be dialled; "": all is well */
    struct od_redis_wait *waits;
    size_t wait_count, wait_size;
    uint64_t flush_ms, flushed_records;
    size_t held_bytes, held_max; /* of documents of outcomes that are not stored */
    uint32_t only;               /* outcomes that are in the journal alone */
    uint64_t documents_lost;
};

struct od_store {
    uv_loop_t *loop;
    struct od_store_config config; /* its strings are not kept */
    struct od_store_events events;
    struct od_store_port port;
    struct od_repo_port repo;
    struct od_guard_port guard;
    struct od_redis_watch *watch;
    struct od_redis_share *share;
    struct od_rate_port rate_port;
    struct od_redis_held *held; /* redis_held.c: what Redis is still to be told */
    unsigned held_count;
    bool live_busy;
    uint64_t live_at_ms, live_asked, live_written; /* at: the next look; counts of writes */
    struct od_outbox_port outbox_port;
    struct od_outbox_events outbox; /* all NULL: nothing is delivered here */
    char worker[OD_NAME_MAX];
    uint8_t caps[OD_CAPS_MAX * OD_WIRE_CAP_BYTES]; /* as the scripts want them */
    size_t caps_bytes;
    struct od_redis_conn *conn;
    struct od_redis_cmd cmd; /* scratch: begin .. send */
    uint8_t *scratch;        /* one row or order, OD_STORE_SCRATCH bytes */
    struct od_redis_jobs jobs;
    struct od_redis_ledger ledger;
    struct od_redis_lanes lanes;
    struct od_redis_org **orgs;
    uint32_t org_count, org_size, org_known; /* known: as Redis counts them */
    enum od_store_stage stage;
    bool up, was_up, closing;
    char why[192];
    char run_id[41];        /* of the Redis that is connected, or was last */
    char run_id_before[41]; /* of the one that has been told everything */
    uv_timer_t timer;       /* the next thing that is due */
    uv_idle_t idle;         /* something is due when this turn of the loop is over */
    uint64_t connected_ms, orgs_at_ms, close_at_ms;
    struct od_redis_gathered gathered[OD_GATHER_KINDS];
    struct od_repo_call *deferred, **deferred_last;
    struct od_store_stats stats;
    uint32_t handles;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

enum {
    OD_STORE_SCRATCH = OD_WIRE_JOB_MAX + OD_WIRE_ORDER_MAX + OD_WIRE_DOC_MAX + OD_WIRE_MEDIA_MAX
};

/* redis_port.c */

void od_redis_port_init(struct od_store *store);
bool od_redis_claims_add(struct od_redis_claims *claims, uint32_t lane, uint32_t count);
void od_store_claim_failed(struct od_store *store, const struct od_redis_claim *claim);
/* Lists the job for the next turn. */
void od_redis_org_list(struct od_redis_org *org, struct od_redis_job *job);

/* redis_store.c */

uint64_t od_store_now_ms(const struct od_store *store); /* monotonic */
int64_t od_store_wall_ms(void);
void od_store_post(struct od_store *store, const struct od_event *event);
/* The caps that the call falls under where it is dialled now; returns how many. redis_turn.c */
uint8_t od_store_places_of(const struct od_store *store, const struct od_redis_job *job,
                           struct od_place *out);
/* The engine learns until when it may dial: the least of all orgs that are taken up. */
void od_store_tell_lease(struct od_store *store);
void od_store_log(struct od_store *store, bool trouble, const char *text);
/* Asks for a run when this turn of the loop is over. */
void od_store_kick(struct od_store *store);
/* False for NULL and for an error; an error that means trouble drops the connection, any other is
 * counted and logged. */
bool od_store_reply_ok(struct od_store *store, const char *what, const struct redisReply *reply);
/* The same, and true only for an array of at least `least` elements: an answer of another shape is
 * trouble too. */
bool od_store_reply_list(struct od_store *store, const char *what, const struct redisReply *reply,
                         size_t least);
/* The org of that name, made and taken up when it is new and `make` is set. NULL: none. */
struct od_redis_org *od_store_org(struct od_store *store, const char *name, bool make);
/* The org is taken up (or again); from redis_sync. */
void od_redis_org_ready(struct od_redis_org *org);

/* Up when every org is taken up and has had a turn, the journal is in order and nobody is waited
 * for. */
void od_store_up_when_ready(struct od_store *store);
void od_store_not_up(struct od_store *store);
/* The journal has been read: orgs are taken up. */
void od_store_serve(struct od_store *store);

/* redis_sync.c */

void od_redis_sync_start(struct od_redis_org *org);
/* The lease was lost: gives up what has not been dialled, and takes up service again under a new
 * number, where the rest is told again. */
void od_redis_sync_lost(struct od_redis_org *org);
/* Fetches changes when rev says there are some. */
void od_redis_sync_changes(struct od_redis_org *org, uint64_t rev);
/* Looks for dead workers. */
void od_redis_sync_reap(struct od_redis_org *org);
/* Goes on with the next unfinished cancel, if there is one. */
void od_redis_sync_sweep(struct od_redis_org *org);
/* A part of what the journal says was told: on with the next. */
void od_redis_sync_told(struct od_redis_org *org);
/* Asks whether others are still to tell this Redis what they have dialled. */
void od_redis_sync_meet(struct od_redis_org *org);
/* False when they are none. */
bool od_redis_orphan_names(struct od_sip_names *out, const struct od_wire_attempt *attempt);
/* (uid, record)* */
void od_redis_tell_orphans(struct od_redis_org *org, const struct redisReply *orphans);
/* Tells of calls a script has ended: (uid, record, lane, webhook)* */
void od_redis_tell_ended(struct od_redis_org *org, const struct redisReply *ended);

/* redis_turn.c */

/* Sends a turn with what there is (or none: a heartbeat). */
void od_redis_turn_send(struct od_redis_org *org);
/* Orders under way when the connection was lost are wanted again. */
void od_redis_turn_undo(struct od_redis_org *org);

/* Encodes the job's finish into the scratch. */
int od_redis_turn_finish(struct od_store *store, const struct od_redis_job *job);
/* The same of what ends its second leg. */
int od_redis_turn_second(struct od_store *store, const struct od_redis_job *job);

/* redis_journal.c; all of it does nothing where no journal is kept */

int od_redis_journal_open(struct od_store *store, const struct od_journal_config *config);
void od_redis_journal_close(struct od_store *store, void (*fn)(void *ctx), void *ctx);
/* An attempt is about to be dialled. False: that can't be written. */
bool od_redis_journal_dial(struct od_store *store, struct od_redis_job *job);
void od_redis_journal_progress(struct od_store *store, struct od_redis_job *job);
void od_redis_journal_finish(struct od_store *store, struct od_redis_job *job);
/* 'S': its outcome is in Redis; 'V': it was not dialled. */
void od_redis_journal_over(struct od_store *store, struct od_redis_job *job, char kind);
/* Redis has what was told of jobs: while the disk is in trouble that is where they are kept. */
void od_redis_journal_turned(struct od_store *store);
/* Its intent is in Redis. True: on the disk too; false: DURABLE is posted when it is. */
bool od_redis_journal_durable(struct od_store *store, struct od_redis_job *job);
/* What ends its second leg, as it is now. False: that can't be written. */
bool od_redis_journal_second(struct od_store *store, struct od_redis_job *job);
/* That is in Redis. True: on the disk too; false: DURABLE is posted for the leg when it is. */
bool od_redis_journal_second_durable(struct od_store *store, struct od_redis_job *job);
/* Flushes; returns when to come again. */
uint64_t od_redis_journal_run(struct od_store *store, uint64_t now, bool at_once);
/* A connection is up. True: od_store_serve() is called when the journal has been read. */
bool od_redis_journal_begin(struct od_store *store);
void od_redis_journal_forget(struct od_store *store);
/* Sends the next part of what the org is to be told, od_redis_sync_told() follows; false: that was
 * all. */
bool od_redis_journal_tell(struct od_redis_org *org);
void od_redis_journal_settled(struct od_store *store);

/* redis_aof.c: a Redis that keeps an append-only file is connected. */
void od_redis_aof_check(struct od_store *store);

/* redis_guard.c */

void od_redis_guard_init(struct od_store *store);
void od_redis_key_gone(struct od_store *store, const uint8_t *hash); /* NULL: any may be */

/* redis_live.c: asks for what was changed live; its answer comes before any that is asked later. */
/* redis_held.c: what is changed though Redis may be away. OD_EDOWN: too much waits for it already;
 * OD_ENOMEM. */
int od_redis_held_live(struct od_store *store, const char *field, const char *value);
/* A note of who changed what: kind, target, name, who, changes. fn fires later, once Redis has it
 * or has turned out to be away; never when it is away now. */
int od_redis_held_note(struct od_store *store, const char *org, const struct od_text *parts,
                       unsigned count, od_repo_done_fn fn, void *fn_ctx);
bool od_redis_held_has(const struct od_store *store, struct od_text field); /* of a live value */
void od_redis_held_tell(struct od_store *store);                            /* Redis is there */
void od_redis_held_close(struct od_store *store);

void od_redis_live_ask(struct od_store *store);
void od_redis_live_init(struct od_store *store);

/* redis_share.c */

int od_redis_share_open(struct od_store *store);
void od_redis_share_close(struct od_store *store);
void od_redis_share_port_init(struct od_store *store);
/* Sends what was asked for. */
void od_redis_share_run(struct od_store *store);

/* redis_watch.c: the connection on which revoked keys are told; may be missing. */

int od_redis_watch_open(struct od_store *store);
void od_redis_watch_close(struct od_store *store, void (*fn)(void *ctx), void *ctx);
/* redis_outbox.c */

void od_redis_outbox_init(struct od_redis_org *org);
void od_redis_outbox_deinit(struct od_redis_org *org);
void od_redis_outbox_port_init(struct od_store *store);
/* From a turn's reply: in_ms until the outbox has something to do, or -1. */
void od_redis_outbox_due(struct od_redis_org *org, int64_t in_ms);
/* Sends what is due; returns when the next thing is. */
uint64_t od_redis_outbox_run(struct od_redis_org *org, uint64_t now);
bool od_redis_outbox_unsent(const struct od_redis_org *org);

/* redis_repo.c */

void od_redis_repo_init(struct od_store *store);
/* Answers what could not even be sent. */
void od_redis_repo_deferred(struct od_store *store);

#endif
