/*
 * wire - the requests of a load call, written. Each is sent by the run's port to where it belongs.
 */
#ifndef OD_BENCH_LOAD_WIRE_H
#define OD_BENCH_LOAD_WIRE_H

#include "bench/load/call.h"

void od_load_send_invite(struct od_load_run *, const struct od_load_call *);
/* For a 2xx: a transaction of its own, inside the dialog (13.2.2.4). */
void od_load_send_ack(struct od_load_run *, const struct od_load_call *);
/* For a refusal: of the INVITE's transaction (17.1.1.3). */
void od_load_send_refusal_ack(struct od_load_run *, const struct od_load_call *,
                              const struct od_sip_text *refusal);
void od_load_send_cancel(struct od_load_run *, const struct od_load_call *);
void od_load_send_bye(struct od_load_run *, const struct od_load_call *);

/* A 2xx of another branch of a fork: acknowledged and hung up at once, by itself. */
void od_load_send_fork_end(struct od_load_run *, const struct od_load_call *,
                           const struct od_sip_text *answer);

/* A response to a request of the other side; sdp: with our description. */
void od_load_send_response(struct od_load_run *, const struct od_load_call *,
                           const struct od_sip_text *request, const struct od_carrier_addr *source,
                           int status, bool sdp);

/* Keeps what the dialog needs of a 2xx. False: no memory, or it can't be one. */
bool od_load_keep_dialog(struct od_load_run *, struct od_load_call *, const struct od_sip_text *);

/* Writes credentials for a challenge; false: there are none, or the challenge can't be answered. */
bool od_load_authorize(struct od_load_run *, struct od_load_call *, const struct od_sip_text *,
                       const char *method);

#endif
