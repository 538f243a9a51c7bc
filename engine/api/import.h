/*
 * import - the contacts of a campaign, streamed in: bytes from the client become rows, rows become
 * batches, batches go into the repo. At most OD_IMPORT_IN_FLIGHT batches are on their way; when
 * they are, the client is not read from, so a file of any size passes in bounded memory.
 *
 * A row that can't be used is counted, the first ones are listed with line and reason, and the rest
 * goes on. When the store fails in the middle, what was stored stays: sending the file again is
 * safe, since a campaign takes each number once.
 *
 * Lifetime: owned by its request. Made in head(), before anything is known of the campaign; bytes
 * that arrive until then are kept.
 */
#ifndef ENGINE_API_IMPORT_H
#define ENGINE_API_IMPORT_H

#include "engine/api/request.h"

enum {
    OD_IMPORT_BATCH = 1000,
    OD_IMPORT_IN_FLIGHT = 4,
    OD_IMPORT_ERRORS_MAX = 100,
};

struct od_import;

struct od_import *od_import_create(struct od_request *q); /* NULL: no memory */
void od_import_destroy(struct od_import *import);         /* NULL is fine */

/* Bytes of the body, `last` with the final ones. May answer the request. */
void od_import_push(struct od_import *import, const char *data, size_t bytes, bool last);

#endif
