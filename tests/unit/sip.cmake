od_unit_test(sip_sdp_test LIBS od_sip)
od_unit_test(sip_gate_test LIBS od_sip)
od_unit_test(sip_digest_test LIBS od_sip)
