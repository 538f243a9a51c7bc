/*
 * ways - how a call of an agent gets out, beyond the trunks of the configuration: trunks made of
 * the SIP credentials that are stored, which number leads through which, and an agent's own SIP
 * server. Told of every stored number and credentials like the catalog of every agent.
 *
 * It owns the definitions of the trunks it makes; the catalog runs them (their names are resolved,
 * their limits are the engine's). A definition that was replaced is kept until the end: a call that
 * began with it may still point into it.
 *
 * Lifetime: owned by the catalog. Trunks are never taken away: one whose credentials were deleted
 * is not usable any more, and is used again for the next credentials.
 */
#ifndef ENGINE_HOST_WAYS_H
#define ENGINE_HOST_WAYS_H

#include <yyjson.h>

#include "outdial/box.h"
#include "outdial/config.h"
#include "outdial/repo.h"

enum { OD_WAYS_MAX = 128 };

struct od_ways;

struct od_ways_port {
    void *ctx;
    /* A trunk for the definition; OD_NO_TRUNK: no room. */
    uint32_t (*add)(void *ctx, const struct od_config_trunk *config);
    /* Another definition for it; NULL: it is not usable any more. */
    void (*change)(void *ctx, uint32_t trunk, const struct od_config_trunk *config);
    /* The index of a configured trunk; OD_NO_TRUNK: there is none of that name. */
    uint32_t (*named)(void *ctx, const char *name);
};

int od_ways_create(struct od_ways **out, const struct od_ways_port *port); /* OD_ENOMEM */
void od_ways_destroy(struct od_ways *ways);                                /* NULL is fine */

/* box: opens passwords; NULL: they are read as they are stored. */
void od_ways_thing(struct od_ways *ways, const struct od_box_port *box, const char *org,
                   enum od_thing_kind kind, const struct od_thing_rec *rec, bool deleted);

/* The agent's document, its secrets open; NULL: deleted. Makes or changes the trunk of its own SIP
 * server, if it names one. */
void od_ways_agent(struct od_ways *ways, const struct od_uid *agent, yyjson_val *doc);

/* Where calls of the agent go: its own server, else through its number's credentials or trunk.
 * OD_NO_TRUNK: the document says nothing of it. *known: it does, even when that leads nowhere now.
 */
uint32_t od_ways_of(const struct od_ways *ways, const struct od_uid *agent, yyjson_val *doc,
                    bool *known);

/* Where calls go that are to go out by a stored number's way, or by stored credentials.
 * OD_NO_TRUNK: nowhere now. */
uint32_t od_ways_by(const struct od_ways *ways, const struct od_uid *via);

/* The display name that the org's number is stored with; NULL: none. Borrowed until the next
 * od_ways_thing(). */
const char *od_ways_name(const struct od_ways *ways, const char *org, const char *number);

#endif
