od_unit_test(rtp_packet_test LIBS od_rtp)
od_unit_test(rtp_pool_test LIBS od_rtp)
