/*
 * redis_store - the store and repo ports over Redis: the queue, the ledger of attempts and what the
 * API keeps.
 *
 * Everything that changes a call's state is one Lua script, so a call is never half changed. What
 * the engine orders is gathered and sent in turns: one script per org carries all claims, intents,
 * progress, releases and finishes that came up since the last one, at most one is under way, and
 * its reply (written by Redis after the append-only file is on disk) makes the whole batch durable
 * at once. Called by the host, on the loop's thread only.
 *
 * Glossary
 *   lane     what waits under one rule: one agent, one campaign or none, one priority.
 *   job      a call claimed by this process and not yet given back; a slot of the job table.
 *   worker   a process. Each start (and each return after its lease was lost) gets a number of its
 *            own; what an older number of the same process still held is put right first.
 *   fence    counts the claims of a call. Whoever holds an old one changes nothing any more.
 *   lease    a worker that takes no turn for lease_ms is dead: what it had claimed goes back to
 *            the front of its lane, what it may have dialled ends with cause unknown.
 *
 * Lifetime: owned by the host from open to the callback of close. Pointers in callbacks are
 * borrowed until the callback returns; a job's pointers until it is gone.
 */
#ifndef PROTO_REDIS_REDIS_STORE_H
#define PROTO_REDIS_REDIS_STORE_H

#include "outdial/event.h"
#include "outdial/guard.h"
#include "outdial/ports.h"
#include "outdial/repo.h"

#include <uv.h>

struct od_journal_config;
struct od_store;

struct od_store_config {
    const char *path_or_host; /* a unix socket's path ("/...") or a numeric address; never a name */
    int port;                 /* with an address */
    const char *password;     /* NULL or "": none */
    int db;
    const char *worker;  /* 1..63 characters: names this process across restarts */
    uint32_t jobs_max;   /* 1..1,000,000 */
    uint32_t lanes_max;  /* lanes known at a time; 0: 100,000 */
    uint32_t flush_ms;   /* least time between two turns under load; 0: 15 */
    uint32_t command_ms; /* an answer later than this means the connection is dead; 0: 5,000 */
    uint32_t lease_ms;   /* 0: 10,000 */
    uint32_t await_ms;   /* a Redis that is another than before: so long those who were at work are
                            awaited, to tell it what they dialled; 0: lease_ms */
    bool caps_calls;     /* some calls fall under caps: how many are up is told */
    uint32_t heartbeat_ms;                   /* between idle turns; 0: 200 */
    const struct od_journal_config *journal; /* proto/journal; NULL: none is kept. Not kept */
    size_t held_bytes_max; /* of results and other texts of calls that ended while Redis was away;
                              beyond it the journal alone keeps them; 0: 64 MiB */
    /* Attempts that one number gets, whoever dials it in its org; attempts 0 ends the list. */
    struct od_cap caps[OD_CAPS_MAX];
};

/* A claimed call. Strings are NUL-terminated; empty when there is none, never NULL. */
struct od_job {
    struct od_uid uid, agent, campaign; /* campaign all zero: none */
    char org[OD_NAME_MAX];
    uint32_t lane;
    uint16_t attempt; /* the number its next (or present) intent carries, 1..; in ended(): how many
                         attempts were written */
    int32_t priority;
    uint8_t tries; /* attempts on the person so far */
    const char *to, *from, *timezone;
    struct od_text context;     /* JSON object, or empty */
    struct od_text webhook_url; /* the call's, else its campaign's, else empty */
    struct od_text extra;       /* JSON object as in od_call_new, or empty */
    struct od_text overrides;   /* a start hook's, for who talks on it: JSON object, or empty */
    struct od_text media;       /* in ended() only: what was noted of its audio, JSON or empty */
    int64_t deadline_ms, created_ms;
    uint64_t row;
};

struct od_lane_info {
    uint32_t lane; /* 0..lanes_max-1, the same for as long as the store is open */
    char org[OD_NAME_MAX];
    struct od_uid agent, campaign;
    struct od_uid
        via; /* the number or credentials its calls go out by; none: the agent's own way */
    int32_t priority;
    uint32_t cps_milli, max_calls; /* the campaign's; 0: none */
    bool open;                     /* false: draft, paused or canceled */
    bool has_retry;                /* the campaign's own rule */
    struct od_retry retry;
    uint64_t waiting; /* about so many */
};

/* A leg without an owner. Texts are borrowed. */
struct od_orphan {
    struct od_uid uid;
    struct od_sip_names names;
    struct od_text trunk, note; /* note: as leg() wrote it; empty: none is known */
};

struct od_store_events {
    void *ctx;
    /* JOB, CLAIM_DONE, DURABLE, NOT_DURABLE, RELEASED, LOST, LEASE, STORE_UP, STORE_DOWN,
     * LANE_READY */
    void (*post)(void *ctx, const struct od_event *event);
    /* A new or changed lane, before its LANE_READY. */
    void (*lane)(void *ctx, const struct od_lane_info *info);
    /* A new or changed thing, before any agent that uses it. deleted: only rec->id is set. May be
     * NULL. */
    void (*thing)(void *ctx, const char *org, enum od_thing_kind kind,
                  const struct od_thing_rec *rec, bool deleted);
    /* A new or changed agent, before any lane that uses it. deleted: only rec->id is set. */
    void (*agent)(void *ctx, const char *org, const struct od_agent_rec *rec, bool deleted);
    /* What a claimed call's callee and its lane ask for: the hours of its callee, and whether the
     * attempts on its number are counted over all campaigns (a rule of retry does). May be NULL. */
    void (*rules)(void *ctx, const struct od_job *job, struct od_window *window, bool *shared);
    /* Someone asked to stop a call this worker holds. */
    void (*stop)(void *ctx, const struct od_uid *call, bool hangup);
    /* The call's end is durable: time for its webhook. Fires once per ended call in the process
     * that stored the end: for finished jobs, and for calls that were canceled, ran out of time or
     * were found with a dead worker. result: JSON object or empty. */
    void (*ended)(void *ctx, const struct od_job *job, const struct od_outcome *outcome,
                  struct od_text result);
    /* The name of the engine's trunk index, for the ledger. NULL (the function or its answer): the
     * ledger says nothing of the trunk. */
    const char *(*trunk)(void *ctx, uint32_t trunk);
    /* The caps that the call falls under on that trunk; at most OD_PLACES_MAX. May be NULL. */
    size_t (*places)(void *ctx, const struct od_job *job, uint32_t trunk, struct od_place *out);
    /* How many calls count in a place, over all processes; told for all that have some, a few times
     * a second, then use_told(). org: NULL for trunks. May be NULL. */
    void (*use)(void *ctx, const char *org, const char *name, uint32_t calls);
    void (*use_told)(void *ctx, const char *org);
    /* A value that was changed of a running trunk, by whichever process, now or before it was
     * started: told before the store is up and within half a second of each change; what is known
     * already is told again. May be NULL. */
    void (*live)(void *ctx, const char *trunk, const char *name, const char *value);
    /* By what name other processes know the rate of that index: those of one name share it. NULL:
     * by none. */
    const char *(*rate_key)(void *ctx, uint32_t rate);
    /* What another process needs to end the call's leg (proto/sip/sip.h, od_sip_note): asked when
     * the intent is written (sent: false), when it rings and when it is answered; of a second leg
     * likewise, with its own call and to. `before` is what was written last of it, perhaps nothing:
     * what can't have changed since is taken from there. Writes at most size bytes, returns how
     * many; 0: nothing. May be NULL. */
    size_t (*leg)(void *ctx, struct od_call_id call, const struct od_invite *invite, bool sent,
                  struct od_text before, char *out, size_t size);
    /* More than before is on the local disk: od_store_kept() may have another answer. May be NULL.
     */
    void (*kept)(void *ctx);
    /* A dead worker's call that may be up at the carrier: end it there. Comes again for as long as
     * whoever was told died before it could; ending twice is harmless. May be NULL. */
    void (*orphan)(void *ctx, const struct od_orphan *orphan);
    /* True: from now on every revocation of an API key, by whichever process, is told by key_gone()
     * at once, so that keys may be remembered. False: that is over, what was remembered is to be
     * forgotten. May be NULL, both. */
    void (*keys_watched)(void *ctx, bool watched);
    void (*key_gone)(void *ctx, const uint8_t hash[OD_HASH_BYTES]); /* NULL: any may be */
    /* Before the store has ever been up: this Redis can't keep a queue of calls (it evicts keys, or
     * is too old), and somebody has to change that. May be NULL: then it is asked again and again.
     */
    void (*unfit)(void *ctx, const char *why);
    /* The store's own news ("connected", "lost: ..."), for the log. May be NULL. */
    void (*log)(void *ctx, bool trouble, const char *text);
};

/* Why nothing may be dialled although Redis may be well: the local disk's reason; "": all is well.
 */
const char *od_store_journal_why(const struct od_store *store);

/*
 * Starts connecting; STORE_UP follows when Redis has answered, has been found fit and everything
 * this worker left behind has been put right. Callbacks come from the loop only, STORE_DOWN and
 * failed claims also from inside port functions (they post, and posting runs nothing).
 * OD_EINVAL: a setting out of range; OD_ENOMEM; OD_EBUSY, OD_EIO: the journal can't be opened,
 * log() was told why.
 */
int od_store_open(struct od_store **out, uv_loop_t *loop, const struct od_store_config *config,
                  const struct od_store_events *events);

/*
 * Sends what is unsent and waits up to a second for it to be stored, then closes. Repo calls under
 * way get OD_ECANCELED. fn is called last, from the loop; the store is gone then.
 */
void od_store_close(struct od_store *store, void (*fn)(void *ctx), void *ctx);

/* Other caps on attempts per number, for intents sent from now on; attempts 0 ends the list. */
void od_store_caps(struct od_store *store, const struct od_cap caps[OD_CAPS_MAX]);

/* All live as long as the store. */
const struct od_store_port *od_store_port(struct od_store *store);
/* Rates shared with the other processes on this Redis. */
const struct od_rate_port *od_store_rate_port(struct od_store *store);
const struct od_repo_port *od_store_repo(struct od_store *store);
const struct od_guard_port *od_store_guard(struct od_store *store);

/* The name of a live value that the store sets itself: until when, in wall ms, a carrier wants no
 * INVITE (od_rate_port.held). */
#define OD_STORE_LIVE_HELD "held_until"

/* Sets a value that was changed of a running trunk, for all processes and for good; once Redis is
 * back, when it is away. OD_EDOWN: it is, and too much waits for it already; OD_ETOOBIG: the names
 * are too long; OD_ENOMEM. */
int od_store_live_put(struct od_store *store, const char *trunk, const char *name,
                      const char *value);

/* NULL: gone, which is normal after release or finish. */
/* Whether the local disk has what ends the job's leg as it was told last; while that is in trouble,
 * whether Redis has it. True also when there is no such disk or no such job. */
bool od_store_kept(const struct od_store *store, struct od_job_id job);

const struct od_job *od_store_job(const struct od_store *store, struct od_job_id job);

/* The agent's result, stored with finish(). Copied. OD_ENOENT: the job is gone; OD_ETOOBIG: above
 * 64 KiB; OD_ENOMEM. */
int od_store_job_result(struct od_store *store, struct od_job_id job, const char *json,
                        size_t bytes);
/* What was noted about the call's audio (a JSON object), stored likewise. OD_ETOOBIG: above 16 KiB.
 */
int od_store_job_media(struct od_store *store, struct od_job_id job, const char *json,
                       size_t bytes);

/* The job's callee is being handed on to somebody else: who listens is told, in order, before the
 * call's end. Best effort as progress() is. OD_ENOENT: the job is gone. */
int od_store_job_transfer(struct od_store *store, struct od_job_id job);

/* What a start hook made of the call: its data from now on, and more for who talks on it. Empty: as
 * it was. Copied. OD_ENOENT, OD_ENOMEM. */
int od_store_job_data(struct od_store *store, struct od_job_id job, struct od_text context,
                      struct od_text overrides);

/* How long Redis has owed an answer to a turn, in ms; 0: none is under way. */
uint64_t od_store_waits_ms(const struct od_store *store);

/* Why the store is down, in words for the operator; "" when it is up. Borrowed until the loop
 * turns. Names no secret. */
const char *od_store_why(const struct od_store *store);

struct od_store_stats {
    bool up;
    bool durable;          /* Redis keeps an append-only file */
    uint64_t turns;        /* turn scripts that carried work */
    uint64_t heartbeats;   /* turn scripts that carried none */
    uint64_t round_trips;  /* all scripts and commands of the queue: turns, heartbeats, changes */
    uint64_t shares;       /* scripts that shared rates, counted apart */
    uint64_t outbox_turns; /* scripts of the outbox, counted apart */
    uint64_t commands;     /* everything sent, the repo's included */
    /* calls that were acknowledged and that a Redis in another's place lacks */
    uint64_t forgotten;
    uint64_t claimed, intents, releases, finishes; /* stored */
    uint64_t retries;                              /* finishes that were not their calls' end */
    uint64_t not_ours; /* orders refused because the call was canceled or taken over */
    uint64_t reconnects;
    uint64_t reclaimed;     /* calls of dead workers put right by this process */
    uint64_t orphans;       /* legs of dead workers' calls handed out to be ended */
    uint64_t lost;          /* calls that Redis forgot and that ended here all the same */
    uint64_t dialled_again; /* dialled here, forgotten by Redis, dialled by others since */
    uint64_t dead;          /* records set aside as damaged */
    uint64_t recovered; /* attempts that Redis did not know the end of, and had from the journal */
    uint64_t journal_records, journal_syncs, journal_failures, journal_refused;
    uint64_t journal_bytes;    /* on disk */
    uint64_t journal_waits_ms; /* for how long the disk has owed an answer; 0: it owes none */
    uint64_t documents_lost;   /* results given up while both Redis and the journal were away */
    size_t held_bytes;         /* of outcomes that wait for Redis */
    uint32_t journal_only;     /* outcomes that the journal alone holds for it */
    uint64_t odd;              /* replies or records that broke their format */
    uint32_t jobs;             /* in the table now */
    uint32_t backlog;          /* jobs with an order not yet stored */
    uint32_t orgs, lanes;      /* known now */
};
void od_store_stats(const struct od_store *store, struct od_store_stats *out);

#endif
