/*
 * talk_agent - what talks on a call, whichever kind it is: the built-in script or a bot at the
 * other end of a stream. A session owns one, hands it the callee's side (frames, keys) and takes
 * its own side from it, 20 ms at a time. Private to the talking half of the host.
 *
 * What comes of it goes to the session: od_talk_session_done() and od_talk_session_fail(). Both may
 * be called from inside any function here; they only post.
 *
 * Lifetime: made by od_talk_agent_create(), the session's until finish(), which frees it. The
 * agent's definition and the session outlive it.
 */
#ifndef ENGINE_HOST_TALK_AGENT_H
#define ENGINE_HOST_TALK_AGENT_H

#include "engine/agent/agent_def.h"
#include "engine/media/amd.h"
#include "engine/media/g711.h"
#include "engine/media/jitter.h"
#include "outdial/cause.h"
#include "outdial/types.h"

struct od_job;
struct od_talk_agent;
struct od_talk_session;

/* How a bridge goes (talk_bridge.h). */
enum od_bridge_step {
    OD_BRIDGE_BRIEFING, /* the other one has answered and is who the agent hears and speaks to; the
                           callee waits until od_talk_bridge_complete() */
    OD_BRIDGE_JOINED,   /* the other one has answered: the agent hears and says nothing meanwhile */
    OD_BRIDGE_OVER,     /* they have talked; the other one has hung up, or their time was up */
    OD_BRIDGE_FAILED,   /* nobody took it */
};

struct od_talk_agent_ops {
    /* The call is answered: it may speak. */
    void (*start)(struct od_talk_agent *agent, uint64_t now_ns);
    /* The next 20 ms for the callee's ear; silence when there is nothing to say. */
    void (*frame)(struct od_talk_agent *agent, uint64_t now_ns, uint8_t ulaw[OD_FRAME_BYTES]);
    /* 20 ms of the callee. NULL: the agent doesn't listen. */
    void (*heard)(struct od_talk_agent *agent, uint64_t now_ns, const uint8_t ulaw[OD_FRAME_BYTES],
                  enum od_jitter_frame what);
    /* So many frames have just gone by, in both directions; those that were sent are on the wire.
     * NULL: it doesn't matter. */
    void (*after)(struct od_talk_agent *agent, uint64_t now_ns, uint32_t frames);
    void (*digit)(struct od_talk_agent *agent, uint64_t now_ns, char digit);
    /* Who took the call, as far as is known, provisionally or settled; may be corrected later.
     * NULL: not wanted, and then talking to a machine begins anew behind its beep. */
    void (*verdict)(struct od_talk_agent *agent, uint64_t now_ns,
                    const struct od_amd_verdict *verdict);
    /* After od_talk_transfer_begin(), of a REFER: how the target's phone answers; final: the last
     * word, and with a 2xx the call ends. NULL: not wanted. */
    void (*referred)(struct od_talk_agent *agent, uint64_t now_ns, uint16_t status, bool final);
    /* The same of a second leg: what comes of it; outcome: of OVER and FAILED. NULL: it begins
     * none. */
    void (*bridged)(struct od_talk_agent *agent, uint64_t now_ns, enum od_bridge_step step,
                    const struct od_outcome *outcome);
    /* The end: frees the agent and returns what it brought, a JSON object to be freed by the caller
     * or NULL. */
    char *(*finish)(struct od_talk_agent *agent, enum od_cause cause, size_t *bytes);
};

/* The first member of every kind's struct. */
struct od_talk_agent {
    const struct od_talk_agent_ops *ops;
    bool keys;   /* it does something with them */
    bool briefs; /* it can speak with somebody else before the two are joined */
};

/* The agent of that definition for the session's call, getting itself ready from now on. OD_EINVAL:
 * the call's context is no JSON object; OD_ENOMEM. */
int od_talk_agent_create(struct od_talk_agent **out, struct od_talk_session *session,
                         const struct od_agent_def *def, const struct od_job *job);

/* One per kind. */
int od_talk_stream_create(struct od_talk_agent **out, struct od_talk_session *session,
                          const struct od_agent_def *def, const struct od_job *job);
int od_talk_script_create(struct od_talk_agent **out, struct od_talk_session *session,
                          const struct od_agent_def *def, const struct od_job *job);

#endif
