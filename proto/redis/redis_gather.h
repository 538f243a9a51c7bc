/*
 * redis_gather - requests of the API that come in one turn of the loop and ask for the like are
 * sent as one script: creates of single calls, look-ups of calls and agents. A script costs Redis
 * some 20 us before it has done anything, and a create its share of an fsync; a hundred clients at
 * once pay that once. Who asks for the very same thing shares its answer.
 *
 * Nothing waits for company: what has been gathered leaves when this turn of the loop is over, when
 * it would have left anyway.
 */
#ifndef PROTO_REDIS_REDIS_GATHER_H
#define PROTO_REDIS_REDIS_GATHER_H

#include "proto/redis/redis_repo.h"

enum { OD_GATHER_COMMON_MAX = 4, OD_GATHER_OWN_MAX = 2 };

/* The arguments of one request: those that all of one script must have in common, which stand in
 * front, and its own. Borrowed until od_redis_gather() returns; an unused text has at NULL. */
struct od_gather_args {
    struct od_text common[OD_GATHER_COMMON_MAX], own[OD_GATHER_OWN_MAX];
};

/* Takes the request; it is answered from the reply or with an error, later. */
void od_redis_gather(struct od_repo_call *call, enum od_gather_kind kind,
                     const struct od_gather_args *args);

/* Sends what was gathered; what can't be sent is answered with the error by
 * od_redis_repo_deferred(). */
void od_redis_gather_flush(struct od_store *store);

/* redis_repo_agents.c, redis_repo_calls.c: answer one request from its slice of the reply, which
 * begins at `at`. */
void od_repo_agent_slice(struct od_repo_call *call, const struct redisReply *reply, size_t at);
void od_repo_call_slice(struct od_repo_call *call, const struct redisReply *reply, size_t at);
void od_repo_added_slice(struct od_repo_call *call, const struct redisReply *reply, size_t at);

#endif
