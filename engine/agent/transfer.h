/*
 * transfer - how a callee is handed on to somebody else: by asking their own side to call them
 * (REFER), or by dialling them from here and joining the two (bridge), at once or after the agent
 * has spoken with them (a briefing). And whom to, where the agent's document says (a plan: Dasha's
 * features.transfer).
 */
#ifndef ENGINE_AGENT_TRANSFER_H
#define ENGINE_AGENT_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

enum {
    OD_TRANSFER_RING_S_MAX = 600,
    OD_TRANSFER_TALK_S_MAX = 24 * 3600,
    OD_TRANSFER_RING_MS = 30000,
    OD_TRANSFER_TALK_MS = 7200 * 1000,
    OD_TRANSFER_BRIEF_MS = 120 * 1000, /* the callee waits in silence all the while */
    OD_TRANSFER_BRIEF_S_MAX = 600,
    OD_TRANSFER_ROUTES_MAX = 64,
    OD_TRANSFER_NAME_MAX = 128, /* of a route, bytes */
    OD_TRANSFER_ASK_MS = 10000, /* how long the plan's URL may take */
    OD_TRANSFER_ASK_S_MAX = 60,
};

struct od_transfer {
    bool bridge;    /* else by REFER */
    bool mode_said; /* so it is, whatever a route's type says */
    bool brief;     /* BRIDGE: the agent speaks with the other one first */
    bool brief_said;
    uint32_t brief_ms_max; /* then the two are joined */
    uint32_t ring_ms;      /* BRIDGE: how long the other phone may ring */
    uint32_t talk_ms_max;  /* and the two may talk */
    bool fail_hangup;      /* nobody took it: the call ends; else the agent goes on */
    bool end_agent; /* BRIDGE: the other one hung up: the agent goes on; else the call ends */
};

/* Somebody to hand on to, by a name. */
struct od_transfer_route {
    const char *name; /* "": the plan's own destination */
    const char *to;   /* E.164 or a SIP URI */
    bool warm;        /* bridged, after a briefing; else cold: by REFER */
};

/* Lives in, and as long as, the agent's definition. */
struct od_transfer_plan {
    bool on;
    bool warm;              /* what a destination that is no route's is */
    struct yyjson_val *ask; /* the webhook that says whom to; the routes are for when it fails */
    uint32_t ask_ms;
    uint32_t route_count;
    struct od_transfer_route *routes;
};

#endif
