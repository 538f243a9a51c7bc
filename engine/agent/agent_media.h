/*
 * agent_media - what an agent's document says about listening to who takes the call. Private to
 * engine/agent.
 */
#ifndef ENGINE_AGENT_AGENT_MEDIA_H
#define ENGINE_AGENT_AGENT_MEDIA_H

#include "engine/agent/agent_read.h"

/* The vendors' ways of asking, at the document's top or in config.features; sets the defaults
 * first. */
int od_agent_media_read_vendors(struct od_agent_reader *r, yyjson_val *root,
                                struct od_agent_def *def);

/* Our own keys in the `outdial` object. */
int od_agent_media_read(struct od_agent_reader *r, yyjson_val *outdial, struct od_agent_def *def);

#endif
