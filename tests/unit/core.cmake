od_unit_test(core_adapt_test LIBS od_core)
od_unit_test(core_base_test LIBS od_base)
od_unit_test(core_call_fsm_test LIBS od_core)
od_unit_test(core_hours_test LIBS od_core)
od_unit_test(core_limit_test LIBS od_core)
od_unit_test(core_parts_test LIBS od_core)
set(core_bench ${CMAKE_CURRENT_LIST_DIR}/core_bench.c)
od_unit_test(core_failover_test LIBS od_core SOURCES ${core_bench})
od_unit_test(core_engine_test LIBS od_core SOURCES ${core_bench})
od_unit_test(core_pacer_test LIBS od_core SOURCES ${core_bench})

# Prints the call table; ARCHITECTURE.md holds what it prints (tests/lint/call_table_test.sh).
add_executable(call_fsm_print ${CMAKE_SOURCE_DIR}/tests/unit/call_fsm_print.c)
target_link_libraries(call_fsm_print PRIVATE od_core)

if(OUTDIAL_BENCH)
    add_executable(od_core_bench ${CMAKE_SOURCE_DIR}/bench/core_bench.c)
    target_link_libraries(od_core_bench PRIVATE od_core)
endif()
