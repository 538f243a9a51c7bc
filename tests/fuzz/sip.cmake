od_fuzz(sip_sdp_fuzz LIBS od_sip)
