od_unit_test(zone_test LIBS od_zone)

# Time zones and windows as outdial sees them, for tests/accept/number_zones/oracle.mjs.
add_executable(zone_print ${CMAKE_SOURCE_DIR}/tests/unit/zone_print.c)
target_link_libraries(zone_print PRIVATE od_zone od_core)
