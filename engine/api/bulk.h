/*
 * bulk - many calls in one request (Dasha's POST /calls/bulk), taken apart as they come in: items
 * become calls, calls become batches by priority, batches go into the repo. One bad item fails
 * alone. At most OD_BULK_IN_FLIGHT batches are on their way; when they are, the client is not read
 * from. What is kept of an item until the end is its line of the answer.
 *
 * Lifetime: owned by its request; made in head(), before the agent is known.
 */
#ifndef ENGINE_API_BULK_H
#define ENGINE_API_BULK_H

#include "engine/api/request.h"

enum {
    OD_BULK_CALLS_MAX = 50000, /* of one request; what is above fails item by item */
    OD_BULK_BATCH = 500,
    OD_BULK_IN_FLIGHT = 4,
    OD_BULK_BYTES_MAX = 64 << 20,
};

struct od_bulk *od_bulk_create(struct od_request *q); /* NULL: no memory */
void od_bulk_destroy(struct od_bulk *bulk);           /* NULL is fine */

/* Bytes of the body, `last` with the final ones. May answer the request. */
void od_bulk_push(struct od_bulk *bulk, const char *data, size_t bytes, bool last);

#endif
