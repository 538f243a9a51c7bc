/*
 * resolve_sip - where requests to a SIP server go, all the places in their order (RFC 3263 section
 * 4): those of its host at its port; without a port NAPTR for our transport, then SRV, then the
 * host itself at 5060 (TLS: 5061). Off the loop (libuv's pool), one answer per question, never from
 * inside the call.
 *
 * What comes from a nameserver is input: od_dns_* read one message, bounded, and are pure.
 */
#ifndef ENGINE_HOST_RESOLVE_SIP_H
#define ENGINE_HOST_RESOLVE_SIP_H

#include <uv.h>

#include "engine/base/rng.h"
#include "engine/host/resolve.h"
#include "engine/host/servers.h"

/* Where a server listens that says nothing of it. */
uint16_t od_sip_usual_port(uint8_t transport);

/* err as of od_resolve_fn; 0: the places, 1..OD_SERVERS_MAX of them, the best first. */
typedef void (*od_resolve_sip_fn)(void *ctx, int err, const struct od_addr *list, size_t count,
                                  const char *why);

/* As od_resolve(). port 0: none was given. transport: enum od_config_transport. nameserver: whom to
 * ask instead of the system's; NULL: those. */
int od_resolve_sip(uv_loop_t *loop, const char *host, uint16_t port, uint8_t transport,
                   const struct od_addr *nameserver, od_resolve_sip_fn fn, void *ctx);

enum { OD_DNS_NAME_MAX = 256, OD_DNS_TARGETS_MAX = 32 };

struct od_dns_target {
    uint16_t priority, weight, port;
    char host[OD_DNS_NAME_MAX]; /* "": decidedly not available (RFC 2782, a target of ".") */
};

/* The SRV records of an answer; what can't be used is left out. Returns how many. */
size_t od_dns_targets(const uint8_t *message, size_t bytes,
                      struct od_dns_target out[OD_DNS_TARGETS_MAX]);
/* RFC 2782: lower priority first; equal ones at random by weight. */
void od_dns_order(struct od_dns_target *targets, size_t count, struct od_rng *rng);

/* The name whose SRV records are to be asked, out of an answer's NAPTR records: service SIP+D2U
 * (or SIP+D2T, SIPS+D2T), flag "s", the lowest order and preference. False: none says so. */
bool od_dns_service(const uint8_t *message, size_t bytes, uint8_t transport,
                    char out[OD_DNS_NAME_MAX]);

#endif
