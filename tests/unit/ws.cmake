od_unit_test(ws_frame_test LIBS od_ws)
od_unit_test(ws_client_test LIBS od_ws SOURCES ${CMAKE_CURRENT_LIST_DIR}/peer_bench.c)
od_unit_test(raw_cut_test LIBS od_ws od_agent)
od_unit_test(raw_client_test LIBS od_ws SOURCES ${CMAKE_CURRENT_LIST_DIR}/peer_bench.c)
