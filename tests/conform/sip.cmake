od_unit_test(sip_call_test DIR conform LIBS od_sip SOURCES ${CMAKE_SOURCE_DIR}/tests/conform/sip_world.c)
