od_unit_test(redis_crash_test DIR fault TIMEOUT 600 LIBS redis_world)
od_unit_test(redis_trouble_test DIR fault TIMEOUT 120 LIBS redis_world
    SOURCES ${CMAKE_SOURCE_DIR}/tests/fault/redis_peer.c)
od_unit_test(redis_counts_test DIR fault TIMEOUT 120 LIBS redis_world)

find_package(Python3 REQUIRED COMPONENTS Interpreter)

add_test(NAME fault_books COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/fault/books_test.py)
set_tests_properties(fault_books PROPERTIES TIMEOUT 60 LABELS fault
    ENVIRONMENT "PYTHONDONTWRITEBYTECODE=1")

# od_fault(NAME TIMEOUT SCRIPT ARGUMENTS...): the three ledgers, joined after faults of each kind; the
# scripts take counts for the long forms.
function(od_fault name timeout script)
    add_test(NAME fault_${name}
        COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/fault/${script} ${ARGN})
    set_tests_properties(fault_${name} PROPERTIES TIMEOUT ${timeout} LABELS fault
        ENVIRONMENT "OUTDIAL_BIN=$<TARGET_FILE:outdial>;PYTHONDONTWRITEBYTECODE=1")
endfunction()

# Under the sanitizers fewer deaths: there it is memory that is looked at.
if(OUTDIAL_SANITIZE)
    od_fault(kill_serve 1200 kill_test.py --kills 40)
else()
    od_fault(kill_serve 1200 kill_test.py --kills 100)
    od_fault(kill_serve_more 1200 kill_test.py --kills 100 --seed 2)
    set_tests_properties(fault_kill_serve_more PROPERTIES LABELS "fault;counts" COST 1000)
endif()
set_tests_properties(fault_kill_serve PROPERTIES LABELS "fault;counts" COST 1000) # the longest: they begin first
od_fault(answer 300 answer_test.py)
od_fault(second_leg 600 second_leg_test.py)
od_fault(disk 300 disk_test.py)
od_fault(away 400 away_test.py)
od_fault(kill_redial 200 kill_test.py --kills 2 --redial --in-flight 15 --cps 200)
od_fault(kill_redis 300 kill_test.py --kills 0 --redis-kills 6 --redis-hangs 3)
od_fault(kill_workers 400 kill_test.py --kills 4 --pauses 1 --workers 2)
od_fault(crowd 400 crowd_test.py --contacts 4000 --every-s 1 --cps 800)
# The long form: --events 100000 --cps 100 --within-ms 1 --within-kib 64.
od_fault(hostile_hooks 300 hostile_hooks_test.py --events 1200 --cps 60)
# One rate over three processes, one of them killed. The long form: --least 95 on a quiet machine.
od_fault(share 400 share_test.py --least 60 --seconds 20)
# Their rates are part of what they look at: a processor is theirs.
set_tests_properties(fault_hostile_hooks fault_share PROPERTIES PROCESSORS 2)
# The long form takes all scenarios, and every call of theirs.
od_fault(syscalls 400 syscall_test.py --scenarios answered,posted_twice --stride 12)
# About how many seconds, where it is many: the longest begin first.
set_tests_properties(fault_second_leg fault_share redis_crash_test PROPERTIES COST 120)
set_tests_properties(fault_kill_workers fault_syscalls fault_kill_redis fault_crowd fault_away PROPERTIES COST 80)
