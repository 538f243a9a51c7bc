/*
 * agent_check - what an agent's document says of the world outside: the SIP server its calls go to
 * and the URLs it asks and tells. Whatever could never work is a fault with its place when the
 * agent is written, not a lost webhook or a failed call later. Pure.
 */
#ifndef ENGINE_API_AGENT_CHECK_H
#define ENGINE_API_AGENT_CHECK_H

#include <yyjson.h>

#include "engine/api/problem.h"

/* One webhook, { url, headers, customSettings }, at `pointer`; the URL itself only when `url`. */
void od_webhook_check(yyjson_val *hook, const char *pointer, bool url, struct od_faults *faults);

/* The whole document. What `before` (NULL: a new agent) said in the same words is passed over: an
 * old mistake must not keep anybody from disabling the agent. */
void od_agent_outside_check(yyjson_val *agent, yyjson_val *before, struct od_faults *faults);

#endif
