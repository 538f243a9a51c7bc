/*
 * redis_event - an event of the stream as its reader wants it: a type and a JSON body. Pure but
 * for the reply it reads. Events are stored as 26 bytes; whom the call was for comes from the
 * call's record when they are read.
 */
#ifndef PROTO_REDIS_REDIS_EVENT_H
#define PROTO_REDIS_REDIS_EVENT_H

#include "outdial/repo.h"

struct redisReply;

enum { OD_REDIS_EVENT_BODY_MAX = 2048 };

/* Four elements from `at`: id, event, record, lane. body: memory for the JSON, which out borrows.
 * False when it is no event of ours. */
bool od_redis_event_read(const struct redisReply *array, size_t at, struct od_event_rec *out,
                         char body[OD_REDIS_EVENT_BODY_MAX]);

#endif
