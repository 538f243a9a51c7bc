# The simulated world: a library for whoever tests against it, a command, and its own tests.
add_library(od_simlib STATIC
    ${CMAKE_SOURCE_DIR}/tests/sim/sim_carrier.c ${CMAKE_SOURCE_DIR}/tests/sim/sim_check.c
    ${CMAKE_SOURCE_DIR}/tests/sim/sim_clock.c ${CMAKE_SOURCE_DIR}/tests/sim/sim_knobs.c
    ${CMAKE_SOURCE_DIR}/tests/sim/sim_operator.c ${CMAKE_SOURCE_DIR}/tests/sim/sim_store.c
    ${CMAKE_SOURCE_DIR}/tests/sim/sim_talk.c ${CMAKE_SOURCE_DIR}/tests/sim/sim_world.c)
target_link_libraries(od_simlib PUBLIC od_core)

add_executable(od_sim ${CMAKE_SOURCE_DIR}/tests/sim/sim_main.c)
target_link_libraries(od_sim PRIVATE od_simlib)
