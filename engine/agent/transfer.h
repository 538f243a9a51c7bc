/*
 * transfer - how a callee is handed on to somebody else: by asking their own side to call them
 * (REFER), or by dialling them from here and joining the two (bridge).
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
};

struct od_transfer {
    bool bridge;          /* else by REFER */
    uint32_t ring_ms;     /* BRIDGE: how long the other phone may ring */
    uint32_t talk_ms_max; /* and the two may talk */
    bool fail_hangup;     /* nobody took it: the call ends; else the agent goes on */
    bool end_agent;       /* BRIDGE: the other one hung up: the agent goes on; else the call ends */
};

#endif
