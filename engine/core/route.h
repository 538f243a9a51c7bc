/*
 * route - which trunks take a number. The longest matching prefix wins; a trunk without prefixes
 * takes every number, as the weakest match. Pure.
 */
#ifndef ENGINE_CORE_ROUTE_H
#define ENGINE_CORE_ROUTE_H

#include "outdial/engine.h"

/* The number, or name, of `to` without its scheme. Borrowed. */
const char *od_route_number(const char *to);

/* How well the trunk's prefixes match `to` (E.164, or a SIP or tel URI, whose scheme is skipped):
 * 0 not at all, 1 it has none, 1 + length otherwise. */
unsigned od_route_match(const struct od_trunk_def *trunk, const char *to);

#endif
