od_unit_test(options_test LIBS od_options)
od_unit_test(options_agents_test LIBS od_options)
od_unit_test(options_change_test LIBS od_options)
od_unit_test(private_redis_test LIBS od_private_redis)

od_unit_test(cli_test LIBS od_cli)
