find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME accept_webhooks
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/accept/webhooks/run.py)
set_tests_properties(accept_webhooks PROPERTIES TIMEOUT 400 LABELS accept
    ENVIRONMENT "OUTDIAL_BIN=$<TARGET_FILE:outdial>;PYTHONDONTWRITEBYTECODE=1")
