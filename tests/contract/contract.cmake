# The Redis world needs a redis-server binary; a test that can't start one fails.
set(redis_world ${CMAKE_CURRENT_LIST_DIR}/redis_world.c ${CMAKE_CURRENT_LIST_DIR}/redis_server.c)

od_unit_test(redis_store_contract_test DIR contract TIMEOUT 120
    LIBS od_redis
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/store_contract.c ${redis_world})

if(OUTDIAL_BENCH)
    add_executable(od_store_bench ${CMAKE_SOURCE_DIR}/bench/store_bench.c
        ${CMAKE_CURRENT_LIST_DIR}/redis_server.c)
    target_link_libraries(od_store_bench PRIVATE od_redis)
    add_executable(od_store_scale ${CMAKE_SOURCE_DIR}/bench/store_scale.c ${redis_world})
    target_link_libraries(od_store_scale PRIVATE od_redis)
endif()
