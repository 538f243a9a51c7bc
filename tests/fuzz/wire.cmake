od_fuzz(wire_call_fuzz LIBS od_wire)
