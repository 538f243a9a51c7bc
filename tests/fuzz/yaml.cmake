od_fuzz(yaml_fuzz LIBS od_yaml)
od_fuzz(options_fuzz LIBS od_host)
