# The simulated world: a library for whoever tests against it, a command, and its own tests.
add_library(od_simlib STATIC
    ${CMAKE_SOURCE_DIR}/tests/sim/sim_breakers.c ${CMAKE_SOURCE_DIR}/tests/sim/sim_carrier.c ${CMAKE_SOURCE_DIR}/tests/sim/sim_check.c
    ${CMAKE_SOURCE_DIR}/tests/sim/sim_clock.c ${CMAKE_SOURCE_DIR}/tests/sim/sim_knobs.c
    ${CMAKE_SOURCE_DIR}/tests/sim/sim_operator.c ${CMAKE_SOURCE_DIR}/tests/sim/sim_server.c ${CMAKE_SOURCE_DIR}/tests/sim/sim_store.c
    ${CMAKE_SOURCE_DIR}/tests/sim/sim_talk.c ${CMAKE_SOURCE_DIR}/tests/sim/sim_world.c)
target_link_libraries(od_simlib PUBLIC od_core)

add_executable(od_sim ${CMAKE_SOURCE_DIR}/tests/sim/sim_main.c)
target_link_libraries(od_sim PRIVATE od_simlib)

od_unit_test(sim_test DIR sim LIBS od_simlib TIMEOUT 400)

# The contract of the store port; the Redis adapter runs the same suite.
od_unit_test(sim_store_contract_test DIR sim LIBS store_contract od_simlib)

od_helper(sim/sim_books LIBS od_core)
od_unit_test(sim_rate_contract_test DIR sim LIBS rate_contract sim_books)

# Worlds with faults, in shards so that two cores share them. Under the sanitizers the first shard alone: a world
# takes ten times as long there, and it is memory that is looked at.
set(shards 0 1 2 3)
if(OUTDIAL_SANITIZE)
    set(shards 0)
endif()
foreach(shard ${shards})
    math(EXPR from "1000 * ${shard} + 1")
    math(EXPR to "1000 * ${shard} + 1000")
    add_test(NAME sim_seeds_${from} COMMAND od_sim --seeds ${from}:${to})
    set_tests_properties(sim_seeds_${from} PROPERTIES TIMEOUT 400 LABELS "sim;plain")
endforeach()
add_test(NAME sim_seeds_known COMMAND od_sim --seeds-file ${CMAKE_SOURCE_DIR}/tests/sim/seeds.txt)
set_tests_properties(sim_seeds_known PROPERTIES TIMEOUT 400 LABELS sim)

# Limits of every shape at once, against a sender that knows nothing but their words.
add_executable(rate_property_test ${CMAKE_SOURCE_DIR}/tests/sim/rate_property_test.c)
target_link_libraries(rate_property_test PRIVATE od_core)
target_include_directories(rate_property_test PRIVATE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
add_test(NAME rate_property_test COMMAND rate_property_test --count 20)
set_tests_properties(rate_property_test PROPERTIES TIMEOUT 400 LABELS sim)

# od_plant(NAME FILE FROM TO): od_sim with one mistake in the core, or in the simulated store. FILE of
# engine/core (or with a path of its own) is copied with FROM replaced by TO, linked in place of the
# archive's own, and od_sim must find it within 10,000 worlds. In plain builds: it is the checks that are looked at.
function(od_plant name file from to)
    if(OUTDIAL_SANITIZE)
        return()
    endif()
    if(NOT file MATCHES "/")
        set(file engine/core/${file})
    endif()
    set(source ${CMAKE_SOURCE_DIR}/${file})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
    file(READ ${source} text)
    string(FIND "${text}" "${from}" at)
    if(at EQUAL -1)
        message(FATAL_ERROR "plant ${name}: ${file} no longer contains: ${from}")
    endif()
    string(REPLACE "${from}" "${to}" text "${text}")
    file(CONFIGURE OUTPUT plant_${name}.c CONTENT "${text}" @ONLY)
    add_executable(plant_${name} $<TARGET_OBJECTS:od_sim> ${CMAKE_CURRENT_BINARY_DIR}/plant_${name}.c)
    target_link_libraries(plant_${name} PRIVATE od_simlib)
    target_compile_options(plant_${name} PRIVATE -w)
    add_test(NAME sim_plant_${name} COMMAND plant_${name} --seeds 1:10000 --expect-failure)
    set_tests_properties(sim_plant_${name} PROPERTIES TIMEOUT 400 LABELS "sim;plain")
endfunction()

# One per invariant that the world checks.
od_plant(second_answer_unacknowledged call_fsm.c "{TALKING, ACK}," "{TALKING, 0},")
od_plant(crossed_answer_left_off_hook call_fsm.c "{CLEARING, ACK | BYE}," "{CLEARING, ACK},")
od_plant(given_up_without_cancel call_fsm.c "{CANCELLING, CANCEL | TALK_STOP}," "{CANCELLING, TALK_STOP},")
od_plant(lease_ignored pacer.c "return engine->now.mono_ns < engine->lease_until_ns;"
    "return engine->lease_until_ns > 0;")
od_plant(lost_call_dialled call_fsm.c "{WAITING, RELEASE},      /* nothing has left, and" "{ARMED, 0}, /* nothing has left, and")
od_plant(refused_intent_dialled call_fsm.c
    "{WAITING, RELEASE},      /* someone else has it" "{ARMED, 0}, /* someone else has it")
od_plant(rate_two_percent_fast limit.c
    "(guarded(shape->window_ns) + shape->count - 1) / shape->count"
    "shape->window_ns * 98 / 100 / shape->count")
od_plant(window_half limit.c "limit->span_ns = guarded(shape->window_ns)"
    "limit->span_ns = shape->window_ns / 2")
od_plant(late_send_forgotten call_orders.c
    "od_rate_late(trunk->rate, call->charged_ns, sent_ns, call->rate_invite);" ";")
od_plant(trunk_cap_exceeded trunk.c
    "trunk->in_use < trunk->def.max_calls ? trunk->def.max_calls - trunk->in_use : 0"
    "trunk->in_use <= trunk->def.max_calls ? trunk->def.max_calls + 1 - trunk->in_use : 0")
od_plant(lane_cap_ignored lane.c "lane->def.max_calls" "(lane->def.max_calls & 0)")
od_plant(node_cap_exceeded pacer.c "engine->limits.dialled_max" "(engine->limits.dialled_max + 1)")
od_plant(node_slot_kept call.c "engine->dialled--;" ";")
od_plant(undialled_slot_kept call.c "if (had.slot && !has.slot)" "if (had.leg && !has.slot)")
od_plant(pace_of_other_lanes_forgotten lane.c "od_rate_charge(engine, lane->paces[i].rate, !again);"
    "if (i == 0) od_rate_charge(engine, lane->paces[i].rate, !again);")
od_plant(closed_lane_dialled lane.c "open = od_lane_open(engine, lane);" "open = lane->set;")
od_plant(deadline_ignored call.c "call->deadline_wall_ms = job->u.job.deadline_wall_ms"
    "call->deadline_wall_ms = 0")
od_plant(claim_never_over engine.c "lane->claiming = false;" ";")
od_plant(bye_waits_for_ever call_clock.c "[OD_CALL_CLEARING] = 33000," "[OD_CALL_CLEARING] = 4000000000,")
od_plant(free_slot_unnoticed call.c
    "od_trunk_touch(engine, trunk, OD_TOUCH_ARM | OD_TOUCH_CLAIM);" ";")
od_plant(hours_not_asked call.c "if (od_window_open(window, wall_ms))" "if (true)")
od_plant(retry_without_end retry.c "tries >= rule->attempts_max" "tries > rule->attempts_max + 1u")
od_plant(retry_too_early retry.c "(int64_t)rule->after_s[outcome->cause] * 1000" "(int64_t)rule->after_s[outcome->cause]")

od_plant(second_leg_left_up bridge.c "od_call_do(engine, other, OD_CALL_EV_STOP, NULL);" ";")
od_plant(second_leg_end_untold bridge.c "talk->bridge(talk->ctx, leg->first, leg->id, &leg->outcome);"
    ";")
od_plant(callees_verdict_dialled_again call.c
    "if (end.verdict != OD_VERDICT_TRUNK || call->state == OD_CALL_RINGING)"
    "if (call->state == OD_CALL_RINGING)")
od_plant(retry_after_forgotten trunk.c
    "trunk->hold_until_ns = later(trunk->hold_until_ns, now_ns + wait_s * OD_NS_PER_S);" ";")
od_plant(tries_without_end call.c "call->misses < engine->limits.tries_max &&" "")
od_plant(other_servers_without_end call.c "note_try(call, facts->moved);"
    "if (!facts->moved) note_try(call, false); else call->misses += !call->misses;")
od_plant(names_used_twice call.c "call->attempt++;" ";")

od_plant(breaker_of_armed_calls_ignored pacer.c "armed && !od_breakers_bound(engine, call)" "false")
od_plant(breaker_one_probe_too_many breaker.c
    "return rule->probes - breaker->probes_out - breaker->sum.calls;"
    "return rule->probes + 1 - breaker->probes_out - breaker->sum.calls;")
od_plant(breaker_opens_too_early breaker.c "&breaker->sum, rule->calls_min, breaker->reason"
    "&breaker->sum, rule->calls_min - 1, breaker->reason")
od_plant(breaker_never_half_open breakers.c
    "od_timers_set(&engine->timers, &place->timer, od_breaker_when(&place->breaker));
    od_list_remove"
    "od_list_remove")
od_plant(breaker_probe_lost breakers.c "od_breaker_probe_void(&place->breaker);" ";")

# What a store may do wrong, and the world around it notices.
od_plant(store_intent_not_written tests/sim/sim_server.c
    "    contact->intent = true;"
    "    ;")
od_plant(store_fence_reused tests/sim/sim_store.c
    "contact->fence++;"
    ";")
od_plant(store_release_forgotten tests/sim/sim_server.c
    "sim_server_wait(store, contact, op->not_before_ms);"
    ";")
od_plant(store_takes_anybodys_order tests/sim/sim_server.c
    "ours = contact->phase == SIM_HELD && contact->fence == job->fence;"
    "ours = contact->phase == SIM_HELD;")
od_plant(store_ends_twice tests/sim/sim_server.c
    "ours = contact->phase == SIM_HELD && contact->fence == job->fence;"
    "ours = contact->fence == job->fence;")
od_plant(store_lease_too_long tests/sim/sim_store.c
    "UINT64_C(900000)"
    "UINT64_C(1100000)")
od_plant(store_lost_claim_kept tests/sim/sim_store.c
    "if (store->contacts[i].phase != SIM_HELD || job_holds(store, i))"
    "if (true)")
od_plant(store_orders_lost_with_the_connection tests/sim/sim_store.c
    "add_op(&store->gathered, &lost.at[i]);"
    ";")
od_plant(store_loss_not_told tests/sim/sim_store.c
    "post(store, &(struct od_event){.kind = OD_EV_LOST, .call = job->call});"
    ";")
od_plant(store_unknown_once_too_often tests/sim/sim_store.c
    "contact->tries + 1u < store->config.redial_most"
    "contact->tries < store->config.redial_most")
od_plant(store_unknown_too_early tests/sim/sim_store.c
    "contact->last_ms + store->config.redial_ms"
    "contact->last_ms + store->config.redial_ms / 2")
od_plant(store_back_too_early tests/sim/sim_server.c
    "(uint64_t)wait_ms * OD_NS_PER_MS, sim_server_put_back"
    "(uint64_t)wait_ms * OD_NS_PER_MS / 2, sim_server_put_back")
od_plant(store_attempts_not_counted tests/sim/sim_server.c
    "    contact->attempts = attempt;"
    "    ;")
od_plant(store_stale_reply_is_news tests/sim/sim_store.c
    "if (epoch != store->epoch)
        return;
    store->late"
    "if (false)
        return;
    store->late")
od_plant(store_suppressed_may_dial tests/sim/sim_server.c
    "number && number->suppressed"
    "number && false")
od_plant(store_cap_not_asked tests/sim/sim_server.c
    "    if (until_ms) {"
    "    if (false) {")
od_plant(store_cap_window_too_short tests/sim/sim_server.c
    "number->log[number->count - cap->attempts] + cap->window_ms"
    "number->log[number->count - cap->attempts] + cap->window_ms / 2")
od_plant(store_cap_one_too_many tests/sim/sim_server.c
    "if (number->count >= cap->attempts)"
    "if (number->count > cap->attempts)")
