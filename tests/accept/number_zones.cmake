add_test(NAME accept_number_zones
    COMMAND ${CMAKE_SOURCE_DIR}/tests/accept/number_zones/run.sh $<TARGET_FILE:zone_print>)
set_tests_properties(accept_number_zones PROPERTIES TIMEOUT 120 LABELS accept)
