od_fuzz(agent_def_fuzz LIBS od_agent)
od_fuzz(agent_stream_fuzz LIBS od_agent)
