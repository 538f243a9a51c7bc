/*
 * call_fsm - the table. Read it as the specification of a call: one block per state, one line per
 * event. tests/unit/core_call_fsm_test.c proves its properties over every cell.
 */
#include "engine/core/call_fsm.h"

#include <stddef.h>

#include "engine/base/assert.h"

/* Short names, for the table only. */
enum {
    CREATED = OD_CALL_CREATED,
    WAITING = OD_CALL_WAITING,
    QUEUED = OD_CALL_QUEUED,
    DEFERRED = OD_CALL_DEFERRED,
    START_HOOK = OD_CALL_START_HOOK,
    ARMING = OD_CALL_ARMING,
    ARMED = OD_CALL_ARMED,
    DIALING = OD_CALL_DIALING,
    RINGING = OD_CALL_RINGING,
    CANCELLING = OD_CALL_CANCELLING,
    TALKING = OD_CALL_TALKING,
    CLEARING = OD_CALL_CLEARING,
    ENDED = OD_CALL_ENDED,

    INTENT = OD_ACT_INTENT,
    HOOK = OD_ACT_HOOK,
    INVITE = OD_ACT_INVITE,
    WAIT = OD_ACT_WAIT_TURN,
    AGAIN = OD_ACT_INVITE_AGAIN,
    PREPARE = OD_ACT_PREPARE,
    ACK = OD_ACT_ACK,
    CANCEL = OD_ACT_CANCEL,
    BYE = OD_ACT_BYE,
    DROP = OD_ACT_DROP,
    TALK_START = OD_ACT_TALK_START,
    TALK_STOP = OD_ACT_TALK_STOP,
    NOTE = OD_ACT_NOTE,
    RELEASE = OD_ACT_RELEASE,
    FINISH = OD_ACT_FINISH,
    ODD = OD_ACT_SURPRISE,
};
#define EV(event) OD_CALL_EV_##event

/*
 * Every cell is written out: a cell left out is 0, which is OD_CALL_NONE, and the test finds it.
 * One line per cell so that a diff or a blame names the case.
 */
// clang-format off
static const struct od_call_step table[OD_CALL_STATE_COUNT][OD_CALL_EVENT_COUNT] = {
    [CREATED] = {
        [EV(ADMIT)]         = {QUEUED, 0},
        [EV(RECALL)]        = {WAITING, RELEASE},
        [EV(REFUSE)]        = {ENDED, FINISH},
        [EV(EXPIRE)]        = {ENDED, FINISH},
        [EV(HOOK)]          = {CREATED, ODD},
        [EV(ARM)]           = {CREATED, ODD},
        [EV(HOOK_OK)]       = {CREATED, ODD},
        [EV(HOOK_NO)]       = {CREATED, ODD},
        [EV(DURABLE)]       = {CREATED, ODD},
        [EV(NOT_DURABLE)]   = {CREATED, ODD},
        [EV(LOST)]          = {WAITING, RELEASE},
        [EV(DIAL)]          = {CREATED, ODD},
        [EV(REROUTE)]       = {CREATED, ODD},
        [EV(FAULT)]         = {CREATED, ODD},
        [EV(EXHAUST)]       = {CREATED, ODD},
        [EV(RELEASED)]      = {CREATED, ODD},
        [EV(SENT)]          = {CREATED, ODD},
        [EV(TRYING)]        = {CREATED, ODD},
        [EV(CHALLENGED)]    = {CREATED, ODD},
        [EV(PROGRESS)]      = {CREATED, ODD},
        [EV(ANSWER)]        = {CREATED, ODD},
        [EV(REJECT)]        = {CREATED, ODD},
        [EV(PEER_BYE)]      = {CREATED, ODD},
        [EV(CLEARED)]       = {CREATED, ODD},
        [EV(AGENT_DONE)]    = {CREATED, ODD},
        [EV(AGENT_FAILED)]  = {CREATED, ODD},
        [EV(MEDIA_FAILED)]  = {CREATED, ODD},
        [EV(CANCEL)]        = {ENDED, FINISH},
        [EV(STOP)]          = {ENDED, FINISH},
        [EV(TIMEOUT)]       = {WAITING, RELEASE},
    },
    [WAITING] = {
        [EV(ADMIT)]         = {WAITING, ODD},
        [EV(RECALL)]        = {WAITING, 0},
        [EV(REFUSE)]        = {WAITING, ODD},
        [EV(EXPIRE)]        = {WAITING, 0},
        [EV(HOOK)]          = {WAITING, ODD},
        [EV(ARM)]           = {WAITING, ODD},
        [EV(HOOK_OK)]       = {WAITING, 0},
        [EV(HOOK_NO)]       = {WAITING, 0},
        [EV(DURABLE)]       = {WAITING, 0},            /* recalled while the intent was being written */
        [EV(NOT_DURABLE)]   = {WAITING, 0},
        [EV(LOST)]          = {WAITING, 0},
        [EV(DIAL)]          = {WAITING, ODD},
        [EV(REROUTE)]       = {WAITING, ODD},
        [EV(FAULT)]         = {WAITING, ODD},
        [EV(EXHAUST)]       = {WAITING, ODD},
        [EV(RELEASED)]      = {ENDED, 0},
        [EV(SENT)]          = {WAITING, ODD},
        [EV(TRYING)]        = {WAITING, ODD},
        [EV(CHALLENGED)]    = {WAITING, ODD},
        [EV(PROGRESS)]      = {WAITING, ODD},
        [EV(ANSWER)]        = {WAITING, ODD},
        [EV(REJECT)]        = {WAITING, ODD},
        [EV(PEER_BYE)]      = {WAITING, ODD},
        [EV(CLEARED)]       = {WAITING, ODD},
        [EV(AGENT_DONE)]    = {WAITING, ODD},
        [EV(AGENT_FAILED)]  = {WAITING, ODD},
        [EV(MEDIA_FAILED)]  = {WAITING, ODD},
        [EV(CANCEL)]        = {WAITING, 0},            /* the store decides: it has the job */
        [EV(STOP)]          = {WAITING, 0},
        [EV(TIMEOUT)]       = {ENDED, 0},              /* the adapter still gets it stored */
    },
    [QUEUED] = {
        [EV(ADMIT)]         = {QUEUED, ODD},
        [EV(RECALL)]        = {WAITING, RELEASE},
        [EV(REFUSE)]        = {ENDED, FINISH},         /* the trunks' prefixes changed */
        [EV(EXPIRE)]        = {ENDED, FINISH},
        [EV(HOOK)]          = {START_HOOK, HOOK},
        [EV(ARM)]           = {ARMING, INTENT},
        [EV(HOOK_OK)]       = {QUEUED, ODD},
        [EV(HOOK_NO)]       = {QUEUED, ODD},
        [EV(DURABLE)]       = {QUEUED, ODD},
        [EV(NOT_DURABLE)]   = {QUEUED, ODD},
        [EV(LOST)]          = {WAITING, RELEASE},
        [EV(DIAL)]          = {QUEUED, ODD},
        [EV(REROUTE)]       = {QUEUED, ODD},
        [EV(FAULT)]         = {QUEUED, ODD},
        [EV(EXHAUST)]       = {ENDED, FINISH},
        [EV(RELEASED)]      = {QUEUED, ODD},
        [EV(SENT)]          = {QUEUED, ODD},
        [EV(TRYING)]        = {QUEUED, ODD},
        [EV(CHALLENGED)]    = {QUEUED, ODD},
        [EV(PROGRESS)]      = {QUEUED, ODD},
        [EV(ANSWER)]        = {QUEUED, ODD},
        [EV(REJECT)]        = {QUEUED, ODD},
        [EV(PEER_BYE)]      = {QUEUED, ODD},
        [EV(CLEARED)]       = {QUEUED, ODD},
        [EV(AGENT_DONE)]    = {QUEUED, ODD},
        [EV(AGENT_FAILED)]  = {ENDED, FINISH},         /* it was ready, and waited for a slot */
        [EV(MEDIA_FAILED)]  = {QUEUED, ODD},
        [EV(CANCEL)]        = {ENDED, FINISH},
        [EV(STOP)]          = {ENDED, FINISH},
        [EV(TIMEOUT)]       = {WAITING, RELEASE},      /* another node may have room */
    },
    [DEFERRED] = {
        [EV(ADMIT)]         = {DEFERRED, ODD},
        [EV(RECALL)]        = {WAITING, RELEASE},
        [EV(REFUSE)]        = {DEFERRED, ODD},
        [EV(EXPIRE)]        = {ENDED, FINISH},
        [EV(HOOK)]          = {DEFERRED, ODD},
        [EV(ARM)]           = {DEFERRED, ODD},
        [EV(HOOK_OK)]       = {DEFERRED, ODD},
        [EV(HOOK_NO)]       = {DEFERRED, ODD},
        [EV(DURABLE)]       = {DEFERRED, ODD},
        [EV(NOT_DURABLE)]   = {DEFERRED, ODD},
        [EV(LOST)]          = {WAITING, RELEASE},
        [EV(DIAL)]          = {DEFERRED, ODD},
        [EV(REROUTE)]       = {DEFERRED, ODD},
        [EV(FAULT)]         = {DEFERRED, ODD},
        [EV(EXHAUST)]       = {ENDED, FINISH},
        [EV(RELEASED)]      = {DEFERRED, ODD},
        [EV(SENT)]          = {DEFERRED, ODD},
        [EV(TRYING)]        = {DEFERRED, ODD},
        [EV(CHALLENGED)]    = {DEFERRED, ODD},
        [EV(PROGRESS)]      = {DEFERRED, ODD},
        [EV(ANSWER)]        = {DEFERRED, ODD},
        [EV(REJECT)]        = {DEFERRED, ODD},
        [EV(PEER_BYE)]      = {DEFERRED, ODD},
        [EV(CLEARED)]       = {DEFERRED, ODD},
        [EV(AGENT_DONE)]    = {DEFERRED, 0},
        [EV(AGENT_FAILED)]  = {DEFERRED, 0},           /* said before it was let go */
        [EV(MEDIA_FAILED)]  = {DEFERRED, 0},
        [EV(CANCEL)]        = {ENDED, FINISH},
        [EV(STOP)]          = {ENDED, FINISH},
        [EV(TIMEOUT)]       = {QUEUED, 0},             /* time for another try */
    },
    [START_HOOK] = {
        [EV(ADMIT)]         = {START_HOOK, ODD},
        [EV(RECALL)]        = {WAITING, RELEASE},
        [EV(REFUSE)]        = {START_HOOK, ODD},
        [EV(EXPIRE)]        = {ENDED, FINISH},
        [EV(HOOK)]          = {START_HOOK, ODD},
        [EV(ARM)]           = {START_HOOK, ODD},
        [EV(HOOK_OK)]       = {QUEUED, 0},             /* for the next slot */
        [EV(HOOK_NO)]       = {ENDED, FINISH},
        [EV(DURABLE)]       = {START_HOOK, ODD},
        [EV(NOT_DURABLE)]   = {START_HOOK, ODD},
        [EV(LOST)]          = {WAITING, RELEASE},
        [EV(DIAL)]          = {START_HOOK, ODD},
        [EV(REROUTE)]       = {START_HOOK, ODD},
        [EV(FAULT)]         = {START_HOOK, ODD},
        [EV(EXHAUST)]       = {START_HOOK, ODD},
        [EV(RELEASED)]      = {START_HOOK, ODD},
        [EV(SENT)]          = {START_HOOK, ODD},
        [EV(TRYING)]        = {START_HOOK, ODD},
        [EV(CHALLENGED)]    = {START_HOOK, ODD},
        [EV(PROGRESS)]      = {START_HOOK, ODD},
        [EV(ANSWER)]        = {START_HOOK, ODD},
        [EV(REJECT)]        = {START_HOOK, ODD},
        [EV(PEER_BYE)]      = {START_HOOK, ODD},
        [EV(CLEARED)]       = {START_HOOK, ODD},
        [EV(AGENT_DONE)]    = {START_HOOK, ODD},
        [EV(AGENT_FAILED)]  = {ENDED, FINISH},
        [EV(MEDIA_FAILED)]  = {START_HOOK, ODD},
        [EV(CANCEL)]        = {ENDED, FINISH},
        [EV(STOP)]          = {ENDED, FINISH},
        [EV(TIMEOUT)]       = {ENDED, FINISH},         /* no answer is no consent */
    },
    [ARMING] = {
        [EV(ADMIT)]         = {ARMING, ODD},
        [EV(RECALL)]        = {WAITING, RELEASE},
        [EV(REFUSE)]        = {ARMING, ODD},
        [EV(EXPIRE)]        = {ENDED, FINISH},
        [EV(HOOK)]          = {ARMING, ODD},
        [EV(ARM)]           = {ARMING, ODD},
        [EV(HOOK_OK)]       = {ARMING, ODD},
        [EV(HOOK_NO)]       = {ARMING, ODD},
        [EV(DURABLE)]       = {ARMED, 0},
        [EV(NOT_DURABLE)]   = {WAITING, RELEASE},      /* someone else has it: dial nothing */
        [EV(LOST)]          = {WAITING, RELEASE},
        [EV(DIAL)]          = {ARMING, ODD},
        [EV(REROUTE)]       = {ARMING, ODD},
        [EV(FAULT)]         = {ARMING, ODD},
        [EV(EXHAUST)]       = {ARMING, ODD},
        [EV(RELEASED)]      = {ARMING, ODD},
        [EV(SENT)]          = {ARMING, ODD},
        [EV(TRYING)]        = {ARMING, ODD},
        [EV(CHALLENGED)]    = {ARMING, ODD},
        [EV(PROGRESS)]      = {ARMING, ODD},
        [EV(ANSWER)]        = {ARMING, ODD},
        [EV(REJECT)]        = {ARMING, ODD},
        [EV(PEER_BYE)]      = {ARMING, ODD},
        [EV(CLEARED)]       = {ARMING, ODD},
        [EV(AGENT_DONE)]    = {ARMING, ODD},
        [EV(AGENT_FAILED)]  = {ENDED, FINISH},
        [EV(MEDIA_FAILED)]  = {ARMING, ODD},
        [EV(CANCEL)]        = {ENDED, FINISH},
        [EV(STOP)]          = {ENDED, FINISH},
        [EV(TIMEOUT)]       = {WAITING, RELEASE},      /* the store is away; nothing has left */
    },
    [ARMED] = {
        [EV(ADMIT)]         = {ARMED, ODD},
        [EV(RECALL)]        = {WAITING, RELEASE},
        [EV(REFUSE)]        = {ARMED, ODD},
        [EV(EXPIRE)]        = {ENDED, FINISH},
        [EV(HOOK)]          = {ARMED, ODD},
        [EV(ARM)]           = {ARMED, ODD},
        [EV(HOOK_OK)]       = {ARMED, ODD},
        [EV(HOOK_NO)]       = {ARMED, ODD},
        [EV(DURABLE)]       = {ARMED, ODD},
        [EV(NOT_DURABLE)]   = {WAITING, RELEASE | ODD},
        [EV(LOST)]          = {WAITING, RELEASE},      /* nothing has left, and nothing will */
        [EV(DIAL)]          = {DIALING, INVITE | PREPARE},
        [EV(REROUTE)]       = {QUEUED, 0},
        [EV(FAULT)]         = {ARMED, ODD},
        [EV(EXHAUST)]       = {ARMED, ODD},
        [EV(RELEASED)]      = {ARMED, ODD},
        [EV(SENT)]          = {ARMED, ODD},
        [EV(TRYING)]        = {ARMED, ODD},
        [EV(CHALLENGED)]    = {ARMED, ODD},
        [EV(PROGRESS)]      = {ARMED, ODD},
        [EV(ANSWER)]        = {ARMED, ODD},
        [EV(REJECT)]        = {ARMED, ODD},
        [EV(PEER_BYE)]      = {ARMED, ODD},
        [EV(CLEARED)]       = {ARMED, ODD},
        [EV(AGENT_DONE)]    = {ARMED, ODD},
        [EV(AGENT_FAILED)]  = {ENDED, FINISH},
        [EV(MEDIA_FAILED)]  = {ARMED, ODD},
        [EV(CANCEL)]        = {ENDED, FINISH},
        [EV(STOP)]          = {ENDED, FINISH},
        [EV(TIMEOUT)]       = {WAITING, RELEASE},      /* the trunk was paused or slowed down */
    },
    [DIALING] = {
        [EV(ADMIT)]         = {DIALING, ODD},
        [EV(RECALL)]        = {DIALING, ODD},
        [EV(REFUSE)]        = {DIALING, ODD},
        [EV(EXPIRE)]        = {DIALING, ODD},
        [EV(HOOK)]          = {DIALING, ODD},
        [EV(ARM)]           = {DIALING, ODD},
        [EV(HOOK_OK)]       = {DIALING, ODD},
        [EV(HOOK_NO)]       = {DIALING, ODD},
        [EV(DURABLE)]       = {DIALING, ODD},
        [EV(NOT_DURABLE)]   = {DIALING, ODD},
        [EV(LOST)]          = {CANCELLING, CANCEL | TALK_STOP},
        [EV(DIAL)]          = {DIALING, AGAIN},       /* a challenge is answered */
        [EV(REROUTE)]       = {DIALING, ODD},
        [EV(FAULT)]         = {DEFERRED, DROP | TALK_STOP},/* nobody rang: not an attempt on the person */
        [EV(EXHAUST)]       = {DIALING, ODD},
        [EV(RELEASED)]      = {DIALING, ODD},
        [EV(SENT)]          = {DIALING, 0},
        [EV(TRYING)]        = {DIALING, 0},
        [EV(CHALLENGED)]    = {DIALING, WAIT},
        [EV(PROGRESS)]      = {RINGING, NOTE},
        [EV(ANSWER)]        = {TALKING, ACK | NOTE | TALK_START},
        [EV(REJECT)]        = {ENDED, DROP | TALK_STOP | FINISH},
        [EV(PEER_BYE)]      = {DIALING, ODD},
        [EV(CLEARED)]       = {DIALING, ODD},
        [EV(AGENT_DONE)]    = {DIALING, ODD},
        [EV(AGENT_FAILED)]  = {CANCELLING, CANCEL | TALK_STOP},
        [EV(MEDIA_FAILED)]  = {CANCELLING, CANCEL | TALK_STOP},
        [EV(CANCEL)]        = {CANCELLING, CANCEL | TALK_STOP},
        [EV(STOP)]          = {CANCELLING, CANCEL | TALK_STOP},
        [EV(TIMEOUT)]       = {CANCELLING, CANCEL | TALK_STOP},
    },
    [RINGING] = {
        [EV(ADMIT)]         = {RINGING, ODD},
        [EV(RECALL)]        = {RINGING, ODD},
        [EV(REFUSE)]        = {RINGING, ODD},
        [EV(EXPIRE)]        = {RINGING, ODD},
        [EV(HOOK)]          = {RINGING, ODD},
        [EV(ARM)]           = {RINGING, ODD},
        [EV(HOOK_OK)]       = {RINGING, ODD},
        [EV(HOOK_NO)]       = {RINGING, ODD},
        [EV(DURABLE)]       = {RINGING, ODD},
        [EV(NOT_DURABLE)]   = {RINGING, ODD},
        [EV(LOST)]          = {CANCELLING, CANCEL | TALK_STOP},
        [EV(DIAL)]          = {RINGING, AGAIN},
        [EV(REROUTE)]       = {RINGING, ODD},
        [EV(FAULT)]         = {RINGING, ODD},
        [EV(EXHAUST)]       = {RINGING, ODD},
        [EV(RELEASED)]      = {RINGING, ODD},
        [EV(SENT)]          = {RINGING, 0},
        [EV(TRYING)]        = {RINGING, 0},
        [EV(CHALLENGED)]    = {RINGING, WAIT},
        [EV(PROGRESS)]      = {RINGING, 0},            /* a second 180 doesn't extend the ringing */
        [EV(ANSWER)]        = {TALKING, ACK | NOTE | TALK_START},
        [EV(REJECT)]        = {ENDED, DROP | TALK_STOP | FINISH},
        [EV(PEER_BYE)]      = {RINGING, ODD},
        [EV(CLEARED)]       = {RINGING, ODD},
        [EV(AGENT_DONE)]    = {RINGING, ODD},
        [EV(AGENT_FAILED)]  = {CANCELLING, CANCEL | TALK_STOP},
        [EV(MEDIA_FAILED)]  = {CANCELLING, CANCEL | TALK_STOP},
        [EV(CANCEL)]        = {CANCELLING, CANCEL | TALK_STOP},
        [EV(STOP)]          = {CANCELLING, CANCEL | TALK_STOP},
        [EV(TIMEOUT)]       = {CANCELLING, CANCEL | TALK_STOP},
    },
    [CANCELLING] = {
        [EV(ADMIT)]         = {CANCELLING, ODD},
        [EV(RECALL)]        = {CANCELLING, ODD},
        [EV(REFUSE)]        = {CANCELLING, ODD},
        [EV(EXPIRE)]        = {CANCELLING, ODD},
        [EV(HOOK)]          = {CANCELLING, ODD},
        [EV(ARM)]           = {CANCELLING, ODD},
        [EV(HOOK_OK)]       = {CANCELLING, ODD},
        [EV(HOOK_NO)]       = {CANCELLING, ODD},
        [EV(DURABLE)]       = {CANCELLING, ODD},
        [EV(NOT_DURABLE)]   = {CANCELLING, ODD},
        [EV(LOST)]          = {CANCELLING, 0},
        [EV(DIAL)]          = {CANCELLING, ODD},
        [EV(REROUTE)]       = {CANCELLING, ODD},
        [EV(FAULT)]         = {DEFERRED, DROP},
        [EV(EXHAUST)]       = {CANCELLING, ODD},
        [EV(RELEASED)]      = {CANCELLING, ODD},
        [EV(SENT)]          = {CANCELLING, 0},
        [EV(TRYING)]        = {CANCELLING, 0},
        [EV(CHALLENGED)]    = {CANCELLING, 0},        /* crossed our CANCEL, which has its own answer */
        [EV(PROGRESS)]      = {CANCELLING, 0},
        [EV(ANSWER)]        = {CLEARING, ACK | BYE},   /* CANCEL crossed a 2xx, RFC 3261 9.1 */
        [EV(REJECT)]        = {ENDED, DROP | FINISH},
        [EV(PEER_BYE)]      = {CANCELLING, ODD},
        [EV(CLEARED)]       = {CANCELLING, ODD},
        [EV(AGENT_DONE)]    = {CANCELLING, 0},
        [EV(AGENT_FAILED)]  = {CANCELLING, 0},
        [EV(MEDIA_FAILED)]  = {CANCELLING, 0},
        [EV(CANCEL)]        = {CANCELLING, 0},
        [EV(STOP)]          = {CANCELLING, 0},
        [EV(TIMEOUT)]       = {ENDED, DROP | FINISH},  /* the peer answered neither */
    },
    [TALKING] = {
        [EV(ADMIT)]         = {TALKING, ODD},
        [EV(RECALL)]        = {TALKING, ODD},
        [EV(REFUSE)]        = {TALKING, ODD},
        [EV(EXPIRE)]        = {TALKING, ODD},
        [EV(HOOK)]          = {TALKING, ODD},
        [EV(ARM)]           = {TALKING, ODD},
        [EV(HOOK_OK)]       = {TALKING, ODD},
        [EV(HOOK_NO)]       = {TALKING, ODD},
        [EV(DURABLE)]       = {TALKING, ODD},
        [EV(NOT_DURABLE)]   = {TALKING, ODD},
        [EV(LOST)]          = {CLEARING, BYE | TALK_STOP},/* its heir ends it at the carrier too */
        [EV(DIAL)]          = {TALKING, ODD},
        [EV(REROUTE)]       = {TALKING, ODD},
        [EV(FAULT)]         = {TALKING, ODD},
        [EV(EXHAUST)]       = {TALKING, ODD},
        [EV(RELEASED)]      = {TALKING, ODD},
        [EV(SENT)]          = {TALKING, 0},
        [EV(TRYING)]        = {TALKING, 0},
        [EV(CHALLENGED)]    = {TALKING, ODD},
        [EV(PROGRESS)]      = {TALKING, 0},            /* overtaken by the 2xx */
        [EV(ANSWER)]        = {TALKING, ACK},          /* repeated: our ACK was lost, RFC 3261 13.2.2.4 */
        [EV(REJECT)]        = {TALKING, ODD},
        [EV(PEER_BYE)]      = {ENDED, DROP | TALK_STOP | FINISH},
        [EV(CLEARED)]       = {TALKING, ODD},
        [EV(AGENT_DONE)]    = {CLEARING, BYE | TALK_STOP},
        [EV(AGENT_FAILED)]  = {CLEARING, BYE | TALK_STOP},
        [EV(MEDIA_FAILED)]  = {CLEARING, BYE | TALK_STOP},
        [EV(CANCEL)]        = {TALKING, 0},            /* answered first: it stays */
        [EV(STOP)]          = {CLEARING, BYE | TALK_STOP},
        [EV(TIMEOUT)]       = {CLEARING, BYE | TALK_STOP},
    },
    [CLEARING] = {
        [EV(ADMIT)]         = {CLEARING, ODD},
        [EV(RECALL)]        = {CLEARING, ODD},
        [EV(REFUSE)]        = {CLEARING, ODD},
        [EV(EXPIRE)]        = {CLEARING, ODD},
        [EV(HOOK)]          = {CLEARING, ODD},
        [EV(ARM)]           = {CLEARING, ODD},
        [EV(HOOK_OK)]       = {CLEARING, ODD},
        [EV(HOOK_NO)]       = {CLEARING, ODD},
        [EV(DURABLE)]       = {CLEARING, ODD},
        [EV(NOT_DURABLE)]   = {CLEARING, ODD},
        [EV(LOST)]          = {CLEARING, 0},
        [EV(DIAL)]          = {CLEARING, ODD},
        [EV(REROUTE)]       = {CLEARING, ODD},
        [EV(FAULT)]         = {CLEARING, ODD},
        [EV(EXHAUST)]       = {CLEARING, ODD},
        [EV(RELEASED)]      = {CLEARING, ODD},
        [EV(SENT)]          = {CLEARING, 0},
        [EV(TRYING)]        = {CLEARING, 0},
        [EV(CHALLENGED)]    = {CLEARING, 0},
        [EV(PROGRESS)]      = {CLEARING, 0},
        [EV(ANSWER)]        = {CLEARING, ACK},
        [EV(REJECT)]        = {CLEARING, 0},           /* late 487 */
        [EV(PEER_BYE)]      = {ENDED, DROP | FINISH},  /* both hung up at once */
        [EV(CLEARED)]       = {ENDED, DROP | FINISH},
        [EV(AGENT_DONE)]    = {CLEARING, 0},
        [EV(AGENT_FAILED)]  = {CLEARING, 0},
        [EV(MEDIA_FAILED)]  = {CLEARING, 0},
        [EV(CANCEL)]        = {CLEARING, 0},
        [EV(STOP)]          = {CLEARING, 0},
        [EV(TIMEOUT)]       = {ENDED, DROP | FINISH},
    },
    [ENDED] = {
        [EV(ADMIT)]         = {ENDED, 0},
        [EV(RECALL)]        = {ENDED, 0},
        [EV(REFUSE)]        = {ENDED, 0},
        [EV(EXPIRE)]        = {ENDED, 0},
        [EV(HOOK)]          = {ENDED, 0},
        [EV(ARM)]           = {ENDED, 0},
        [EV(HOOK_OK)]       = {ENDED, 0},
        [EV(HOOK_NO)]       = {ENDED, 0},
        [EV(DURABLE)]       = {ENDED, 0},
        [EV(NOT_DURABLE)]   = {ENDED, 0},
        [EV(LOST)]          = {ENDED, 0},
        [EV(DIAL)]          = {ENDED, 0},
        [EV(REROUTE)]       = {ENDED, 0},
        [EV(FAULT)]         = {ENDED, 0},
        [EV(EXHAUST)]       = {ENDED, 0},
        [EV(RELEASED)]      = {ENDED, 0},
        [EV(SENT)]          = {ENDED, 0},
        [EV(TRYING)]        = {ENDED, 0},
        [EV(CHALLENGED)]    = {ENDED, 0},
        [EV(PROGRESS)]      = {ENDED, 0},
        [EV(ANSWER)]        = {ENDED, 0},
        [EV(REJECT)]        = {ENDED, 0},
        [EV(PEER_BYE)]      = {ENDED, 0},
        [EV(CLEARED)]       = {ENDED, 0},
        [EV(AGENT_DONE)]    = {ENDED, 0},
        [EV(AGENT_FAILED)]  = {ENDED, 0},
        [EV(MEDIA_FAILED)]  = {ENDED, 0},
        [EV(CANCEL)]        = {ENDED, 0},
        [EV(STOP)]          = {ENDED, 0},
        [EV(TIMEOUT)]       = {ENDED, 0},
    },
};
// clang-format on

static const struct {
    const char *name;
    const char *timer;
    struct od_call_holds holds;
} states[OD_CALL_STATE_COUNT] = {
    [OD_CALL_NONE] = {"none", NULL, {0}},
    [CREATED] = {"created", "created_ms", {.job = true}},
    [WAITING] = {"waiting", "waiting_ms", {0}},
    [QUEUED] = {"queued", "queued_ms", {.job = true}},
    [DEFERRED] = {"deferred", "deferred_ms", {.job = true}},
    [START_HOOK] = {"start_hook", "start_hook_ms", {.job = true}},
    [ARMING] = {"arming", "arming_ms", {.job = true, .slot = true}},
    [ARMED] = {"armed", "armed_ms", {.job = true, .slot = true}},
    [DIALING] = {"dialing", "setup_ms", {.job = true, .slot = true, .leg = true, .talk = true}},
    [RINGING] = {"ringing", "ring_ms", {.job = true, .slot = true, .leg = true, .talk = true}},
    [CANCELLING] = {"cancelling", "cancel_ms", {.job = true, .slot = true, .leg = true}},
    [TALKING] = {"talking", "talk_ms_max", {.job = true, .slot = true, .leg = true, .talk = true}},
    [CLEARING] = {"clearing", "clear_ms", {.job = true, .slot = true, .leg = true}},
    [ENDED] = {"ended", NULL, {0}},
};

static const char *const events[OD_CALL_EVENT_COUNT] = {
    [EV(ADMIT)] = "admit",
    [EV(RECALL)] = "recall",
    [EV(REFUSE)] = "refuse",
    [EV(EXPIRE)] = "expire",
    [EV(HOOK)] = "hook",
    [EV(ARM)] = "arm",
    [EV(HOOK_OK)] = "hook_ok",
    [EV(HOOK_NO)] = "hook_no",
    [EV(DURABLE)] = "durable",
    [EV(NOT_DURABLE)] = "not_durable",
    [EV(LOST)] = "lost",
    [EV(DIAL)] = "dial",
    [EV(REROUTE)] = "reroute",
    [EV(FAULT)] = "fault",
    [EV(EXHAUST)] = "exhaust",
    [EV(RELEASED)] = "released",
    [EV(SENT)] = "sent",
    [EV(TRYING)] = "trying",
    [EV(CHALLENGED)] = "challenged",
    [EV(PROGRESS)] = "progress",
    [EV(ANSWER)] = "answer",
    [EV(REJECT)] = "reject",
    [EV(PEER_BYE)] = "peer_bye",
    [EV(CLEARED)] = "cleared",
    [EV(AGENT_DONE)] = "agent_done",
    [EV(AGENT_FAILED)] = "agent_failed",
    [EV(MEDIA_FAILED)] = "media_failed",
    [EV(CANCEL)] = "cancel",
    [EV(STOP)] = "stop",
    [EV(TIMEOUT)] = "timeout",
};

static const char *const actions[] = {
    "intent", "hook", "invite",     "wait_turn", "invite_again", "prepare", "ack",    "cancel",
    "bye",    "drop", "talk_start", "talk_stop", "note",         "release", "finish", "surprise",
};
_Static_assert(OD_ACT_ALL + 1u == 1u << (sizeof actions / sizeof *actions), "a word per action");

struct od_call_step od_call_fsm_step(enum od_call_state state, enum od_call_event event)
{
    OD_ASSERT(state > OD_CALL_NONE && state < OD_CALL_STATE_COUNT);
    OD_ASSERT(event < OD_CALL_EVENT_COUNT);
    return table[state][event];
}

struct od_call_holds od_call_state_holds(enum od_call_state state)
{
    OD_ASSERT(state < OD_CALL_STATE_COUNT);
    return states[state].holds;
}

const char *od_call_state_timer(enum od_call_state state)
{
    OD_ASSERT(state < OD_CALL_STATE_COUNT);
    return states[state].timer;
}

const char *od_call_state_name(enum od_call_state state)
{
    OD_ASSERT(state < OD_CALL_STATE_COUNT);
    return states[state].name;
}

const char *od_call_event_name(enum od_call_event event)
{
    OD_ASSERT(event < OD_CALL_EVENT_COUNT);
    return events[event];
}

const char *od_call_action_name(enum od_call_action action)
{
    unsigned bit = (unsigned)__builtin_ctz((unsigned)action);

    OD_ASSERT(action == 1u << bit && bit < sizeof actions / sizeof *actions);
    return actions[bit];
}
