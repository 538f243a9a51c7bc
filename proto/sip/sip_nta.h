/*
 * sip_nta - the library's headers with this module's context types; included before any of them.
 */
#ifndef PROTO_SIP_SIP_NTA_H
#define PROTO_SIP_SIP_NTA_H

struct od_sip;
struct od_sip_leg;

#define NTA_AGENT_MAGIC_T struct od_sip
#define NTA_OUTGOING_MAGIC_T struct od_sip_leg

#include <sofia-sip/msg_addr.h>
#include <sofia-sip/nta.h>
#include <sofia-sip/nta_stateless.h>
#include <sofia-sip/nta_tport.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_protos.h>
#include <sofia-sip/sip_status.h>
#include <sofia-sip/sip_util.h>
#include <sofia-sip/tport_tag.h>

#endif
