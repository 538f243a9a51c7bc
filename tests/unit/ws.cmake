od_unit_test(ws_frame_test LIBS od_ws)
od_unit_test(ws_client_test LIBS od_ws)
