/*
 * redis_repo - a request of the API under way: what its answer is made into and who gets it.
 * redis_repo.c has the requests' life and events, redis_guard.c keys and idempotency;
 * redis_repo_agents.c, redis_repo_campaigns.c, redis_repo_audit.c
 * and redis_repo_calls.c the rest.
 */
#ifndef PROTO_REDIS_REDIS_REPO_H
#define PROTO_REDIS_REDIS_REPO_H

#include "proto/redis/redis_inner.h"

/* What the callback's arguments are. */
enum od_repo_shape {
    OD_REPO_DONE,
    OD_REPO_AGENTS,
    OD_REPO_THINGS,
    OD_REPO_CAMPAIGNS,
    OD_REPO_ADDED,
    OD_REPO_CALLS,
    OD_REPO_EVENTS,
    OD_REPO_SUPPRESSIONS,
    OD_REPO_DEAD,
    OD_REPO_AUDITS,
    OD_REPO_WHY,
    OD_REPO_KEY,
    OD_REPO_KEYS,
    OD_REPO_ONCE,
    OD_REPO_ROWS,
    OD_REPO_POINTS,
};

union od_repo_fn {
    od_repo_done_fn done;
    od_repo_agents_fn agents;
    od_repo_things_fn things;
    od_repo_campaigns_fn campaigns;
    od_repo_added_fn added;
    od_repo_calls_fn calls;
    od_repo_events_fn events;
    od_repo_suppressions_fn suppressions;
    od_repo_dead_fn dead;
    od_repo_audits_fn audits;
    od_repo_why_fn why;
    od_guard_key_fn key;
    od_guard_keys_fn keys;
    od_guard_once_fn once;
    od_outbox_rows_fn rows;
    od_outbox_points_fn points;
};

struct od_repo_call {
    struct od_store *store;
    enum od_repo_shape shape;
    union od_repo_fn fn;
    void *fn_ctx;
    char org[OD_NAME_MAX], prefix[OD_REDIS_KEY_MAX];
    bool writes;                /* a lost reply leaves the effect unknown */
    bool sweeps;                /* a cancel goes on with the contacts */
    struct od_uid uid;          /* sweeps: the campaign; a list: the campaign, or none */
    struct od_call_query query; /* a list's; what it points to is in uid and agent */
    struct od_uid agent;
    size_t batch; /* calls_add: how many were given; audit_list: how many were wanted */
    void *held;   /* what a request of several commands needs again; free() */
    int err;      /* deferred: what to say */
    struct od_repo_call *next;
};

/* A new request. NULL when memory is short: the callback can then never fire, which is the one
 * promise broken; it is logged. */
struct od_repo_call *od_repo_begin(struct od_store *store, const char *org,
                                   enum od_repo_shape shape, union od_repo_fn fn, void *fn_ctx);

/* Sends what stands in store->cmd; answers from the loop with an error when that can't be done. */
void od_repo_send(struct od_repo_call *call, enum od_script script, od_redis_reply_fn fn);

/* The same for a plain command. */
void od_repo_send_command(struct od_repo_call *call, od_redis_reply_fn fn);

/* The error of an error reply, and of a reply that never came. */
int od_repo_error(const struct od_repo_call *call, const struct redisReply *reply);
int od_repo_lost(const struct od_repo_call *call);

/* Answers with an error, later, from the loop. */
void od_repo_defer(struct od_repo_call *call, int err);

/* Answers now (from a reply) with an error, or with 0 where that is all there is to say, and ends
 * the request. */
void od_repo_answer(struct od_repo_call *call, int err);

/* 0 when the reply is a script's success ({ 0, ... }); otherwise the error to answer with. */
int od_repo_reply(const struct od_repo_call *call, const struct redisReply *reply);

/* Ends the request: its answer was given. */
void od_repo_end(struct od_repo_call *call);

/* The script answers with nothing but an error number. */
void od_repo_done(void *ctx, const struct redisReply *reply);

/* The org as this process serves it (made when new); the request writes something in it. */
void od_repo_touch_org(struct od_repo_call *call);

/* Starts a script's command. False when the org's name is none, which finds nothing: the request
 * is answered. */
bool od_repo_script(struct od_repo_call *call, enum od_script script);
void od_repo_add_uid(struct od_repo_call *call, const struct od_uid *uid);
void od_repo_add_text(struct od_repo_call *call, struct od_text text);

/* At most as many as a page holds. */
uint32_t od_repo_page(uint32_t take);

struct od_uid od_repo_make_uid(void);

/* Each fills in its part of the port. */
void od_repo_agents_init(struct od_repo_port *repo);
void od_repo_things_init(struct od_repo_port *repo);
void od_repo_campaigns_init(struct od_repo_port *repo);
void od_repo_calls_init(struct od_repo_port *repo);
void od_repo_rules_init(struct od_repo_port *repo);
void od_repo_audit_init(struct od_repo_port *repo);

/* The script answers with the indices of what was there already. redis_repo_calls.c */
void od_repo_added_done(void *ctx, const struct redisReply *reply);

/* A canceled campaign's next contacts; answers when there are no more. redis_repo_calls.c */
void od_repo_sweep(struct od_repo_call *call);

#endif
