/*
 * outbox_gate - what a destination may hold of our places: many attempts at a time while it
 * answers, a few once it has been silent. A destination is a host and a port, whatever the paths.
 *
 * Lifetime: in the outbox's table while attempts run or silence is remembered.
 */
#ifndef ENGINE_HOST_OUTBOX_GATE_H
#define ENGINE_HOST_OUTBOX_GATE_H

#include <uthash.h>

#include "proto/http/http_url.h"

struct od_outbox_gate {
    char name[OD_HTTP_HOST_MAX + 8]; /* host:port */
    uint32_t running;                /* attempts, waiting for a connection or sent */
    uint32_t silent;                 /* attempts in a row that had no answer */
    UT_hash_handle hh;
};

/* The destination's gate, made when there is none. NULL: no memory. */
struct od_outbox_gate *od_outbox_gate_get(struct od_outbox_gate **gates,
                                          const struct od_http_url *url);
/* One more attempt may be made. */
bool od_outbox_gate_open(const struct od_outbox_gate *gate);
/* An attempt is over. The gate may be gone then. */
void od_outbox_gate_leave(struct od_outbox_gate **gates, struct od_outbox_gate *gate,
                          bool answered);
/* Nothing was begun by the gate after all. */
void od_outbox_gate_drop(struct od_outbox_gate **gates, struct od_outbox_gate *gate);
void od_outbox_gates_free(struct od_outbox_gate **gates);

#endif
