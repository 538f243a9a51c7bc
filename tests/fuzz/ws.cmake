od_fuzz(ws_frame_fuzz LIBS od_ws)
od_fuzz(raw_stream_fuzz LIBS od_agent od_ws)
