add_library(od_api_fake STATIC ${CMAKE_CURRENT_LIST_DIR}/api_fake.c
    ${CMAKE_CURRENT_LIST_DIR}/api_fake_repo.c ${CMAKE_CURRENT_LIST_DIR}/api_fake_calls.c
    ${CMAKE_CURRENT_LIST_DIR}/api_fake_guard.c
    ${CMAKE_CURRENT_LIST_DIR}/api_fake_audit.c ${CMAKE_CURRENT_LIST_DIR}/api_fake_outbox.c)
target_link_libraries(od_api_fake PUBLIC od_api od_crypto)

od_helper(unit/api_ask LIBS od_api_fake)

od_unit_test(api_csv_test LIBS od_api)
od_unit_test(api_read_test LIBS od_api)
od_unit_test(vendor_status_test LIBS od_api)
od_unit_test(api_routes_test LIBS api_ask)
od_unit_test(api_once_test LIBS api_ask)
od_unit_test(api_rate_test LIBS api_ask)
od_unit_test(api_openapi_test LIBS api_ask)
od_unit_test(api_native_test LIBS api_ask)
od_unit_test(api_refusals_test LIBS api_ask)
od_unit_test(api_import_test LIBS od_api_fake)
od_unit_test(api_events_test LIBS od_api_fake)
od_unit_test(hook_body_test LIBS od_api PkgConfig::YYJSON)
od_unit_test(hook_start_test LIBS od_api)
