/*
 * sip_read - turns a parsed SIP message into what the owner is told about it.
 */
#ifndef PROTO_SIP_SIP_READ_H
#define PROTO_SIP_SIP_READ_H

#include "proto/sip/sip.h"
#include "proto/sip/sip_nta.h"

/* *sdp is the caller's memory for a parsed body; out points into it and into the message. */
void od_sip_read_response(const sip_t *message, bool local, struct od_sip_response *out,
                          struct od_sdp *sdp);

/* The SDP of a message: 0 and its text; OD_ENOENT: no body; OD_EPROTO: a body of another kind. */
int od_sip_read_sdp(const sip_t *message, const char **text, size_t *bytes);

/* "INVITE sip:.. SIP/2.0" or "SIP/2.0 180 Ringing", cut to fit. */
void od_sip_read_start_line(const sip_t *message, char *out, size_t out_bytes);

#endif
