/*
 * call_fsm - what a call attempt may do next, and nothing else.
 *
 * The whole life of an outbound call is one table, in call_fsm.c. This module has no clock, no I/O,
 * no allocation and no pointer to a call: it maps (state, event) to (next state, actions). call.c
 * performs the actions; ARCHITECTURE.md shows the table, printed by tests/unit/call_fsm_print.c.
 *
 * Glossary
 *   state   what the call is in the middle of, a participle: "ringing".
 *   event   something that happened, a fact: "progress".
 *   action  something to do now, an order: "send_cancel".
 *   job     the store's claim on the contact: ours until one release or finish.
 *   slot    a place under the caps of the trunk, the lane and the node.
 *   leg     what SIP holds for the call, from the INVITE's order to the drop.
 *   talk    what the agent side holds for the call, from prepare to stop.
 */
#ifndef ENGINE_CORE_CALL_FSM_H
#define ENGINE_CORE_CALL_FSM_H

#include <stdbool.h>
#include <stdint.h>

enum od_call_state {
    OD_CALL_NONE,       /* no call; never a valid cell of the table */
    OD_CALL_CREATED,    /* claimed from the store, the rules not asked yet */
    OD_CALL_WAITING,    /* a rule holds it: being handed back to the store */
    OD_CALL_QUEUED,     /* eligible: waits for a slot and its pace */
    OD_CALL_DEFERRED,   /* a trunk was at fault: waits for another try, of that trunk or another */
    OD_CALL_START_HOOK, /* the start hook is asked */
    OD_CALL_ARMING,     /* the intent to dial is being written; nothing has left */
    OD_CALL_ARMED,      /* the intent is durable; waits for the limiter's turn */
    OD_CALL_DIALING,    /* the INVITE is out, nobody rings yet */
    OD_CALL_RINGING,    /* a 1xx above 100 came */
    OD_CALL_CANCELLING, /* our CANCEL is out */
    OD_CALL_TALKING,    /* answered and acknowledged */
    OD_CALL_CLEARING,   /* our BYE is out */
    OD_CALL_ENDED,
    OD_CALL_STATE_COUNT,
};

enum od_call_event {
    OD_CALL_EV_ADMIT,        /* every rule lets it through */
    OD_CALL_EV_RECALL,       /* its lane closed, or the node drains */
    OD_CALL_EV_REFUSE,       /* a rule says never: no trunk takes its number */
    OD_CALL_EV_EXPIRE,       /* its deadline has passed */
    OD_CALL_EV_HOOK,         /* its start hook comes first */
    OD_CALL_EV_ARM,          /* it got a slot */
    OD_CALL_EV_HOOK_OK,      /* the start hook accepted */
    OD_CALL_EV_HOOK_NO,      /* the start hook refused */
    OD_CALL_EV_DURABLE,      /* the intent is on disk */
    OD_CALL_EV_NOT_DURABLE,  /* the store says the claim is not ours */
    OD_CALL_EV_LOST,         /* our lease ran out: the call is another worker's */
    OD_CALL_EV_DIAL,         /* the limiters gave it its turn, or its next after a challenge */
    OD_CALL_EV_REROUTE,      /* its trunk takes no INVITE now: to be dialled by another, or later */
    OD_CALL_EV_FAULT,        /* refused for the trunk's sake, and another try is owed */
    OD_CALL_EV_EXHAUST,      /* the tries owed for trunks' sake are used up */
    OD_CALL_EV_RELEASED,     /* the store has it back */
    OD_CALL_EV_SENT,         /* an INVITE was handed to the transport */
    OD_CALL_EV_TRYING,       /* a 100: the trunk has the INVITE */
    OD_CALL_EV_CHALLENGED,   /* refused, but for an INVITE with credentials */
    OD_CALL_EV_PROGRESS,     /* any 1xx above 100 */
    OD_CALL_EV_ANSWER,       /* a 2xx to our INVITE, first or repeated */
    OD_CALL_EV_REJECT,       /* a 3xx-6xx, or the transaction died locally */
    OD_CALL_EV_PEER_BYE,     /* the callee hung up */
    OD_CALL_EV_CLEARED,      /* our BYE was answered or given up */
    OD_CALL_EV_AGENT_DONE,   /* the agent said goodbye */
    OD_CALL_EV_AGENT_FAILED, /* the agent broke */
    OD_CALL_EV_MEDIA_FAILED, /* there is no usable media */
    OD_CALL_EV_CANCEL,       /* the user wants it over, unless it was answered */
    OD_CALL_EV_STOP,         /* the user wants it over in any case */
    OD_CALL_EV_TIMEOUT,      /* the state's own timer; each live state has exactly one */
    OD_CALL_EVENT_COUNT,
};

/* Performed lowest bit first: the callee is told before the agent, the agent before the store. */
enum od_call_action {
    OD_ACT_INTENT = 1u << 0,    /* write the intent to dial */
    OD_ACT_HOOK = 1u << 1,      /* ask the start hook */
    OD_ACT_INVITE = 1u << 2,    /* send the INVITE; charge the limiters */
    OD_ACT_WAIT_TURN = 1u << 3, /* wait for the limiters' next turn, before what is not dialled */
    OD_ACT_INVITE_AGAIN = 1u << 4, /* send it once more, with credentials; charge them too */
    OD_ACT_PREPARE = 1u << 5,      /* get the agent ready */
    OD_ACT_ACK = 1u << 6,          /* acknowledge the 2xx */
    OD_ACT_CANCEL = 1u << 7,       /* send a CANCEL */
    OD_ACT_BYE = 1u << 8,          /* send a BYE */
    OD_ACT_DROP = 1u << 9,         /* give the leg back; no event about it follows */
    OD_ACT_TALK_START = 1u << 10,  /* let the agent talk */
    OD_ACT_TALK_STOP = 1u << 11,   /* the call is over for the agent */
    OD_ACT_NOTE = 1u << 12,        /* tell the store the new state, best effort */
    OD_ACT_RELEASE = 1u << 13,     /* give the job back undialled */
    OD_ACT_FINISH = 1u << 14,      /* give the job back with its outcome */
    OD_ACT_SURPRISE = 1u << 15,    /* count it and trace it; the world did something odd */
    OD_ACT_ALL = (1u << 16) - 1u,
};

struct od_call_step {
    uint8_t next;     /* enum od_call_state */
    uint16_t actions; /* bits of enum od_call_action */
};

/* What a call holds while it is in a state. Taken and given back by the state alone, never by the
 * edge, so nothing can be given back twice or not at all. */
struct od_call_holds {
    bool job, slot, leg, talk;
};

/* Pure. Never fails: every pair of a live or ended state and an event has an answer. */
struct od_call_step od_call_fsm_step(enum od_call_state state, enum od_call_event event);

struct od_call_holds od_call_state_holds(enum od_call_state state);

/* The key of the timer that runs while in `state`; NULL for ENDED. */
const char *od_call_state_timer(enum od_call_state state);
const char *od_call_state_name(enum od_call_state state);
const char *od_call_event_name(enum od_call_event event);

/* The word of one action bit. */
const char *od_call_action_name(enum od_call_action action);

#endif
