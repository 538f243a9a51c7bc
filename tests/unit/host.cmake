od_unit_test(host_test LIBS od_host PkgConfig::YYJSON)
