od_unit_test(http_pure_test LIBS od_http)
od_unit_test(http_abuse_test LIBS od_http SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_support.c)
od_unit_test(http_server_test LIBS od_http SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_support.c TIMEOUT 120)
foreach(name http_client_test http_client_serving_test)
    od_unit_test(${name} LIBS od_http
        SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_client_bench.c ${CMAKE_CURRENT_LIST_DIR}/http_support.c TIMEOUT 120)
endforeach()
od_unit_test(http_tls_test LIBS od_http
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_support.c ${CMAKE_CURRENT_LIST_DIR}/http_tls_peer.c)
od_unit_test(http_tls_server_test LIBS od_http SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_support.c)
# Its own getaddrinfo() and connect() have to be seen by libuv.
od_unit_test(http_ssrf_test LIBS od_http ${CMAKE_DL_LIBS} SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_support.c)
set_target_properties(http_ssrf_test PROPERTIES ENABLE_EXPORTS ON)
foreach(name http_reach_test http_proxy_test)
    od_unit_test(${name} LIBS od_http ${CMAKE_DL_LIBS}
        SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_outside.c ${CMAKE_CURRENT_LIST_DIR}/http_support.c
            ${CMAKE_CURRENT_LIST_DIR}/http_tls_peer.c)
    set_target_properties(${name} PROPERTIES ENABLE_EXPORTS ON)
endforeach()
