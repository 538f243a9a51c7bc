/*
 * talk_session - one call's media and agent while they last: the leg (RTP), the script (what to
 * say) and speech (its sound) joined. Private to talk.c, which keeps the table of sessions, gives
 * them their ticks and carries the engine's orders.
 *
 * The script asks for audio through its port; speech answers now or later; what is at hand is given
 * to the script at its next frame, never from inside the asking.
 *
 * Lifetime: made and freed by talk.c. The host parts outlive every session.
 */
#ifndef ENGINE_HOST_TALK_SESSION_H
#define ENGINE_HOST_TALK_SESSION_H

#include "engine/agent/script.h"
#include "engine/base/list.h"
#include "engine/host/media_leg.h"
#include "engine/host/speech.h"
#include "engine/host/talk.h"

enum { OD_TALK_WHY_MAX = 160 };

/* What every session uses; one per talk. */
struct od_talk_host {
    struct od_talk_events events;
    struct od_rtp_pool *pool;
    struct od_speech *speech;
    uint64_t silent_ns_max; /* OD_NEVER: the callee may be silent */
};

/* Audio on its way from speech to the script. */
struct od_talk_audio {
    struct od_speech_request *request; /* NULL: not asked, or answered */
    struct od_clip *clip;
    uint32_t step;
    bool used, told; /* told: the script has it */
    char why[OD_TALK_WHY_MAX];
};

struct od_talk_session {
    /* for talk.c */
    struct od_call_id call;
    struct od_job_id job;
    struct od_list place; /* in a phase's sessions while it ticks */
    uint8_t phase;
    bool ordered; /* prepare() or start() came: stop() will */
    char *result; /* kept from the end of the script to stop() */
    size_t result_bytes;

    /* read by talk.c */
    struct od_media_leg leg;
    struct od_script *script;       /* NULL: none yet, or over */
    const struct od_agent_def *def; /* the script's */
    bool started;

    /* private */
    const struct od_talk_host *host;
    bool ended; /* the agent or the media has said its last word */
    struct od_talk_audio audio[OD_SCRIPT_AHEAD];
};

/* OD_ENOMEM. */
int od_talk_session_create(struct od_talk_session **out, const struct od_talk_host *host,
                           struct od_call_id call);
/* The leg and the script must have ended. */
void od_talk_session_destroy(struct od_talk_session *session);

/* Makes the script once the leg is open and a job was ordered, and has its first audio got ready. A
 * reason why it can't be is posted. True when a new one was made. */
bool od_talk_session_make_script(struct od_talk_session *session);

/* Its result is kept; the definition isn't used any more. */
void od_talk_session_end_script(struct od_talk_session *session);

/* The call is answered. Needs the script and an open leg; the phase was chosen. */
void od_talk_session_start(struct od_talk_session *session, uint64_t now_ns);

void od_talk_session_tick(struct od_talk_session *session, uint64_t now_ns);

/* Posts AGENT_FAILED or MEDIA_FAILED unless the session has already said its last word. */
void od_talk_session_fail(struct od_talk_session *session, enum od_event_kind kind,
                          const char *reason);

/* No event is posted any more. */
void od_talk_session_mute(struct od_talk_session *session);

#endif
