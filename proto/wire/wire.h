/*
 * wire - the records kept in the store, as bytes and as structs. Pure: no I/O, no allocation that
 * outlives a call, never trusts what it reads (a store's content is input like any other).
 *
 * A call's record is one string: a state of fixed size that scripts rewrite in place, the job as
 * it was given (never changed), and after it an append-only tail of entries: each attempt, what a
 * start webhook made of the call's data, the end, the result.
 *
 *   state (OD_WIRE_STATE_BYTES, big endian) | job (state.job_bytes) | entry | entry | ...
 *   job    version byte, msgpack array [to, from, context, webhook, created, not before,
 *          deadline, row, extra, zone]; nil for what was not given; records of old have fewer
 *   entry  type byte, 4 bytes length, version byte, msgpack array
 *
 * The scripts in proto/redis/scripts know the state's layout and the orders' (od_wire_order_*);
 * everything else is opaque to them. Absolute times are wall ms and fit 48 bits.
 *
 * Lifetime: spans in decoded structs point into the bytes that were decoded.
 */
#ifndef PROTO_WIRE_WIRE_H
#define PROTO_WIRE_WIRE_H

#include "outdial/cause.h"
#include "outdial/ports.h"
#include "outdial/repo.h"
#include "outdial/types.h"

enum {
    OD_WIRE_VERSION = 1,
    OD_WIRE_STATE_BYTES = 54,
    OD_WIRE_DOC_MAX = 64 * 1024,   /* a context or a result */
    OD_WIRE_MEDIA_MAX = 56 * 1024, /* what was noted about a call's media, its transcript too */
    OD_WIRE_URL_MAX = 2048,
    /* the longest job: its texts, their heads and the numbers */
    OD_WIRE_JOB_MAX =
        2 * OD_WIRE_DOC_MAX + OD_WIRE_URL_MAX + 2 * OD_ENDPOINT_MAX + OD_ZONE_MAX + 128,
    OD_WIRE_ENTRY_MAX = 512, /* an attempt's or an end's entry */
    OD_WIRE_LEG_MAX = 3072,  /* the text that ends a leg (proto/sip/sip.h, od_sip_note) */
    OD_WIRE_ORDER_MAX = 2048 + OD_WIRE_LEG_MAX, /* an order without its result entry */
    OD_WIRE_TIME_MAX_BITS = 48,
    OD_WIRE_CAP_BYTES = 10,
    OD_WIRE_RETRY_BYTES = 1 + 4 * OD_CAUSE_COUNT,
    OD_WIRE_ATTEMPTS_MAX = 4095, /* where the count stands still */
};

/* What the scripts rewrite in place. Field order is the order of the bytes. */
struct od_wire_state {
    uint8_t phase;     /* enum od_call_phase */
    uint8_t cause;     /* enum od_cause */
    uint8_t flags;     /* OD_WIRE_FLAG_* */
    uint8_t tries;     /* finished attempts on the person, 4 bits */
    uint16_t attempts; /* intents written, 12 bits */
    uint16_t sip_status;
    uint32_t fence;
    uint32_t worker; /* 0: nobody holds it */
    uint32_t lane;   /* the org's number for it */
    uint32_t job_bytes;
    int64_t due_ms, dialed_ms, ringing_ms, answered_ms;
    int64_t ended_ms;
    uint8_t reason; /* in the place of ended_ms until the end: why it waits (od_wire_reason) */
};
enum {
    OD_WIRE_FLAG_DEADLINE = 1,   /* in the org's deadline set */
    OD_WIRE_FLAG_FRONT = 2,      /* goes to the front of its lane when it is due */
    OD_WIRE_FLAG_WHY = 4,        /* why it waits is kept beside it */
    OD_WIRE_FLAG_HOOKS = 0x78,   /* OD_CALL_HOOK_* (outdial/repo.h) */
    OD_WIRE_FLAG_STOPPED = 0x80, /* somebody wants it over: no further attempt */
};

struct od_wire_job {
    struct od_text to, from, context, webhook_url, extra; /* bytes 0: not given */
    struct od_text timezone;                              /* the same */
    int64_t created_ms, not_before_ms, deadline_ms;
    uint64_t row;
};

struct od_wire_attempt {
    uint16_t number; /* 1..OD_WIRE_ATTEMPTS_MAX */
    bool shared;     /* of an order: attempts on its number are counted over all campaigns */
    int64_t at_ms;
    struct od_text trunk, call_id, from_tag, branch;
    struct od_text leg;            /* an entry of its own; opaque here; empty: none */
    struct od_text context;        /* of an order: takes the place of the job's; empty: it stays */
    const struct od_place *places; /* of an order: caps that it falls under; NULL: not told */
    uint8_t place_count;
};

struct od_wire_end {
    uint8_t verdict; /* enum od_verdict */
    struct od_text trunk, reason;
};

struct od_wire_call {
    struct od_wire_state state;
    struct od_wire_job job;
    bool has_attempt, has_end;
    struct od_wire_attempt attempt; /* the latest */
    struct od_wire_end end;
    struct od_text result;         /* empty: none */
    struct od_text leg;            /* the latest; empty: none */
    struct od_wire_attempt second; /* the call's second leg, the latest; its leg empty: none */
    struct od_text media;          /* JSON object about the call's audio; empty: none */
    uint8_t hook_status;           /* enum od_call_hook_status */
    struct od_text hook_error;
};

/* A script's order for one job: who it is and which claim of it is ours. */
struct od_wire_order {
    struct od_uid uid;
    uint32_t fence;
};

/* Why a call waits, in a word; "": nothing is said, or it is kept beside the record. */
const char *od_wire_reason(uint8_t reason);

/*
 * Encoders write at most `size` bytes and return how many they wrote, OD_ETOOBIG when it does not
 * fit or a text is longer than its limit, OD_EINVAL when a number is out of its range.
 */
int od_wire_job_put(void *out, size_t size, const struct od_wire_job *job);
int od_wire_state_put(void *out, size_t size, const struct od_wire_state *state);
int od_wire_attempt_put(void *out, size_t size, const struct od_wire_attempt *attempt);
int od_wire_end_put(void *out, size_t size, const struct od_wire_end *end);
/* An entry with a JSON document, 1..OD_WIRE_DOC_MAX bytes. */
int od_wire_result_put(void *out, size_t size, struct od_text json);
/* The same for the media's notes, 1..OD_WIRE_MEDIA_MAX bytes. */
int od_wire_media_put(void *out, size_t size, struct od_text json);

/* A cap for the scripts: OD_WIRE_CAP_BYTES. */
int od_wire_cap_put(void *out, size_t size, const struct od_cap *cap);

/* A retry rule: OD_WIRE_RETRY_BYTES. */
int od_wire_retry_put(void *out, size_t size, const struct od_retry *retry);
int od_wire_retry_get(const void *at, size_t bytes, struct od_retry *out);

/* A row of an import: what the script needs to know of it, then the job. hooks: OD_CALL_HOOK_*. */
int od_wire_row_put(void *out, size_t size, const struct od_uid *uid, uint8_t hooks,
                    const struct od_wire_job *job);

int od_wire_order_intent(void *out, size_t size, const struct od_wire_order *order,
                         const struct od_wire_attempt *attempt);
/* ringing_ms, answered_ms: 0 for not yet. leg: empty for nothing new. */
int od_wire_order_progress(void *out, size_t size, const struct od_wire_order *order,
                           int64_t ringing_ms, int64_t answered_ms, struct od_text leg);
/* What ends the call's second leg, as the intent's attempt: trunk, names and leg of it. */
int od_wire_order_second(void *out, size_t size, const struct od_wire_order *order,
                         const struct od_wire_attempt *second);
/* The callee is handed on for the nth time (1..255) in this attempt, last at at_ms; the times as of
 * progress. */
int od_wire_order_transfer(void *out, size_t size, const struct od_wire_order *order,
                           int64_t ringing_ms, int64_t answered_ms, int64_t at_ms, uint8_t nth);
int od_wire_order_release(void *out, size_t size, const struct od_wire_order *order,
                          int64_t not_before_ms, const char *why);
/* Sets a claimed record aside that could not be read. */
int od_wire_order_bury(void *out, size_t size, const struct od_wire_order *order, const char *why);
/* What is told again of a dialled call to a store that may have forgotten it: kind D, or C with the
 * places that it takes (attempt->places not NULL), for calls that are up. */
int od_wire_reconcile(void *out, size_t size, const struct od_wire_order *order,
                      const struct od_wire_attempt *attempt);
/* trunk: name of the trunk dialled last, may be empty. result and media may be empty; size needs to
 * hold OD_WIRE_ORDER_MAX and both. */
int od_wire_order_finish(void *out, size_t size, const struct od_wire_order *order,
                         const struct od_outcome *outcome, struct od_text trunk,
                         struct od_text result, struct od_text media);

/*
 * Decoders return 0, or OD_EPROTO when the bytes are anything but a record of ours: wrong version,
 * cut short, too long, a declared count beyond the bytes there are, a number out of range.
 */
int od_wire_state_get(const void *at, size_t bytes, struct od_wire_state *out);
int od_wire_job_get(const void *at, size_t bytes, struct od_wire_job *out);
int od_wire_call_get(const void *at, size_t bytes, struct od_wire_call *out);
/* What an order of kind D, P or B would append to a record: its attempt, its leg, its second leg.
 * The rest is zero. */
int od_wire_told_get(const void *at, size_t bytes, struct od_wire_call *out);

#endif
