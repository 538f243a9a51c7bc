/*
 * call_extra - the JSON object that a call carries for what the queue does not look at: what a
 * vendor's create asked for beyond number and context, and for a CallingBox call the snapshot of
 * the agent it was made for. Read by the projections and by whoever acts on a member.
 *
 *   api                    "dasha" or "callingbox": who made it
 *   completedWebHook, failedWebHook      URLs
 *   overrideOutboundConfig { phoneNumber?, credentialsId?, displayName? }
 *   metadata               object
 *   instructions           the call's own or the agent's at that time
 *   persona, returns, language           the agent's at that time
 */
#ifndef ENGINE_API_CALL_EXTRA_H
#define ENGINE_API_CALL_EXTRA_H

#include <yyjson.h>

#include "outdial/repo.h"

/* NULL when there is none or it is broken; yyjson_doc_free() in any case. */
yyjson_doc *od_call_extra(const struct od_call_rec *rec);

/* A member's text, NULL when it is not there or no text. */
const char *od_extra_text(yyjson_doc *extra, const char *name);

#endif
