# The end-to-end tests run alone: their timing is part of what they look at.
find_package(Python3 REQUIRED COMPONENTS Interpreter)

function(od_e2e name timeout)
    add_test(NAME e2e_${name}
        COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/e2e/${name}_test.py)
    set_tests_properties(e2e_${name} PROPERTIES TIMEOUT ${timeout} LABELS e2e RUN_SERIAL ON
        ENVIRONMENT "OUTDIAL_BIN=$<TARGET_FILE:outdial>;PYTHONDONTWRITEBYTECODE=1")
endfunction()

od_e2e(campaign 300)
od_e2e(pacing 120)
od_e2e(sipp 200)
od_e2e(baresip 120)
od_e2e(crash 400)
od_e2e(interrupt 120)
od_e2e(mistakes 300)
od_e2e(dialects 200)
od_e2e(digest 200)
od_e2e(rules 200)
od_e2e(media 200)
od_e2e(isolation 120)
od_e2e(once 200)
od_e2e(metrics 120)
od_e2e(webhooks 300)
od_e2e(stream 200)
od_e2e(hostile 300)
od_e2e(trunks 300)
od_e2e(load 200)
