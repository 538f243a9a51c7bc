od_fuzz(wire_call_fuzz LIBS od_wire)
od_fuzz(wire_hook_fuzz LIBS od_wire)
