od_unit_test(redis_crash_test DIR fault TIMEOUT 300
    LIBS od_redis
    SOURCES ${CMAKE_SOURCE_DIR}/tests/contract/redis_world.c
        ${CMAKE_SOURCE_DIR}/tests/contract/redis_server.c)

# The three ledgers: a few kills of each kind; kill_test.py takes counts for the long form.
function(od_kill name timeout)
    add_test(NAME fault_kill_${name}
        COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/fault/kill_test.py ${ARGN})
    set_tests_properties(fault_kill_${name} PROPERTIES TIMEOUT ${timeout} LABELS fault RUN_SERIAL ON
        ENVIRONMENT "OUTDIAL_BIN=$<TARGET_FILE:outdial>;PYTHONDONTWRITEBYTECODE=1")
endfunction()

find_package(Python3 REQUIRED COMPONENTS Interpreter)
od_kill(serve 300 --kills 12)
od_kill(redis 200 --kills 0 --redis-kills 4 --redis-hangs 3)
od_kill(workers 300 --kills 4 --pauses 2 --workers 2)
