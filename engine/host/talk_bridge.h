/*
 * talk_bridge - two sessions joined: the call's own, whose agent stands back for as long, and its
 * second leg's, which has none; or, before that, the agent and the second leg alone, for a
 * briefing, while the callee waits. Frames and keys go from each to the other; what is recorded and
 * measured of the call goes on. Private to the talking half of the host.
 *
 * The order: begin() posts OD_EV_BRIDGE; the engine makes the leg (made()), which rings, is
 * answered (join(); after a briefing also complete()) and ends (over()); or it refuses it, and
 * over() comes at once.
 */
#ifndef ENGINE_HOST_TALK_BRIDGE_H
#define ENGINE_HOST_TALK_BRIDGE_H

#include "engine/agent/transfer.h"
#include "engine/media/relay.h"
#include "engine/media/ringback.h"
#include "outdial/cause.h"
#include "outdial/types.h"

struct od_talk_session;

/* What a session knows of it. All zero: nothing. */
struct od_talk_bridge {
    struct od_call_id first;         /* of a second leg: whose; gen 0: it is a call */
    struct od_talk_session *partner; /* joined with it; NULL: no */
    struct od_talk_session *aside;   /* the agent speaks with it alone; of both */
    struct od_talk_session *early;   /* the one rings, the other waits and hears what it plays */
    struct od_relay *relay;      /* frames for this one's ear; while joined, of EARLY, and of ASIDE,
                                    where      the agent's ear is the call's */
    struct od_ringback ringback; /* of a call: what it hears when the other phone only rings */
    struct od_transfer how;      /* of a call: the latest */
    struct od_call_id second;    /* of a call: the leg under way; gen 0: none yet */
    char to[OD_ENDPOINT_MAX];
    bool asked;         /* one is under way */
    bool talked;        /* it was joined */
    uint64_t joined_ns; /* since when */
    uint64_t aside_ns;  /* when the briefing began */
    char *notes;        /* what became of each, for the record: ",{json}"... */
    size_t notes_bytes;
};

/* 0: over() follows. OD_EINVAL: no target; OD_ECONFLICT: one is under way, or the call is over. */
int od_talk_bridge_begin(struct od_talk_session *session, const char *to,
                         const struct od_transfer *how);

/* The second leg's phone rings: the callee hears that while their agent says nothing. */
void od_talk_bridge_rings(struct od_talk_session *session);

/* The second leg's phone rings and plays something: they hear that instead. Without memory they
 * don't. */
void od_talk_bridge_early(struct od_talk_session *session, struct od_talk_session *leg);

/* Fills a frame in which the agent says nothing, while the other phone rings. */
void od_talk_bridge_wait(struct od_talk_session *session, uint8_t ulaw[OD_FRAME_BYTES]);

/* The second leg is answered: the two hear each other from now on, or when the agent has spoken
 * with it. OD_ENOMEM. */
int od_talk_bridge_join(struct od_talk_session *session, struct od_talk_session *leg,
                        uint64_t now_ns);

/* The briefing is over: the two are joined. OD_ECONFLICT: there is none. */
int od_talk_bridge_complete(struct od_talk_session *session, uint64_t now_ns);
/* The agent doesn't want it any more, before the two were joined: the leg ends, over() follows.
 * OD_ECONFLICT: there is none, or they are joined. */
int od_talk_bridge_cancel(struct od_talk_session *session);
/* A briefing that has lasted as long as it may is over. */
void od_talk_bridge_tick(struct od_talk_session *session, uint64_t now_ns);

/* They hear each other no more; fine for those that don't. */
void od_talk_bridge_part(struct od_talk_session *session);

/* The second leg has ended, or there never was one. Tells the agent. */
void od_talk_bridge_over(struct od_talk_session *session, uint64_t now_ns,
                         const struct od_outcome *outcome);

/* What of it belongs in the call's record is noted there; once, at the end. */
void od_talk_bridge_note(struct od_talk_session *session);

#endif
