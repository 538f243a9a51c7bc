od_unit_test(wire_test LIBS od_wire od_base)
