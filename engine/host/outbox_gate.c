/*
 * outbox_gate - see the header.
 */
#include "engine/host/outbox_gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GATE_WIDE = 2048,
    GATE_NARROW = 4, /* to one that has not answered GATE_DARK times in a row */
    GATE_DARK = 8,
    GATES_MAX = 4096, /* remembered for their silence alone */
};

struct od_outbox_gate *od_outbox_gate_get(struct od_outbox_gate **gates,
                                          const struct od_http_url *url)
{
    char name[sizeof((struct od_outbox_gate *)0)->name];
    struct od_outbox_gate *gate;
    snprintf(name, sizeof name, "%s:%u", url->host, url->port);
    HASH_FIND_STR(*gates, name, gate);
    if (gate)
        return gate;
    gate = calloc(1, sizeof *gate);
    if (!gate)
        return NULL;
    memcpy(gate->name, name, sizeof name);
    HASH_ADD_STR(*gates, name, gate);
    return gate;
}

bool od_outbox_gate_open(const struct od_outbox_gate *gate)
{
    return gate->running < (gate->silent >= GATE_DARK ? GATE_NARROW : GATE_WIDE);
}

void od_outbox_gate_drop(struct od_outbox_gate **gates, struct od_outbox_gate *gate)
{
    if (gate->running || (gate->silent && HASH_COUNT(*gates) <= GATES_MAX))
        return;
    HASH_DEL(*gates, gate); /* forgetting that one was dark costs a few attempts */
    free(gate);
}

void od_outbox_gate_leave(struct od_outbox_gate **gates, struct od_outbox_gate *gate, bool answered)
{
    gate->running--;
    if (answered)
        gate->silent = 0;
    else if (gate->silent < UINT32_MAX)
        gate->silent++;
    od_outbox_gate_drop(gates, gate);
}

void od_outbox_gates_free(struct od_outbox_gate **gates)
{
    struct od_outbox_gate *gate, *tmp;
    HASH_ITER(hh, *gates, gate, tmp)
    {
        HASH_DEL(*gates, gate);
        free(gate);
    }
}
