od_fuzz(rtp_fuzz LIBS od_rtp od_media)
