/*
 * agent_put - writing an agent's document for a vendor's dialect: it is checked as the engine will
 * read it, its secrets are sealed, and names need not be unique (the vendors' are labels).
 */
#ifndef ENGINE_API_AGENT_PUT_H
#define ENGINE_API_AGENT_PUT_H

#include "engine/api/request.h"

/* Stores the document under id; then q->page has the stored agent alone and fn is called. before:
 * what it replaces, for secrets that the client sent back as null; NULL: it is new. Answers any
 * problem itself. The document stays the caller's. */
void od_agent_store(struct od_request *q, const struct od_uid *id, yyjson_mut_doc *doc,
                    yyjson_val *before, void (*fn)(struct od_request *q));

/* Judges the text of an agent's document (agent_check.h); its name becomes rec's. before: the
 * stored document, NULL: none. False: answered. */
bool od_agent_check(struct od_request *q, const char *text, size_t bytes, yyjson_val *before,
                    struct od_agent_rec *rec);

/* Reads the agent into q->page, linked (agent_page.h), then calls fn; 404 when it isn't there. */
void od_agent_load(struct od_request *q, const struct od_uid *id, void (*fn)(struct od_request *q));

/* The document of the page's first agent, to be changed and stored; NULL: answered, no memory. */
yyjson_mut_doc *od_agent_copy(struct od_request *q);

/* Sets or replaces a member; value NULL: null. */
void od_agent_set(yyjson_mut_doc *doc, const char *name, yyjson_val *value);
void od_agent_set_text(yyjson_mut_doc *doc, const char *name, const char *text);

#endif
