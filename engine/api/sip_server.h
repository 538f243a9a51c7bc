/*
 * sip_server - a SIP server as people write it, host or host:port, and the other texts that become
 * parts of a SIP message. Pure; a server that is let through is resolved later, off the loop.
 */
#ifndef ENGINE_API_SIP_SERVER_H
#define ENGINE_API_SIP_SERVER_H

#include <stdbool.h>

#define OD_SIP_SERVER_EXPECTED "host or host:port"
#define OD_SIP_USER_EXPECTED "a phone number like +15550001111 or a SIP user"
#define OD_SIP_DISPLAY_EXPECTED                                                                    \
    "at most 63 bytes without quotes, backslashes and control characters"
#define OD_SIP_TEXT_EXPECTED "a string without control characters"

bool od_sip_server_ok(const char *text);

/* What may stand unescaped before the "@" of a SIP URI (RFC 3261 section 25.1). */
bool od_sip_user_ok(const char *text);

/* The name beside a caller number, which goes between quotes in a header as it is; "" is none. */
bool od_sip_display_ok(const char *text);

bool od_sip_text_ok(const char *text);

#endif
