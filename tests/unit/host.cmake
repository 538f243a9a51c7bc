od_unit_test(host_test LIBS od_host PkgConfig::YYJSON)
od_unit_test(hook_test LIBS od_host PkgConfig::YYJSON)
