od_unit_test(load_frame_test LIBS od_load)
od_unit_test(load_arrivals_test LIBS od_load)
od_unit_test(load_objective_test LIBS od_load)
