/*
 * redis_read - replies of the scripts to records. A reply is input: every element's type is looked
 * at, a record that is none of ours is left out and counted.
 */
#ifndef PROTO_REDIS_REDIS_READ_H
#define PROTO_REDIS_REDIS_READ_H

#include "outdial/repo.h"

struct od_wire_call;
struct redisReply;

/* True when the reply is an array of at least `least` elements. */
bool od_redis_read_array(const struct redisReply *reply, size_t least);

/* The element as text, "" when it is not there or no text. Borrowed. */
struct od_text od_redis_read_text(const struct redisReply *array, size_t at);

/* The element as a number (an integer or decimal text), 0 when it is none. */
int64_t od_redis_read_int(const struct redisReply *array, size_t at);

bool od_redis_read_uid(const struct redisReply *array, size_t at, struct od_uid *out);

/* Five elements from `at`: uid, name, document, created, updated. */
bool od_redis_read_agent(const struct redisReply *array, size_t at, struct od_agent_rec *out);

/* Five elements from `at`: uid, key, document, created, updated. */
bool od_redis_read_thing(const struct redisReply *array, size_t at, struct od_thing_rec *out);

/* Two elements from `at`: uid, array of fields and values. */
bool od_redis_read_campaign(const struct redisReply *array, size_t at, struct od_campaign_rec *out);

/* Four elements from `at`: uid, record, lane, why it waits. */
bool od_redis_read_call(const struct redisReply *array, size_t at, struct od_call_rec *out);

/* A stored call: its record and its lane's definition. */
bool od_redis_read_record(struct od_text record, struct od_text lane, const struct od_uid *uid,
                          struct od_call_rec *out);

/* Two elements from `at`: record, lane. */
bool od_redis_read_call_of(const struct redisReply *array, size_t at, const struct od_uid *uid,
                           struct od_call_rec *out);

/* What a record says of its end so far. */
void od_redis_read_outcome(const struct od_wire_call *record, struct od_outcome *out);

#endif
