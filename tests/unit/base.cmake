od_unit_test(base_test LIBS od_base)
od_unit_test(base64_test LIBS od_base)
