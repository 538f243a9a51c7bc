/*
 * places - caps on calls at once: of trunks, agents, orgs and caller numbers, over all processes on
 * one Redis. A call takes its places in the script that writes its intent, which alone decides;
 * here is what caps there are, and what the others' calls leave of them, so that calls are not
 * claimed and armed in vain. A place that is full still lets one call try: it says when it is free.
 *
 * Lifetime: owned by the host.
 */
#ifndef ENGINE_HOST_PLACES_H
#define ENGINE_HOST_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "outdial/engine.h"
#include "outdial/rules.h"

struct od_host;
struct od_job;
struct od_places;

/* OD_ENOMEM. The host is borrowed. */
int od_places_create(struct od_places **out, struct od_host *host);
void od_places_destroy(struct od_places *places); /* NULL is fine */

/* The places that a call takes on that trunk: at most OD_PLACES_MAX; returns how many. */
size_t od_places_of(const struct od_places *places, const struct od_job *job, uint32_t trunk,
                    struct od_place *out);

/* From the store: how many calls count in a place; org NULL: a trunk's. told(): that was all,
 * places not named have none. */
void od_places_use(struct od_places *places, const char *org, const char *name, uint32_t calls);
void od_places_told(struct od_places *places, const char *org);

/* Lowers the cap to what the other processes leave of it. */
void od_places_cap_trunk(const struct od_places *places, uint32_t index, struct od_trunk_def *def);
void od_places_cap_lane(const struct od_places *places, uint32_t lane, struct od_lane_def *def);

bool od_places_trunk_full(const struct od_places *places, uint32_t index);
/* Which cap of the org, the agent or the caller number (may be NULL or "") is used up, in words;
 * NULL: none. */
const char *od_places_full(const struct od_places *places, const char *org,
                           const struct od_uid *agent, const char *from);

#endif
