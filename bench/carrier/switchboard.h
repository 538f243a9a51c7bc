/*
 * switchboard: one received datagram to the callee it is for, a new callee, or an answer on the
 * spot (RFC 3261 8.2, 17.2.3). It applies the carrier's limits and the loss knobs. Called by the
 * node for every datagram.
 */
#ifndef OD_BENCH_CARRIER_SWITCHBOARD_H
#define OD_BENCH_CARRIER_SWITCHBOARD_H

#include "bench/carrier/carrier_state.h"
#include "bench/carrier/sip_port.h"

/* The datagram's bytes are written to and borrowed for the call. */
void od_switchboard_take(struct od_carrier_node *, const struct od_sip_datagram *);

#endif
