/*
 * repo - what is kept: agents, campaigns, calls, events. The HTTP API speaks to this port and
 * knows no database; proto/redis implements it, tests may implement it in memory.
 *
 * Every function takes a done callback that fires exactly once, never from inside the call, with
 * err = 0, OD_ENOENT, OD_ECONFLICT, OD_EEXIST, OD_EDOWN, OD_ETIMEOUT (effect unknown) or
 * OD_ECANCELED (shutdown). Records in callbacks are borrowed until the callback returns. Arguments
 * are borrowed until the function returns. `org` is the tenant: nothing of another org is ever
 * found. Times are wall ms.
 */
#ifndef OUTDIAL_REPO_H
#define OUTDIAL_REPO_H

#include "outdial/cause.h"
#include "outdial/rules.h"
#include "outdial/types.h"

struct od_text { /* borrowed bytes, not NUL-terminated unless said */
    const char *at;
    size_t bytes;
};

/* By order, whatever its document says. */
enum od_agent_order {
    OD_AGENT_ACTIVE,
    OD_AGENT_PAUSED,   /* nothing new is dialled for it; calls under way go on */
    OD_AGENT_DRAINING, /* the same, and it is drained when the last of them has ended */
};

/* An agent: its document is kept byte-faithful as it was sent. */
struct od_agent_rec {
    struct od_uid id;
    char name[OD_AGENT_NAME_MAX];
    struct od_text doc; /* JSON object */
    int64_t created_ms, updated_ms;
    bool twin; /* agent_put: another agent may have this name; it is then found by its id only */
    uint8_t order;   /* enum od_agent_order; agent_put leaves it as it is */
    uint64_t in_use; /* calls that workers hold for it; read only */
    const char *who; /* agent_put: for the audit list, with changes; NULL: nothing is noted */
    struct od_text changes; /* as in od_audit_rec */
};

/* A small document of an org. */
enum od_thing_kind {
    OD_THING_NUMBER,      /* a caller number (engine/api/numbers.h) */
    OD_THING_CREDENTIALS, /* the way to a carrier for numbers that name it */
    OD_THING_KIND_COUNT,
};
struct od_thing_rec {
    struct od_uid id;
    struct od_text key; /* unique within org and kind; empty: none */
    struct od_text doc; /* JSON object */
    int64_t created_ms, updated_ms;
};

enum od_campaign_state {
    OD_CAMPAIGN_DRAFT, /* being filled; dials nothing */
    OD_CAMPAIGN_RUNNING,
    OD_CAMPAIGN_PAUSED,
    OD_CAMPAIGN_CANCELED, /* what had not been dialled was canceled */
    OD_CAMPAIGN_DRAINING, /* paused until resumed; drained when no call of it is active */
};

struct od_campaign_rec {
    struct od_uid id, agent;
    char name[OD_NAME_MAX * 2];
    uint8_t state; /* enum od_campaign_state; "completed" is: running with every contact ended */
    int32_t priority;
    uint32_t cps_milli;         /* pace in thousandths of a call per second; 0: only the trunks' */
    uint32_t max_calls;         /* 0: only the trunks' */
    struct od_text webhook_url; /* may be empty */
    bool has_retry;             /* the campaign's own rule instead of its agent's */
    struct od_retry retry;
    int64_t created_ms, started_ms;
    /* counts, kept right by the scripts that change a contact's state */
    uint64_t total, waiting, active, ended;
    uint64_t ended_by[OD_CAUSE_COUNT];
};

/* A call to make. A campaign's contact is a call with a campaign and a row. */
struct od_call_new {
    struct od_uid id;                   /* made by the caller (od_uid_make) */
    const char *to;                     /* E.164 or SIP URI, checked */
    const char *from;                   /* caller number override; NULL or "": the agent's */
    struct od_text context;             /* JSON object; empty: {} */
    struct od_text webhook_url;         /* empty: the campaign's, else the agent's */
    struct od_text extra;               /* JSON object of what else was asked for; empty: none */
    struct od_uid via;                  /* the stored number or SIP credentials that it goes out by,
                                           whatever its agent's are; none: the agent's way */
    const char *timezone;               /* the callee's zone, checked; NULL or "": by the number */
    uint8_t hooks;                      /* OD_CALL_HOOK_*: the webhooks it names itself */
    int64_t not_before_ms, deadline_ms; /* 0: none */
    int64_t created_ms;                 /* 0: when it is written */
    uint64_t row;                       /* line number in the imported file; 0: none */
};

/* Which webhooks a call names itself; the values are bits of its record's flags. */
enum {
    OD_CALL_HOOK_URL = 8,         /* webhook_url */
    OD_CALL_HOOK_DONE = 16,       /* extra.completedWebHook */
    OD_CALL_HOOK_FAIL = 32,       /* extra.failedWebHook */
    OD_CALL_HOOK_CALLINGBOX = 64, /* webhook_url speaks CallingBox's contract, else our own */
};

/* What became of the last event that a call's own or its agent's webhook_url was told. */
enum od_call_hook_status {
    OD_CALL_HOOK_NONE, /* the call names none; its agent may */
    OD_CALL_HOOK_PENDING,
    OD_CALL_HOOK_DELIVERED,
    OD_CALL_HOOK_FAILED,
};

enum od_call_phase { /* where a stored call is; the words of the state table's first column */
                     OD_PHASE_CREATED,
                     OD_PHASE_WAITING,
                     OD_PHASE_QUEUED,
                     OD_PHASE_START_HOOK,
                     OD_PHASE_DIALING,
                     OD_PHASE_RINGING,
                     OD_PHASE_TALKING,
                     OD_PHASE_ENDED,
                     OD_PHASE_COUNT,
};
const char *od_phase_name(enum od_call_phase phase); /* "queued", ...; never NULL */

struct od_call_rec {
    struct od_uid id, agent, campaign; /* campaign all zero: none */
    struct od_uid via;                 /* as in od_call_new */
    uint8_t phase;                     /* enum od_call_phase */
    int32_t priority;
    uint16_t attempts; /* intents written so far */
    uint8_t tries;     /* finished attempts on the person: those that a trunk refused don't count */
    char to[OD_ENDPOINT_MAX], from[OD_ENDPOINT_MAX];
    char trunk[OD_NAME_MAX];        /* dialled last; empty: none yet */
    char timezone[OD_ZONE_MAX];     /* the callee's, as given; empty: by the number */
    char wait_reason[OD_NAME_MAX];  /* why it waits ("paused", "hours"); empty: in its turn */
    struct od_text context, result; /* JSON objects; result empty: none */
    struct od_text extra;           /* as in od_call_new */
    struct od_text webhook_url;     /* the call's own; empty: none */
    struct od_text media;           /* what was noted about its audio, a JSON object; empty: none */
    uint8_t hooks;                  /* as in od_call_new */
    uint8_t hook_status;            /* enum od_call_hook_status */
    struct od_text hook_error;      /* of a failed one */
    int64_t created_ms, not_before_ms, deadline_ms;
    int64_t next_ms; /* WAITING: when it comes in line again, as far as the store knows; else 0 */
    struct od_outcome outcome; /* complete when phase is ENDED; times filled in as they happen */
    uint64_t row;
};

/* Which calls a list shows. phases and causes both 0: any; else a call passes whose phase's bit is
 * set (1 << enum od_call_phase), or that has ended by a cause whose bit is. */
struct od_call_query {
    const struct od_uid
        *campaign;              /* NULL: single calls, newest first; else its contacts in order */
    const struct od_uid *agent; /* NULL: any */
    uint32_t phases, causes;
    int64_t from_ms, to_ms; /* created at or after, and before; 0: any time */
    uint64_t cursor;        /* 0: from the beginning */
    uint32_t take;          /* 1..1000 */
};

struct od_event_rec {
    char id[40];         /* opaque, increasing; for Last-Event-ID */
    char type[32];       /* "call.ringing", "call.completed", "campaign.paused", ... */
    struct od_text body; /* JSON object */
};

/* What somebody changed while it ran. The newest 10,000 or so of an org are kept. */
enum od_audit_kind {
    OD_AUDIT_TRUNK,
    OD_AUDIT_CAMPAIGN,
    OD_AUDIT_AGENT,
    OD_AUDIT_BREAKER,
    OD_AUDIT_KINDS
};
enum { OD_AUDIT_WHO_MAX = 192, OD_AUDIT_CHANGES_MAX = 2048 };
struct od_audit_rec {
    uint64_t id;       /* increasing: the time in ms, and a count within it in the lowest 20 bits */
    uint8_t kind;      /* enum od_audit_kind */
    struct od_uid uid; /* of a campaign or agent */
    struct od_text name; /* what it was called then; of a trunk, its name; of a breaker, its id */
    struct od_text who;  /* whose key */
    struct od_text changes; /* a line for each value: what it is, before, after, with tabs between;
                               before or after empty: none */
};

/* Which of them a list shows, newest first. */
struct od_audit_query {
    int kind;               /* enum od_audit_kind; -1: any */
    const char *target;     /* a name, or an id as text; "": any */
    const char *who;        /* "": anybody */
    int64_t from_ms, to_ms; /* changed at or after, and before; 0: any time */
    uint64_t cursor;        /* 0: from the newest */
    uint32_t take;          /* 1..1000 */
};

/* A number that nobody may dial. */
struct od_suppression {
    char number[OD_ENDPOINT_MAX];
    char reason[OD_NAME_MAX * 2]; /* may be empty */
    int64_t created_ms;
};

/* Something of the store that could not be read and was set aside. id: the call's uid as text, or
 * the end of a key's name ("q:7"). */
enum { OD_DEAD_ID_MAX = OD_NAME_MAX };
struct od_dead_rec {
    char id[OD_DEAD_ID_MAX];
    char reason[160];
    int64_t at_ms;
};

/* What may hold a call back beside what its record says, as the store knows it now. */
struct od_call_holds {
    bool suppressed;
    char suppressed_for[OD_NAME_MAX * 2];
    int64_t cap_until_ms;   /* its number has had its attempts; 0: it may be dialled */
    uint64_t lane_waiting;  /* calls that stand in its lane, about */
    uint8_t campaign_state; /* enum od_campaign_state; of single calls: RUNNING */
};

typedef void (*od_repo_suppressions_fn)(void *ctx, int err, const struct od_suppression *recs,
                                        size_t count, uint64_t next_cursor);
typedef void (*od_repo_dead_fn)(void *ctx, int err, const struct od_dead_rec *recs, size_t count,
                                uint64_t next_cursor);
typedef void (*od_repo_why_fn)(void *ctx, int err, const struct od_call_rec *rec,
                               const struct od_call_holds *holds);
typedef void (*od_repo_audits_fn)(void *ctx, int err, const struct od_audit_rec *recs, size_t count,
                                  uint64_t next_cursor);
typedef void (*od_repo_done_fn)(void *ctx, int err);
typedef void (*od_repo_agents_fn)(void *ctx, int err, const struct od_agent_rec *recs,
                                  size_t count);
typedef void (*od_repo_things_fn)(void *ctx, int err, const struct od_thing_rec *recs,
                                  size_t count);
typedef void (*od_repo_campaigns_fn)(void *ctx, int err, const struct od_campaign_rec *recs,
                                     size_t count);
/* added: how many were stored. twice[]: indices (into the batch) left out because the campaign
 * already holds that number. */
typedef void (*od_repo_added_fn)(void *ctx, int err, size_t added, const uint32_t *twice,
                                 size_t twice_count);
/* next_cursor: pass it to get the following page; 0: this was the last. */
typedef void (*od_repo_calls_fn)(void *ctx, int err, const struct od_call_rec *recs, size_t count,
                                 uint64_t next_cursor);
typedef void (*od_repo_events_fn)(void *ctx, int err, const struct od_event_rec *recs,
                                  size_t count);

/* A list of agents is shorter than was asked for when there are no more, or when its documents have
 * so many bytes: to read it is some milliseconds of a turn of the loop. */
enum { OD_AGENTS_BYTES_MAX = 500000 };

struct od_repo_port {
    void *ctx;

    /* id all zero in rec: create; otherwise replace, or create with that id. OD_EEXIST: another
     * agent has that name (and rec is no twin), and this one did not have it before. */
    void (*agent_put)(void *ctx, const char *org, const struct od_agent_rec *rec,
                      od_repo_done_fn fn, void *fn_ctx);
    void (*agent_get)(void *ctx, const char *org, const struct od_uid *id, od_repo_agents_fn fn,
                      void *fn_ctx);
    void (*agent_find)(void *ctx, const char *org, const char *name, od_repo_agents_fn fn,
                       void *fn_ctx);
    void (*agent_list)(void *ctx, const char *org, uint32_t skip, uint32_t take,
                       od_repo_agents_fn fn, void *fn_ctx); /* oldest first; see below */
    void (*agent_delete)(void *ctx, const char *org, const struct od_uid *id, od_repo_done_fn fn,
                         void *fn_ctx);
    /* Told to every process at once, and noted with who did it. */
    void (*agent_order)(void *ctx, const char *org, const struct od_uid *id,
                        enum od_agent_order order, const char *who, od_repo_done_fn fn,
                        void *fn_ctx);

    /* create: nothing is replaced; OD_EEXIST when the id or the key is taken, but not when the very
     * same thing was created before. */
    void (*thing_put)(void *ctx, const char *org, enum od_thing_kind kind,
                      const struct od_thing_rec *rec, bool create, od_repo_done_fn fn,
                      void *fn_ctx);
    /* Those of the ids (up to 4,000) that are there; none is no error. */
    void (*thing_get)(void *ctx, const char *org, enum od_thing_kind kind, const struct od_uid *ids,
                      size_t count, od_repo_things_fn fn, void *fn_ctx);
    void (*thing_find)(void *ctx, const char *org, enum od_thing_kind kind, struct od_text key,
                       od_repo_things_fn fn, void *fn_ctx);
    void (*thing_list)(void *ctx, const char *org, enum od_thing_kind kind, uint32_t skip,
                       uint32_t take, od_repo_things_fn fn, void *fn_ctx); /* oldest first */
    void (*thing_delete)(void *ctx, const char *org, enum od_thing_kind kind,
                         const struct od_uid *id, od_repo_done_fn fn, void *fn_ctx);

    void (*campaign_create)(void *ctx, const char *org, const struct od_campaign_rec *rec,
                            od_repo_done_fn fn, void *fn_ctx);
    void (*campaign_get)(void *ctx, const char *org, const struct od_uid *id,
                         od_repo_campaigns_fn fn, void *fn_ctx);
    void (*campaign_list)(void *ctx, const char *org, uint32_t skip, uint32_t take,
                          od_repo_campaigns_fn fn, void *fn_ctx); /* newest first */
    /* Live pace and cap; UINT32_MAX leaves a value as it is. What changes is noted with who did it,
     * here and below. */
    void (*campaign_limits)(void *ctx, const char *org, const struct od_uid *id, uint32_t cps_milli,
                            uint32_t max_calls, const char *who, od_repo_done_fn fn, void *fn_ctx);
    /* OD_ECONFLICT: that state can't follow the present one (nothing follows CANCELED). Canceling
     * cancels every contact not yet dialled, in bounded steps, before done fires. */
    void (*campaign_set_state)(void *ctx, const char *org, const struct od_uid *id,
                               enum od_campaign_state state, const char *who, od_repo_done_fn fn,
                               void *fn_ctx);

    /* Notes a change of what is kept elsewhere (rec's id and uid are not looked at); reads them. */
    void (*audit_add)(void *ctx, const char *org, const struct od_audit_rec *rec,
                      od_repo_done_fn fn, void *fn_ctx);
    void (*audit_list)(void *ctx, const char *org, const struct od_audit_query *query,
                       od_repo_audits_fn fn, void *fn_ctx);

    /* Stores all calls of the batch (1..1000) in one atomic script; durable when done fires.
     * campaign NULL: single calls, dialled at once with `priority`, all by one way (via). */
    void (*calls_add)(void *ctx, const char *org, const struct od_uid *agent,
                      const struct od_uid *campaign, int32_t priority,
                      const struct od_call_new *calls, size_t count, od_repo_added_fn fn,
                      void *fn_ctx);
    void (*call_get)(void *ctx, const char *org, const struct od_uid *id, od_repo_calls_fn fn,
                     void *fn_ctx);
    void (*call_list)(void *ctx, const char *org, const struct od_call_query *query,
                      od_repo_calls_fn fn, void *fn_ctx);
    /* One atomic decision. A call not yet dialled is ended here; one that a worker holds is asked
     * to stop (cancel before the answer, or hang up at any time) and done fires with 0 as soon as
     * the order is on its way. OD_ECONFLICT: it has ended, or hangup is false and it talks. */
    void (*call_stop)(void *ctx, const char *org, const struct od_uid *id, bool hangup,
                      od_repo_done_fn fn, void *fn_ctx);

    /* The call and what holds it back. */
    void (*call_why)(void *ctx, const char *org, const struct od_uid *id, od_repo_why_fn fn,
                     void *fn_ctx);

    /* Puts 1..1000 numbers on the list that is asked at the moment of dialling. twice: indices of
     * those that were on it already, which stay as they are. created_ms is not looked at. */
    void (*suppress_put)(void *ctx, const char *org, const struct od_suppression *recs,
                         size_t count, od_repo_added_fn fn, void *fn_ctx);
    /* Newest first; cursor 0: from the start. take 1..1000. */
    void (*suppress_list)(void *ctx, const char *org, uint64_t cursor, uint32_t take,
                          od_repo_suppressions_fn fn, void *fn_ctx);
    /* One record, or OD_ENOENT. */
    void (*suppress_find)(void *ctx, const char *org, const char *number,
                          od_repo_suppressions_fn fn, void *fn_ctx);
    void (*suppress_remove)(void *ctx, const char *org, const char *number, od_repo_done_fn fn,
                            void *fn_ctx); /* OD_ENOENT: it is not on the list */

    /* What was set aside as damaged, newest first; cursor 0: from the start. take 1..1000. */
    void (*dead_list)(void *ctx, const char *org, uint64_t cursor, uint32_t take,
                      od_repo_dead_fn fn, void *fn_ctx);
    /* Reads it again, and if that goes now, it is in line as before. OD_ECONFLICT: it still can't
     * be read, or its call has ended; OD_ENOENT: nothing of that name was set aside. */
    void (*dead_requeue)(void *ctx, const char *org, const char *id, od_repo_done_fn fn,
                         void *fn_ctx);
    /* Deletes it and the note of it. OD_ENOENT. */
    void (*dead_drop)(void *ctx, const char *org, const char *id, od_repo_done_fn fn, void *fn_ctx);

    /* Events after `after` ("" or "0": from the oldest kept), at most `take`. */
    void (*events_read)(void *ctx, const char *org, const char *after, uint32_t take,
                        od_repo_events_fn fn, void *fn_ctx);
    /* The newest event's id, as one record with only `id` set ("0-0" when there is none). */
    void (*events_last)(void *ctx, const char *org, od_repo_events_fn fn, void *fn_ctx);
};

#endif
