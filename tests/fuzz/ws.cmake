od_fuzz(ws_frame_fuzz LIBS od_ws)
