od_unit_test(host_test LIBS od_host PkgConfig::YYJSON)
od_unit_test(resolve_sip_test LIBS od_host)
od_unit_test(servers_test LIBS od_host)
od_unit_test(registrations_test LIBS od_host PkgConfig::YYJSON)
od_unit_test(hook_test LIBS od_host PkgConfig::YYJSON)
od_unit_test(tools_test LIBS od_host PkgConfig::YYJSON
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_support.c)
od_unit_test(sip_via_test LIBS od_host)
