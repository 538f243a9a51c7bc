/*
 * talk_session - one call's media and agent while they last: the leg (RTP) and what talks on it
 * (talk_agent.h) joined. Private to talk.c, which keeps the table of sessions, gives them their
 * ticks and carries the engine's orders.
 *
 * Lifetime: made and freed by talk.c. The host parts outlive every session.
 */
#ifndef ENGINE_HOST_TALK_SESSION_H
#define ENGINE_HOST_TALK_SESSION_H

#include "engine/agent/agent_def.h"
#include "engine/base/list.h"
#include "engine/host/media_leg.h"
#include "engine/host/speech.h"
#include "engine/host/talk.h"
#include "engine/host/talk_agent.h"
#include "engine/host/talk_bridge.h"
#include "engine/host/talk_media.h"
#include "engine/host/talk_transfer.h"

enum { OD_TALK_WHY_MAX = 160 };

/* What every session uses; one per talk. */
struct od_talk_host {
    struct od_talk_events events;
    struct od_rtp_pool *pool;
    struct od_speech *speech;
    struct od_recordings *recordings;
    uint64_t *verdicts; /* counts by kind */
    struct od_talk_missed *missed;
    struct od_stream_hub *streams;
    const int16_t *noise;   /* OD_NOISE_SAMPLES, for rooms */
    uint64_t silent_ns_max; /* OD_NEVER: the callee may be silent */
};

struct od_talk_session {
    /* for talk.c */
    struct od_call_id call;
    struct od_job_id job;
    struct od_list place; /* in a phase's sessions while it ticks */
    uint8_t phase;
    bool ordered;   /* prepare() or start() came: stop() will */
    bool admitting; /* HOOK_DONE is owed */
    char *result;   /* kept from the end of the agent to stop() */
    size_t result_bytes;
    char *returns; /* what the agent promises of it, as JSON; NULL: nothing */
    size_t returns_bytes;
    char *notes; /* members of the record's `media` object, ",\"name\":json..."; NULL: none */
    size_t notes_bytes;

    /* read by talk.c */
    struct od_talk_agent *agent; /* NULL: none yet, or over */
    uint8_t amd_mode;            /* enum od_amd_mode */
    bool leave_message;
    bool started;
    struct od_talk_media media;
    struct od_talk_bridge bridge;
    struct od_talk_transfer transfer;

    /* private */
    const struct od_talk_host *host;
    bool speaks;           /* the agent was told to start */
    bool waits;            /* a machine's greeting is on: the agent says nothing until its beep */
    bool ended;            /* the agent or the media has said its last word */
    uint64_t tick_ns;      /* of the tick under way */
    uint32_t heard_frames; /* in it */
    float noise_level;     /* of the room under the agent; 0: none */
    uint32_t noise_at;

    struct od_media_leg leg; /* read by talk.c; the last, for what it leaves uninitialised */
};

/* OD_ENOMEM. */
int od_talk_session_create(struct od_talk_session **out, const struct od_talk_host *host,
                           struct od_call_id call);
/* The leg and the agent must have ended. */
void od_talk_session_destroy(struct od_talk_session *session);

/* Makes the agent once the leg is open or the call waits for it to be ready, and has it get ready.
 * A reason why it can't be is posted. True when a new one was made. */
bool od_talk_session_make_agent(struct od_talk_session *session);

/* The agent is ready for the call: posts HOOK_DONE when it is owed. */
void od_talk_session_admit(struct od_talk_session *session);

/* For the call's record: a member of its `media` object, as JSON. */
void od_talk_session_note(struct od_talk_session *session, const char *name, const char *json,
                          size_t bytes);

/* Its result is kept; the definition isn't used any more. */
void od_talk_session_end_agent(struct od_talk_session *session, enum od_cause cause);

/* The call is answered. Needs the agent and an open leg; the phase was chosen. */
void od_talk_session_start(struct od_talk_session *session, uint64_t now_ns);

void od_talk_session_tick(struct od_talk_session *session, uint64_t now_ns);

/* The agent has said goodbye: posts AGENT_DONE unless the session has said its last word. */
void od_talk_session_done(struct od_talk_session *session);

/* Posts AGENT_FAILED or MEDIA_FAILED unless the session has already said its last word. */
void od_talk_session_fail(struct od_talk_session *session, enum od_event_kind kind,
                          const char *reason);

/* The agent wants the callee handed on. 0: asked; the agent's referred() follows. OD_EINVAL: the
 * target; OD_ECONFLICT: one is under way, or nobody is on the line; OD_ENOENT: can't be done here.
 */
int od_talk_session_refer(struct od_talk_session *session, const char *target);
/* The callee is being handed on, by REFER or by a second leg: who listens is told. */
void od_talk_session_transfer(struct od_talk_session *session);
void od_talk_session_referred(struct od_talk_session *session, uint16_t status, bool final);

/* No event is posted any more. */
void od_talk_session_mute(struct od_talk_session *session);

#endif
