set(redis_server ${CMAKE_SOURCE_DIR}/tests/contract/redis_server.c)
set(redis_world ${CMAKE_SOURCE_DIR}/tests/contract/redis_world.c ${redis_server})

od_unit_test(redis_pure_test LIBS od_redis)
od_unit_test(redis_conn_test LIBS od_redis SOURCES ${redis_server})
od_unit_test(redis_repo_test LIBS od_redis SOURCES ${redis_world} TIMEOUT 120)
od_unit_test(redis_store_test LIBS od_redis SOURCES ${redis_world} TIMEOUT 180)
od_unit_test(redis_takeover_test LIBS od_redis SOURCES ${redis_world} TIMEOUT 120)
od_unit_test(redis_guard_test LIBS od_redis SOURCES ${redis_world} TIMEOUT 120)
