od_fuzz(sip_sdp_fuzz LIBS od_sip)
od_fuzz(sip_digest_fuzz LIBS od_sip)
od_fuzz(sip_via_fuzz LIBS od_host)
