od_unit_test(agent_def_test LIBS od_agent)
od_unit_test(agent_script_test LIBS od_agent)
od_unit_test(talk_speech_test LIBS od_talk)
od_unit_test(talk_leg_test LIBS od_talk)
