od_fuzz(csv_fuzz LIBS od_api)
od_fuzz(api_request_fuzz LIBS od_api_fake)
od_fuzz(vendor_fuzz LIBS od_api)
