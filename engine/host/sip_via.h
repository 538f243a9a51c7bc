/*
 * sip_via - which transport the first Via of each message names, changed on the way: the SIP
 * library writes TCP and expects it, the server is to read TLS and writes that (RFC 3261 section
 * 18). Messages are told apart as section 18.3 says, in pieces of any size; bodies, and keep-alives
 * between messages (RFC 5626 section 3.5.1), go through as they are. Pure but for its memory.
 *
 * Lifetime: embedded, begins as zeros; free() once.
 */
#ifndef ENGINE_HOST_SIP_VIA_H
#define ENGINE_HOST_SIP_VIA_H

#include <stdbool.h>
#include <stddef.h>

enum { OD_SIP_VIA_HEAD_MAX = 64 * 1024 }; /* a message's start line and headers */

struct od_sip_via {
    char *head; /* of the message that has begun */
    size_t used, size;
    size_t body_left; /* of the message whose head is through */
};

/* May be called several times for one piece; negative ends the passing and is returned. */
typedef int (*od_sip_via_fn)(void *ctx, const char *data, size_t bytes);

/* outward: TCP becomes TLS; else the other way about. 0; OD_ETOOBIG (a head above the maximum),
 * OD_EPROTO (a Content-Length that is no number below 2^32), OD_ENOMEM, or what fn returned. After
 * an error the stream can't be read on. */
int od_sip_via_pass(struct od_sip_via *via, bool outward, const char *data, size_t bytes,
                    od_sip_via_fn fn, void *ctx);
void od_sip_via_free(struct od_sip_via *via);

#endif
