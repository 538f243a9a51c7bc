find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME accept_media COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/accept/media/run.py)
set_tests_properties(accept_media PROPERTIES TIMEOUT 500 LABELS accept SKIP_RETURN_CODE 77
    ENVIRONMENT "OUTDIAL_BIN=$<TARGET_FILE:outdial>;PYTHONDONTWRITEBYTECODE=1")
