/*
 * zone - time zones from the system's database, by GLib: od_zone_port's implementation. Each zone
 * is opened once and its present stretch of constant offset is remembered, so that asking again
 * costs a look-up by name. Called on the loop's thread only.
 *
 * Lifetime: owned by the host; the port lives as long as it.
 */
#ifndef PROTO_ZONE_ZONE_H
#define PROTO_ZONE_ZONE_H

#include "outdial/rules.h"

struct od_zones;

/* OD_ENOMEM. */
int od_zones_create(struct od_zones **out);
void od_zones_destroy(struct od_zones *zones); /* NULL is fine */

const struct od_zone_port *od_zones_port(struct od_zones *zones);

#endif
