/*
 * orphans - legs of dead workers' calls, ended at the carrier from what the ledger kept of them.
 * A carrier may challenge that, and the answer's credentials are the trunk's. Trunks of stored SIP
 * credentials are known only once the store has told of these, which after a start may be later
 * than the legs: such a leg waits for its trunk, though not for long, as a phone is off the hook.
 *
 * Lifetime: owned by the host; create, attach when the others are open, destroy.
 */
#ifndef ENGINE_HOST_ORPHANS_H
#define ENGINE_HOST_ORPHANS_H

#include "engine/host/catalog.h"
#include "proto/redis/redis_store.h"
#include "proto/sip/sip.h"

struct od_orphans;

int od_orphans_create(struct od_orphans **out); /* OD_ENOMEM */
void od_orphans_destroy(struct od_orphans *orphans);
void od_orphans_attach(struct od_orphans *orphans, struct od_sip *sip,
                       const struct od_catalog *catalog);

/* Ends the leg, now or within two seconds. Copies what it keeps. */
void od_orphans_add(struct od_orphans *orphans, const struct od_orphan *orphan, uint64_t now_ns);

/* Looks whether trunks have become known. Often. */
void od_orphans_tick(struct od_orphans *orphans, uint64_t now_ns);

#endif
