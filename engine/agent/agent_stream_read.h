/*
 * agent_stream_read - reads the stream agent's object (agent_stream.h). Private to engine/agent.
 */
#ifndef ENGINE_AGENT_AGENT_STREAM_READ_H
#define ENGINE_AGENT_AGENT_STREAM_READ_H

#include "engine/agent/agent_read.h"
#include "engine/agent/agent_stream.h"

/* OD_EINVAL with the problem noted. */
int od_agent_stream_read(struct od_agent_reader *reader, yyjson_val *agent,
                         struct od_agent_stream *out);

#endif
