/*
 * callee_wire: what one callee keeps of its INVITE, and the messages it makes of that: responses,
 * the same bytes every time, and its BYE. Called by callee.c only.
 */
#ifndef OD_BENCH_CARRIER_CALLEE_WIRE_H
#define OD_BENCH_CARRIER_CALLEE_WIRE_H

#include "bench/carrier/callee.h"

/* Copies what responses need. False: no memory, or too large to keep. */
bool od_callee_keep_invite(struct od_callee *, const struct od_sip_text *,
                           const struct od_carrier_arrival *, struct od_callee_invite *);

/* Copies what requests inside the dialog need (RFC 3261 12.1.1). The same result. */
bool od_callee_keep_dialog(struct od_callee *, const struct od_sip_text *,
                           const struct od_carrier_arrival *);

/* Sends the response that invite.status says, for the first time or again. */
void od_callee_send_response(struct od_callee *, bool again);

void od_callee_send_bye(struct od_callee *, bool again);

#endif
