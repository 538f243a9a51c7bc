find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME accept_seeds
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/accept/seeds/run.py)
set_tests_properties(accept_seeds PROPERTIES TIMEOUT 600 LABELS accept COST 100
    ENVIRONMENT "OUTDIAL_BIN=$<TARGET_FILE:outdial>;PYTHONDONTWRITEBYTECODE=1")
