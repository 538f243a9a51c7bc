od_fuzz(http_server_fuzz LIBS od_http)
od_fuzz(http_client_fuzz LIBS od_http)
od_fuzz(http_url_fuzz LIBS od_http)
