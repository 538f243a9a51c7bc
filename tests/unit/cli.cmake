od_unit_test(options_test LIBS od_options)
od_unit_test(options_change_test LIBS od_options)
od_unit_test(private_redis_test LIBS od_private_redis)
# The configuration and the private Redis are tested without the rest of the host.
set(od_options_sources options.c options_agents.c options_check.c options_dump.c options_read.c options_reference.c
    options_breakers.c options_hooks.c options_schema.c options_trunk.c)
list(TRANSFORM od_options_sources PREPEND ${CMAKE_SOURCE_DIR}/engine/host/)
od_unit_test(options_test
    SOURCES ${od_options_sources} ${CMAKE_SOURCE_DIR}/proto/http/http_guard.c
        ${CMAKE_SOURCE_DIR}/proto/http/http_proxy.c ${CMAKE_SOURCE_DIR}/proto/http/http_url.c
    LIBS od_api od_yaml od_agent od_core od_base)
od_unit_test(options_change_test
    SOURCES ${od_options_sources} ${CMAKE_SOURCE_DIR}/engine/host/options_change.c
        ${CMAKE_SOURCE_DIR}/proto/http/http_guard.c
        ${CMAKE_SOURCE_DIR}/proto/http/http_proxy.c ${CMAKE_SOURCE_DIR}/proto/http/http_url.c
    LIBS od_api od_yaml od_agent od_core od_base)

od_unit_test(private_redis_test
    SOURCES ${CMAKE_SOURCE_DIR}/engine/host/private_redis.c
        ${CMAKE_SOURCE_DIR}/engine/host/redis_probe.c
    LIBS od_base PkgConfig::UV)

od_unit_test(cli_test LIBS od_cli)
