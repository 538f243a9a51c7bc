/*
 * agent_view - reading the one stored agent document, whichever dialect wrote it: what the vendors
 * call differently is found under any of its names. Pure; texts are borrowed from the document,
 * NULL when it says nothing. The document may be NULL.
 */
#ifndef ENGINE_API_AGENT_VIEW_H
#define ENGINE_API_AGENT_VIEW_H

#include <yyjson.h>

#include "outdial/repo.h"

/* NULL when the stored document is broken or there is no memory; to be freed. */
yyjson_doc *od_agent_doc(const struct od_agent_rec *rec);

const char *od_agent_persona(yyjson_val *doc);
const char *od_agent_instructions(yyjson_val *doc); /* or config.llmConfig.prompt */
const char *od_agent_language(yyjson_val *doc);     /* or config.primaryLanguage */
const char *od_agent_voice(yyjson_val *doc);        /* or config.ttsConfig.voiceId */
const char *od_agent_number(yyjson_val *doc);       /* the number it calls from */
bool od_agent_enabled(yyjson_val *doc);
bool od_agent_outbound(yyjson_val *doc); /* type is not "inbound" */
bool od_agent_archived(yyjson_val *doc);

/* It can call: a number is linked, or the document names a SIP server of its own. */
bool od_agent_can_dial(yyjson_val *doc);

#endif
