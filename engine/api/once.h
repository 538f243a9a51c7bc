/*
 * once - Idempotency-Key: a POST that is sent again with the same key is done once. For a dialer
 * this is safety and not comfort: a repeated request must not ring a person twice.
 *
 * One mechanism for every route that changes something by POST, in every dialect; routes know
 * nothing of it but this: the ids they make and the random bytes they draw come from
 * od_request_uid() and od_request_random(), in an order that follows from the request alone. Under
 * a key these are derived from the seed that the first request has left in the store. So a request
 * that takes over from one that died in the middle makes the very same things, and the store takes
 * a thing that is there already for done (outdial/guard.h, "seed").
 *
 *   the key comes first            the route runs; its answer is kept (sealed), then sent
 *   again, same request            the kept answer, "Idempotent-Replayed: true"
 *   again, while the first runs    409, Retry-After
 *   again, another request         422
 *   again, after a crash           the route runs with the first one's seed
 *
 * An answer that says that nothing was done (4xx) frees the key; one that leaves open what was done
 * (5xx) lets the next one go on with the seed.
 *
 * Lifetime: owned by its request.
 */
#ifndef ENGINE_API_ONCE_H
#define ENGINE_API_ONCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outdial/types.h"

struct od_once;
struct od_request;

enum { OD_ONCE_KEY_MAX = 255, OD_ONCE_LEASE_MS = 10000 };

/* Looks at the request's header once its route and org are known. False: answered 400. */
bool od_once_take(struct od_request *q);

/* Bytes of a streamed body, for the print. */
void od_once_body(struct od_request *q, const char *data, size_t bytes);

/* Asks the store, then calls run() unless the answer is known already. Without a key: run() now. */
void od_once_begin(struct od_request *q, void (*run)(struct od_request *q));

/* The body is read for its print only, nothing of it is to be done. */
bool od_once_drains(const struct od_request *q);
/* The body of a stream is at its end: the print is known, which may answer the request. */
void od_once_body_end(struct od_request *q);

/* The request's answer, before it goes out. True: it is kept first and sent later by
 * od_request_send(). */
bool od_once_answers(struct od_request *q, int status, const char *type, const char *headers,
                     const char *body, size_t bytes);

/* Bytes of the seed. False: the request has no key, or does not run under it. */
bool od_once_random(struct od_request *q, void *out, size_t bytes);
/* The time that ids are made with; 0: the present. */
int64_t od_once_wall_ms(const struct od_request *q);

/* The request ends; when it was never answered the key is yielded. NULL is fine. */
void od_once_free(struct od_request *q);

#endif
