/*
 * legs - the engine's SIP port: for each call it puts together what an INVITE needs (the job's
 * number, the agent's and the trunk's identity, an RTP port and an offer), hands it to proto/sip,
 * and turns what comes back into facts for the engine and audio for the agent.
 *
 * It decides nothing: an order that can't be carried out becomes a fact like any other.
 *
 * Lifetime: owned by the host; a leg is made by invite() and ends in drop(), which the engine gives
 * exactly once. The agent document that a leg runs is held until then, whatever is edited
 * meanwhile.
 */
#ifndef ENGINE_HOST_LEGS_H
#define ENGINE_HOST_LEGS_H

#include "engine/host/call_meter.h"
#include "engine/host/catalog.h"
#include "engine/host/ladder.h"
#include "engine/host/talk.h"
#include "outdial/ports.h"
#include "proto/redis/redis_store.h"
#include "proto/sip/sip.h"

struct od_legs;

struct od_legs_config {
    uint32_t calls_max;
    struct od_ladder *ladder;
    struct od_call_meter *meter; /* of SIP responses */
    void (*post)(void *ctx, const struct od_event *event);
    /* What came of a REGISTER, which is not a leg's. */
    void (*registered)(void *ctx, uint32_t id, const struct od_sip_registered *answer);
    void *ctx;
};

/* OD_ENOMEM. */
int od_legs_create(struct od_legs **out, const struct od_legs_config *config);
void od_legs_destroy(struct od_legs *legs);

/* The parts that are opened after the legs exist, because they call back into them. */
void od_legs_attach(struct od_legs *legs, struct od_store *store, struct od_sip *sip,
                    struct od_talk *talk, struct od_catalog *catalog);

struct od_sip_port od_legs_port(struct od_legs *legs);
struct od_sip_events od_legs_sip_events(struct od_legs *legs);

/* What ends the call's leg when this process can't any more, for the ledger; see od_store_events.
 */
size_t od_legs_note(struct od_legs *legs, struct od_call_id call, const struct od_invite *order,
                    bool sent, struct od_text before, char *out, size_t size);

/* The ledger has more than before on the local disk: answers that waited for it are acknowledged.
 */
void od_legs_kept(struct od_legs *legs);

/* The document that the call runs; NULL when there is none. */
const struct od_agent_def *od_legs_agent(const struct od_legs *legs, struct od_call_id call);

/* Every call with a leg now, for the operator's "end them all". */
void od_legs_each(const struct od_legs *legs, void (*fn)(void *ctx, struct od_call_id call),
                  void *ctx);

#endif
