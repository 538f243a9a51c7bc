/*
 * redis_world - the real store on a redis-server of its own, with what a test wants to see: events
 * in a queue, ended calls, stop orders, lanes and agents as they were told; and the repo's
 * requests as functions that wait for their answer. Waiting means running the loop, with a limit.
 */
#ifndef TESTS_CONTRACT_REDIS_WORLD_H
#define TESTS_CONTRACT_REDIS_WORLD_H

#include "proto/redis/redis_store.h"
#include "tests/contract/redis_server.h"

enum { WORLD_EVENTS = 65536, WORLD_ENDED = 65536, WORLD_LANES = 64, WORLD_LIMIT_MS = 10000 };

struct world_ended {
    struct od_uid uid, campaign;
    enum od_cause cause;
    uint16_t attempts;
    char hook[64], result[64], to[32];
};

struct world {
    uv_loop_t loop;
    struct redis_server server;
    struct od_store *store;
    const struct od_store_port *port;
    const struct od_repo_port *repo;
    const struct od_guard_port *guard;

    struct od_event *events; /* a ring */
    uint32_t events_head, events_tail;
    struct world_ended *ended;
    uint32_t ended_count;
    struct od_uid stopped[64];
    bool stopped_hangup[64];
    uint32_t stopped_count;
    struct od_lane_info lanes[WORLD_LANES]; /* by number, as last told */
    uint32_t lane_tells, agent_tells, agent_deletes, thing_tells, thing_deletes;
    bool lane_before_agent; /* a lane was told whose agent had not been */
    struct od_uid agents_seen[64];
    uint32_t agents_seen_count;
    uint8_t order_seen; /* of the agent told last */
    struct world_orphan {
        struct od_uid uid;
        struct od_sip_names names;
        char trunk[OD_NAME_MAX], note[64];
    } orphans[16]; /* as last told */
    uint32_t orphan_count;
    uint32_t place_max; /* calls of an org at once; 0: any */
    bool shared;        /* attempts are counted over all campaigns, as a rule of retry wants it */
    char last_log[256];
    uint32_t troubles; /* lines of trouble in the log */
    char journal[96];  /* its folder; set before the store is opened, or made then */
    bool sync;         /* of the journal: no test of the queue needs it */
    bool up, closed;
    void *user; /* the test's */
    uint32_t ups, downs;
    uint64_t uid_random;

    /* the last answer of the repo */
    bool answered;
    int err;
    size_t added, twice_count;
    uint32_t twice[1000];
    struct od_agent_rec *agents;
    struct od_thing_rec *things;
    struct od_campaign_rec *campaigns;
    struct od_call_rec *calls; /* their contexts and results are in texts */
    struct od_event_rec *recs;
    struct od_audit_rec *audits;
    char **texts;
    size_t count, text_count;
    uint64_t next_cursor;
    char key_org[64], key_scopes[64];
    char key_name[OD_NAME_MAX * 2];
    struct od_key_rec keys[8];
    struct od_once_rec once;
    uint8_t keys_gone[16][OD_HASH_BYTES];
    uint32_t keys_gone_count;
    bool keys_watched;
};

/* A server and a store that is up. worker: its name. NULL when that failed. */
struct world *world_open(const char *worker);
/* The same with caps on attempts; NULL: none. */
struct world *world_open_capped(const char *worker, const struct od_cap *caps);
/* Another store on the same server; shares nothing else. */
struct world *world_join(const struct world *other, const char *worker, uint32_t lease_ms);
/* Closes the store and, where it is this world's, the server. */
void world_close(struct world *world);

/* The parts, for tests that go through them one by one. */
struct world *world_bare(void);
int world_store_open(struct world *world, const struct od_store_config *config);
void world_store_close(struct world *world);

/* Runs the loop until the condition holds; false when limit_ms passed first. */
bool world_until(struct world *world, bool (*holds)(struct world *), uint32_t limit_ms);
bool world_is_up(struct world *world);
bool world_wait_up(struct world *world);
bool world_wait_down(struct world *world);
void world_run_for(struct world *world, uint32_t ms);

/* The next event; false: none within the limit. */
bool world_next(struct world *world, struct od_event *out);
/* The next event of the kind, others are thrown away. */
bool world_next_of(struct world *world, enum od_event_kind kind, struct od_event *out);

struct od_uid world_uid(struct world *world);

/* The repo, waiting for the answer; each returns err. */
int world_agent_put(struct world *world, const char *org, const struct od_uid *id, const char *name,
                    const char *doc);
int world_campaign(struct world *world, const char *org, const struct od_uid *id,
                   const struct od_uid *agent, enum od_campaign_state state, const char *hook);
int world_set_state(struct world *world, const char *org, const struct od_uid *id,
                    enum od_campaign_state state);
int world_campaign_get(struct world *world, const char *org, const struct od_uid *id);
int world_add(struct world *world, const char *org, const struct od_uid *agent,
              const struct od_uid *campaign, const struct od_call_new *calls, size_t count);
int world_call_get(struct world *world, const char *org, const struct od_uid *id);
int world_call_list(struct world *world, const char *org, const struct od_uid *campaign,
                    enum od_call_phase phase, enum od_cause cause, uint64_t cursor, uint32_t take);
int world_stop(struct world *world, const char *org, const struct od_uid *id, bool hangup);
int world_suppress(struct world *world, const char *org, const char *number, bool on);
int world_events(struct world *world, const char *org, const char *after, uint32_t take);
/* For other requests: the callbacks, to be used with the world as ctx, and the wait. */
void world_on_done(void *ctx, int err);
void world_on_calls(void *ctx, int err, const struct od_call_rec *recs, size_t count,
                    uint64_t next_cursor);
void world_on_why(void *ctx, int err, const struct od_call_rec *rec,
                  const struct od_call_holds *holds); /* the error alone is kept */
void world_on_agents(void *ctx, int err, const struct od_agent_rec *recs, size_t count);
void world_on_audits(void *ctx, int err, const struct od_audit_rec *recs, size_t count,
                     uint64_t next_cursor);
void world_on_things(void *ctx, int err, const struct od_thing_rec *recs, size_t count);
void world_on_campaigns(void *ctx, int err, const struct od_campaign_rec *recs, size_t count);
void world_on_events(void *ctx, int err, const struct od_event_rec *recs, size_t count);
void world_on_key(void *ctx, int err, const char *org, const char *scopes, const char *name);
void world_on_keys(void *ctx, int err, const struct od_key_rec *recs, size_t count);
void world_on_once(void *ctx, int err, const struct od_once_rec *rec); /* the answer: texts[0] */
int world_answer(struct world *world);

/* How many terminal events of the call the stream holds. */
uint32_t world_ends(struct world *world, const char *org, const struct od_uid *uid);

#endif
