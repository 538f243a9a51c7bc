od_unit_test(redis_crash_test DIR fault TIMEOUT 300
    LIBS od_redis
    SOURCES ${CMAKE_SOURCE_DIR}/tests/contract/redis_world.c
        ${CMAKE_SOURCE_DIR}/tests/contract/redis_server.c)
