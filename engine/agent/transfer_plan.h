/*
 * transfer_plan - whom an agent may hand a callee on to, as Dasha's documents say:
 *
 *   features.transfer | config.features.transfer
 *     isEnabled            false: as if it weren't there
 *     type                 "cold" (by REFER), "warm" (bridged, after a briefing), "http" (the
 *                          webhook is asked, and says which of the two and whom)
 *     endpointDestination  +15550200 or sip:desk@host: who is meant when no route is named
 *     transferRoutes       [ { name, description, endpointDestination, type? } ]
 *     webhook              http: { url, headers, customSettings }, or a URL
 *     timeout              http: seconds, 1..60 (10)
 *     fallback             http: { type?, endpointDestination }: when the webhook fails; the same
 *                          is type with endpointDestination beside them
 *
 * Names and descriptions are for the agent, who is told all of it but the webhook. Members that are
 * not here are its own. Pure.
 */
#ifndef ENGINE_AGENT_TRANSFER_PLAN_H
#define ENGINE_AGENT_TRANSFER_PLAN_H

#include "engine/agent/agent_read.h"
#include "outdial/types.h"

/* how: what outdial.transfer says, which a warm transfer must not contradict. out->routes is to be
 * freed, also after an error. OD_EINVAL with the problem noted; OD_ENOMEM. */
int od_transfer_plan_read(struct od_agent_reader *reader, yyjson_val *root,
                          const struct od_transfer *how, struct od_transfer_plan *out);

/* Whom a word of the agent's means. */
struct od_transfer_way {
    char to[OD_ENDPOINT_MAX];
    bool warm;
};

/* "": the plan's destination; a route's name, in any case of ASCII letters; or a destination
 * itself. OD_ENOENT: none of them. */
int od_transfer_plan_find(const struct od_transfer_plan *plan, const char *word,
                          struct od_transfer_way *out);

/* What the webhook has answered: { endpointDestination | destination, type? (cold) }, or { route }
 * with a name of the plan's. OD_EINVAL: none of that. */
int od_transfer_plan_answer(const struct od_transfer_plan *plan, const char *json, size_t bytes,
                            struct od_transfer_way *out);

/* By that way, where `how` leaves it open. */
void od_transfer_plan_apply(const struct od_transfer_way *way, struct od_transfer *how);

#endif
