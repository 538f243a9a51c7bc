# The Redis world needs a redis-server binary; a test that can't start one fails.
od_helper(contract/redis_server LIBS od_redis)
od_helper(contract/redis_world LIBS redis_server)
od_helper(contract/outbox_claims LIBS redis_world)

# The contracts are assertions on a port; tests/sim has them on a virtual clock, these in real time.
od_helper(contract/store_contract LIBS od_base)
od_helper(contract/rate_contract LIBS od_base)
od_unit_test(redis_store_contract_test DIR contract TIMEOUT 300 LIBS store_contract redis_world)
od_unit_test(redis_rate_contract_test DIR contract TIMEOUT 120 LIBS rate_contract redis_world)

# od_redis_plant(NAME FROM TO TEST): the contract's test with one mistake in the scripts, linked in place of the
# right ones; the contract's TEST must fail over it. FROM stands in one of the scripts. In plain builds, as
# the simulator's plants are.
get_property(redis_scripts GLOBAL PROPERTY OD_REDIS_SCRIPTS)
function(od_redis_plant name from to test)
    if(OUTDIAL_SANITIZE)
        return()
    endif()
    set(right ${CMAKE_SOURCE_DIR}/proto/redis/scripts)
    set(dir ${CMAKE_CURRENT_BINARY_DIR}/mistaken_scripts/${name})
    file(GLOB sources ${right}/*.lua)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${sources} ${right}/embed.cmake)
    configure_file(${right}/embed.cmake ${dir}/embed.cmake COPYONLY)
    set(planted FALSE)
    set(mistaken)
    foreach(source ${sources})
        get_filename_component(leaf ${source} NAME)
        file(READ ${source} text)
        string(FIND "${text}" "${from}" at)
        if(NOT at EQUAL -1)
            set(planted TRUE)
            string(REPLACE "${from}" "${to}" text "${text}")
        endif()
        file(CONFIGURE OUTPUT ${dir}/${leaf} CONTENT "${text}" @ONLY)
        list(APPEND mistaken ${dir}/${leaf})
    endforeach()
    if(NOT planted)
        message(FATAL_ERROR "plant ${name}: no script contains any more: ${from}")
    endif()
    add_custom_command(OUTPUT ${dir}/redis_scripts.c
        COMMAND ${CMAKE_COMMAND} -DOUT=${dir}/redis_scripts.c -DDIR=${dir} "-DNAMES=${redis_scripts}"
            -P ${dir}/embed.cmake
        DEPENDS ${mistaken} ${dir}/embed.cmake VERBATIM)
    add_executable(plant_redis_${name} $<TARGET_OBJECTS:redis_store_contract_test> ${dir}/redis_scripts.c)
    target_compile_options(plant_redis_${name} PRIVATE -w)
    target_link_libraries(plant_redis_${name} PRIVATE store_contract redis_world)
    add_test(NAME contract_plant_${name} COMMAND plant_redis_${name} ${test})
    set_tests_properties(contract_plant_${name} PROPERTIES TIMEOUT 60 LABELS "contract;plain"
        PASS_REGULAR_EXPRESSION "\\[  FAILED  \\] ${test}")
endfunction()

od_redis_plant(intent_not_written
    "s[PHASE], s[TRIES] = DIALING, s[TRIES] - s[TRIES] % ATTEMPT + tries" "s[PHASE] = s[PHASE]"
    intent_is_written_once)
od_redis_plant(order_last_in_first
    "redis.pcall('LPOP', queue" "redis.pcall('RPOP', queue"
    claims_come_in_order)
od_redis_plant(release_forgotten
    "give_back(uid, s, due, op:sub(28))" "keep(uid, s)"
    release_goes_to_the_front)
od_redis_plant(release_to_the_back
    "push('LPUSH', lane, back)" "push('RPUSH', lane, back)"
    release_goes_to_the_front)
od_redis_plant(lease_never_lost
    "if lease == 0 or call(" "if lease == -1 and call("
    a_lapsed_lease_gives_everything_up)
od_redis_plant(unknown_goes_back
    "if s[PHASE] < DIALING then
        give_back" "if s[PHASE] < ENDED then
        give_back" a_lapsed_lease_gives_everything_up)
od_redis_plant(redial_without_cap
    "if after_s == 0 or tries >= most then" "if after_s == 0 then"
    what_nobody_knows_is_tried_again_where_wanted)
od_redis_plant(redial_never
    "if due > 0 then
            adopt_leg" "if due < 0 then
            adopt_leg" what_nobody_knows_is_tried_again_where_wanted)
od_redis_plant(redial_not_counted
    "s[TRIES] = s[TRIES] + ATTEMPT
    s[SIP], s[RANG]" "s[SIP], s[RANG]"
    what_nobody_knows_is_tried_again_where_wanted)
od_redis_plant(suppressed_dialled
    "call('ZSCORE', numbers.suppressed, to) then" "false then"
    a_suppressed_number_is_not_dialled)
od_redis_plant(cap_not_asked
    "if free > ms then" "if false then" a_capped_number_waits)
od_redis_plant(refusal_counted
    "elseif s[PHASE] >= DIALING and on_person == 0 and" "elseif false and"
    what_rang_nowhere_does_not_count)
od_redis_plant(retry_at_once
    "let_wait(uid, s, retry, 'retry')" "let_wait(uid, s, 0, 'retry')"
    a_retry_waits_and_comes_again)
od_redis_plant(stopped_tried_again
    "s[FLAGS] < STOPPED and" "" canceled_while_dialled_is_not_tried_again)
od_redis_plant(end_not_told
    "emit(EV_ENDED, uid, cause, s[SIP], ms)" "cause = cause" finish_ends_once)

if(OUTDIAL_BENCH)
    add_executable(od_store_bench ${CMAKE_SOURCE_DIR}/bench/store_bench.c)
    target_link_libraries(od_store_bench PRIVATE redis_server)
    add_executable(od_store_scale ${CMAKE_SOURCE_DIR}/bench/store_scale.c)
    target_link_libraries(od_store_scale PRIVATE redis_world)
endif()
