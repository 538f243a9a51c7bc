/*
 * project - stored records as JSON of the native dialect. Pure: a record and a document go in, an
 * object of that document comes out. Texts are borrowed from the record, so the document is written
 * out before the record goes.
 */
#ifndef ENGINE_API_PROJECT_H
#define ENGINE_API_PROJECT_H

#include <yyjson.h>

#include "outdial/repo.h"

yyjson_mut_val *od_project_campaign(yyjson_mut_doc *doc, const struct od_campaign_rec *rec);
yyjson_mut_val *od_project_call(yyjson_mut_doc *doc, const struct od_call_rec *rec);

/* Who took the call, as far as the media could tell: "human", "machine", ...; "" when nobody said.
 */
enum { OD_ANSWERED_BY_MAX = 24 };
void od_project_answered_by(const struct od_call_rec *rec, char out[OD_ANSWERED_BY_MAX]);

/* The agent's document with id, created_at, updated_at and live put in front and its secrets hidden
 * (secret_fields.h); all else, numbers too, as it was sent.
 * NULL: no memory, or the stored document is not a JSON object. */
yyjson_mut_val *od_project_agent(yyjson_mut_doc *doc, const struct od_agent_rec *rec);

/* "busy", "queued", ...: the phase, or once ended the cause. */
const char *od_project_status(const struct od_call_rec *rec);
/* "draft", "running", "paused", "draining", "drained", "canceled", or "completed". */
const char *od_project_state(const struct od_campaign_rec *rec);

/* Helpers of all answers: copied texts; a time or null; thousandths as a number, or null for 0. */
void od_put_uid(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key,
                const struct od_uid *uid);
void od_put_time(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, int64_t wall_ms);
void od_put_milli(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, uint64_t milli);
/* A text that may be empty, which is null; what is not UTF-8 is null as well. */
void od_put_text(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, struct od_text text);
/* The same of a URL; credentials inside it are not shown. */
void od_put_url(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, struct od_text url);
/* Stored JSON, put in as it is; `otherwise` ("null", "{}") when it is empty or broken. */
void od_put_json(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *key, struct od_text text,
                 const char *otherwise);

/* A document with an object as its root; NULL: no memory. */
yyjson_mut_doc *od_project_doc(void);

#endif
