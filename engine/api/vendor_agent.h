/*
 * vendor_agent - the agent that a vendor's call is made for: found by its id, and asked whether it
 * can call at all and from which number.
 */
#ifndef ENGINE_API_VENDOR_AGENT_H
#define ENGINE_API_VENDOR_AGENT_H

#include "engine/api/new_call.h"
#include "engine/api/request.h"

/* rec and doc are borrowed until fn returns. */
typedef void (*od_vendor_agent_fn)(struct od_request *q, const struct od_agent_rec *rec,
                                   yyjson_val *doc);

/* The agent of ?agentId= or, without one, of the value (may be NULL); answers the problem itself.
 */
void od_vendor_agent_named(struct od_request *q, yyjson_val *value, od_vendor_agent_fn fn);
/* The same for a text (NULL: none was given); `member` is what the client calls it. */
void od_vendor_agent_get(struct od_request *q, const char *id, const char *member,
                         od_vendor_agent_fn fn);

/* Sets the number that is called from, if the call names none. */
void od_vendor_from(yyjson_val *agent, struct od_new_call *call);

/* The same. False: answered, "No outbound config". */
bool od_vendor_outbound(struct od_request *q, yyjson_val *agent, struct od_new_call *call);

/* Answers that a call could not be stored; when nobody knows whether it was, with its id. */
void od_vendor_add_failed(struct od_request *q, int err, const char *member,
                          const struct od_uid *id);

#endif
