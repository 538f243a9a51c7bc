od_fuzz(carrier_sip_fuzz LIBS od_carrier)
