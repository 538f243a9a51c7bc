# Rules of the house that a machine can check.
function(od_lint name)
    add_test(NAME lint_${name} COMMAND ${ARGN})
    set_tests_properties(lint_${name} PROPERTIES TIMEOUT 300 LABELS lint)
endfunction()
set(lint ${CMAKE_SOURCE_DIR}/tests/lint)

# The core takes its memory at create: its engine.c alone may allocate, the rest can't.
od_lint(purity_core ${lint}/purity_test.sh $<TARGET_FILE:od_base> $<TARGET_FILE:od_core> engine.c.o)
if(TARGET od_media)
    od_lint(purity_media ${lint}/purity_test.sh $<TARGET_FILE:od_base> $<TARGET_FILE:od_media>)
endif()
od_lint(purity_self ${lint}/purity_self_test.sh ${CMAKE_C_COMPILER} $<TARGET_FILE:od_base>)
od_lint(headers ${lint}/headers_test.sh ${CMAKE_SOURCE_DIR} ${CMAKE_C_COMPILER}
    ${UV_CFLAGS} ${SOFIA_CFLAGS} ${HIREDIS_CFLAGS} ${LLHTTP_CFLAGS} ${YYJSON_CFLAGS}
    ${YAML_CFLAGS} ${GLIB_CFLAGS} ${CRYPTO_CFLAGS})
od_lint(includes ${lint}/includes_test.sh ${CMAKE_SOURCE_DIR})
od_lint(format ${lint}/format_test.sh ${CMAKE_SOURCE_DIR})
od_lint(call_table ${lint}/call_table_test.sh ${CMAKE_SOURCE_DIR}/ARCHITECTURE.md
    $<TARGET_FILE:call_fsm_print>)

# A slip in the console's script would be seen in a browser only.
find_program(NODE NAMES node nodejs REQUIRED)
od_lint(console ${NODE} --check ${CMAKE_SOURCE_DIR}/engine/console/console.js)
