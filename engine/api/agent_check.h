/*
 * agent_check - everything for which an agent's document is refused when it is written, by the API
 * or in the configuration: what the engine can't read (engine/agent/agent_def.h), and what it says
 * of the world outside, the SIP server its calls go to and the URLs it asks and tells. Whatever
 * could never work is a fault with its place then, not a lost webhook or a failed call later. Pure.
 */
#ifndef ENGINE_API_AGENT_CHECK_H
#define ENGINE_API_AGENT_CHECK_H

#include <yyjson.h>

#include "engine/agent/agent_def.h"
#include "engine/api/problem.h"
#include "outdial/repo.h"
#include "outdial/rules.h"

/* One webhook, { url, headers, customSettings }, at `pointer`; the URL itself only when `url`. */
void od_webhook_check(yyjson_val *hook, const char *pointer, bool url, struct od_faults *faults);

/* What a document is judged by besides itself. */
struct od_agent_world {
    const char *unix_dir;             /* where agents' sockets are; "" or NULL: there are none */
    const struct od_zone_port *zones; /* NULL: their names are not looked at */
};

/* A text that is good JSON. What it says of the world outside in the same words as `before` (NULL:
 * a new agent) is passed over: an old mistake must not keep anybody from disabling the agent. 0:
 * *out is the caller's; OD_EINVAL with faults; OD_ENOMEM. */
int od_agent_judge(struct od_text text, yyjson_val *before, const struct od_agent_world *world,
                   struct od_agent_def **out, struct od_faults *faults);

#endif
