/*
 * way_out - by which stored number or SIP credentials a call goes out that names a number or
 * credentials of its own: an org's numbers and credentials, read once for a request.
 *
 * A call that names credentials goes out by them. One that names a number goes out by the way that
 * number is stored with, unless the agent has a way that was said to be for all its calls (trunks,
 * a SIP server of its own), or shows that number anyway.
 *
 * Lifetime: owned by its request.
 */
#ifndef ENGINE_API_WAY_OUT_H
#define ENGINE_API_WAY_OUT_H

#include "engine/api/request.h"

struct od_way_out;

/* Reads them into q->ways, then calls fn; answers the problem itself otherwise. */
void od_way_out_load(struct od_request *q, void (*fn)(struct od_request *q));
void od_way_out_destroy(struct od_way_out *ways); /* NULL is fine */

/* The credentials are there. */
bool od_way_out_known(const struct od_way_out *ways, const struct od_uid *credentials);

/* One of the agent's numbers is that. */
bool od_way_out_attached(const struct od_way_out *ways, yyjson_val *agent, const char *from);

/* The way of a call of the agent that shows `from`; all zero: the agent's own. */
struct od_uid od_way_out_of(const struct od_way_out *ways, yyjson_val *agent, const char *from);

#endif
