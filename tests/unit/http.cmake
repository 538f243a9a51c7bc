od_unit_test(http_pure_test LIBS od_http)
od_unit_test(http_abuse_test LIBS od_http SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_support.c)
od_unit_test(http_server_test LIBS od_http SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_support.c TIMEOUT 120)
od_unit_test(http_client_test LIBS od_http SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_support.c TIMEOUT 120)
od_unit_test(webhook_sender_test LIBS od_http
    SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_support.c ${CMAKE_CURRENT_LIST_DIR}/../../engine/host/webhook_sender.c)
od_unit_test(http_tls_test LIBS od_http SOURCES ${CMAKE_CURRENT_LIST_DIR}/http_support.c)
