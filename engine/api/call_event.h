/*
 * call_event - the end of a call as a webhook's body: the event's envelope around the same object
 * that GET /outdial/v1/calls/{id} answers. Pure.
 *
 *   { "type": "call.completed", "timestamp": "RFC 3339", "data": { ...the call... } }
 */
#ifndef ENGINE_API_CALL_EVENT_H
#define ENGINE_API_CALL_EVENT_H

#include "outdial/repo.h"

/* The terminal event's type for a cause ("call.busy"); never NULL, static storage. */
const char *od_call_event_type(enum od_cause cause);

/* rec->phase must be ENDED. Returns NUL-terminated JSON of *bytes, to be given to
 * od_call_event_free(); NULL: no memory. */
char *od_call_event_json(const struct od_call_rec *rec, int64_t wall_ms, size_t *bytes);
void od_call_event_free(char *json); /* NULL is fine */

#endif
