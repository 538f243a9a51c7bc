find_package(Python3 REQUIRED COMPONENTS Interpreter)
# npm ci, when the tools are not there yet, takes most of the time.
add_test(NAME accept_openapi
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/accept/openapi/run.py)
set_tests_properties(accept_openapi PROPERTIES TIMEOUT 900 LABELS accept COST 200 SKIP_RETURN_CODE 77
    ENVIRONMENT "OUTDIAL_BIN=$<TARGET_FILE:outdial>;PYTHONDONTWRITEBYTECODE=1")
