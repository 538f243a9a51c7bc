od_fuzz(agent_def_fuzz LIBS od_agent)
