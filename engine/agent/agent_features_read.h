/*
 * agent_features_read - reads agent_features.h out of a document. Private to engine/agent.
 */
#ifndef ENGINE_AGENT_AGENT_FEATURES_READ_H
#define ENGINE_AGENT_AGENT_FEATURES_READ_H

#include "engine/agent/agent_features.h"
#include "engine/agent/agent_read.h"

/* OD_EINVAL with the problem noted. */
int od_agent_features_read(struct od_agent_reader *reader, yyjson_val *root,
                           struct od_agent_features *out);

#endif
