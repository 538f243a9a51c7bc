od_unit_test(yaml_test LIBS od_yaml)
