od_helper(conform/sip_world LIBS od_sip)
foreach(name sip_auth_test sip_call_test sip_hostile_test sip_open_test sip_peer_test sip_recover_test sip_refer_test
        sip_register_test)
    od_unit_test(${name} DIR conform LIBS sip_world)
endforeach()
od_unit_test(sip_sipp_uas_test DIR conform LIBS od_sip)
