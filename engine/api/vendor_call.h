/*
 * vendor_call - a stored call as the vendors' APIs show it: every field of their pages, in their
 * words. Pure, as project.h: a record and a document go in, an object of that document comes out;
 * all texts are copied.
 *
 * agent_doc: the agent's document as it is now, for a call that has no snapshot of its own; NULL
 * when it isn't known.
 */
#ifndef ENGINE_API_VENDOR_CALL_H
#define ENGINE_API_VENDOR_CALL_H

#include <yyjson.h>

#include "outdial/repo.h"

/* The Call object of the seeds' create-call reference. */
yyjson_mut_val *od_callingbox_call(yyjson_mut_doc *doc, const struct od_call_rec *rec,
                                   yyjson_val *agent_doc);

/* What create, get, bulk and the queue's list answer. */
yyjson_mut_val *od_dasha_call(yyjson_mut_doc *doc, const struct od_call_rec *rec, const char *org,
                              bool running_word);
/* An item of a result search. */
yyjson_mut_val *od_dasha_result(yyjson_mut_doc *doc, const struct od_call_rec *rec, const char *org,
                                bool running_word);

/* Members that its webhooks have, too: "result" with what the agent found, finishReason, status and
 * postCallAnalysis, null while the call lives; what was said, [{ speaker, text, startTime, endTime
 * }]; why the call failed (who refused it says so best), NULL when it did not. */
void od_dasha_put_result(yyjson_mut_doc *doc, yyjson_mut_val *o, const struct od_call_rec *rec);
yyjson_mut_val *od_dasha_transcription(yyjson_mut_doc *doc, const struct od_call_rec *rec);
const char *od_dasha_error(const struct od_call_rec *rec);

/* What was said, as far as it is known: segments of { sequence_no, role, text, started_at,
 * ended_at, duration_ms, source }. */
yyjson_mut_val *od_callingbox_segments(yyjson_mut_doc *doc, const struct od_call_rec *rec);

#endif
