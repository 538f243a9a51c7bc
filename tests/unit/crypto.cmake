od_unit_test(box_test LIBS od_crypto od_api)
