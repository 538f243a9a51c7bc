/*
 * sip_server - a SIP server as people write it: host or host:port. Pure; what it lets through is
 * resolved later, off the loop.
 */
#ifndef ENGINE_API_SIP_SERVER_H
#define ENGINE_API_SIP_SERVER_H

#include <stdbool.h>

bool od_sip_server_ok(const char *text);

#endif
