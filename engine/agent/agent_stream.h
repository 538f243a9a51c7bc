/*
 * agent_stream - { "kind": "stream", ... } of an agent's document: where the bot is, which format
 * it speaks, when it is connected to, and what it is told besides. Read by agent_def, used by the
 * host.
 *
 *   url          ws:// or wss://; missing: the configuration's agent_default. It may carry
 *                user:password@ for Basic authentication. With format msgpack also tcp://host:port
 *                and unix:///path (agent_url.h)
 *   format       a dialect's name (dialect.h); default "twilio"
 *   connect      "ringing" (default): the connection stands before the phone rings
 *                "answer": it is made when the callee has answered
 *   if_down      what a bot that can't be reached before the answer means:
 *                "dont_ring" (default): the call fails, no INVITE leaves
 *                "ring": the phone rings all the same, the bot is tried again at the answer
 *   rate         sample rate, for formats that have a choice
 *   buffer_s     seconds of speech that may wait, 60..600 (default)
 *   auth_token   secret: the upgrade is signed with it (X-Twilio-Signature); of WebSockets alone,
 *                as is bearer
 *   bearer       secret: Authorization: Bearer
 *   parameters   texts by name, for the start message; {{name}} places are filled in
 */
#ifndef ENGINE_AGENT_AGENT_STREAM_H
#define ENGINE_AGENT_AGENT_STREAM_H

#include "outdial/types.h"

struct od_dialect;

enum { OD_AGENT_PARAMS_MAX = 64, OD_AGENT_STREAM_URL_MAX = 2000, OD_AGENT_BUFFER_S = 600 };

struct od_agent_param {
    const char *name, *value;
};

/* Texts are borrowed from the document; NULL: not given. */
struct od_agent_stream {
    const char *url; /* NULL: the default's */
    const struct od_dialect *dialect;
    bool connect_at_answer;
    bool ring_when_down;
    uint32_t rate;
    uint32_t buffer_s;
    const char *auth_token, *bearer;
    uint32_t param_count;
    struct od_agent_param params[OD_AGENT_PARAMS_MAX];
};

#endif
