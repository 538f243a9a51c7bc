od_unit_test(base_test LIBS od_base)
